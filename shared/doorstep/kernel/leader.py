"""One at a time: a PostgreSQL advisory lock, held by a connection of its own.

Where two would harm each other (two relays reorder a key, two effect runners send twice), only the holder
works. The lock goes with the connection, so a dead process cannot keep it."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Leader:
    """Tries to be the only one in `role` on this database."""

    def __init__(self, engine: AsyncEngine, role: str) -> None:
        self._engine = engine
        self._role = role
        self._held: AsyncConnection | None = None

    async def leads(self) -> bool:
        """Whether we hold the lock now; tries to take it when we do not. Raises when PostgreSQL is away."""
        if self._held is None:
            return await self.held() is not None
        try:
            await self._held.execute(_ALIVE)
        except (DBAPIError, OSError):
            await self.resign()
            raise
        return True

    async def held(self) -> AsyncConnection | None:
        """The connection that holds the lock, or None while another process does; tries to take it when
        nobody does. A statement on it succeeds only while we lead. It commits each at once, and without
        waiting for the disk: what is done here may be undone by a crash of PostgreSQL."""
        if self._held is None:
            self._held = await self._take()
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
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        if got:
            await connection.execute(_HASTY)
            return connection
        await connection.close()
        return None


_TRY = text("select pg_try_advisory_lock(hashtext('doorstep ' || :role))")
_ALIVE = text("select 1")
_HASTY = text("set synchronous_commit = off")
