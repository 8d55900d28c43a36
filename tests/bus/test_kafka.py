"""What is special about Kafka: safe settings, faults, rebalances."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from doorstep.bus import kafka
from doorstep.bus.interface import LARGEST_MESSAGE, Outgoing, Record
from doorstep.bus.kafka import KafkaBus, KafkaSubscription
from doorstep.bus.log_rate_limit import RateLimit

from tests.support.kafka_broker import JavaBroker

NEWS = "doorstep.news.v1"
NOWHERE = "127.0.0.1:1"


def test_aiokafkas_unsafe_defaults_are_off() -> None:
    assert kafka.PRODUCER["acks"] == "all"
    assert kafka.PRODUCER["enable_idempotence"] is True
    assert kafka.CONSUMER["auto_offset_reset"] == "earliest"
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
