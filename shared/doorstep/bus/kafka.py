"""The bus on Apache Kafka. The only module that knows aiokafka.

No Kafka transactions: exactly-once effect comes from the inbox and the outbox, so this module promises at
least once, in order per key, and nothing lost that was acknowledged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)

from doorstep.bus.interface import LARGEST_MESSAGE, Outgoing, Partition, Record, demand_room
from doorstep.bus.log_rate_limit import rate_limit
from doorstep.events.topics import TOPICS
from doorstep.infra.settings import Settings, WrongSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

REQUEST_TIMEOUT = 10.0
PUBLISH_TIMEOUT = 30.0
CLOSE_TIMEOUT = 5.0

# aiokafka's own defaults may lose messages; tests/bus holds each of these fast.
CLIENT: dict[str, Any] = {"request_timeout_ms": int(REQUEST_TIMEOUT * 1000)}
PRODUCER: dict[str, Any] = CLIENT | {
    "acks": "all",
    "enable_idempotence": True,
    "max_batch_size": 512 * 1024,
    "max_request_size": LARGEST_MESSAGE,
}
CONSUMER: dict[str, Any] = CLIENT | {
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
    # Our own producers use no transactions; a bank's may, and what they aborted never happened.
    "isolation_level": "read_committed",
    # Eager: everything is revoked before anything is assigned, so one partition never has two readers.
    "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
    "max_poll_interval_ms": 15 * 60 * 1000,
}
TOPIC = {"max.message.bytes": str(LARGEST_MESSAGE)}


def _forgetting(name: str) -> dict[str, str]:
    topic = TOPICS.get(name)
    known = {"retention.ms": topic and topic.retention, "segment.ms": topic and topic.segment}
    return {setting: str(int(span.total_seconds() * 1000)) for setting, span in known.items() if span}


class KafkaBus:
    """`address`: bootstrap servers, host:port,... `prefix` is put before every topic and group, so that
    several systems can share a broker; Records name topics without it. `partitions` and `replicas` are for
    topics that have to be made."""

    def __init__(self, address: str, *, prefix: str = "", partitions: int = 8, replicas: int = 1) -> None:
        self._address = address
        self._prefix = prefix
        self._partitions = partitions
        self._replicas = replicas
        self._producer: AIOKafkaProducer | None = None
        self._producing = asyncio.Lock()
        rate_limit("aiokafka")

    @classmethod
    def from_settings(cls, settings: Settings) -> "KafkaBus":
        """The bus that DOORSTEP_KAFKA names. Raises WrongSettings when it names none."""
        if not settings.kafka:
            raise WrongSettings("DOORSTEP_KAFKA is not set: give host:port, or use `doorstep up` for the embedded bus")
        return cls(
            settings.kafka,
            prefix=settings.topic_prefix,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Durable once it returns. On an exception any part may have been published: send all again.
        Raises ConnectionError; ValueError for a message that is too large, for us or for its topic."""
        if not messages:
            return
        demand_room(messages)
        producer = await self._ready_producer()
        try:
            await asyncio.wait_for(self._send(producer, messages), PUBLISH_TIMEOUT)
        except MessageSizeTooLargeError as error:
            await self._discard(producer)
            raise ValueError(f"a message is too large for its Kafka topic: {error}") from error
        except (KafkaError, TimeoutError) as error:
            await self._discard(producer)
            raise self._unreachable(error) from error

    async def subscribe(self, group: str, topics: Sequence[str]) -> "KafkaSubscription":
        """Start reading where `group` left off. Raises ConnectionError, also for a topic nobody made."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address, group_id=self._prefix + group, **CONSUMER)
        subscription = KafkaSubscription(consumer, self._address, self._prefix)
        consumer.subscribe([self._prefix + topic for topic in topics], listener=subscription)
        try:
            await asyncio.wait_for(consumer.start(), PUBLISH_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            await subscription.close()
            raise self._unreachable(error) from error
        return subscription

    async def ensure_topics(self, topics: Sequence[str]) -> None:
        """Make the topics that are missing. With three replicas or more, an acknowledged message is on at
        least two of them. Raises ConnectionError, also when the broker refuses."""
        config = TOPIC | {"min.insync.replicas": "2" if self._replicas > 2 else "1"}
        fresh = [
            NewTopic(
                self._prefix + topic,
                self._partitions,
                self._replicas,
                topic_configs=config | _forgetting(topic),
            )
            for topic in topics
        ]
        admin = AIOKafkaAdminClient(bootstrap_servers=self._address, **CLIENT)
        try:
            await asyncio.wait_for(admin.start(), REQUEST_TIMEOUT)
            answer = await asyncio.wait_for(admin.create_topics(fresh), REQUEST_TIMEOUT)
            for name, code, *reason in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)(f"topic {name}: {reason[0] if reason else ''}")
        except (KafkaError, TimeoutError) as error:
            raise self._unreachable(error) from error
        finally:
            await _within(CLOSE_TIMEOUT, admin.close())

    async def close(self) -> None:
        """Let go of the producer; subscriptions close themselves."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _ready_producer(self) -> AIOKafkaProducer:
        async with self._producing:
            if self._producer is None:
                fresh = AIOKafkaProducer(bootstrap_servers=self._address, **PRODUCER)
                try:
                    await asyncio.wait_for(fresh.start(), REQUEST_TIMEOUT)
                except (KafkaError, TimeoutError) as error:
                    await _within(CLOSE_TIMEOUT, fresh.stop())
                    raise self._unreachable(error) from error
                self._producer = fresh
            return self._producer

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Outgoing]) -> None:
        acknowledgements: list[asyncio.Future[Any]] = []
        for topic, key, value in messages:
            acknowledgement = await producer.send(self._prefix + topic, value, key.encode())
            acknowledgement.add_done_callback(_retrieve)
            acknowledgements.append(acknowledgement)
        await asyncio.wait(acknowledgements)
        for acknowledgement in acknowledgements:
            acknowledgement.result()

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """An idempotent producer can stay stuck after an error (aiokafka #1017), and would retry for ever:
        nothing may leave it any more once the caller sends the same messages again through a new one. Its
        public stop() would first flush, hence the reach into its sender."""
        if self._producer is producer:
            self._producer = None
        sender = producer._sender.sender_task
        if sender is not None:
            sender.cancel()
            await asyncio.wait({sender}, timeout=REQUEST_TIMEOUT + 1)
        producer._message_accumulator.fail_all(KafkaError("the producer was replaced"))
        await _within(CLOSE_TIMEOUT, producer.stop())

    def _unreachable(self, error: BaseException) -> ConnectionError:
        return _unreachable(self._address, error)


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """One group's reading; made by KafkaBus.subscribe. After a ConnectionError: close, subscribe again."""

    def __init__(self, consumer: AIOKafkaConsumer, address: str, prefix: str) -> None:
        self._consumer = consumer
        self._address = address
        self._prefix = prefix
        self._buffer: dict[TopicPartition, list[Record]] = {}
        self._assigned = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one topic, after `timeout` seconds at the latest; perhaps none. What waits
        in several partitions comes together: a transaction costs the same for one record as for ten."""
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
            _retrieve(self._polling)
        if not await _within(CLOSE_TIMEOUT, self._consumer.stop()):
            await _within(CLOSE_TIMEOUT, self._consumer._client.close())

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Whoever gets the partitions starts at their committed offsets, so what is buffered is stale."""
        self._assigned.clear()
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
        got = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=limit)
        # No await from here on: a rebalance must not come between taking and buffering.
        for partition, messages in got.items():
            name = Partition(partition.topic.removeprefix(self._prefix), partition.partition)
            self._buffer.setdefault(partition, []).extend(
                Record(name, one.offset, (one.key or b"").decode(errors="replace"), one.value or b"")
                for one in messages
            )

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
            raise _unreachable(self._address, error) from error


def _unreachable(address: str, error: BaseException) -> ConnectionError:
    return ConnectionError(
        f"Kafka at {address} cannot be used: {error!r}. Check that the broker runs, that DOORSTEP_KAFKA"
        " names it and that the topics exist; whatever was not acknowledged will be sent again"
    )


def _retrieve(future: "asyncio.Future[Any]") -> None:
    """Else asyncio complains about a failure that nobody looks at."""
    if not future.cancelled():
        future.exception()


async def _within(seconds: float, closing: Awaitable[Any]) -> bool:
    """Whether `closing` came to its end; a fault of what is being given up matters to nobody."""
    try:
        await asyncio.wait_for(closing, seconds)
    except (KafkaError, TimeoutError) as error:
        log.warning("gave up closing a Kafka client: %r", error)
        return False
    return True
