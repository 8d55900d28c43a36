"""One group's reading of Kafka, which never goes on past messages that were deleted unread."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from doorstep.bus.interface import DeletedUnread, Partition, Record
from doorstep.bus.kafka_client import CLOSE_TIMEOUT, REQUEST_TIMEOUT, retrieve, unreachable, within

log = logging.getLogger(__name__)
T = TypeVar("T")


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """One group's reading; made by KafkaBus.subscribe. After a ConnectionError: close, subscribe again."""

    def __init__(self, consumer: AIOKafkaConsumer, address: str, prefix: str) -> None:
        self._consumer = consumer
        self._address = address
        self._prefix = prefix
        self._buffer: dict[TopicPartition, list[Record]] = {}
        self._assigned = asyncio.Event()
        self._begun: set[TopicPartition] = set()
        self._polling: asyncio.Task[None] | None = None

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one topic, after `timeout` seconds at the latest; perhaps none. What waits
        in several partitions comes together: a transaction costs the same for one record as for ten. Raises
        ConnectionError, and DeletedUnread where messages were deleted unread."""
        if not self._buffer:
            await self._poll(limit, timeout)
        return self._taken(limit) if self._buffer else ()

    async def commit(self, records: Sequence[Record]) -> None:
        """A commit that fails is logged and dropped: the records come again and the inbox knows them."""
        ends = {
            TopicPartition(self._prefix + partition.topic, partition.number): offset + 1
            for partition, offset, _, _ in records
        }
        try:
            await asyncio.wait_for(self._consumer.commit(ends), REQUEST_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            log.warning("%d records will come again: %r", len(records), error)

    async def lag(self) -> int:
        """How many records of this member's partitions are not committed yet. Raises ConnectionError, also
        while the group is still sharing out its partitions."""
        return await self._reached(asyncio.wait_for(self._lag(), REQUEST_TIMEOUT))

    async def close(self) -> None:
        """Leave the group, after CLOSE_TIMEOUT at the latest: stop() of aiokafka may hang."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait({self._polling})
            retrieve(self._polling)
        if not await within(CLOSE_TIMEOUT, self._consumer.stop()):
            await within(CLOSE_TIMEOUT, self._consumer._client.close())

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Whoever gets the partitions starts at their committed offsets, so what is buffered is stale."""
        self._assigned.clear()
        self._begun.clear()
        self._buffer.clear()

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """The group has shared out its partitions."""
        self._assigned.set()

    def _taken(self, limit: int) -> Sequence[Record]:
        topic = next(iter(self._buffer)).topic
        taken: list[Record] = []
        for partition in [one for one in self._buffer if one.topic == topic]:
            waiting, room = self._buffer.pop(partition), limit - len(taken)
            taken += waiting[:room]
            if len(waiting) > room:
                self._buffer[partition] = waiting[room:]
        return taken

    async def _poll(self, limit: int, seconds: float) -> None:
        """getmany waits without limit during a rebalance. It is never cancelled, which could lose what it
        had taken: one that is late goes on and fills the buffer for a later fetch."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._fill(limit, seconds))
        done, _ = await asyncio.wait({self._polling}, timeout=seconds)
        if done:
            finished, self._polling = self._polling, None
            await self._reached(finished)

    async def _fill(self, limit: int, seconds: float) -> None:
        try:
            got = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=limit)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            await self._find_the_start()
            return
        # No await from here on: a rebalance must not come between taking and buffering.
        for partition, messages in got.items():
            name = Partition(partition.topic.removeprefix(self._prefix), partition.partition)
            self._buffer.setdefault(partition, []).extend(
                Record(name, one.offset, (one.key or b"").decode(errors="replace"), one.value or b"")
                for one in messages
            )

    async def _find_the_start(self) -> None:
        """Where the group has read nothing, it begins at the beginning, if that is still there."""
        partitions = list(self._consumer.assignment())
        firsts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        committed = dict(zip(partitions, await asyncio.gather(*map(self._consumer.committed, partitions)), strict=True))
        gaps = {
            Partition(one.topic.removeprefix(self._prefix), one.partition): (done or 0, firsts[one])
            for one, done in committed.items()
            if not firsts[one] <= (done or 0) <= ends[one]
        }
        if gaps:
            raise DeletedUnread(gaps)
        # The same is said of each partition, one after the other, also when it has begun meanwhile.
        fresh = {one for one, done in committed.items() if done is None} - self._begun
        with suppress(IllegalStateError):  # A rebalance took it away; its next reader asks again.
            for one in fresh:
                self._consumer.seek(one, 0)
                self._begun.add(one)

    async def _lag(self) -> int:
        await self._assigned.wait()
        partitions = list(self._consumer.assignment())
        starts = await self._consumer.beginning_offsets(partitions)
        committed = await asyncio.gather(*map(self._consumer.committed, partitions))
        ends = await self._consumer.end_offsets(partitions)
        return sum(ends[one] - max(starts[one], done or 0) for one, done in zip(partitions, committed, strict=True))

    async def _reached(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except (KafkaError, ConsumerStoppedError, TimeoutError) as error:
            raise unreachable(self._address, error) from error
