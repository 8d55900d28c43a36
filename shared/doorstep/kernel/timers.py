"""The timer loop: streams whose `wake_at` has come get one Wake, however late, and decide if it is still due."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.infra import failpoints
from doorstep.infra.clock import Clock
from doorstep.infra.database import unreachable
from doorstep.infra.telemetry import Telemetry, about, log, trace_id, where
from doorstep.kernel.decider import Routed, StreamId, Wake
from doorstep.kernel.sending_controls import lay_aside_streams, suspended
from doorstep.kernel.store import Store, Work

POSTPONED = timedelta(hours=1)
"""A stream that fails to wake rests this long, with an error in the log, and the others go on."""

_Stream = Row[*tuple[object, ...]]


class Timers:
    """Several processes may run it: a row is taken by one of them."""

    def __init__(self, engine: AsyncEngine, clock: Clock, store: Store, telemetry: Telemetry, batch: int) -> None:
        self._engine = engine
        self._clock = clock
        self._store = store
        self._telemetry = telemetry
        self._batch = batch

    async def turn(self) -> int:
        """Wake a batch of streams, earliest first, and lay aside those of suspended cases; how many."""
        try:
            return await self._wake(self._batch)
        except Exception as error:
            if unreachable(error):
                raise
            self._telemetry.failures.inc()
            log.warning("a batch of timers failed; waking one by one", error=where(error))
            return await self._one()

    async def next_due(self, connection: AsyncConnection) -> datetime | None:
        """When the next stream wants to wake."""
        due: datetime | None = (await connection.execute(_NEXT)).scalar_one()
        return due

    async def _wake(self, limit: int) -> int:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            rows, held = await self._found(connection, now, limit)
            await self._apply(connection, rows, now)
            laid_aside = await self._lay_aside(connection, held)
            failpoints.hit("timers.before-commit")
        failpoints.hit("timers.after-commit")
        return len(rows) + laid_aside

    async def _one(self) -> int:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            rows, held = await self._found(connection, now, 1)
            try:
                async with connection.begin_nested():
                    await self._apply(connection, rows, now)
            except Exception as error:
                if unreachable(error):
                    raise
                # The row is held since it was found: what is put off is what failed, and nobody else has woken it.
                await self._postpone(connection, rows, now, where(error))
            laid_aside = await self._lay_aside(connection, held)
        return len(rows) + laid_aside

    async def _found(
        self, connection: AsyncConnection, now: datetime, limit: int
    ) -> tuple[Sequence[_Stream], Sequence[_Stream]]:
        """What is due: of free cases, and of suspended ones."""
        due = (await connection.execute(_DUE, {"now": now, "limit": limit})).all()
        cases = await suspended(connection, (row.key for row in due))
        return [row for row in due if row.key not in cases], [row for row in due if row.key in cases]

    async def _lay_aside(self, connection: AsyncConnection, held: Sequence[_Stream]) -> int:
        self._store.changes += len(held)
        return await lay_aside_streams(connection, [row.stream for row in held], {row.key for row in held})

    async def _apply(self, connection: AsyncConnection, rows: Sequence[_Stream], now: datetime) -> None:
        committed = await self._store.apply(connection, [_work(row) for row in rows], now)
        moved = {one.envelope.stream for one in committed}
        # An event must have moved it; otherwise it would come again at once, for ever.
        await self._postpone(connection, [row for row in rows if row.stream not in moved], now)

    async def _postpone(
        self,
        connection: AsyncConnection,
        rows: Sequence[_Stream],
        now: datetime,
        why: str = "no event",
    ) -> None:
        self._store.changes += len(rows)
        for row in rows:
            with about(case_id=row.key, trace_id=trace_id(row.traceparent)):
                log.error("stream failed to wake; postponed", stream=row.stream, why=why)
            await connection.execute(_POSTPONE, {"stream": row.stream, "until": now + POSTPONED})


def _work(row: _Stream) -> Work:
    stream = StreamId(row.category, row.id, row.key, row.tenant)
    return Work(Routed(stream, Wake(row.wake_at)), cause=None, waited=True)


_DUE = text(
    "select stream, category, id, key, tenant, wake_at, traceparent from streams where wake_at <= :now and not held"
    " order by wake_at, stream limit :limit for update skip locked"
)
_NEXT = text("select min(wake_at) from streams where wake_at is not null and not held")
_POSTPONE = text("update streams set wake_at = :until where stream = :stream")
