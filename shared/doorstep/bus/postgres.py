"""The embedded bus: one log table and one cursor per group, durable, for one machine.

A topic is a single partition. Publishing holds a lock until its commit, so that positions become visible
in their order and a reader can go by "greater than the last one read". Plaintext of a topic stands
here under seal, because PostgreSQL keeps the bytes of a deleted row in its files until it wants the room."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.bus.interface import Outgoing, Partition, Record, demand_room
from doorstep.events.topics import PLAINTEXT
from doorstep.infra.database import unreachable
from doorstep.infra.telemetry import where
from doorstep.infra.vault import Vault

POLL = 1.0


class PostgresBus:
    """`engine` is on a database of the bus's own. `vault` seals what is published in plaintext; without one, as in the
    tests of a single service, it stands there as it came. `sole`: no other process publishes, so what this one has
    not published need not be looked for. The simulation looks thousands of times."""

    def __init__(self, engine: AsyncEngine, *, vault: Vault | None = None, sole: bool = False) -> None:
        self.engine = engine
        self.sealing = _Sealing(engine, vault) if vault is not None else None
        # Work of one statement is a transaction of its own: a third of the round trips.
        self.single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.sole = sole
        self.heads: dict[str, int] = {}
        self.published = asyncio.Event()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Durable once it returns. Raises ConnectionError while PostgreSQL is away, ValueError for a message that it
        cannot keep."""
        demand_room(messages)
        try:
            columns = {
                "topic": [message.topic for message in messages],
                "key": [message.key for message in messages],
                "value": await self._covered(messages),
            }
            async with self.engine.begin() as connection:
                await connection.execute(_LOCK)
                heads = (await connection.execute(_PUBLISH, columns)).all()
        except (DBAPIError, OSError) as error:
            if not unreachable(error):
                raise ValueError(f"PostgreSQL cannot keep a message: {where(error)}") from error
            raise ConnectionError("the embedded bus does not answer: is its PostgreSQL running?") from error
        self.heads |= {row.topic: row.position for row in heads}
        self.published.set()

    async def _covered(self, messages: Sequence[Outgoing]) -> Sequence[bytes]:
        plain = [message.value for message in messages if message.topic in PLAINTEXT]
        if self.sealing is None or not plain:
            return [message.value for message in messages]
        covered = iter(await self.sealing.covered(plain))
        return [next(covered) if message.topic in PLAINTEXT else message.value for message in messages]

    async def subscribe(self, group: str, topics: Sequence[str]) -> "PostgresSubscription":
        """Start reading where `group` left off."""
        return PostgresSubscription(self, group, topics)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.engine.dispose()


class _Sealing:
    """Seals the values of topics with plaintext under keys of the day, which live until all was read on a later
    day."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._looked_on: date | None = None

    async def covered(self, values: Sequence[bytes]) -> Sequence[bytes]:
        return [msgspec.json.encode(sealed) for sealed in await self._vault.seal_of_the_day("transit", values)]

    async def uncovered(self, values: Sequence[bytes]) -> Sequence[bytes]:
        """What lost its key stays covered: its reader parks what it cannot read."""
        opened = await self._vault.uncover(values)
        return [value if plain is None else plain for value, plain in zip(values, opened, strict=True)]

    async def forget(self) -> None:
        """Once a day: destroy the keys nobody needs. Whoever publishes at midnight has a day to do it."""
        today = self._vault.clock.now().date()
        if today == self._looked_on:
            return
        async with self._engine.connect() as connection:
            if not (await connection.execute(_WAITS, {"topics": sorted(PLAINTEXT)})).scalar_one():
                await self._vault.expire("transit", timedelta(days=1))
                self._looked_on = today


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
                if self._bus.sealing is not None and not PLAINTEXT.isdisjoint(self._topics):
                    await self._bus.sealing.forget()
                return []
            try:
                await asyncio.wait_for(self._bus.published.wait(), min(left, POLL))
            except TimeoutError:
                continue

    async def commit(self, records: Sequence[Record]) -> None:
        """The group has dealt with the topic up to the last of `records`. What was taken in plaintext is deleted:
        it is a borrower in full."""
        record = records[-1]
        topic = record.partition.topic
        statement = _COMMIT_AND_FORGET if topic in PLAINTEXT else _COMMIT
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
                    values = await self._values(topic, [row.value for row in rows])
                    return [
                        Record(Partition(topic, 0), row.position, row.key, value)
                        for row, value in zip(rows, values, strict=True)
                    ]
        self._looked = True
        return []

    async def _values(self, topic: str, values: Sequence[bytes]) -> Sequence[bytes]:
        if topic not in PLAINTEXT or self._bus.sealing is None:
            return values
        return await self._bus.sealing.uncovered(values)


_WAITS = text("select exists (select from bus_log where topic = any(cast(:topics as text[])))")
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
