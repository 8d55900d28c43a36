"""A running service: its connections, its loops (consumer, timers, effects, relay, and its own), its readiness.

`turn` moves each loop one step and returns; the simulation and the tests drive it so. `run` lets them all
go on by themselves until told to stop."""

import asyncio
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Generic

from sqlalchemy import text

from doorstep.bus.interface import Bus, DeletedUnread
from doorstep.bus.kafka import KafkaBus
from doorstep.events import registry, topics
from doorstep.events.registry import Event
from doorstep.infra import database, failpoints
from doorstep.infra.clock import Clock, FileClock, SystemClock
from doorstep.infra.settings import Settings, WrongSettings
from doorstep.infra.telemetry import Telemetry, about, log, where
from doorstep.infra.vault import Tokens, Vault
from doorstep.kernel import artifacts, handle, losses, parking, partitions
from doorstep.kernel.consumer import Consumer
from doorstep.kernel.counters import Counters
from doorstep.kernel.decider import C, Decider, E, Routed, S, StreamId, Unknown, reason_given
from doorstep.kernel.effects import Effects, Limits
from doorstep.kernel.handle import Handler
from doorstep.kernel.publisher import Publisher
from doorstep.kernel.relay import Relay
from doorstep.kernel.sending_controls import take_up_what_is_free
from doorstep.kernel.service import Halt, R_co, Service, T_co, Worker
from doorstep.kernel.store import Store
from doorstep.kernel.timers import Timers

IDLE = 0.25
"""Seconds until a loop that found nothing looks again, and twice as long each time it finds nothing again; anything
committed in this process wakes the loops at once."""
SILENT = 30.0
"""Seconds one turn of a loop may take before the service is not ready."""
DEAF = 60.0
"""Seconds without word from the bus after which a process acts no more on what it knew."""
STUCK = 300.0
"""Seconds one turn may take before the watchdog ends the process: aiokafka can stop silently."""

NEVER = datetime.max.replace(tzinfo=UTC)


class NotReady(ConnectionError):
    """The service has not reached its database yet; try again."""


class Running(Generic[T_co, R_co]):
    """One service in this process. Construction connects to nothing; `prepare` does."""

    def __init__(
        self,
        service: Service[T_co, R_co],
        settings: T_co,
        *,
        resources: R_co | None = None,
        bus: Bus | None = None,
        clock: Clock | None = None,
        epoch: str | None = None,
    ) -> None:
        self.service = service
        self.settings = settings
        self.resources = service.resources(settings) if resources is None else resources
        self.clock: Clock = clock or (FileClock(settings.clock_file) if settings.clock_file else SystemClock())
        self.engine = database.engine(settings.database_url, name=f"doorstep {service.name}")
        # Work of one statement is a transaction of its own: a third of the round trips.
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.telemetry = Telemetry(service.name, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
        self.bus: Bus = bus or KafkaBus.from_settings(settings)
        self._vault_engine = database.engine(settings.vault_url, pool_size=2)
        tokens = Tokens(settings.tenant_secret.get_secret_value().encode())
        self.vault = Vault(self._vault_engine, settings.vault_key.get_secret_value().encode(), tokens, self.clock)
        self._epoch = epoch
        self._instance = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._turned: dict[str, float] = {}
        self._heard = self._reached = -math.inf
        self._faults: dict[str, str] = {"start": "not connected yet"}
        self._pulse = Pulse()
        self._due: tuple[int, datetime] | None = None
        self._relayed = -1
        self._store: Store | None = None
        self.workers: Sequence[Worker] = ()

    async def prepare(self) -> None:
        """Migrate, then build what needs the database. Raises PostgreSQL's errors and ConnectionError."""
        registry.check()
        await database.migrate(self._vault_engine, database.VAULT)
        await database.migrate(self.engine, database.KERNEL, self.service.migrations, epoch=self._epoch)
        if isinstance(self.bus, KafkaBus):
            counts = await self.bus.ensure_topics(topics.of(self.service.name, self.service.listens))
            async with self.engine.begin() as connection:
                prefix = self.settings.topic_prefix
                await partitions.remember(connection, {f"{prefix}{topic}": count for topic, count in counts.items()})
        async with self.engine.begin() as connection:
            crashed = (await connection.execute(_CRASHED)).scalars().all()
            await handle.charge(connection, crashed)
            await connection.execute(_STARTED, {"instance": self._instance})
            await take_up_what_is_free(connection)
        service, engine, clock, telemetry = self.service, self.engine, self.clock, self.telemetry
        batch = self.settings.batch
        own = {one.category: one for one in (parking.DECIDER, artifacts.DECIDER, losses.DECIDER)}
        counters = Counters(service.contexts(self.resources))
        await counters.refresh(engine)
        store = self._store = Store(service, {**service.deciders, **own}, telemetry, counters)
        self.handler = Handler(service, self, store, telemetry, instance=self._instance, careful=bool(crashed))
        self.consumer = Consumer(
            service.name, service.listens, self.bus, self.handler.handle, telemetry, batch, self._accepted
        )
        self.timers = Timers(engine, clock, store, telemetry, batch)
        limits = Limits(self.settings.call_timeout, self.settings.call_margin, self.settings.calls_at_once)
        self.effects = Effects(service.performers(self), engine, clock, store, telemetry, limits)
        self.relay = Relay(engine, self.bus, telemetry, batch, set_aside=self.handler.set_aside)
        publisher = Publisher(self, lambda: service.artifacts(self.resources))
        self.workers = [publisher, *service.workers(self)]
        self._faults.pop("start", None)

    async def execute(self, *routed: Routed, request_id: str | None = None) -> Sequence[Event]:
        """Decide and commit in one transaction; see service.Executes."""
        committed = await handle.execute(self.store, self, self.service.name, routed, request_id)
        self._pulse.beat()
        return [one.event for one in committed]

    async def state(self, decider: Decider[S, C, E], stream: StreamId) -> S:
        """The present state of `stream`; see service.Executes."""
        async with self.engine.connect() as connection:
            state: S = (await self.store.state(connection, [stream]))[str(stream)]
        return state

    @property
    def store(self) -> Store:
        """Raises NotReady before `prepare`."""
        if self._store is None:
            raise NotReady(f"{self.service.name} has no database yet; try again in a few seconds")
        return self._store

    async def turn(self) -> int:
        """One step of each loop that may have something to do; how much there was. Assumes that no other
        process works on this service's database."""
        done = await self.consumer.turn()
        if await self.next_due() <= self.clock.now():
            done += await self.timers.turn()
            done += await self.effects.turn()
        for worker in self.workers:
            done += await worker.turn()
        if self._relayed != self.store.changes:
            changes = self.store.changes
            done += (relayed := await self.relay.turn())
            # What is published may have been written long before: look until nothing is left.
            self._relayed = -1 if relayed else changes
        return done

    async def finish(self) -> None:
        """Let each worker do what it would do later, until nothing is left, now that nothing more comes."""
        while sum([await worker.turn(hurry=True) for worker in self.workers]) + await self.turn():
            continue

    async def next_due(self) -> datetime:
        """When the next timer or effect is due; the end of time when none is."""
        if self._due is None or self._due[0] != self.store.changes:
            changes = self.store.changes
            async with self._single.connect() as connection:
                due = [await self.timers.next_due(connection), await self.effects.next_due(connection)]
            self._due = changes, min((one for one in due if one is not None), default=NEVER)
        return self._due[1]

    async def accept_loss(self, by: str, reason: str) -> Sequence[Event]:
        """Go on without the messages that were deleted unread. Raises Refused without a reason, Unknown when this
        process misses none."""
        if self.consumer.lost is None:
            raise Unknown("this process misses no message; GET /ready says what it waits for")
        return await self.execute(*losses.accepting(self.consumer.lost, by, reason_given(reason)))

    async def _accepted(self, lost: DeletedUnread) -> bool:
        streams = {losses.stream(partition): losses.Losses(*gap) for partition, gap in lost.gaps.items()}
        async with self.engine.connect() as connection:
            states = await self.store.state(connection, list(streams))
        return all(states[str(stream)] == accepted for stream, accepted in streams.items())

    async def lag(self) -> int:
        """Messages not read yet."""
        return await self.consumer.lag()

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, trying for as long as it takes, then turn the loops until `stop`."""
        while self._store is None and not stop.is_set() and not await self._prepared():
            await _sleep(stop, 2.0)
        if stop.is_set():
            return
        loops: list[tuple[str, Callable[[], Awaitable[int]]]] = [
            ("consumer", self._hear),
            ("timers", self._wake),
            ("effects", lambda: self.effects.flow(IDLE, begin=self.hears())),
            ("relay", self.relay.turn),
            *((worker.name, worker.turn) for worker in self.workers),
        ]
        with about(service=self.service.name):
            tasks = [asyncio.create_task(self._loop(name, turn, stop), name=name) for name, turn in loops]
            tasks.append(asyncio.create_task(self._watch(stop)))
        await asyncio.gather(*tasks)

    def hears(self) -> bool:
        """Whether messages come in and are handled. Whoever cannot hear of a payment or a stop decides nothing new and
        begins no call: timers and effects rest until the consumer goes on."""
        now = time.monotonic()
        return now - self._heard <= SILENT + self.settings.longest_rest and now - self._reached <= DEAF

    async def _hear(self) -> int:
        try:
            handled = await self.consumer.turn(self.settings.longest_rest / 2)
        except Exception:
            self._heard = -math.inf
            raise
        if self._heard == -math.inf:
            # It has just subscribed, so the bus was there.
            self._reached = time.monotonic()
        self._heard = time.monotonic()
        return handled

    async def _wake(self) -> int:
        return await self.timers.turn() if self.hears() else 0

    def faults(self) -> dict[str, str]:
        """Why the service is not ready, by loop; empty when it is."""
        now = time.monotonic()
        silent = {name: "has not turned lately" for name, at in self._turned.items() if now - at > SILENT}
        deaf = -math.inf < self._reached < now - DEAF
        why = {"bus": f"no word from it for {DEAF:.0f} s: timers and effects rest"} if deaf else {}
        return {**silent, **why, **self._faults}

    def stuck(self) -> list[str]:
        """The loops that hang. One that fails and tries again does not."""
        now = time.monotonic()
        return [name for name, at in self._turned.items() if now - at > STUCK]

    async def close(self) -> None:
        """A clean end: leave the group, let go of the locks, forget that we ran."""
        if self._store is not None:
            for close in (self.consumer.close, self.effects.close, self.relay.close, *(w.close for w in self.workers)):
                await close()
            with suppress(Exception):
                async with self.engine.begin() as connection:
                    await handle.let_go(connection, self._instance)
                    await connection.execute(_STOPPED, {"instance": self._instance})
        self.telemetry.shutdown()
        await self._vault_engine.dispose()
        await self.engine.dispose()

    async def _prepared(self) -> bool:
        try:
            await self.prepare()
        except Exception as error:
            if not database.unreachable(error):
                raise
            # A plain ConnectionError is our own and names what is away; the system's say "refused" and no more.
            postgres = f"PostgreSQL is not reachable: DOORSTEP_DATABASE_URL, DOORSTEP_VAULT_URL ({where(error)})"
            self._faults["start"] = str(error) if type(error) is ConnectionError else postgres
        else:
            log.info("started", service=self.service.name)
            return True
        log.warning("not ready; trying again in 2 s", service=self.service.name, why=self._faults["start"])
        return False

    async def _loop(self, name: str, turn: Callable[[], Awaitable[int]], stop: asyncio.Event) -> None:
        pause, rest = 0.1, IDLE
        # What another process of this service commits wakes nobody here, and only one of them publishes.
        longest = IDLE if name == "relay" and isinstance(self.bus, KafkaBus) else self.settings.longest_rest
        while not stop.is_set():
            self._turned[name] = time.monotonic()
            try:
                done = await turn()
            except Exception as error:
                self._faults[name] = (
                    str(error) if isinstance(error, ConnectionError | Halt | WrongSettings) else where(error)
                )
                log.warning("loop failed; it tries again", loop=name, why=self._faults[name], seconds=pause)
                await _sleep(stop, pause)
                pause = min(pause * 2, 10.0)
                continue
            pause = 0.1
            self._faults.pop(name, None)
            if done:
                self._pulse.beat()
                rest = IDLE
            elif name != "consumer":
                rest = IDLE if await self._pulse.wait(rest) else min(2 * rest, longest)

    async def _watch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await _sleep(stop, 10.0)
            with suppress(Exception):
                await self._measure()
            if stuck := self.stuck():
                log.critical("loops are stuck; ending the process so that it is started again", loops=stuck)
                os._exit(70)

    async def _measure(self) -> None:
        async with self.engine.connect() as connection:
            queue = await parking.queue(connection)
        age = self.clock.now() - queue.since if queue.since else timedelta()
        self.telemetry.waiting.set(queue.waiting)
        self.telemetry.waiting_longest.set(max(age.total_seconds(), 0))
        await self.consumer.lag()
        self._reached = time.monotonic()


class Pulse:
    """Wakes every loop that rests as soon as one of them has done something."""

    def __init__(self) -> None:
        self._next: asyncio.Event = asyncio.Event()

    def beat(self) -> None:
        """Wake those who wait now."""
        beaten, self._next = self._next, asyncio.Event()
        beaten.set()

    async def wait(self, timeout: float) -> bool:
        """Until the next beat, or `timeout` seconds; whether it beat."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._next.wait(), timeout)
        return False


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def arm_failpoint(settings: Settings) -> None:
    """Tests only: die at DOORSTEP_FAILPOINT=name:n."""
    if settings.failpoint:
        name, _, nth = settings.failpoint.partition(":")
        failpoints.arm(name, int(nth or 1), kill=True)


# Whoever ran and did not say goodbye, here or elsewhere. Each crash is noticed once.
_CRASHED = text("delete from running returning instance")
_STARTED = text("insert into running (instance) values (:instance) on conflict do nothing")
_STOPPED = text("delete from running where instance = :instance")
