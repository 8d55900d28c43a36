"""The effect loop: what committed events set off outside.

Three steps: commit a claim that says we are about to call, call, commit the outcome with the done-marker. A claim is
held until its call must be over, so nobody judges an effect while a call of it may be in flight. A crash after the
call leaves an effect that was called and is not done; when its claim has run out the performer is told (`repeated`) and
asks the provider, or relies on its deduplication, or gives up knowing. A replay of events cannot reach an effect: its
key is unique for ever.

Claims are taken for as many calls as can begin at once, and by PostgreSQL's clock; so several processes share the work,
a slow provider costs its own calls only, and a clock that jumps lets nothing go out twice."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.infra import failpoints
from doorstep.infra.clock import Clock
from doorstep.infra.database import unreachable
from doorstep.infra.telemetry import Telemetry, about, log, trace_id, where
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.leader import Leader
from doorstep.kernel.sending_controls import lay_aside_effects, stopped, suspended
from doorstep.kernel.service import Call, Carry, Effect, Later, Performer
from doorstep.kernel.store import Conflict, Store, Work

LONGEST_WAIT = timedelta(hours=1)
FRESH = 0.5
"""Seconds that a look at the state and at the stops is good for."""
LINGER = 0.02
"""Seconds in which outcomes gather, to be recorded together."""


@dataclass(frozen=True)
class Limits:
    """A call is cut off after `timeout` seconds, and begins at most `margin` seconds after its claim; in the same
    `margin` a provider must show, when asked, what it took. `at_once` calls of a kind go on in one process."""

    timeout: float = 10.0
    margin: float = 5.0
    at_once: int = 128


@dataclass
class _Claimed:
    """An effect that is ours until its claim runs out. `looked` and `claimed` are readings of the monotonic clock,
    which a process that stood still finds advanced."""

    call: Call[object]
    attempts: int
    claim: int
    traceparent: str | None
    claimed: float
    looked: float

    @property
    def key(self) -> str:
        return self.call.effect.key

    @property
    def order(self) -> tuple[float, datetime, str]:
        return self.claimed, self.call.effect.due or datetime.min.replace(tzinfo=UTC), self.key

    def about(self) -> AbstractContextManager[None]:
        return about(case_id=self.call.stream.key, trace_id=trace_id(self.traceparent))


@dataclass(frozen=True)
class _Failed:
    """In place of an answer: nobody knows what became of the call."""

    error: Exception


class _Unused:
    """In place of an answer: the call was not begun, for its claim was about to run out."""


class Effects:
    """One per service and process."""

    def __init__(
        self,
        performers: Mapping[str, Performer],
        engine: AsyncEngine,
        clock: Clock,
        store: Store,
        telemetry: Telemetry,
        limits: Limits | None = None,
        batch: int = 100,
    ) -> None:
        self._performers = performers
        self._engine = engine
        self._clock = clock
        self._store = store
        self._telemetry = telemetry
        self._limits = limits or Limits()
        self._batch = batch
        self._leaders = {
            kind: Leader(engine, f"effects/{kind}") for kind, performer in performers.items() if performer.exclusive
        }
        self._calls: dict[asyncio.Task[object], _Claimed] = {}
        self._answers: list[tuple[_Claimed, object]] = []

    async def turn(self) -> int:
        """Carry out a batch of due effects to the end, and wait for those that another process has claimed; how many
        were settled or laid aside."""
        if not self._performers:
            return 0
        begun = await self._begin()
        while not begun and (seconds := await self._held_for()) > 0:
            await asyncio.sleep(seconds)
            begun = await self._begin()
        if self._calls:
            await asyncio.wait(self._calls)
        return max(begun, await self._settle())

    async def flow(self, idle: float, *, begin: bool = True) -> int:
        """With `begin`, begin what is due where there is room; wait up to `idle` seconds for a call to end, and record
        what has come of those that did; how many were begun or settled. What does not end stands in nobody's way."""
        if not self._performers:
            return 0
        begun = await self._begin() if begin else 0
        if self._calls and not self._answers:
            await asyncio.wait(self._calls, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(LINGER)
        return begun + await self._settle() + len(self._calls)

    async def next_due(self, connection: AsyncConnection) -> datetime | None:
        """When the next effect may be called."""
        due: datetime | None = (await connection.execute(_NEXT, {"kinds": list(self._performers)})).scalar_one()
        return due

    async def close(self) -> None:
        """Let calls come to their end, record what came of them, and let another process lead."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._limits.timeout + 1)
            await self._settle()
        for leader in self._leaders.values():
            await leader.resign()

    # -- claim and call

    async def _begin(self) -> int:
        room = await self._room()
        if not room:
            return 0
        claimed, unwanted, laid_aside = await self._claim(room)
        self._answers += unwanted
        if claimed:
            failpoints.hit("effects.before-call")
        groups = defaultdict(list)
        for one in claimed:
            groups[one.call.effect.kind].append(one)
        for kind, some in groups.items():
            await self._call(kind, some)
        return len(claimed) + len(unwanted) + laid_aside

    async def _room(self) -> dict[str, int]:
        """How many effects of each kind may begin now."""
        going = Counter(one.call.effect.kind for one in self._calls.values())
        going.update(one.call.effect.kind for one, _ in self._answers)
        room = {}
        for kind in self._performers:
            if kind not in self._leaders:
                room[kind] = self._limits.at_once - going[kind]
            elif not going[kind] and await self._leaders[kind].leads():
                room[kind] = self._batch
        return {kind: some for kind, some in room.items() if some > 0}

    async def _claim(self, room: Mapping[str, int]) -> tuple[list[_Claimed], list[tuple[_Claimed, object]], int]:
        """Those to be called, those not wanted any more with why, and how many were laid aside."""
        now, begun = self._clock.now(), time.monotonic()
        async with self._engine.begin() as connection:
            due = (await connection.execute(_DUE, {"now": now, **_columns(room)})).all()
            if not due:
                return [], [], 0
            cases = await suspended(connection, (row.key for row in due))
            rows = [row for row in due if row.key not in cases]
            streams = {row.stream: StreamId(row.category, row.id, row.key, row.tenant) for row in rows}
            looked = time.monotonic()
            states = await self._store.state(connection, list(streams.values()))
            stops = await stopped(connection, (stream.tenant for stream in streams.values()))
            claimed: list[_Claimed] = []
            unwanted: list[tuple[_Claimed, object]] = []
            for row in rows:
                effect, stream = Effect(row.kind, row.effect_key, row.due), streams[row.stream]
                call = Call(effect, stream, states[row.stream], row.attempts > 0, stops[stream.tenant], row.called_at)
                one = _Claimed(call, row.attempts, row.claim + 1, row.traceparent, begun, looked)
                try:
                    command = self._objection(call)
                except Exception as error:
                    await self._postpone(connection, one, now, error)
                    continue
                if command is None:
                    claimed.append(one)
                else:
                    unwanted.append((one, command))
            taken = claimed + [one for one, _ in unwanted]
            claims = {
                "keys": [one.key for one in taken],
                "calls": [True] * len(claimed) + [False] * len(unwanted),
                "seconds": [self._term(one) for one in taken],
            }
            await connection.execute(_CLAIM, {"now": now, **claims})
            held = [row.effect_key for row in due if row.key in cases]
            self._store.changes += len(held)
            laid_aside = await lay_aside_effects(connection, held, cases)
            failpoints.hit("effects.before-begin")
        return claimed, unwanted, laid_aside

    def _term(self, one: _Claimed) -> float:
        """Seconds for which an effect is ours; those of a leader are, as long as it leads."""
        return 0 if one.call.effect.kind in self._leaders else self._limits.timeout + self._limits.margin

    def _objection(self, call: Call[object]) -> object | None:
        # Once a call may have gone out, only its outcome counts.
        if call.repeated:
            return None
        return self._performers[call.effect.kind].unwanted(call.state, self._clock.now(), call.stopped)

    async def _call(self, kind: str, some: Sequence[_Claimed]) -> None:
        try:
            carries = await self._performers[kind].perform([one.call for one in some])
        except Exception as error:
            if len(some) == 1:
                self._answers.append((some[0], _Failed(error)))
                return
            log.warning("a batch of effects failed; calling one by one", kind=kind, error=where(error))
            for one in some:
                await self._call(kind, [one])
            return
        for one, carry in zip(some, carries, strict=True):
            self._calls[asyncio.create_task(self._carry_out(one, carry))] = one

    async def _carry_out(self, one: _Claimed, carry: Carry[object, object]) -> object:
        """The look, right before the call. The kinds of a leader are bounded by its lead, not by a time-out."""
        exclusive = one.call.effect.kind in self._leaders
        try:
            while time.monotonic() - one.looked > FRESH:
                one.looked = time.monotonic()
                one.call = await self._look(one.call)
            unwanted = self._objection(one.call)
            if unwanted is None and exclusive:
                return await carry(one.call)
            if unwanted is not None:
                return unwanted
            if time.monotonic() - one.claimed > self._limits.margin:
                return _Unused()
            return await asyncio.wait_for(carry(one.call), self._limits.timeout)
        except Exception as error:
            return _Failed(error)

    async def _look(self, call: Call[object]) -> Call[object]:
        async with self._engine.connect() as connection:
            state = (await self._store.state(connection, [call.stream]))[str(call.stream)]
            stops = await stopped(connection, [call.stream.tenant])
        return Call(call.effect, call.stream, state, call.repeated, stops[call.stream.tenant], call.called_at)

    async def _held_for(self) -> float:
        """Seconds until the first claim of an effect that is due runs out; 0 when there is none."""
        async with self._engine.connect() as connection:
            seconds = (await connection.execute(_HELD, {"now": self._clock.now()})).scalar_one()
        return float(seconds or 0)

    async def _postpone(self, connection: AsyncConnection, one: _Claimed, now: datetime, error: Exception) -> None:
        """A bug in the last look rests with its own effect; the others go on."""
        self._store.changes += 1
        self._telemetry.failures.inc()
        with one.about():
            log.error("effect not judged; postponed", stream=str(one.call.stream), error=where(error))
        await connection.execute(
            _WAIT, {"key": one.key, "claim": one.claim - 1, "due": now + LONGEST_WAIT, "margin": 0.0}
        )

    # -- record what came of it

    async def _settle(self) -> int:
        """What has an answer is recorded; when PostgreSQL is away, the answers are kept for the next turn."""
        ended = [task for task in self._calls if task.done()]
        self._answers += [(self._calls.pop(task), task.result()) for task in ended]
        if not self._answers:
            return 0
        failpoints.hit("effects.after-call")
        # In the order of their claims, which does not depend on who answered first.
        answers = sorted(
            self._answers, key=lambda answer: (answer[0].claimed, answer[0].call.effect.due, answer[0].key)
        )
        await self._finish(answers)
        self._answers = []
        failpoints.hit("effects.after-done")
        return len(answers)

    async def _finish(self, answers: Sequence[tuple[_Claimed, object]]) -> None:
        done: list[tuple[_Claimed, object]] = []
        for one, answer in answers:
            match answer:
                case _Failed(error):
                    await self._failed(one, error)
                case _Unused():
                    await self._put_off(one, self._clock.now(), one.attempts)
                case Later(at=at, clean=clean):
                    await self._put_off(one, at, 0 if clean else one.attempts)
                case _:
                    done.append((one, answer))
        if not done:
            return
        try:
            await self._record(done)
        except Exception as error:
            if unreachable(error) or isinstance(error, Conflict):
                raise
            log.warning("outcomes failed; recording one by one", error=where(error))
            await self._record_alone(done)

    async def _record(self, done: Sequence[tuple[_Claimed, object]]) -> None:
        now = self._clock.now()
        self._store.changes += 1
        async with self._engine.begin() as connection:
            claims = {"keys": [one.key for one, _ in done], "claims": [one.claim for one, _ in done], "now": now}
            # What somebody else has claimed since is theirs to record.
            ours = set((await connection.execute(_DONE, claims)).scalars())
            work = [
                Work(Routed(one.call.stream, command), cause=one.key, traceparent=one.traceparent, waited=True)
                for one, command in done
                if one.key in ours
            ]
            await self._store.apply(connection, work, now)
            failpoints.hit("effects.before-done")
        self._telemetry.effects.inc(len(ours))

    async def _record_alone(self, done: Sequence[tuple[_Claimed, object]]) -> None:
        for one, command in done:
            try:
                await self._record([(one, command)])
            except Exception as error:
                if unreachable(error):
                    raise
                await self._failed(one, error)

    async def _failed(self, one: _Claimed, error: Exception) -> None:
        self._telemetry.failures.inc()
        with one.about():
            log.error("effect failed; it is repeated", stream=str(one.call.stream), error=where(error))
        wait = min(timedelta(seconds=10 * 2 ** min(one.attempts, 10)), LONGEST_WAIT)
        await self._change(_WAIT, one, due=self._clock.now() + wait, margin=self._limits.margin)

    async def _put_off(self, one: _Claimed, due: datetime, attempts: int) -> None:
        """This attempt is taken back: it reached nothing outside. `attempts` before it may have, and still count."""
        await self._change(_LATER, one, due=due, attempts=attempts)

    async def _change(self, statement: TextClause, one: _Claimed, **values: object) -> None:
        self._store.changes += 1
        async with self._engine.begin() as connection:
            await connection.execute(statement, {"key": one.key, "claim": one.claim, **values})


def _columns(room: Mapping[str, int]) -> dict[str, Sequence[object]]:
    return {"kinds": list(room), "rooms": list(room.values())}


_DUE = text(
    "select e.effect_key, e.kind, e.stream, e.due, e.attempts, e.called_at, e.claim, e.traceparent,"
    " s.category, s.id, s.key, s.tenant"
    " from unnest(cast(:kinds as text[]), cast(:rooms as int[])) as k(kind, room) cross join lateral ("
    "select * from effects e where e.kind = k.kind and e.done_at is null and not e.held and e.due <= :now"
    " and (e.leased_until is null or e.leased_until <= clock_timestamp())"
    " order by e.due, e.effect_key limit k.room for update skip locked) e"
    " cross join lateral (select category, id, key, tenant from streams where stream = e.stream limit 1) s"
    " order by e.due, e.effect_key"
)
_HELD = text(
    "select extract(epoch from min(leased_until) - clock_timestamp()) from effects e"
    " where done_at is null and not held and due <= :now and leased_until > clock_timestamp()"
)
_NEXT = text(
    "select min(e.due) from unnest(cast(:kinds as text[])) as k(kind) cross join lateral ("
    "select due from effects where kind = k.kind and done_at is null and not held order by due limit 1) e"
)
_CLAIM = text(
    """update effects e set claim = claim + 1, attempts = attempts + case when n.called then 1 else 0 end,
        called_at = case when n.called then coalesce(called_at, :now) else called_at end,
        leased_until = case when n.seconds > 0 then clock_timestamp() + make_interval(secs => n.seconds) end
    from unnest(cast(:keys as text[]), cast(:calls as boolean[]), cast(:seconds as float8[]))
        as n(effect_key, called, seconds)
    where e.effect_key = n.effect_key"""
)
_DONE = text(
    """update effects e set done_at = :now, leased_until = null
    from unnest(cast(:keys as text[]), cast(:claims as bigint[])) as n(effect_key, claim)
    where e.effect_key = n.effect_key and e.claim = n.claim and done_at is null returning e.effect_key"""
)
_LATER = text(
    "update effects set due = :due, attempts = :attempts, leased_until = null,"
    " called_at = case when :attempts > 0 then called_at end where effect_key = :key and claim = :claim"
)
# A call that has ended can still arrive within the margin, and no later.
_WAIT = text(
    "update effects set due = :due, leased_until = clock_timestamp() + make_interval(secs => :margin)"
    " where effect_key = :key and claim = :claim"
)
