"""The bus on Apache Kafka. Only the modules beside this one, kafka_*, know aiokafka too.

No Kafka transactions: exactly-once effect comes from the inbox and the outbox, so this module promises at
least once, in order per key, and nothing lost that was acknowledged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from doorstep.bus.interface import LARGEST_MESSAGE, Outgoing, demand_room
from doorstep.bus.kafka_client import CLIENT, CLOSE_TIMEOUT, REQUEST_TIMEOUT, retrieve, security, unreachable, within
from doorstep.bus.kafka_subscription import KafkaSubscription
from doorstep.bus.kafka_topics import Topics, other_count
from doorstep.bus.log_rate_limit import rate_limit
from doorstep.infra.settings import Settings, WrongSettings

PUBLISH_TIMEOUT = 30.0

# aiokafka's own defaults may lose messages; tests/bus holds each of these fast.
PRODUCER: dict[str, Any] = CLIENT | {
    "acks": "all",
    "enable_idempotence": True,
    "max_batch_size": 512 * 1024,
    "max_request_size": LARGEST_MESSAGE,
}
CONSUMER: dict[str, Any] = CLIENT | {
    # Where a group has no offset, or one that is gone, KafkaSubscription looks what was lost.
    "auto_offset_reset": "none",
    "enable_auto_commit": False,
    # Our own producers use no transactions; a bank's may, and what they aborted never happened.
    "isolation_level": "read_committed",
    # Eager: everything is revoked before anything is assigned, so one partition never has two readers.
    "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
    "max_poll_interval_ms": 15 * 60 * 1000,
}


class KafkaBus:
    """`address`: bootstrap servers, host:port,... `prefix` is put before every topic and group, so that
    several systems can share a broker; Records name topics without it. `partitions` and `replicas` are for
    topics that have to be made. `security` is what a client needs to be let in (kafka_client)."""

    def __init__(
        self,
        address: str,
        *,
        prefix: str = "",
        partitions: int = 64,
        replicas: int = 1,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._client = {"bootstrap_servers": address, **(security or {})}
        self._topics = Topics(address, self._client | CLIENT, prefix, partitions, replicas)
        self._counts: Mapping[str, int] = {}
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
            security=security(settings),
        )

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Durable once it returns. On an exception any part may have been published: send all again.
        Raises ConnectionError; ValueError for a message that is too large, for us or for its topic; WrongTopic when a
        topic has other partitions than `ensure_topics` found."""
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
            raise unreachable(self._address, error) from error

    async def subscribe(self, group: str, topics: Sequence[str]) -> "KafkaSubscription":
        """Start reading where `group` left off. Raises ConnectionError, also for a topic nobody made."""
        consumer = AIOKafkaConsumer(**self._client, group_id=self._prefix + group, **CONSUMER)
        subscription = KafkaSubscription(consumer, self._address, self._prefix)
        consumer.subscribe([self._prefix + topic for topic in topics], listener=subscription)
        try:
            await asyncio.wait_for(consumer.start(), PUBLISH_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            await subscription.close()
            raise unreachable(self._address, error) from error
        return subscription

    async def ensure_topics(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Make the topics that are missing and check all; how many partitions each has. With three replicas or more, an
        acknowledged message is on at least two of them. Raises ConnectionError, also when the broker refuses, and
        WrongTopic."""
        counts = await self._topics.ensure(topics)
        self._counts = {**self._counts, **counts}
        return counts

    async def close(self) -> None:
        """Let go of the producer; subscriptions close themselves."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _ready_producer(self) -> AIOKafkaProducer:
        async with self._producing:
            if self._producer is None:
                fresh = AIOKafkaProducer(**self._client, **PRODUCER)
                try:
                    await asyncio.wait_for(fresh.start(), REQUEST_TIMEOUT)
                except (KafkaError, TimeoutError) as error:
                    await within(CLOSE_TIMEOUT, fresh.stop())
                    raise unreachable(self._address, error) from error
                self._producer = fresh
            return self._producer

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Outgoing]) -> None:
        acknowledgements: list[asyncio.Future[Any]] = []
        for topic in {message.topic for message in messages} & self._counts.keys():
            # With other partitions a key would go elsewhere than before, and overtake what it said earlier.
            if len(await producer.partitions_for(self._prefix + topic)) != self._counts[topic]:
                raise other_count(self._prefix + topic, self._counts[topic])
        for topic, key, value in messages:
            acknowledgement = await producer.send(self._prefix + topic, value, key.encode())
            acknowledgement.add_done_callback(retrieve)
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
        await within(CLOSE_TIMEOUT, producer.stop())
