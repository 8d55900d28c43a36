"""What is special about Kafka: safe settings, faults, rebalances."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from doorstep.bus import kafka
from doorstep.bus.interface import LARGEST_MESSAGE, DeletedUnread, Outgoing, Partition, Record
from doorstep.bus.kafka import KafkaBus
from doorstep.bus.kafka_subscription import KafkaSubscription
from doorstep.bus.kafka_topics import WrongTopic
from doorstep.bus.log_rate_limit import RateLimit
from doorstep.events.topics import INTAKE

from tests.support.kafka_broker import JavaBroker

NEWS = "doorstep.news.v1"
NOWHERE = "127.0.0.1:1"


def test_aiokafkas_unsafe_defaults_are_off() -> None:
    assert kafka.PRODUCER["acks"] == "all"
    assert kafka.PRODUCER["enable_idempotence"] is True
    assert kafka.CONSUMER["auto_offset_reset"] == "none"
    assert kafka.CONSUMER["enable_auto_commit"] is False
    assert kafka.CONSUMER["isolation_level"] == "read_committed"
    assert [a.name for a in kafka.CONSUMER["partition_assignment_strategy"]] == ["roundrobin"]
    assert kafka.CONSUMER["max_poll_interval_ms"] >= 10 * 60 * 1000


async def test_a_bus_that_is_away_is_a_connection_error_with_its_address() -> None:
    bus = KafkaBus(NOWHERE)
    for attempt in (bus.publish([Outgoing(NEWS, "a", b"1")]), bus.ensure_topics([NEWS])):
        with pytest.raises(ConnectionError, match=f"Kafka at {NOWHERE} cannot be used.*DOORSTEP_KAFKA"):
            await attempt
    with pytest.raises(ConnectionError, match=NOWHERE):
        await bus.subscribe("readers", [NEWS])
    await bus.close()


def test_repeated_log_lines_are_held_back_and_counted() -> None:
    limit, passed = RateLimit(every=10), []
    for second in (100, 101, 105, 111):
        record = logging.LogRecord("aiokafka.conn", logging.ERROR, "", 0, "lost %s", ("node 1",), None)
        record.created = second
        if limit.filter(record):
            passed.append(record.getMessage())
    assert passed == ["lost node 1", "lost node 1 [and 2 more since]"]


@pytest.fixture
async def bus(kafka_address: str, kafka_bus_prefix: str) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(kafka_address, prefix=kafka_bus_prefix, partitions=4)
    await bus.ensure_topics([NEWS])
    yield bus
    await bus.close()


def numbered(numbers: range) -> list[Outgoing]:
    return [Outgoing(NEWS, f"key {n % 20}", str(n).encode()) for n in numbers]


async def drain(subscription: KafkaSubscription, seen: list[Record], *, until: int) -> None:
    """Read and commit until `until` different values were seen."""
    while len({record.value for record in seen}) < until:
        records = await subscription.fetch(100, 0.5)
        seen += records
        if records:
            await subscription.commit(records)


@pytest.mark.kafka
async def test_topics_that_exist_already_are_left_alone(bus: KafkaBus) -> None:
    await bus.ensure_topics([NEWS])
    await bus.ensure_topics([NEWS, "doorstep.other.v1"])


@pytest.mark.kafka
async def test_foreign_messages_without_key_or_value_become_empty(
    bus: KafkaBus, kafka_address: str, kafka_bus_prefix: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_address) as bank:
        await bank.send_and_wait(kafka_bus_prefix + NEWS, b"no key", partition=0)
        await bank.send_and_wait(kafka_bus_prefix + NEWS, None, key=b"\xff", partition=0)
    subscription = await bus.subscribe("readers", [NEWS])
    found: list[Record] = []
    async with asyncio.timeout(20):
        await drain(subscription, found, until=2)
    assert [(record.key, record.value) for record in found] == [("", b"no key"), ("\ufffd", b"")]
    await subscription.close()


@asynccontextmanager
async def administrator(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Somebody with a hand on the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def admin(kafka_address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    async with administrator(kafka_address) as one:
        yield one


@pytest.fixture
async def narrow(kafka_address: str, kafka_bus_prefix: str) -> AsyncIterator[KafkaBus]:
    """A bus whose topic is one partition."""
    bus = KafkaBus(kafka_address, prefix=kafka_bus_prefix, partitions=1)
    await bus.ensure_topics([NEWS])
    yield bus
    await bus.close()


async def forget(admin: AIOKafkaAdminClient, prefix: str, before: int) -> None:
    """What retention does, at once: nothing below offset `before` is left."""
    await admin.delete_records({TopicPartition(prefix + NEWS, 0): RecordsToDelete(before)})


async def alter(admin: AIOKafkaAdminClient, topic: str, **settings: str) -> None:
    """Set up `topic` otherwise; returns when the broker goes by it. Every other setting is the broker's own again."""
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
    async with asyncio.timeout(20):
        while True:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            now = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            if settings.items() <= now.items():
                return


async def fetched(subscription: KafkaSubscription) -> list[int]:
    """What comes next."""
    async with asyncio.timeout(20):
        while not (records := await subscription.fetch(100, 0.5)):
            continue
    await subscription.commit(records)
    return [int(record.value) for record in records]


@pytest.mark.kafka
class TestDeletedUnread:
    """Retention is no reader's friend."""

    async def test_a_group_that_was_away_is_told_what_it_missed(
        self, narrow: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        await narrow.publish(numbered(range(2)))
        first = await narrow.subscribe("readers", [NEWS])
        assert await fetched(first) == [0, 1]
        await first.close()
        await narrow.publish(numbered(range(2, 5)))
        await forget(admin, kafka_bus_prefix, before=4)
        second = await narrow.subscribe("readers", [NEWS])
        with pytest.raises(DeletedUnread) as lost:
            await fetched(second)
        assert lost.value.gaps == {Partition(NEWS, 0): (2, 4)}
        # As whoever accepts the loss does.
        await second.commit([Record(Partition(NEWS, 0), 3, "", b"")])
        await second.close()
        third = await narrow.subscribe("readers", [NEWS])
        assert await fetched(third) == [4]
        await third.close()

    async def test_a_group_that_never_read_is_told_that_the_beginning_is_gone(
        self, narrow: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        await narrow.publish(numbered(range(3)))
        await forget(admin, kafka_bus_prefix, before=1)
        subscription = await narrow.subscribe("readers", [NEWS])
        with pytest.raises(DeletedUnread) as lost:
            await fetched(subscription)
        assert lost.value.gaps == {Partition(NEWS, 0): (0, 1)}
        await subscription.close()

    async def test_a_group_that_is_reading_is_told_too(
        self, narrow: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        await narrow.publish(numbered(range(1)))
        subscription = await narrow.subscribe("readers", [NEWS])
        assert await fetched(subscription) == [0]
        place = TopicPartition(kafka_bus_prefix + NEWS, 0)
        subscription._consumer.pause(place)
        # A request that was under way when it paused is answered within half a second.
        await asyncio.sleep(1)
        await narrow.publish(numbered(range(1, 4)))
        await forget(admin, kafka_bus_prefix, before=3)
        subscription._consumer.resume(place)
        with pytest.raises(DeletedUnread):
            await fetched(subscription)
        await subscription.close()

    async def test_what_was_read_may_be_deleted(
        self, narrow: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        await narrow.publish(numbered(range(3)))
        first = await narrow.subscribe("readers", [NEWS])
        assert await fetched(first) == [0, 1, 2]
        await first.close()
        await forget(admin, kafka_bus_prefix, before=3)
        second = await narrow.subscribe("readers", [NEWS])
        await narrow.publish(numbered(range(3, 4)))
        assert await fetched(second) == [3]
        await second.close()


@pytest.mark.kafka
class TestTopics:
    """How topics are set up is not left to the broker."""

    async def test_they_are_made_to_keep_what_is_unread(
        self, bus: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        counts = await bus.ensure_topics([NEWS, INTAKE])
        assert counts == {NEWS: 4, INTAKE: 4}
        wanted = [ConfigResource(ConfigResourceType.TOPIC, kafka_bus_prefix + one) for one in (NEWS, INTAKE)]
        (answer,) = await admin.describe_configs(wanted)
        news, intake = ({entry[0]: entry[1] for entry in resource[4]} for resource in answer.resources)
        assert (news["retention.ms"], news["retention.bytes"], news["cleanup.policy"]) == ("-1", "-1", "delete")
        assert (intake["retention.ms"], intake["segment.ms"]) == ("86400000", "3600000")

    @pytest.mark.parametrize(
        ("topic", "setting", "value"),
        [
            (NEWS, "retention.ms", "604800000"),
            (NEWS, "retention.bytes", "1000000"),
            (NEWS, "cleanup.policy", "compact"),
            (NEWS, "max.message.bytes", "1048588"),
            (INTAKE, "retention.ms", "-1"),
        ],
    )
    async def test_one_that_would_lose_messages_is_refused_with_the_command_that_mends_it(
        self, bus: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str, topic: str, setting: str, value: str
    ) -> None:
        await bus.ensure_topics([topic])
        name = kafka_bus_prefix + topic
        await alter(admin, name, **{setting: value})
        command = (
            rf"{name} has .*{setting}={value}(.|\n)*kafka-configs.sh .*--entity-name {name} --add-config .*{setting}="
        )
        with pytest.raises(WrongTopic, match=command):
            await bus.ensure_topics([topic])

    async def test_a_longer_retention_than_a_month_is_the_operators_choice(
        self, bus: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        forty_days = str(40 * 24 * 3600 * 1000)
        limit = str(LARGEST_MESSAGE)
        await alter(admin, kafka_bus_prefix + NEWS, **{"retention.ms": forty_days, "max.message.bytes": limit})
        await bus.ensure_topics([NEWS])

    async def test_nothing_is_published_on_one_that_was_given_other_partitions(
        self, bus: KafkaBus, admin: AIOKafkaAdminClient, kafka_bus_prefix: str
    ) -> None:
        await bus.publish(numbered(range(1)))
        await admin.create_partitions({kafka_bus_prefix + NEWS: NewPartitions(12)})
        producer = await bus._ready_producer()
        async with asyncio.timeout(20):
            while len(await producer.partitions_for(kafka_bus_prefix + NEWS)) == 4:
                await producer.client.force_metadata_update()
        with pytest.raises(WrongTopic, match="had 4 partitions"):
            await bus.publish(numbered(range(1)))


@pytest.mark.kafka
async def test_a_message_beyond_the_limit_is_refused_and_the_next_one_goes_through(bus: KafkaBus) -> None:
    with pytest.raises(ValueError, match="too large"):
        await bus.publish([Outgoing(NEWS, "a", b"x" * (LARGEST_MESSAGE + 1))])
    await bus.publish([Outgoing(NEWS, "a", b"small")])


@pytest.mark.kafka
async def test_a_topic_nobody_made_is_a_connection_error(bus: KafkaBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kafka.CONSUMER, "request_timeout_ms", 1000)
    with pytest.raises(ConnectionError, match="topics exist"):
        await bus.subscribe("readers", ["doorstep.nobody.v1"])


@pytest.mark.kafka
async def test_a_second_member_takes_over_half_and_then_everything(bus: KafkaBus) -> None:
    first = await bus.subscribe("readers", [NEWS])
    await bus.publish(numbered(range(200)))
    mine: list[Record] = []
    theirs: list[Record] = []
    async with asyncio.timeout(60):
        await drain(first, mine, until=200)
        # The first one must go on fetching, or it would not notice that the group changes.
        joining = asyncio.create_task(bus.subscribe("readers", [NEWS]))
        while not joining.done():
            await first.fetch(100, 0.2)
        second = await joining
        await bus.publish(numbered(range(200, 400)))
        while len(mine) + len(theirs) < 400:
            for subscription, seen in ((first, mine), (second, theirs)):
                records = await subscription.fetch(100, 0.2)
                seen.extend(records)
                if records:
                    await subscription.commit(records)
        await first.close()
        await bus.publish(numbered(range(400, 500)))
        await drain(second, theirs, until=len(theirs) + 100)
    assert theirs
    assert sorted(int(record.value) for record in mine + theirs) == list(range(500))
    await second.close()


@pytest.mark.kafka
async def test_a_replaced_producer_sends_nothing_any_more(bus: KafkaBus) -> None:
    old = await bus._ready_producer()
    await bus._discard(old)
    await bus.publish([Outgoing(NEWS, "a", b"new")])
    assert bus._producer is not old
    assert old._sender.sender_task.done()


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_a_killed_broker_loses_and_doubles_no_acknowledged_message(own_broker: JavaBroker) -> None:
    bus = KafkaBus(own_broker.address, partitions=4)
    await bus.ensure_topics([NEWS])
    subscription = await bus.subscribe("readers", [NEWS])
    seen: list[Record] = []
    resent: set[bytes] = set()
    outage = asyncio.Event()

    async def publish() -> None:
        for start in range(0, 6000, 50):
            batch = numbered(range(start, start + 50))
            while True:
                try:
                    await bus.publish(batch)
                    break
                except ConnectionError:
                    resent.update(message.value for message in batch)
            if start == 1000:
                outage.set()
            await asyncio.sleep(0.02)

    async def fail() -> None:
        await outage.wait()
        own_broker.kill()
        await asyncio.sleep(3)
        await asyncio.to_thread(own_broker.start)

    async with asyncio.timeout(150):
        await asyncio.gather(publish(), fail(), drain(subscription, seen, until=6000))
        assert await subscription.lag() == 0
    by_place = {(record.partition, record.offset): record.value for record in seen}
    stored = list(by_place.values())
    doubled = {value for value in stored if stored.count(value) > 1}
    assert doubled <= resent
    for partition in {place for place, _ in by_place}:
        first_seen = dict.fromkeys(int(value) for (place, _), value in sorted(by_place.items()) if place == partition)
        assert list(first_seen) == sorted(first_seen)
    await subscription.close()
    await bus.close()
