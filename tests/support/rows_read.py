"""How many rows PostgreSQL read for what was done: work is bounded so, never time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

_READ = (
    "select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables"
    " where coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) > 0"
)


@contextmanager
def rows_read(engine: AsyncEngine) -> Iterator[Counter[str]]:
    """Counts, table by table, the rows that the transactions begun and ended on `engine` in the meantime have read."""
    total: Counter[str] = Counter()

    def begun(connection: Connection) -> None:
        # What an earlier transaction of this connection has read may not have been reported yet.
        total.subtract(_read(connection))

    def ending(connection: Connection) -> None:
        total.update(_read(connection))

    listeners = (("begin", begun), ("commit", ending), ("rollback", ending))
    for name, listener in listeners:
        event.listen(engine.sync_engine, name, listener)
    yield total
    for name, listener in listeners:
        event.remove(engine.sync_engine, name, listener)


def _read(connection: Connection) -> dict[str, int]:
    return {str(name): int(rows) for name, rows in connection.exec_driver_sql(_READ)}
