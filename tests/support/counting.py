"""The smallest service there is, to test the kernel with: a counter that announces, and wakes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from doorstep.app.embedded import Secrets
from doorstep.bus.interface import Outgoing
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import Actor, Envelope, encode
from doorstep.events.registry import Event, event
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.failpoints import Crash
from doorstep.infra.settings import Settings
from doorstep.kernel.decider import Decider, Refused, Routed, StreamId, Wake
from doorstep.kernel.runtime import Running
from doorstep.kernel.sending_controls import stops
from doorstep.kernel.service import Call, Carry, Committed, Effect, Service
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

HEARD, SAID = "test.heard", "test.said"
START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)


@event("test.asked", topic=HEARD)
class Asked(Event, frozen=True):
    """Somebody asks for a count."""

    number: int


@event("test.counted", topic=SAID)
class Counted(Event, frozen=True):
    """It was counted."""

    number: int


@event("test.announced", topic=SAID)
class Announced(Event, frozen=True):
    """The outside world was told."""

    number: int


@event("test.woken", topic=SAID, critical=True)
class Woken(Event, frozen=True):
    """A timer came."""

    due: datetime


@dataclass(frozen=True)
class Count:
    """Count `number`."""

    number: int


@dataclass(frozen=True)
class Tell:
    """The announcement of `number` is out."""

    number: int


class Counter(msgspec.Struct, frozen=True):
    """What was counted, in order, and when to wake."""

    numbers: tuple[int, ...] = ()
    announced: tuple[int, ...] = ()
    wake_at: datetime | None = None


def decide(state: Counter, command: Count | Tell | Wake, now: datetime) -> Sequence[Event]:
    """13 is a bug, 666 is deadly, 14 is refused, multiples of 100 ask to be woken an hour later.
    On waking 200 decides nothing, and 300 is a bug."""
    match command:
        case Count(13):
            raise RuntimeError("张三 13800000000 must not be quoted")
        case Count(666):
            raise Crash("this message kills the process")
        case Count(14):
            raise Refused("14 is not for counting")
        case Count(number):
            return [] if number in state.numbers else [Counted(number=number)]
        case Tell(number):
            return [Announced(number=number)]
        case Wake() if 300 in state.numbers:
            raise RuntimeError("this stream cannot be woken")
        case Wake(due):
            return [] if 200 in state.numbers else [Woken(due=due)]


def evolve(state: Counter, event: Event) -> Counter:
    """Numbers in the order they were counted."""
    match event:
        case Counted(number=number):
            wake_at = START + timedelta(hours=1) if number % 100 == 0 else state.wake_at
            return msgspec.structs.replace(state, numbers=(*state.numbers, number), wake_at=wake_at)
        case Announced(number=number):
            return msgspec.structs.replace(state, announced=(*state.announced, number))
        case _:
            return msgspec.structs.replace(state, wake_at=None)


DECIDER: Decider[Counter, Any] = Decider("counter", Counter(), Counter, decide, evolve, lambda state: state.wake_at)


def react(envelope: Envelope, heard: Event) -> Iterable[Routed]:
    """Ask the counter of the same key."""
    if isinstance(heard, Asked):
        yield Routed(counter_of(envelope.partitionkey, envelope.tenant), Count(heard.number))


def effects(_: StreamId, happened: Event, __: object) -> Iterable[Effect]:
    """What is counted is announced, from 50 on."""
    if isinstance(happened, Counted) and happened.number >= 50:
        yield Effect("announce", f"announce-{happened.number}")


async def project(_: AsyncConnection, committed: Sequence[Committed]) -> None:
    """A view that knows counters alone, as each service's knows only its own."""
    assert all(isinstance(one.state, Counter) for one in committed)


@dataclass
class Announcer:
    """A fake of the outside world: keeps its own ledger of what reached it."""

    reached: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refuse: Callable[[Counter], bool] = lambda _: False
    exclusive: bool = False

    def unwanted(self, state: Counter, _: datetime, stopped: frozenset[str]) -> Tell | None:
        """Whatever `refuse` says. Announcements go out by letter."""
        if stops(stopped, "letter"):
            return Tell(-2)
        return Tell(-1) if self.refuse(state) else None

    async def perform(self, calls: Sequence[Call]) -> Sequence[Carry[Any, Tell]]:
        """Dedupes on the effect's key."""
        return [self._announce for _ in calls]

    async def _announce(self, call: Call) -> Tell:
        (self.repeated if call.effect.key in self.reached else self.reached).append(call.effect.key)
        return Tell(int(call.effect.key.partition("-")[2]))


def counter(key: str) -> StreamId:
    """The counter of `key`."""
    return counter_of(key, "acme")


def counter_of(key: str, tenant: str) -> StreamId:
    """The counter of `key`, of a tenant of its own."""
    return StreamId("counter", key, key, tenant)


def asked(key: str, number: int, nth: int = 0) -> Outgoing:
    """The message that asks `key` to count `number`; `nth` tells repeated questions apart."""
    return told(key, Asked(number=number), f"{key}-{number}-{nth}")


def told(key: str, happened: Event, message_id: str, tenant: str = "acme") -> Outgoing:
    """The message that tells `key` what happened."""
    envelope = Envelope(
        id=message_id,
        source="/test",
        type=happened.event_type,
        subject=key,
        time=START,
        recordedat=START,
        tenant=tenant,
        stream=f"test/{key}",
        streamversion=1,
        partitionkey=key,
        correlationid="c",
        schemaversion=1,
        data=msgspec.Raw(msgspec.json.encode(happened)),
        actor=Actor(id="test"),
    )
    return Outgoing(HEARD, key, encode(envelope))


@dataclass
class World:
    """A running counter service on real PostgreSQL, and what surrounds it."""

    running: Running
    bus: PostgresBus
    clock: SimulatedClock
    announcer: Announcer
    restart: Callable[..., Any]
    another: Callable[[], Running]
    """One more process of the same service, not prepared yet."""

    async def ask(self, *messages: Outgoing) -> None:
        """Publish, without handling."""
        await self.bus.publish(messages)

    async def settle(self) -> None:
        """Turn until nothing is left to do."""
        for _ in range(1000):
            if not await self.running.turn():
                return
        raise AssertionError("never quiet")

    async def numbers(self, key: str) -> tuple[int, ...]:
        """What `key` has counted."""
        return (await self.running.state(DECIDER, counter(key))).numbers

    async def said(self) -> list[Envelope]:
        """Everything published on the counter's topic."""
        from doorstep.events.envelope import decode

        return [
            decode(value)
            for (value,) in await self.rows(
                "select value from bus_log where topic = 'test.said' order by position", bus=True
            )
        ]

    async def rows(self, sql: str, *, bus: bool = False) -> Sequence[Any]:
        """Rows of the service's database, or the bus's."""
        engine: AsyncEngine = self.bus.engine if bus else self.running.engine
        async with engine.connect() as connection:
            return (await connection.execute(text(sql))).all()


async def world(new_database: Any, tmp_path: Path, announcer: Announcer | None = None, **more: Any) -> World:
    """A fresh world. Restarting keeps the databases and loses the process."""
    clock = SimulatedClock(START)
    announcer = announcer or Announcer()
    service = Service(
        name="counting",
        package="escalation",  # a package with migrations; its own tables do no harm
        topic=SAID,
        listens=(HEARD,),
        settings=Settings,
        deciders={"counter": DECIDER},
        react=react,
        reacts_to=(Asked,),
        effects=effects,
        performers=lambda _: {"announce": announcer},
        project=project,
    )
    engine = await new_database(database.KERNEL, service.migrations)
    vault = await new_database(database.VAULT)
    bus = PostgresBus(await new_database(database.BUS))
    keys = Secrets.from_seed(1)
    settings = Settings(
        database_url=engine.url.render_as_string(hide_password=False),
        vault_url=vault.url.render_as_string(hide_password=False),
        vault_key=keys.vault_key,
        tenant_secret=keys.tenant_secret,
        jwt_public_key=keys.issuer.public_key,
        **{"call_timeout": 0.3, "call_margin": 0.2} | more,
    )

    def running() -> Running:
        return Running(service, settings, bus=bus, clock=clock, epoch="test")

    made = World(running(), bus, clock, announcer, lambda: None, running)

    async def restart(*, clean: bool = False) -> None:
        if clean:
            await made.running.close()
        else:
            # A dead process has no connections; its locks go with them.
            await made.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            await made.running.engine.dispose()
        made.running = running()
        await made.running.prepare()

    made.restart = restart
    await made.running.prepare()
    return made
