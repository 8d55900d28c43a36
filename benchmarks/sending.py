"""Messages a second to a provider that takes 200 ms for each: one process of reminder, and two beside each other."""

import asyncio
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from multiprocessing.synchronize import Barrier

import msgspec
from doorstep.app.embedded import Secrets
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import Actor
from doorstep.events.reminder import ContactTerms
from doorstep.events.values import Borrower, Money, Windows
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.database import EmbeddedPostgres
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.runtime import Running
from doorstep.messaging.gateways import Message, Receipt, for_every_channel
from doorstep.messaging.settings import MessagingSettings
from pydantic import SecretStr
from reminder.domain import CATEGORY, Schedule
from reminder.main import service
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

SECONDS = 0.2
"""What the provider takes for one message."""
NOON = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
BATCH = 500


class Slow:
    """Takes everything, after a while."""

    name = "slow"
    dedupes = True
    can_find = True

    async def send(self, message: Message) -> Receipt:
        await asyncio.sleep(SECONDS)
        return Receipt(status="accepted", provider_message_id=message.idempotency_key)

    async def find(self, idempotency_key: str) -> Receipt | None:
        return None


@dataclass(frozen=True)
class Rates:
    """Messages a second, from the start of the loops to the last outcome on record."""

    one: float
    two: float


async def measured(postgres: EmbeddedPostgres, messages: int) -> Rates:
    """`messages` each, in fresh databases."""
    return Rates(await _rate(postgres, messages, 1), await _rate(postgres, messages, 2))


async def _rate(postgres: EmbeddedPostgres, messages: int, processes: int) -> float:
    own, vault, bus = [await postgres.scratch() for _ in range(3)]
    names = {"own": own, "vault": vault, "bus": bus}
    urls = {name: postgres.url(which, owner="postgres") for name, which in names.items()}
    urls["issuer"] = Secrets.from_seed(1).issuer.public_key
    await _fill(urls, messages)
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Barrier(processes + 1)
    workers = [spawning.Process(target=_work, args=(urls, ready), daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    await asyncio.to_thread(ready.wait, 60)
    start = time.perf_counter()
    engine = database.engine(urls["own"])
    while await _count(engine, _OPEN):  # noqa: ASYNC110 - what is awaited happens in other processes
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - start
    for worker in workers:
        worker.kill()
    sent = await _count(engine, _SENT)
    await engine.dispose()
    if sent != messages:
        raise AssertionError(f"{messages} messages, {sent} outcomes")
    return messages / seconds


async def _count(engine: AsyncEngine, sql: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(sql))).scalar_one())


async def _fill(urls: Mapping[str, str], messages: int) -> None:
    """Contacts that have started, and no call made."""
    running, bus = _running(urls)
    await database.migrate(bus.engine, database.BUS)
    await running.prepare()
    borrowers = [Borrower(borrower_id=f"B{n}", name="王小明", phone=f"138{n:08}") for n in range(messages)]
    sealed = await running.vault.seal(
        [(f"case-{n}", msgspec.json.encode(borrower)) for n, borrower in enumerate(borrowers)]
    )
    for first in range(0, messages, BATCH):
        routed = []
        for n in range(first, min(first + BATCH, messages)):
            terms = ContactTerms(
                purpose="reminder",
                language="zh-CN",
                loan_ids=("L1",),
                amount=Money(Decimal("1200.50"), "CNY"),
                windows=Windows(opens=time_of_day(8), closes=time_of_day(20), time_zone="Asia/Shanghai"),
                valid_until=NOON + timedelta(hours=6),
                personal=sealed[n],
            )
            stream = StreamId(CATEGORY, f"p{n}", f"case-{n}", "acme")
            routed.append(Routed(stream, Schedule(f"p{n}", "sms", terms), Actor(id="bench")))
        await running.execute(*routed)
    while await running.timers.turn():
        continue
    await running.close()
    await bus.close()


def _running(urls: Mapping[str, str]) -> tuple[Running[MessagingSettings, object], PostgresBus]:
    settings = MessagingSettings(
        database_url=urls["own"],
        vault_url=urls["vault"],
        vault_key=SecretStr("k" * 32),
        tenant_secret=SecretStr("t" * 32),
        jwt_public_key=urls["issuer"],
    )
    bus = PostgresBus(database.engine(urls["bus"]))
    gateways = for_every_channel(Slow())
    return Running(service, settings, resources=gateways, bus=bus, clock=SimulatedClock(NOON), epoch="bench"), bus


def _work(urls: Mapping[str, str], ready: Barrier) -> None:
    asyncio.run(_send(urls, ready))


async def _send(urls: Mapping[str, str], ready: Barrier) -> None:
    running, _ = _running(urls)
    await running.prepare()
    await asyncio.to_thread(ready.wait, 60)
    while True:
        if not await running.effects.flow(0.05):
            await asyncio.sleep(0.05)


_OPEN = "select count(*) from effects where done_at is null"
_SENT = "select count(*) from events where type = 'doorstep.contact.sent'"
