"""The effect loop: what committed events set off outside.

Three steps: commit that we are about to call, call, commit the outcome with the done-marker. A crash after
the call leaves an effect that was called and is not done; the performer is told (`repeated`) and asks the
provider, or relies on its deduplication, or gives up knowing. A replay of events cannot reach an effect:
its key is unique for ever."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.infra import failpoints
from doorstep.infra.clock import Clock
from doorstep.infra.database import unreachable
from doorstep.infra.telemetry import Telemetry, about, log, trace_id, where
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.leader import Leader
from doorstep.kernel.sending_controls import FREE, stopped
from doorstep.kernel.service import Call, Effect, Later, Performer
from doorstep.kernel.store import Conflict, Store, Work

LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class _Due:
    call: Call[object]
    attempts: int
    traceparent: str | None

    @property
    def key(self) -> str:
        return self.call.effect.key

    def about(self) -> AbstractContextManager[None]:
        return about(case_id=self.call.stream.key, trace_id=trace_id(self.traceparent))


class Effects:
    """One per service and process; only the leader calls out, so that nothing is called twice at once."""

    def __init__(
        self,
        performers: Mapping[str, Performer],
        engine: AsyncEngine,
        clock: Clock,
        store: Store,
        telemetry: Telemetry,
        batch: int = 100,
    ) -> None:
        self._performers = performers
        self._engine = engine
        self._clock = clock
        self._store = store
        self._telemetry = telemetry
        self._batch = batch
        self._leader = Leader(engine, "effects")

    async def turn(self) -> int:
        """Carry out one batch of due effects; how many."""
        if not self._performers or not await self._leader.leads():
            return 0
        due, unwanted = await self._begin()
        if not due and not unwanted:
            return 0
        failpoints.hit("effects.before-call")
        outcomes = unwanted + await self._call(due)
        failpoints.hit("effects.after-call")
        await self._finish(outcomes)
        failpoints.hit("effects.after-done")
        return len(outcomes)

    async def next_due(self, connection: AsyncConnection) -> datetime | None:
        """When the next effect may be called."""
        due: datetime | None = (await connection.execute(_NEXT)).scalar_one()
        return due

    async def close(self) -> None:
        """Let another process call."""
        await self._leader.resign()

    async def _begin(self) -> tuple[list[_Due], list[tuple[_Due, object]]]:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_DUE, {"now": now, "limit": self._batch})).all()
            streams = {row.stream: StreamId(row.category, row.id, row.key, row.tenant) for row in rows}
            states = await self._store.state(connection, list(streams.values()))
            stops = await stopped(connection, (stream.tenant for stream in streams.values()))
            due, unwanted = [], []
            for row in rows:
                effect, stream = Effect(row.kind, row.effect_key, row.due), streams[row.stream]
                call = Call(effect, stream, states[row.stream], row.attempts > 0, stops[stream.tenant])
                one = _Due(call, row.attempts, row.traceparent)
                try:
                    # Once a call may have gone out, only its outcome counts.
                    command = None if call.repeated else self._last_look(call, now)
                except Exception as error:
                    await self._postpone(connection, one, now, error)
                    continue
                if command is None:
                    due.append(one)
                else:
                    unwanted.append((one, command))
            if due:
                await connection.execute(_BEGIN, {"keys": [one.key for one in due], "now": now})
                failpoints.hit("effects.before-begin")
        return due, unwanted

    def _last_look(self, call: Call[object], now: datetime) -> object | None:
        return self._performers[call.effect.kind].unwanted(call.state, now, call.stopped)

    async def _postpone(self, connection: AsyncConnection, one: _Due, now: datetime, error: Exception) -> None:
        """A bug in the last look rests with its own effect; the others go on."""
        self._store.changes += 1
        self._telemetry.failures.inc()
        with one.about():
            log.error("effect not judged; postponed", stream=str(one.call.stream), error=where(error))
        await connection.execute(_WAIT, {"key": one.key, "due": now + LONGEST_WAIT})

    async def _call(self, due: Sequence[_Due]) -> list[tuple[_Due, object]]:
        outcomes: list[tuple[_Due, object]] = []
        for kind, group in groupby(due, key=lambda one: one.call.effect.kind):
            some = list(group)
            try:
                outcomes += await self._perform(kind, some)
            except Exception as error:
                if unreachable(error):
                    raise
                log.warning("a batch of effects failed; calling one by one", kind=kind, error=where(error))
                # Some of them may have reached the outside before the fault.
                for one in some:
                    again = msgspec.structs.replace(one.call, repeated=True)
                    outcomes += await self._perform_alone(kind, replace(one, call=again))
        return outcomes

    async def _perform(self, kind: str, due: Sequence[_Due]) -> list[tuple[_Due, object]]:
        answers = await self._performers[kind].perform([one.call for one in due])
        return list(zip(due, answers, strict=True))

    async def _perform_alone(self, kind: str, one: _Due) -> list[tuple[_Due, object]]:
        try:
            return await self._perform(kind, [one])
        except Exception as error:
            if unreachable(error):
                raise
            self._telemetry.failures.inc()
            with one.about():
                log.error("effect failed; it is repeated", kind=kind, stream=str(one.call.stream), error=where(error))
            await self._wait([one])
            return []

    async def _finish(self, outcomes: Sequence[tuple[_Due, object]]) -> None:
        later = [(one, answer) for one, answer in outcomes if isinstance(answer, Later)]
        done = [(one, answer) for one, answer in outcomes if not isinstance(answer, Later)]
        if later:
            await self._put_off(later)
        if not done:
            return
        try:
            await self._record(done)
        except Exception as error:
            if unreachable(error) or isinstance(error, Conflict):
                raise
            log.warning("outcomes failed; recording one by one", error=where(error))
            await self._record_alone(done)

    async def _record(self, done: Sequence[tuple[_Due, object]]) -> None:
        now = self._clock.now()
        self._store.changes += 1
        async with self._engine.begin() as connection:
            work = [
                Work(Routed(one.call.stream, command), cause=one.key, traceparent=one.traceparent, waited=True)
                for one, command in done
            ]
            await self._store.apply(connection, work, now)
            await connection.execute(_DONE, {"keys": [one.key for one, _ in done], "now": now})
            failpoints.hit("effects.before-done")
        self._telemetry.effects.inc(len(done))

    async def _record_alone(self, done: Sequence[tuple[_Due, object]]) -> None:
        for one, command in done:
            try:
                await self._record([(one, command)])
            except Exception as error:
                if unreachable(error):
                    raise
                self._telemetry.failures.inc()
                with one.about():
                    log.error("outcome failed", stream=str(one.call.stream), error=where(error))
                await self._wait([one])

    async def _put_off(self, later: Sequence[tuple[_Due, Later]]) -> None:
        self._store.changes += 1
        # Nothing has happened outside, so the attempt is taken back.
        async with self._engine.begin() as connection:
            for one, answer in later:
                await connection.execute(_LATER, {"key": one.key, "due": answer.at})

    async def _wait(self, due: Sequence[_Due]) -> None:
        self._store.changes += 1
        now = self._clock.now()
        async with self._engine.begin() as connection:
            for one in due:
                wait = min(timedelta(seconds=10 * 2 ** min(one.attempts, 10)), LONGEST_WAIT)
                await connection.execute(_WAIT, {"key": one.key, "due": now + wait})


_DUE = text(
    "select e.effect_key, e.kind, e.stream, e.due, e.attempts, e.traceparent, s.category, s.id, s.key, s.tenant"
    " from effects e join streams s using (stream) where e.done_at is null and e.due <= :now"
    f" and {FREE.format('e')} order by e.due, e.effect_key limit :limit for update of e skip locked"
)
_NEXT = text(f"select min(due) from effects e where done_at is null and {FREE.format('e')}")
_BEGIN = text(
    "update effects set attempts = attempts + 1, called_at = :now where effect_key = any(cast(:keys as text[]))"
)
_DONE = text("update effects set done_at = :now where effect_key = any(cast(:keys as text[]))")
_LATER = text("update effects set due = :due, attempts = attempts - 1, called_at = null where effect_key = :key")
_WAIT = text("update effects set due = :due where effect_key = :key")
