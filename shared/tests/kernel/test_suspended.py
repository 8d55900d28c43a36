"""What is due in suspended cases: it rests, costs the others nothing, and comes when the case is released."""

import asyncio
from datetime import timedelta

import pytest
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import Envelope, decode
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.registry import Event, decode_event
from doorstep.kernel import parking, sending_controls
from doorstep.kernel.http import discard_one
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.counting import HEARD, START, World, asked, told
from tests.support.rows_read import rows_read

# A crash leaves connections behind, as a dead process does; the pool's finalizers complain of it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MANY = 2_000
"""Rows of suspended cases that are due."""
LATER = START + timedelta(hours=2)


def suspended(key: str) -> Outgoing:
    return told(key, SendingSuspended(by="bank", key=key), f"suspended-{key}")


def resumed(key: str) -> Outgoing:
    return told(key, SendingResumed(by="bank", key=key, assess_at=START), f"resumed-{key}")


async def write(world: World, *statements: str) -> None:
    async with world.running.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"many": MANY} if ":many" in statement else {})
    world.running.store.changes += 1


async def with_many_suspended(world: World) -> None:
    """Timers and effects of as many cases, all due long ago; each case is suspended."""
    await world.ask(asked("a", 1))
    await world.settle()
    await write(
        world,
        "insert into suspended select 'case-' || n, 'bank', 'k' from generate_series(1, :many) n",
        """insert into streams (stream, category, id, key, tenant, version, fold, state, wake_at, correlation_id)
            select 'counter/case-' || n, 'counter', 'case-' || n, 'case-' || n, 'acme', 0, 'none', '',
                timestamptz '2026-01-01' + n * interval '1 second', 'c' from generate_series(1, :many) n""",
        """insert into effects (effect_key, kind, stream, key, due)
            select 'rests-' || n, 'announce', 'counter/case-' || n, 'case-' || n,
                timestamptz '2026-01-01' + n * interval '1 second' from generate_series(1, :many) n""",
        "analyze",
    )


async def test_many_that_rest_are_looked_at_once_and_cost_the_others_nothing(counting: World) -> None:
    await with_many_suspended(counting)
    await counting.settle()
    counting.clock.jump(LATER)
    with rows_read(counting.running.engine) as read:
        await counting.ask(asked("b", 50), asked("b", 100))
        await counting.settle()
        assert await counting.numbers("b") == (50, 100)
    assert sorted(counting.announcer.reached) == ["announce-100", "announce-50"]
    assert (read["streams"] < 100, read["effects"] < 100, read["suspended"] < 100) == (True, True, True), read


async def test_those_that_rest_do_not_keep_a_later_one_from_its_turn(counting: World) -> None:
    await with_many_suspended(counting)
    await counting.ask(asked("b", 50), asked("b", 100))
    counting.clock.jump(LATER)
    await counting.settle()
    assert sorted(counting.announcer.reached) == ["announce-100", "announce-50"]
    assert len([one for one in await counting.said() if one.type == "test.woken"]) == 1


async def test_what_rested_comes_when_the_case_is_resumed(counting: World) -> None:
    await counting.ask(suspended("a"), suspended("b"), asked("a", 100), asked("b", 100))
    counting.clock.jump(LATER)
    await counting.settle()
    assert counting.announcer.reached == []
    await counting.ask(resumed("a"))
    await counting.settle()
    assert counting.announcer.reached == ["announce-100"]
    assert [one.subject for one in await counting.said() if one.type == "test.woken"] == ["a"]


async def test_what_rests_for_two_reasons_waits_for_both_to_end(counting: World) -> None:
    await counting.ask(asked("a", 100), suspended("a"), Outgoing(HEARD, "a", b"{}"))
    counting.clock.jump(LATER)
    await counting.settle()
    await discard_one(counting.running, 1, "olga", "nonsense")
    await counting.settle()
    assert counting.announcer.reached == []
    await counting.ask(resumed("a"))
    await counting.settle()
    assert counting.announcer.reached == ["announce-100"]


async def test_what_waits_for_a_parked_message_comes_when_that_is_discarded(counting: World) -> None:
    await counting.ask(asked("a", 100), Outgoing(HEARD, "a", b"{}"))
    counting.clock.jump(LATER)
    await counting.settle()
    assert counting.announcer.reached == []
    await discard_one(counting.running, 1, "olga", "nonsense")
    await counting.settle()
    assert counting.announcer.reached == ["announce-100"]


@pytest.mark.parametrize("first", ["laid aside", "resumed"])
async def test_nothing_stays_laid_aside_whichever_of_two_transactions_commits_first(
    counting: World, first: str
) -> None:
    await counting.ask(suspended("a"), asked("a", 100))
    await counting.running.consumer.turn()
    resume = told("a", SendingResumed(by="bank", key="a", assess_at=START), "r")
    note = _heard(resume)

    async def lay_aside(connection: AsyncConnection) -> None:
        await connection.execute(text("select 1 from streams where stream = 'counter/a' for update"))
        await sending_controls.lay_aside_streams(connection, ["counter/a"], ["a"])

    async def resume_it(connection: AsyncConnection) -> None:
        await sending_controls.note(connection, [note])

    steps = (lay_aside, resume_it) if first == "laid aside" else (resume_it, lay_aside)
    async with counting.running.engine.connect() as one, counting.running.engine.connect() as two:
        await steps[0](one)
        second = asyncio.create_task(steps[1](two))
        await asyncio.wait([second], timeout=0.2)
        await one.commit()
        await second
        await two.commit()
    assert await counting.rows("select stream from streams where held") == []


async def test_what_an_older_release_released_is_taken_up_at_the_start(counting: World) -> None:
    await counting.ask(suspended("a"), suspended("b"), asked("a", 100), asked("b", 100))
    counting.clock.jump(LATER)
    await counting.settle()
    await write(counting, "delete from suspended where case_id = 'a'")
    await counting.restart()
    await counting.settle()
    assert counting.announcer.reached == ["announce-100"]
    assert [row.key for row in await counting.rows("select key from streams where held")] == ["b"]


async def test_parked_messages_are_counted_and_the_first_of_them_is_told(counting: World) -> None:
    await write(
        counting,
        """insert into parked (topic, partition, "offset", key, sealed, reason, parked_at, status)
            select 't', 0, n, 'k', '', 'why', timestamptz '2026-01-05 00:00Z' + n * interval '1 second',
                case when n % 2 = 0 then 'waiting' else 'replayed' end from generate_series(1, :many) n""",
    )
    with rows_read(counting.running.engine) as read:
        async with counting.running.engine.begin() as connection:
            queue = await parking.queue(connection)
    assert queue == (MANY // 2, START - timedelta(minutes=59, seconds=58))
    assert read["parked"] <= MANY // 2


def _heard(message: Outgoing) -> tuple[Envelope, Event]:
    envelope = decode(message.value)
    return envelope, decode_event(envelope)
