"""Who is measured on one PostgreSQL: our handler, asyncpg by hand, the `eventsourcing` library.

Each takes `count` fresh messages in batches and returns the seconds that took. What a bus or a caller would
have ready is made before the clock starts."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

import asyncpg
import msgspec
from doorstep.app.embedded import Secrets, installed_as
from doorstep.bus.interface import Record
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import decode, encode, event_id
from doorstep.infra import database
from doorstep.infra.clock import SystemClock
from doorstep.infra.database import EmbeddedPostgres
from doorstep.infra.settings import Settings
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Service
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from sqlalchemy import make_url

from benchmarks import facts, ledger


class Contender(Protocol):
    """One line of the table. `batch` is for those who take batches."""

    name: str

    async def run(self, count: int, batch: int) -> float:
        """Seconds for `count` messages."""
        ...


class Handler:
    """The kernel's Handler.handle, from bytes to commit."""

    def __init__(self, name: str, running: Running, messages: Iterator[Record]) -> None:
        self.name = name
        self._running = running
        self._messages = messages

    async def run(self, count: int, batch: int) -> float:
        """Batches one after the other, as one partition's consumer does."""
        batches = _batches(list(islice(self._messages, count)), batch)
        before = self._running.telemetry.committed._value.get()
        start = time.perf_counter()
        for records in batches:
            await self._running.handler.handle(records)
        seconds = time.perf_counter() - start
        written = self._running.telemetry.committed._value.get() - before
        if written != count:
            raise AssertionError(f"{count} messages made {written:.0f} events")
        return seconds


class ByHand:
    """The same four writes in hand-written asyncpg: inbox, event, projection row, outbox. One connection, one
    transaction per batch. With `ready`, what is written lies there beforehand and only PostgreSQL is left;
    else it is made from the message's bytes, with as little as that takes."""

    def __init__(self, connection: "asyncpg.Connection[Any]", *, ready: bool) -> None:
        self.name = "by hand, values ready" if ready else "by hand, from the message"
        self._connection = connection
        self._ready = ready
        self._messages = ledger.payments()

    async def run(self, count: int, batch: int) -> float:
        """Batches one after the other."""
        batches = _batches(list(islice(self._messages, count)), batch)
        ready = [_columns(records, _heard(records)) for records in batches] if self._ready else []
        start = time.perf_counter()
        for nth, records in enumerate(batches):
            columns = ready[nth] if self._ready else _columns(records, _made(records))
            async with self._connection.transaction():
                for statement, arguments in zip(_WRITES, columns, strict=True):
                    await self._connection.execute(statement, *arguments)
        return time.perf_counter() - start


class Library:
    """`eventsourcing`, one event per save, one thread. The aggregates stay in memory, nothing is loaded."""

    name = "eventsourcing 9.5, one event a save"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._application: Application[Any] = Application(dict(environment))
        self._accounts = [Account(name=f"ACC{nth:09d}") for nth in range(200)]
        self._application.save(*self._accounts)

    async def run(self, count: int, batch: int) -> float:
        """`batch` plays no role."""
        return await asyncio.to_thread(self._save, count)

    def _save(self, count: int) -> float:
        start = time.perf_counter()
        for nth in range(count):
            account = self._accounts[nth % len(self._accounts)]
            account.book("1520.50 CNY", ledger.REMITTANCE + ledger.REMITTANCE)
            self._application.save(account)
        return time.perf_counter() - start

    def close(self) -> None:
        """Let go of the connections."""
        self._application.close()


class Account(Aggregate):
    """The ledger once more, in the library's words."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0

    @event("LineBooked")
    def book(self, amount: str, remittance: str) -> None:
        """One line per payment."""
        self.lines += 1


@asynccontextmanager
async def handler(
    name: str, service: Service, postgres: EmbeddedPostgres, messages: Iterator[Record]
) -> AsyncIterator[Handler]:
    """`service` on databases of its own, without a bus."""
    own, vault = await postgres.scratch(), await postgres.scratch()
    secrets = Secrets.from_seed(1)
    settings = service.settings(
        database_url=postgres.url(own, owner="postgres"),
        vault_url=postgres.url(vault, owner="postgres"),
        vault_key=secrets.vault_key,
        tenant_secret=secrets.tenant_secret,
        jwt_public_key=secrets.issuer.public_key,
    )
    unused = PostgresBus(database.engine(postgres.url("postgres", owner="postgres")))
    running = Running(service, settings, bus=unused, clock=SystemClock())
    await running.prepare()
    yield Handler(name, running, messages)
    await running.close()


@asynccontextmanager
async def ledger_handler(postgres: EmbeddedPostgres) -> AsyncIterator[Handler]:
    """The simple decider: one event per message."""
    async with handler("handler, one event a message", ledger.service, postgres, ledger.payments()) as made:
        yield made


@asynccontextmanager
async def escalation_handler(postgres: EmbeddedPostgres) -> AsyncIterator[Handler]:
    """The real thing: overdue facts of new borrowers, sealed, into cases."""
    records = facts.overdue_records()
    async with handler(
        "handler, escalation's case, sealing", installed_as("escalation", Settings), postgres, records
    ) as made:
        yield made


@asynccontextmanager
async def by_hand(postgres: EmbeddedPostgres, *, ready: bool) -> AsyncIterator[ByHand]:
    """On the kernel's own tables."""
    name = await postgres.scratch()
    engine = database.engine(postgres.url(name, owner="postgres"))
    await database.migrate(engine, database.KERNEL)
    await engine.dispose()
    connection = await asyncpg.connect(_plain(postgres, name))
    yield ByHand(connection, ready=ready)
    await connection.close()


@asynccontextmanager
async def library(postgres: EmbeddedPostgres) -> AsyncIterator[Library]:
    """On the same server."""
    name = await postgres.scratch()
    url = make_url(postgres.url(name, owner="postgres"))
    made = Library(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": name,
            "POSTGRES_HOST": str(url.query.get("host", url.host)),
            "POSTGRES_PORT": str(url.port or 5432),
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": "unused",
        }
    )
    yield made
    made.close()


async def durability(postgres: EmbeddedPostgres) -> str:
    """The server's version and what it promises at a commit; begins with a checkpoint."""
    connection = await asyncpg.connect(_plain(postgres, "postgres"))
    try:
        await connection.execute("checkpoint")
        shown = [f"{name} {await connection.fetchval(f'show {name}')}" for name in ("fsync", "synchronous_commit")]
        return f"PostgreSQL {await connection.fetchval('show server_version')}, {', '.join(shown)}"
    finally:
        await connection.close()


def _plain(postgres: EmbeddedPostgres, name: str) -> str:
    return postgres.url(name, owner="postgres").replace("+asyncpg", "")


def _batches(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _heard(records: Sequence[Record]) -> list[bytes]:
    """As long as what our handler writes."""
    return [record.value for record in records]


def _made(records: Sequence[Record]) -> list[bytes]:
    now = datetime.now(UTC)
    paid = [_payment.decode(decode(record.value).data) for record in records]
    return [encode(ledger.enveloped(one, record.offset, now)) for one, record in zip(paid, records, strict=True)]


def _columns(records: Sequence[Record], values: Sequence[bytes]) -> list[tuple[Any, ...]]:
    accounts = [record.key for record in records]
    streams = [f"ledger/{account}" for account in accounts]
    versions = [record.offset // ledger.ACCOUNTS + 1 for record in records]
    ids = [event_id("by-hand", stream, version) for stream, version in zip(streams, versions, strict=True)]
    states = [b'{"lines":1,"balance":"1520.50"}'] * len(records)
    return [(ids,), (streams, versions, ids, values), (streams, accounts, versions, states), (accounts, values)]


_payment = msgspec.json.Decoder(ledger.PaymentMade)
_WRITES = (
    "insert into inbox (consumer, message_id) select 'ledger', m from unnest($1::text[]) as n(m)"
    " on conflict do nothing returning message_id",
    "insert into events (stream, version, event_id, type, value) select s, v, e, 'bench.line-booked', b"
    " from unnest($1::text[], $2::int[], $3::text[], $4::bytea[]) as n(s, v, e, b)",
    "insert into streams (stream, category, id, key, tenant, version, fold, state, correlation_id)"
    " select s, 'ledger', a, a, 'acme', v, '0123456789abcdef', b, s"
    " from unnest($1::text[], $2::text[], $3::int[], $4::bytea[]) as n(s, a, v, b)"
    " on conflict (stream) do update set version = excluded.version, state = excluded.state",
    "insert into outbox (topic, key, value)"
    " select 'bench.ledger', k, b from unnest($1::text[], $2::bytea[]) as n(k, b)",
)
