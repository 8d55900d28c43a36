"""The embedded bus: one log table and one cursor per group, durable, for one machine.

A topic is a single partition. Publishing holds a lock until its commit, so that positions become visible
in their order and a reader can go by "greater than the last one read"."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events.registry import INTAKE

POLL = 0.2


class PostgresBus:
    """`engine` is on a database of the bus's own. `sole`: no other process publishes, so what this one has
    not published need not be looked for. The simulation looks thousands of times."""

    def __init__(self, engine: AsyncEngine, *, sole: bool = False) -> None:
        self.engine = engine
        # Work of one statement is a transaction of its own: a third of the round trips.
        self.single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.sole = sole
        self.heads: dict[str, int] = {}
        self.published = asyncio.Event()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Durable once it returns. Raises ConnectionError while PostgreSQL is away."""
        columns = {
            "topic": [message.topic for message in messages],
            "key": [message.key for message in messages],
            "value": [message.value for message in messages],
        }
        try:
            async with self.engine.begin() as connection:
                await connection.execute(_LOCK)
                heads = (await connection.execute(_PUBLISH, columns)).all()
        except (DBAPIError, OSError) as error:
            raise ConnectionError("the embedded bus does not answer: is its PostgreSQL running?") from error
        self.heads |= {row.topic: row.position for row in heads}
        self.published.set()

    async def subscribe(self, group: str, topics: Sequence[str]) -> "PostgresSubscription":
        """Start reading where `group` left off."""
        return PostgresSubscription(self, group, topics)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.engine.dispose()


class PostgresSubscription:
    """Reads its topics in turn, so that none starves."""

    def __init__(self, bus: PostgresBus, group: str, topics: Sequence[str]) -> None:
        self._bus = bus
        self._group = group
        self._topics = list(topics)
        self._read: dict[str, int] = {}
        self._looked = False

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one topic."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            self._bus.published.clear()
            if records := await self._next(limit):
                return records
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return []
            try:
                await asyncio.wait_for(self._bus.published.wait(), min(left, POLL))
            except TimeoutError:
                continue

    async def commit(self, records: Sequence[Record]) -> None:
        """The group has dealt with the topic up to the last of `records`. What was taken from intake.v1 is deleted:
        it is the one place with plaintext."""
        record = records[-1]
        topic = record.partition.topic
        statement = _COMMIT_AND_FORGET if topic == INTAKE else _COMMIT
        async with self._bus.single.connect() as connection:
            await connection.execute(statement, {"group": self._group, "topic": topic, "position": record.offset})

    async def lag(self) -> int:
        """How many records the group has not committed."""
        if self._nothing_new():
            return 0
        async with self._bus.single.connect() as connection:
            found = await connection.execute(_LAG, {"group": self._group, "topics": self._topics})
        return int(found.scalar_one())

    async def close(self) -> None:
        """Nothing to leave: a group is a row."""

    def _nothing_new(self) -> bool:
        return self._bus.sole and self._looked and all(map(self._read_up, self._topics))

    def _read_up(self, topic: str) -> bool:
        return self._read.get(topic, 0) >= self._bus.heads.get(topic, 0)

    async def _next(self, limit: int) -> Sequence[Record]:
        if self._nothing_new():
            return []
        async with self._bus.single.connect() as connection:
            for topic in list(self._topics):
                # The topic just read goes last.
                self._topics.append(self._topics.pop(0))
                if self._bus.sole and self._looked and self._read_up(topic):
                    continue
                found = await connection.execute(
                    _NEXT,
                    {"group": self._group, "topic": topic, "read": self._read.get(topic, 0), "limit": limit},
                )
                if rows := found.all():
                    self._read[topic] = rows[-1].position
                    return [Record(Partition(topic, 0), row.position, row.key, row.value) for row in rows]
        self._looked = True
        return []


_LOCK = text("select pg_advisory_xact_lock(hashtext('doorstep bus'))")
_PUBLISH = text(
    "with kept as (insert into bus_log (topic, key, value) select topic, key, value from"
    " unnest(cast(:topic as text[]), cast(:key as text[]), cast(:value as bytea[]))"
    " with ordinality as n(topic, key, value, nth) order by nth returning topic, position)"
    " select topic, max(position) as position from kept group by topic"
)
_NEXT = text(
    "select position, key, value from bus_log where topic = :topic and position > greatest(:read, coalesce("
    "(select position from bus_cursor where group_name = :group and topic = :topic), 0))"
    " order by position limit :limit"
)
_CURSOR = (
    "insert into bus_cursor (group_name, topic, position) values (:group, :topic, :position)"
    " on conflict (group_name, topic) do update set position = greatest(bus_cursor.position, excluded.position)"
)
_COMMIT = text(_CURSOR)
_COMMIT_AND_FORGET = text(
    f"with forgotten as (delete from bus_log where topic = :topic and position <= :position) {_CURSOR}"
)
_LAG = text(
    "select count(*) from bus_log l where topic = any(cast(:topics as text[])) and position > coalesce("
    "(select position from bus_cursor c where c.group_name = :group and c.topic = l.topic), 0)"
)
