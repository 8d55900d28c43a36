"""One at a time: a PostgreSQL advisory lock, held by a connection of its own, with a heartbeat.

Where two would harm each other (two relays reorder a key, two planners book an agent twice), only the holder works. The
lock goes with the connection, so a dead process cannot keep it. One that stands still keeps its connection and stops
beating: after TERM whoever wants the role ends that connection, and the old holder, should it wake, finds it gone."""

import time

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.infra.telemetry import log

TERM = 45.0
"""Seconds without a heartbeat after which a leader is replaced; longer than any one step of a leader takes."""
BEAT = 5.0
"""Seconds between heartbeats."""


class Leader:
    """Tries to be the only one in `role` on this database."""

    def __init__(self, engine: AsyncEngine, role: str, *, term: float = TERM) -> None:
        self._engine = engine
        self._role = role
        self._term = term
        self._held: AsyncConnection | None = None
        self._beaten = 0.0

    async def leads(self) -> bool:
        """Whether we hold the lock now; tries to take it when we do not. Raises when PostgreSQL is away."""
        connection = await self.held()
        if connection is None:
            return False
        try:
            await connection.execute(_ALIVE)
        except (DBAPIError, OSError):
            await self.resign()
            raise
        return True

    async def held(self) -> AsyncConnection | None:
        """The connection that holds the lock, or None while another process does; tries to take it when nobody does,
        or when nothing was heard of the holder for too long. A statement on it succeeds only while we lead. It commits
        each at once, and without waiting for the disk: what is done here may be undone by a crash of PostgreSQL."""
        if self._held is None:
            self._held = await self._take()
        elif time.monotonic() - self._beaten > BEAT:
            try:
                await self._beat(self._held)
            except (DBAPIError, OSError):
                await self.resign()
                raise
        return self._held

    async def resign(self) -> None:
        """Give the lock up, by closing its connection."""
        if self._held is not None:
            held, self._held = self._held, None
            await held.invalidate()
            await held.close()

    async def _take(self) -> AsyncConnection | None:
        connection = await self._engine.connect()
        try:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            got = (await connection.execute(_TRY, {"role": self._role})).scalar_one()
            if got:
                await connection.execute(_HASTY)
                await self._beat(connection)
                return connection
            if (await connection.execute(_EVICT, {"role": self._role, "term": self._term})).first():
                log.warning("the leader stood still; its connection was ended", role=self._role, seconds=self._term)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        await connection.close()
        return None

    async def _beat(self, connection: AsyncConnection) -> None:
        beaten = time.monotonic()
        await connection.execute(_HEARTBEAT, {"role": self._role})
        self._beaten = beaten


_TRY = text("select pg_try_advisory_lock(hashtext('doorstep ' || :role))")
_ALIVE = text("select 1")
_HASTY = text("set synchronous_commit = off")
_HEARTBEAT = text(
    "insert into heartbeat (role, pid, beaten_at) values (:role, pg_backend_pid(), clock_timestamp())"
    " on conflict (role) do update set pid = excluded.pid, beaten_at = excluded.beaten_at"
)
# The lock must be that connection's: the number of a process that ended may be another's by now.
_EVICT = text(
    "select pg_terminate_backend(h.pid) from heartbeat h join pg_locks l on l.pid = h.pid and l.locktype = 'advisory'"
    " and l.granted and l.database = (select oid from pg_database where datname = current_database())"
    " and l.objid::bigint = (hashtext('doorstep ' || :role)::bigint & 4294967295)"
    " where h.role = :role and h.beaten_at < clock_timestamp() - make_interval(secs => :term)"
)
