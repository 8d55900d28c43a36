"""Whatever happens around the services (deaths, zombies, a broker or a PostgreSQL that dies, messages that come
twice or are rubbish), the cases end as they would have without. Four real processes on Kafka; each test also
shows that its fault hit. All is judged from outside: databases, topics, the gateway's folder, Kafka's word."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest
from doorstep.app.embedded import installed
from doorstep.bus.interface import Outgoing
from doorstep.events.topics import INTAKE
from doorstep.infra import database
from doorstep.kernel.parking import name_of
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.bank import Account, Told, moment, told
from tests.support.cluster import Cluster, running, second
from tests.support.kafka_broker import JavaBroker
from tests.support.postgres_server import OwnPostgres, own_postgres

ACCOUNTS = [Account(number, 3 + number % 20, 1_000 + 100 * number) for number in range(1, 31)]
PACE = 0.1
"""Seconds between two facts of the bank, so that messages flow while the fault happens."""
WITHIN = 90.0

NewDatabase = Callable[..., Awaitable[AsyncEngine]]
Trouble = Callable[[Cluster], Coroutine[Any, Any, None]]
pytestmark = [pytest.mark.kafka, pytest.mark.timeout(200)]


async def peace(_: Cluster) -> None:
    """Nothing happens."""


async def play(cluster: Cluster, trouble: Trouble = peace, parked: Collection[str] = ()) -> Told:
    """Two days of thirty accounts; `trouble` begins with the first fact and lasts as long as it likes."""
    async with asyncio.TaskGroup() as both:
        both.create_task(trouble(cluster))
        both.create_task(_two_days(cluster))
    await cluster.quiet()
    await _assert_sound(cluster, parked)
    return await told(cluster)


async def _two_days(cluster: Cluster) -> None:
    for day in range(2):
        cluster.clock.jump(moment(day, 6, 7))
        for account in ACCOUNTS:
            await cluster.publish(_facts(account, day))
            await asyncio.sleep(PACE)
        await _let_pass(cluster, day)


def _facts(account: Account, day: int) -> list[Outgoing]:
    at = moment(day, 6, 7)
    if day == 0 or account.number % 2:
        return [account.overdue(at.date(), at)]
    return [account.paid(at.date(), at), account.cured(at.date(), at)]


async def _let_pass(cluster: Cluster, day: int) -> None:
    """The rest of the day, from one thing that is due to the next."""
    while (look := await cluster.quiet()).next_due < moment(day, 23, 0):
        cluster.clock.jump(max(look.next_due, cluster.clock.now() + timedelta(seconds=1)))


async def _assert_sound(cluster: Cluster, parked: Collection[str] = ()) -> None:
    """Versions 1 to n in each stream; of the facts only those with the keys `parked` are parked, of the events
    none."""
    for name, engine in cluster.databases.items():
        assert await _rows(engine, _GAPS) == []
        keys = [key for (key,) in await _rows(engine, "select key from parked order by key")]
        assert keys == (sorted(map(name_of, parked)) if name == "escalation" else [])


async def _rows(engine: AsyncEngine, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in (await connection.execute(text(sql), values)).all()]


Start = Callable[..., Any]


@pytest.fixture
def start(new_database: NewDatabase, tmp_path: Path, kafka_address: str, kafka_bus_prefix: str) -> Start:
    """Four services in fresh databases and topics."""

    @asynccontextmanager
    async def started(
        name: str, *, make: NewDatabase = new_database, kafka: str = kafka_address
    ) -> AsyncIterator[Cluster]:
        folder = tmp_path / name
        folder.mkdir()
        databases = {one.name: await make(database.KERNEL, one.migrations) for one in installed()}
        vault = await make(database.VAULT)
        cluster = Cluster(folder, databases, vault, kafka, f"{kafka_bus_prefix}{name}.", moment(0, 6, 0), {})
        async with running(cluster):
            yield cluster

    return started


_undisturbed: list[Told] = []


@pytest.fixture
async def expected(start: Start) -> Told:
    """How it ends when nothing happens."""
    if not _undisturbed:
        async with start("undisturbed") as cluster:
            _undisturbed.append(await play(cluster))
    ended = _undisturbed[0]
    said = {event["type"] for events in ended.events.values() for event in events}
    assert said >= {"doorstep.case.opened", "doorstep.case.cured"}
    assert len(ended.messages) >= len(ACCOUNTS)
    return ended


def assert_same(ended: Told, expected: Told) -> None:
    """Messages, events and timelines, case by case."""
    assert ended.messages == expected.messages
    assert ended.events.keys() == expected.events.keys()
    for case_id, events in expected.events.items():
        assert ended.events[case_id] == events
    assert ended.timelines == expected.timelines


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Raises TimeoutError when it does not become true."""
    async with asyncio.timeout(WITHIN):
        while not await true():  # noqa: ASYNC110 - what is awaited happens in other processes
            await asyncio.sleep(0.1)


async def test_two_processes_of_each_service_share_the_work_and_one_may_die(start: Start, expected: Told) -> None:
    async def trouble(cluster: Cluster) -> None:
        for name in cluster.databases:
            cluster.add(second(name))
        for name in cluster.databases:
            await until(partial(_has, cluster, name, 2))
        cluster.kill("escalation")

    async with start("replicas") as cluster:
        ended = await play(cluster, trouble)
        # The broker forgets a member that died only when its session has run out.
        await until(partial(_has, cluster, "escalation", 1))
        for name in ("reminder", "audit"):
            shares = [await cluster.metric(one, "messages_handled") for one in (name, second(name))]
            assert all(shares), f"{name}: {shares}"
        assert await cluster.metric("reminder", "events_published") > 0
        assert await cluster.metric(second("reminder"), "events_published") == 0
        sent = [await cluster.metric(one, "effects_done") for one in ("reminder", second("reminder"))]
        ((done,),) = await _rows(
            cluster.databases["reminder"], "select count(*) from effects where done_at is not null"
        )
        assert all(sent), sent
        assert sum(sent) == done
        assert await cluster.metric(second("escalation"), "events_published") > 0
    assert_same(ended, expected)


async def _has(cluster: Cluster, service: str, members: int) -> bool:
    return await cluster.members(service) == members


@pytest.mark.parametrize("zombie", ["escalation", "reminder"])
async def test_a_process_that_stood_still_while_another_took_over_does_no_harm(
    zombie: str, start: Start, expected: Told
) -> None:
    async def trouble(cluster: Cluster) -> None:
        cluster.add(second(zombie))
        await until(lambda: _has(cluster, zombie, 2))
        frozen = psutil.Process(cluster.pid(zombie))
        frozen.suspend()
        await until(lambda: _stands_still(frozen))
        await until(lambda: _has(cluster, zombie, 1))
        # A process that stands still keeps its locks until PostgreSQL gives its connections up.
        leaders = await _rows(cluster.databases[zombie], _LEADERS)
        await _rows(cluster.databases[zombie], _CUT_ALL)
        await until(lambda: _led_by_others(cluster.databases[zombie], leaders))
        await asyncio.sleep(1)
        assert frozen.status() == psutil.STATUS_STOPPED
        frozen.resume()
        await until(lambda: _has(cluster, zombie, 2))

    async with start("zombie") as cluster:
        ended = await play(cluster, trouble)
        assert await cluster.metric(second(zombie), "events_published") > 0
    assert_same(ended, expected)


async def _stands_still(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_STOPPED)


async def _led_by_others(engine: AsyncEngine, leaders: list[tuple[Any, ...]]) -> bool:
    now = await _rows(engine, _LEADERS)
    return {role for _, role in now} == {role for _, role in leaders} and not set(now) & set(leaders)


async def test_a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing(
    own_broker: JavaBroker, start: Start, expected: Told
) -> None:
    killed = own_broker.pid

    async def trouble(_: Cluster) -> None:
        await asyncio.sleep(1)
        own_broker.kill()
        assert not psutil.pid_exists(killed)
        await asyncio.sleep(1)
        await asyncio.to_thread(own_broker.start)

    async with start("broker", kafka=own_broker.address) as cluster:
        ended = await play(cluster, trouble)
    assert own_broker.pid != killed
    assert_same(ended, expected)


@pytest.fixture
def own_server() -> Any:
    """A PostgreSQL of the test's own."""
    with own_postgres() as server:
        yield server


async def test_a_postgres_that_dies_twice_loses_and_doubles_nothing(
    own_server: OwnPostgres, start: Start, expected: Told
) -> None:
    starts: set[Any] = set()

    async def trouble(cluster: Cluster) -> None:
        for _ in range(2):
            starts.update(await _rows(cluster.databases["audit"], "select pg_postmaster_start_time()"))
            await asyncio.sleep(1)
            before = {name: cluster.faults(name) for name in cluster.databases}
            await asyncio.to_thread(own_server.stop_immediately)
            for name in cluster.databases:
                await until(partial(_complains, cluster, name, before[name]))
            await asyncio.to_thread(own_server.start)
            for name, engine in cluster.databases.items():
                await engine.dispose()
                await cluster.call(name, "GET", "/ready", None)

    async with start("postgres", make=own_server.new_database) as cluster:
        ended = await play(cluster, trouble)
        starts.update(await _rows(cluster.databases["audit"], "select pg_postmaster_start_time()"))
    assert len(starts) == 3
    assert_same(ended, expected)


async def _complains(cluster: Cluster, name: str, before: int) -> bool:
    return cluster.faults(name) > before


async def test_connections_cut_off_at_any_moment_lose_and_double_nothing(start: Start, expected: Told) -> None:
    cut: dict[str, int] = {}

    async def trouble(cluster: Cluster) -> None:
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for name, engine in cluster.databases.items():
                cut[name] = cut.get(name, 0) + len(await _rows(engine, _CUT_ALL))
            await asyncio.sleep(0.37)

    async with start("cut") as cluster:
        ended = await play(cluster, trouble)
        for name in cluster.databases:
            assert cut[name] >= 10
            assert cluster.faults(name) >= 3
    assert_same(ended, expected)


async def test_everything_read_again_from_the_beginning_is_known_already(start: Start, expected: Told) -> None:
    async with start("again") as cluster:
        assert_same(await play(cluster), expected)
        before = await cluster.quiet()
        for name in cluster.databases:
            cluster.kill(name)
        again = {name: await cluster.rewind(name) for name in cluster.databases}
        for name in cluster.databases:
            cluster.add(name)
            await cluster.call(name, "GET", "/ready", None)
        after = await cluster.quiet()
        assert after == before
        for name in ("escalation", "reminder", "visit-scheduler"):
            known, others = [await cluster.metric(name, f"messages_{what}") for what in ("duplicate", "passed_over")]
            assert known + others == again[name] > 0
            # Nobody is visited within two days.
            assert (known > 0) == (name != "visit-scheduler")
        assert await cluster.metric("audit", "messages_handled") == again["audit"] > 0
        await _assert_sound(cluster)
        assert_same(await told(cluster), expected)


RUBBISH: Mapping[str, bytes] = {
    "not text": b"\xff\xfe\x00\x01" * 50,
    "cut short": b'{"specversion":"1.0","id":"x',
    "no event": b"[1,2,3]",
    "nothing": b"",
    "a megabyte": b"x" * 1_000_000,
    "deep": b"[" * 100_000,
    "a key with \0": b"{",
    random.Random(1).randbytes(4_500).hex(): b"{",
}
"""By key; the last one is longer than an index of PostgreSQL holds."""


async def test_rubbish_is_parked_and_a_large_fact_is_read_and_all_else_goes_on(start: Start, expected: Told) -> None:
    async def trouble(cluster: Cluster) -> None:
        for key, value in RUBBISH.items():
            await cluster.publish([Outgoing(INTAKE, key, value)])
            await asyncio.sleep(PACE)

    async with start("rubbish") as cluster:
        cluster.clock.jump(moment(0, 6, 7))
        (fact,) = _facts(ACCOUNTS[0], 0)
        large = fact._replace(value=_padded(fact.value))
        assert len(large.value) > 1_000_000
        await cluster.publish([large])
        await cluster.quiet()
        recorded = "select 1 from events where type = 'doorstep.loan.overdue-recorded'"
        assert await _rows(cluster.databases["escalation"], recorded)
        ended = await play(cluster, trouble, parked=RUBBISH)
        # Sent a second time as it was, the large one is a duplicate.
        assert await cluster.metric("escalation", "messages_duplicate") == 1
    about_cases = {case_id: events for case_id, events in ended.events.items() if case_id in expected.events}
    assert len(ended.events) == len(about_cases) + len(RUBBISH)
    timelines = {case_id: shown for case_id, shown in ended.timelines.items() if case_id in about_cases}
    assert_same(Told(about_cases, timelines, ended.messages), expected)


def _padded(value: bytes) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(value), "remark": "x" * 1_000_000})


_GAPS = """
    select stream from events group by stream
    having min(version) <> 1 or max(version) <> count(*) or count(distinct version) <> count(*)
"""
_LEADERS = """
    select pid, objid from pg_locks join pg_database d on d.oid = database
    where locktype = 'advisory' and granted and datname = current_database() and pid is not null
"""
_CUT_ALL = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'doorstep %'
"""
"""The services' connections, which carry their names; the test keeps its own."""
