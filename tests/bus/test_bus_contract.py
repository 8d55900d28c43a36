"""What every bus promises. The kernel relies on nothing else."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pytest
from doorstep.bus.interface import FRAME, LARGEST_MESSAGE, Bus, Outgoing, Record, Subscription
from doorstep.bus.kafka import KafkaBus
from doorstep.bus.postgres import PostgresBus
from doorstep.infra import database

NEWS, MORE = "doorstep.news.v1", "doorstep.more.v1"


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "postgres"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "kafka":
        kafka = KafkaBus(
            request.getfixturevalue("kafka_address"),
            prefix=request.getfixturevalue("kafka_bus_prefix"),
            partitions=3,
        )
        await kafka.ensure_topics([NEWS, MORE])
        yield kafka
        await kafka.close()
        return
    name = f"bus_{uuid.uuid4().hex}"
    server: database.EmbeddedPostgres = request.getfixturevalue("postgres")
    await server.create(name)
    engine = database.engine(server.url(name))
    await database.migrate(engine, database.BUS)
    yield PostgresBus(engine)
    await engine.dispose()


def news(count: int, keys: int = 1, topic: str = NEWS) -> Sequence[Outgoing]:
    return [Outgoing(topic, f"key {n % keys}", str(n).encode()) for n in range(count)]


async def read(subscription: Subscription, count: int, *, commit: bool = True) -> list[Record]:
    """Until `count` records came; whatever comes too much comes along."""
    found: list[Record] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            records = await subscription.fetch(500, 0.5)
            found += records
            if records and commit:
                await subscription.commit(records)
    return found


def values(records: Sequence[Record]) -> list[int]:
    return sorted(int(record.value) for record in records)


async def test_what_was_published_is_read_as_it_was(bus: Bus) -> None:
    await bus.publish([Outgoing(NEWS, "张三", b'{"a": 1}')])
    subscription = await bus.subscribe("readers", [NEWS])
    (record,) = await read(subscription, 1)
    assert (record.partition.topic, record.key, record.value) == (NEWS, "张三", b'{"a": 1}')
    await subscription.close()


async def test_what_no_bus_carries_is_refused_before_anything_is_published(bus: Bus) -> None:
    large = Outgoing(NEWS, "a", b"x" * (LARGEST_MESSAGE - FRAME))
    with pytest.raises(ValueError, match="too large"):
        await bus.publish([*news(3), large])
    await bus.publish([large._replace(value=large.value[1:])])
    subscription = await bus.subscribe("readers", [NEWS])
    assert [len(record.value) for record in await read(subscription, 1)] == [LARGEST_MESSAGE - FRAME - 1]
    await subscription.close()


async def test_messages_of_one_key_keep_their_order(bus: Bus) -> None:
    await bus.publish(news(300, keys=7))
    subscription = await bus.subscribe("readers", [NEWS])
    by_key: dict[str, list[int]] = defaultdict(list)
    for record in await read(subscription, 300):
        by_key[record.key].append(int(record.value))
    assert len(by_key) == 7
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    await subscription.close()


async def test_a_thousand_messages_arrive_once(bus: Bus) -> None:
    await bus.publish(news(1000, keys=50))
    subscription = await bus.subscribe("readers", [NEWS])
    assert values(await read(subscription, 1000)) == list(range(1000))
    assert await subscription.fetch(10, 0.2) in ([], ())
    await subscription.close()


async def test_the_first_reading_starts_at_the_earliest_message(bus: Bus) -> None:
    await bus.publish(news(3))
    early = await bus.subscribe("early", [NEWS])
    late = await bus.subscribe("late", [NEWS])
    assert values(await read(early, 3)) == values(await read(late, 3)) == [0, 1, 2]
    await early.close()
    await late.close()


async def test_what_was_not_committed_comes_again_after_a_new_start(bus: Bus) -> None:
    await bus.publish(news(4))
    first = await bus.subscribe("readers", [NEWS])
    records = await read(first, 4, commit=False)
    await first.commit(records[:2])
    await first.close()
    second = await bus.subscribe("readers", [NEWS])
    assert values(await read(second, 2)) == [2, 3]
    await second.close()


async def test_what_was_committed_does_not_come_again(bus: Bus) -> None:
    await bus.publish(news(4))
    first = await bus.subscribe("readers", [NEWS])
    await read(first, 4)
    await first.close()
    await bus.publish([Outgoing(NEWS, "key 0", b"4")])
    second = await bus.subscribe("readers", [NEWS])
    assert values(await read(second, 1)) == [4]
    await second.close()


async def test_groups_do_not_disturb_each_other(bus: Bus) -> None:
    await bus.publish(news(3))
    diligent = await bus.subscribe("diligent", [NEWS])
    idle = await bus.subscribe("idle", [NEWS])
    await read(diligent, 3)
    assert await diligent.lag() == 0
    assert await idle.lag() == 3
    await diligent.close()
    await idle.close()


async def test_a_fetch_holds_records_of_one_topic_within_the_limit(bus: Bus) -> None:
    await bus.publish([*news(40, keys=9), *news(40, keys=9, topic=MORE)])
    subscription = await bus.subscribe("readers", [NEWS, MORE])
    seen = 0
    async with asyncio.timeout(30):
        while seen < 80:
            records = await subscription.fetch(7, 0.5)
            assert len(records) <= 7
            assert len({record.partition.topic for record in records}) <= 1
            for partition in {record.partition for record in records}:
                offsets = [record.offset for record in records if record.partition == partition]
                assert offsets == sorted(set(offsets))
            seen += len(records)
    await subscription.close()


@pytest.mark.parametrize("value", [b"", b"\x00\xff\xfe not json", b"{" * 1000, b"x" * 1_500_000], ids=len)
async def test_broken_bytes_come_as_they_are(bus: Bus, value: bytes) -> None:
    await bus.publish([Outgoing(NEWS, "", value)])
    subscription = await bus.subscribe("readers", [NEWS])
    (record,) = await read(subscription, 1)
    assert (record.key, record.value) == ("", value)
    await subscription.close()


async def test_lag_counts_what_is_not_committed_and_goes_to_zero(bus: Bus) -> None:
    await bus.publish(news(25, keys=4))
    subscription = await bus.subscribe("readers", [NEWS])
    assert await subscription.lag() == 25
    await read(subscription, 25, commit=False)
    assert await subscription.lag() == 25
    await subscription.close()
    again = await bus.subscribe("readers", [NEWS])
    await read(again, 25)
    assert await again.lag() == 0
    await again.close()


async def test_an_empty_bus_yields_nothing_in_time(bus: Bus) -> None:
    subscription = await bus.subscribe("readers", [NEWS])
    async with asyncio.timeout(5):
        assert not await subscription.fetch(10, 0.3)
    assert await subscription.lag() == 0
    await subscription.close()


async def test_publishing_nothing_publishes_nothing(bus: Bus) -> None:
    await bus.publish([])
    subscription = await bus.subscribe("readers", [NEWS])
    assert await subscription.lag() == 0
    await subscription.close()


async def test_what_is_published_while_reading_is_read(bus: Bus) -> None:
    subscription = await bus.subscribe("readers", [NEWS])
    assert not await subscription.fetch(10, 0.1)
    reading = asyncio.create_task(read(subscription, 2))
    await bus.publish(news(2))
    assert values(await reading) == [0, 1]
    await subscription.close()
