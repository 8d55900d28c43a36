"""A database that lost what it had committed gives numbers again, and never an id."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from doorstep.kernel.decider import Routed

from tests.support.counting import Count, World, counter, world
from tests.support.postgres_server import OwnPostgres, own_postgres


@pytest.fixture
def server() -> Iterator[OwnPostgres]:
    """A PostgreSQL of the test's own."""
    with own_postgres() as server:
        yield server


@pytest.fixture
async def counting(server: OwnPostgres, tmp_path: Path) -> AsyncIterator[World]:
    """The counter, on it."""
    made = await world(server.new_database, tmp_path)
    yield made
    await made.running.close()


async def count(counting: World, *numbers: int) -> Sequence[str]:
    """Count them; the ids of all events there are."""
    await counting.running.execute(*[Routed(counter("k"), Count(number)) for number in numbers])
    return [id_ for (id_,) in await counting.rows("select event_id from events order by stream, version")]


async def cut_off(counting: World) -> None:
    await counting.running.engine.dispose()
    await counting.bus.engine.dispose()


async def test_no_id_is_used_again_after_a_failover_that_lost_commits(counting: World, server: OwnPostgres) -> None:
    kept = await count(counting, 1, 2)
    await asyncio.to_thread(server.keep_replicas, "replica")
    await cut_off(counting)
    lost = (await count(counting, 3, 4))[len(kept) :]
    await asyncio.to_thread(server.fail_over_to, "replica")
    await cut_off(counting)

    after = await count(counting, 5, 6)
    assert after[: len(kept)] == kept
    assert len(after) == len(kept) + len(lost)
    assert not set(after) & set(lost)
    assert await counting.numbers("k") == (1, 2, 5, 6)


async def test_two_replicas_that_take_over_one_after_the_other_share_no_id(
    counting: World, server: OwnPostgres
) -> None:
    """Each begins the timeline after that of the server they followed, which is the same one."""
    await count(counting, 1)
    await asyncio.to_thread(server.keep_replicas, "first", "second")
    await asyncio.to_thread(server.fail_over_to, "first")
    await cut_off(counting)
    first = await count(counting, 2)
    await asyncio.to_thread(server.fail_over_to, "second")
    await cut_off(counting)
    second = await count(counting, 3)
    assert (len(first), len(second), len(set(first) & set(second))) == (2, 2, 1)


async def test_a_server_that_dies_and_starts_again_goes_on_under_its_epoch(
    counting: World, server: OwnPostgres
) -> None:
    await count(counting, 1)
    before = await counting.rows("select epoch, history from store")
    await asyncio.to_thread(server.stop_immediately)
    await asyncio.to_thread(server.start)
    await cut_off(counting)
    await count(counting, 2)
    assert await counting.rows("select epoch, history from store") == before
