"""Who hears one topic sees by `previousid` that an event is missing; then its key waits for a person."""

import msgspec
import pytest
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import decode, encode
from doorstep.kernel import parking
from doorstep.kernel.handle import GAP
from doorstep.kernel.http import discard_one, replay_key

from tests.support.counting import World, asked


def after(previous: str, message: Outgoing) -> Outgoing:
    """The same message, which says what was said before it."""
    envelope = msgspec.structs.replace(decode(message.value), previousid=previous)
    return message._replace(value=encode(envelope))


FIRST, SECOND, THIRD = asked("a", 1), after("a-1-0", asked("a", 2)), after("a-2-0", asked("a", 3))


async def waiting(world: World) -> list[str]:
    """Why messages are parked, in order."""
    async with world.running.engine.connect() as connection:
        return [one.reason for one in await parking.listing(connection)]


async def test_an_event_names_the_one_said_before_it_on_the_same_topic(counting: World) -> None:
    await counting.ask(asked("a", 1), asked("b", 1), asked("a", 2))
    await counting.settle()
    await counting.restart(clean=True)
    await counting.ask(asked("a", 3))
    await counting.settle()
    said = [one for one in await counting.said() if one.stream == "counter/a"]
    assert [one.previousid for one in said] == [None, said[0].id, said[1].id]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_comes_in_order_is_handled(counting: World, at_once: bool) -> None:
    for messages in [(FIRST, SECOND, THIRD)] if at_once else [(FIRST,), (SECOND,), (THIRD,)]:
        await counting.ask(*messages)
        await counting.settle()
    assert await counting.numbers("a") == (1, 2, 3)


async def test_behind_a_gap_the_case_rests_until_a_person_says_go(counting: World) -> None:
    await counting.ask(FIRST, THIRD, asked("b", 1))
    await counting.settle()
    assert await counting.numbers("a") == (1,)
    assert await counting.numbers("b") == (1,)
    assert await waiting(counting) == [GAP]
    assert counting.running.telemetry.gaps._value.get() == 1
    parked = [one for one in await counting.said() if one.type == "doorstep.message-parked"]
    assert [one.subject for one in parked] == ["a"]
    await replay_key(counting.running, "a", "olga")
    assert await counting.numbers("a") == (1, 3)


async def test_what_was_overtaken_waits_too_and_both_can_be_replayed(counting: World) -> None:
    await counting.ask(FIRST, THIRD)
    await counting.settle()
    await counting.ask(SECOND)
    await counting.settle()
    assert len(await waiting(counting)) == 2
    assert (await replay_key(counting.running, "a", "olga"))["waiting"] == 0
    assert await counting.numbers("a") == (1, 3, 2)


async def test_what_comes_again_after_a_person_said_go_raises_no_alarm(counting: World) -> None:
    await counting.ask(FIRST, THIRD)
    await counting.settle()
    await replay_key(counting.running, "a", "olga")
    await counting.ask(FIRST, THIRD)
    await counting.settle()
    assert await waiting(counting) == []


async def test_what_a_person_has_discarded_is_not_missed(counting: World) -> None:
    await counting.ask(FIRST, THIRD)
    await counting.settle()
    await discard_one(counting.running, 1, "olga", "sent twice under two ids")
    await counting.ask(after("a-3-0", asked("a", 4)))
    await counting.settle()
    assert await counting.numbers("a") == (1, 4)
    assert await waiting(counting) == []


async def test_a_writer_of_an_earlier_release_names_nothing_and_nothing_is_missed(counting: World) -> None:
    await counting.ask(asked("a", 5), asked("a", 9))
    await counting.settle()
    assert await counting.numbers("a") == (5, 9)


def for_others(message: Outgoing) -> Outgoing:
    """The same message of a type that the counter does not react to."""
    return message._replace(value=message.value.replace(b"test.asked", b"test.of-later"))


async def test_what_is_passed_over_is_not_missed_and_not_held_against_its_case(counting: World) -> None:
    await counting.ask(FIRST, for_others(SECOND))
    await counting.settle()
    await counting.ask(THIRD)
    await counting.settle()
    assert await counting.numbers("a") == (1, 3)
    assert await waiting(counting) == []


async def test_a_gap_before_what_is_passed_over_is_a_gap(counting: World) -> None:
    await counting.ask(FIRST, for_others(THIRD))
    await counting.settle()
    assert await waiting(counting) == [GAP]
    await replay_key(counting.running, "a", "olga")
    await counting.ask(after("a-3-0", asked("a", 4)))
    await counting.settle()
    assert await counting.numbers("a") == (1, 4)
