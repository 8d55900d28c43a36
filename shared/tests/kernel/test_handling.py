"""What the handler promises, on real PostgreSQL."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from doorstep.bus import interface
from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events.envelope import Envelope
from doorstep.events.kernel import MessageParked, SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.events.values import ContactMethod
from doorstep.infra import failpoints
from doorstep.kernel import http, parking, runtime
from doorstep.kernel.decider import Refused, Routed
from doorstep.kernel.service import Committed, Runtime, Translated
from doorstep.kernel.store import Store, Work
from doorstep.kernel.timers import POSTPONED
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.counting import DECIDER, HEARD, Asked, Count, Counted, World, asked, counter, told

# A crash leaves connections behind, as a dead process does; the pool's finalizers complain of it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STEPS = (
    "consumer.after-poll",
    "handle.before-transaction",
    "handle.after-inbox",
    "store.after-events",
    "store.after-write",
    "handle.before-commit",
    "handle.after-commit",
    "consumer.before-offset",
    "relay.before-send",
    "relay.before-delete",
    "relay.after-delete",
)


RANDOM = random.Random(1).randbytes(4_500).hex()
"""9,000 characters that nothing compresses."""
DEEP = b"[" * 100_000 + b"]" * 100_000
B_ASKS = asked("b", 1)
HOSTILE = {
    "deep JSON": b'{"x":' + DEEP + b"}",
    "deep data": B_ASKS.value.replace(b'"number":1', b'"number":1,"x":' + DEEP),
    "subject with NUL": asked("a\0b", 1).value,
    "subject no index holds": asked(RANDOM, 1).value,
    "id no index holds": told("a", Asked(number=1), RANDOM).value,
    "tenant with NUL": told("a", Asked(number=1), "m", "t\0").value,
    "no text": b"\xff\0",
}


def heard(key: str, value: bytes, offset: int) -> Record:
    """A message as a bus would give it."""
    return Record(Partition(HEARD, 0), offset, key, value)


async def test_messages_are_counted_in_the_order_of_their_key(counting: World) -> None:
    await counting.ask(*(asked(key, number) for number in range(5) for key in ("a", "b")))
    await counting.settle()
    assert await counting.numbers("a") == await counting.numbers("b") == (0, 1, 2, 3, 4)


async def test_the_same_message_again_changes_nothing(counting: World) -> None:
    for _ in range(2):
        await counting.ask(asked("a", 1), asked("a", 1))
        await counting.settle()
    assert [envelope.streamversion for envelope in await counting.said()] == [1]


async def test_versions_of_a_stream_have_no_gap(counting: World) -> None:
    await counting.ask(*(asked("a", number) for number in range(1, 12)))
    await counting.settle()
    assert [envelope.streamversion for envelope in await counting.said()] == list(range(1, 12))


async def test_an_event_names_what_caused_it(counting: World) -> None:
    await counting.ask(asked("a", 1))
    await counting.settle()
    (said,) = await counting.said()
    assert (said.causationid, said.correlationid, said.subject) == ("a-1-0", "c", "a")
    assert said.traceparent is not None


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(counting: World, step: str, nth: int) -> None:
    await counting.ask(*(asked(key, number) for number in range(1, 4) for key in ("a", "b")))
    failpoints.arm(step, nth)
    crashed = False
    for _ in range(3):
        try:
            await counting.settle()
            await counting.ask(asked("a", 50), asked("b", 51))
            await counting.settle()
        except failpoints.Crash:
            crashed = True
            await counting.restart()
    assert crashed, "the failpoint was never reached"
    assert await counting.numbers("a") == (1, 2, 3, 50)
    assert await counting.numbers("b") == (1, 2, 3, 51)
    assert len({envelope.id for envelope in await counting.said()}) == 10
    assert await counting.rows("select 1 from outbox") == []


async def test_a_state_is_the_fold_of_its_events(counting: World) -> None:
    await counting.ask(*(asked("a", number) for number in range(1, 6)))
    await counting.settle()
    held = await counting.running.state(DECIDER, counter("a"))
    async with counting.running.engine.begin() as connection:
        await connection.execute(text("update streams set fold = 'older code', state = '{}'"))
    assert await counting.running.state(DECIDER, counter("a")) == held


async def test_a_command_is_executed_once_per_request_id(counting: World) -> None:
    command = Routed(counter("a"), Count(7))
    assert await counting.running.execute(command, request_id="r1") == [Counted(number=7)]
    assert await counting.running.execute(command, request_id="r1") == []


async def test_a_refused_command_changes_nothing(counting: World) -> None:
    with pytest.raises(Refused):
        await counting.running.execute(Routed(counter("a"), Count(7)), Routed(counter("a"), Count(14)))
    assert await counting.numbers("a") == ()


class TestParking:
    """One bad message costs only itself, and holds up its own key."""

    async def test_an_unreadable_message_is_parked_and_its_key_waits(self, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", b"\xff{"), asked("a", 1), asked("b", 1), asked("a", 2))
        await counting.settle()
        assert await counting.numbers("b") == (1,)
        assert await counting.numbers("a") == ()
        rows = await counting.rows("select key, behind is null from parked order by id")
        assert [tuple(row) for row in rows] == [("a", True), ("a", False), ("a", False)]

    async def test_a_message_that_fails_is_tried_thrice_then_parked_without_quoting_it(self, counting: World) -> None:
        await counting.ask(asked("b", 1), asked("a", 13), asked("b", 2))
        await counting.settle()
        assert await counting.numbers("b") == (1, 2)
        ((reason,),) = await counting.rows("select reason from parked")
        assert reason.startswith("failed 3 times: RuntimeError at tests.support.counting:")
        assert "138" not in reason

    async def test_parking_and_release_are_events(self, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", b"{}"), asked("a", 1))
        await counting.settle()
        for parked_id, reason in ((1, "nonsense"), (2, "not needed")):
            from doorstep.kernel.http import discard_one

            await discard_one(counting.running, parked_id, "olga", reason)
        await counting.settle()
        parked, *discarded, released = [e.type.removeprefix("doorstep.message-") for e in await counting.said()]
        assert (parked, discarded, released) == ("parked", ["discarded", "discarded"], "released")

    async def test_what_waited_is_replayed_in_order_once_the_first_is_gone(self, counting: World) -> None:
        from doorstep.kernel.http import discard_one, replay_key

        await counting.ask(Outgoing(HEARD, "a", b"{}"), asked("a", 1), asked("a", 2))
        await counting.settle()
        stopped = await replay_key(counting.running, "a", "olga")
        assert stopped["replayed"] == 0
        assert "cannot read it" in str(stopped["reason"])
        await discard_one(counting.running, 1, "olga", "nonsense")
        assert await replay_key(counting.running, "a", "olga") == {"replayed": 2, "waiting": 0}
        await counting.ask(asked("a", 3))
        await counting.settle()
        assert await counting.numbers("a") == (1, 2, 3)

    async def test_a_replay_of_what_still_fails_says_where_and_quotes_nothing(self, counting: World) -> None:
        from doorstep.kernel.http import replay_key

        await counting.ask(asked("a", 13), asked("a", 1))
        await counting.settle()
        stopped = await replay_key(counting.running, "a", "olga")
        assert (stopped["replayed"], stopped["waiting"], stopped["stopped_at"]) == (0, 2, 1)
        assert str(stopped["reason"]).startswith("RuntimeError at tests.support.counting:")
        assert "138" not in str(stopped["reason"])

    async def test_a_translated_message_that_fails_is_parked_with_its_case(self, counting: World) -> None:
        async def translate(_: Runtime, records: Sequence[Record]) -> Sequence[Translated]:
            routed = [Routed(counter("case-9"), Count(13))]
            return [Translated(one.value.decode(), "case-9", "c", routed) for one in records]

        counting.running.service = replace(counting.running.service, translators={HEARD: translate})
        await counting.running.prepare()
        await counting.ask(Outgoing(HEARD, "acme:loan-1", b"1"), Outgoing(HEARD, "acme:loan-1", b"2"))
        await counting.settle()
        rows = await counting.rows("select key, case_id, reason like 'waits behind%' from parked order by id")
        assert [tuple(row) for row in rows] == [
            ("acme:loan-1", "case-9", False),
            ("acme:loan-1", "case-9", True),
        ]
        assert [envelope.subject for envelope in await counting.said()] == ["case-9"]

    async def test_nobody_parks_behind_a_message_that_is_being_released(self, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", b"{}"))
        await counting.settle()
        engine = counting.running.engine
        async with engine.connect() as operator, engine.connect() as consumer:
            (first,) = await parking.listing(operator, key="a")
            assert await parking.close(operator, first, "discarded", "olga", "nonsense")
            asking = asyncio.create_task(parking.waiting(consumer, ["a"]))
            await asyncio.sleep(0.2)
            assert not asking.done()
            await operator.commit()
            assert await asking == {}
            assert not await parking.close(consumer, first, "replayed", "otto", None)

    async def test_whatever_comes_is_parked_with_its_bytes(self, counting: World) -> None:
        hostile = [(f"{what}\0", value) for what, value in HOSTILE.items()] + [(RANDOM, b"\xff\0")]
        records = [heard(key, value, 2 * n + nth) for n, (key, value) in enumerate(hostile) for nth in (0, 1)]
        await counting.running.handler.handle([*records, heard("b", B_ASKS.value, 10**6)])
        assert await counting.numbers("b") == (1,)
        async with counting.running.engine.connect() as connection:
            waiting = await parking.listing(connection)
        opened = [await parking.opened(counting.running.vault, one) for one in waiting]
        assert opened == [record.value for record in records]
        for (key, _), first, second in zip(hostile, waiting[::2], waiting[1::2], strict=True):
            assert (first.key, first.key[:7], second.behind) == (second.key, key[:7], first.id)
        await counting.settle()
        assert {said.subject for said in await counting.said()} == {"b", *(one.key for one in waiting)}

    async def test_a_key_that_cannot_be_stored_costs_a_healthy_message_nothing(self, counting: World) -> None:
        await counting.running.handler.handle([heard("a\0b", B_ASKS.value, 0)])
        assert await counting.numbers("b") == (1,)

    async def test_a_case_that_fails_on_everything_does_not_keep_it_from_being_parked(self, counting: World) -> None:
        def react_badly(envelope: Envelope, event: Event) -> Iterable[Routed]:
            number = 13 if isinstance(event, MessageParked) else 1
            return [Routed(counter(envelope.partitionkey), Count(number))]

        counting.running.service = replace(counting.running.service, react=react_badly)
        await counting.running.prepare()
        await counting.running.handler.handle([heard("a", b"{", 0), heard("b", B_ASKS.value, 1)])
        assert await counting.numbers("b") == (1,)
        assert [row.key for row in await counting.rows("select key from parked")] == ["a"]

    async def test_parked_bytes_are_sealed(self, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", "张三".encode()))
        await counting.settle()
        ((sealed,),) = await counting.rows("select sealed from parked")
        assert "张三".encode() not in sealed

    async def test_a_message_that_kills_the_process_is_parked_after_three_deaths(self, counting: World) -> None:
        await counting.ask(asked("b", 1), asked("a", 666), asked("b", 3))
        deaths = 0
        while True:
            try:
                await counting.settle()
                break
            except failpoints.Crash:
                deaths += 1
                await counting.restart()
        # Once in the batch, where nobody counts, then alone.
        assert deaths == 4
        assert await counting.numbers("b") == (1, 3)
        ((reason,),) = await counting.rows("select reason from parked")
        assert reason == "the process died 3 times while handling it"

    async def test_a_storm_of_kills_parks_no_healthy_message(self, counting: World) -> None:
        await counting.ask(asked("a", 1))
        await counting.restart()
        for _ in range(4):
            failpoints.arm("handle.before-commit")
            with pytest.raises(failpoints.Crash):
                await counting.settle()
            await counting.restart()
            # Killed again, and nothing in hand.
            await counting.restart()
        await counting.settle()
        assert await counting.numbers("a") == (1,)
        assert await counting.rows("select reason from parked") == []

    async def test_what_kills_a_process_before_the_message_is_tried_again_acquits_it(self, counting: World) -> None:
        await counting.ask(asked("a", 1))
        await counting.restart()
        for _ in range(2):
            failpoints.arm("handle.before-commit")
            with pytest.raises(failpoints.Crash):
                await counting.settle()
            await counting.restart()
            killed = asyncio.create_task(counting.settle())
            await asyncio.sleep(0.3)
            killed.cancel()
            await asyncio.wait({killed})
            await counting.restart()
            assert await counting.rows("select holder, deaths from attempts") == [(None, 0)]

    async def test_an_end_in_order_is_no_death(self, counting: World) -> None:
        await counting.ask(asked("a", 1))
        await counting.restart()
        for _ in range(4):
            failpoints.arm("handle.before-commit")
            with pytest.raises(failpoints.Crash):
                await counting.settle()
            await counting.restart(clean=True)
            counting.running.handler.careful = True
        await counting.settle()
        assert await counting.numbers("a") == (1,)
        assert await counting.rows("select reason from parked") == []

    async def test_dying_again_and_again_after_the_commit_parks_nothing(self, counting: World) -> None:
        await counting.ask(asked("a", 1))
        for _ in range(5):
            failpoints.arm("handle.after-commit")
            with pytest.raises(failpoints.Crash):
                await counting.settle()
            await counting.restart()
        await counting.settle()
        assert await counting.numbers("a") == (1,)
        assert await counting.rows("select reason from parked") == []

    async def test_a_crash_makes_the_next_start_careful_and_no_later_one(self, counting: World) -> None:
        await counting.restart()
        assert counting.running.handler.careful
        await counting.restart(clean=True)
        assert not counting.running.handler.careful


def changed(message: Outgoing, before: bytes, after: bytes) -> Outgoing:
    """`message` as a later release would write it."""
    assert before in message.value
    return message._replace(value=message.value.replace(before, after))


class TestUnknown:
    """A service reads what it reacts to, and passes over the rest."""

    @pytest.mark.parametrize("event_type", [b"test.of-later", b"test.announced"], ids=["unknown", "for others"])
    @pytest.mark.parametrize("version", [b"1", b"2"])
    async def test_what_it_does_not_react_to_costs_its_case_nothing(
        self, counting: World, event_type: bytes, version: bytes
    ) -> None:
        typed = changed(asked("a", 50), b"test.asked", event_type)
        foreign = changed(typed, b'"schemaversion":1', b'"schemaversion":' + version)
        await counting.ask(asked("a", 1), foreign, foreign, asked("a", 2))
        await counting.settle()
        assert await counting.numbers("a") == (1, 2)
        assert await counting.rows("select id from parked") == []
        assert counting.running.telemetry.passed_over._value.get() == 2

    async def test_a_newer_version_of_what_it_reacts_to_is_parked(self, counting: World) -> None:
        await counting.ask(changed(asked("a", 1), b'"schemaversion":1', b'"schemaversion":2'), asked("a", 2))
        await counting.settle()
        assert await counting.numbers("a") == ()
        first, _ = await counting.rows("select reason from parked order by id")
        assert "test.asked v2 is newer than v1" in first.reason

    async def test_what_must_not_be_missed_is_parked_by_whoever_does_not_know_it(self, counting: World) -> None:
        stop = changed(asked("a", 1), b'"type":"test.asked"', b'"type":"test.of-later","critical":true')
        await counting.ask(stop, asked("a", 2), asked("b", 2))
        await counting.settle()
        assert (await counting.numbers("a"), await counting.numbers("b")) == ((), (2,))
        first, _ = await counting.rows("select reason from parked order by id")
        assert "unknown event type test.of-later; upgrade" in first.reason

    async def test_an_unknown_type_is_logged_once(self, counting: World, capsys: pytest.CaptureFixture[str]) -> None:
        await counting.ask(*(changed(asked("a", n), b"test.asked", b"test.of-later") for n in range(3)))
        await counting.settle()
        assert capsys.readouterr().out.count("test.of-later") == 1


class TestTooLarge:
    """A message that no bus takes costs its own case alone."""

    async def test_what_cannot_be_published_is_set_aside_and_all_else_goes_out_in_order(
        self, counting: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await counting.ask(asked("a", 1), asked("b", 1), large("a", 2), asked("b", 2), asked("a", 3))
        monkeypatch.setattr(interface, "LARGEST_MESSAGE", 16_000)
        await counting.settle()
        assert await counted(counting) == {"a": [1, 3], "b": [1, 2]}
        assert await counting.rows("select 1 from outbox") == []
        ((key, case_id, partition, reason),) = await counting.rows("select key, case_id, partition, reason from parked")
        assert (key, case_id, partition) == ("a.outbox", "a", parking.OUTBOX)
        assert reason.startswith("cannot be published: 2")
        assert "too large" in reason

    async def test_its_case_sends_nothing_but_hears_until_a_person_has_it_published(
        self, counting: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await counting.ask(large("a", 50), asked("b", 60))
        monkeypatch.setattr(interface, "LARGEST_MESSAGE", 16_000)
        await counting.running.consumer.turn()
        await counting.running.relay.turn()
        await counting.ask(asked("a", 2))
        await counting.settle()
        assert await counting.numbers("a") == (50, 2)
        assert counting.announcer.reached == ["announce-60"]
        assert (await http.replay_key(counting.running, "a.outbox", "olga"))["waiting"] == 0
        await counting.settle()
        assert [row.status for row in await counting.rows("select status from parked order by id")] == [
            "replayed",
            "waiting",
        ]
        monkeypatch.undo()
        await http.replay_key(counting.running, "a.outbox", "olga")
        await counting.settle()
        assert counting.announcer.reached == ["announce-60", "announce-50"]
        assert await counted(counting) == {"a": [2, 1], "b": [1]}
        said = [one.type.removeprefix("doorstep.message-") for one in await counting.said()]
        assert (said.count("parked"), said.count("released")) == (2, 2)


async def counted(counting: World) -> dict[str, list[int]]:
    """The versions published of each counter, in order."""
    versions: dict[str, list[int]] = {}
    for one in await counting.said():
        if one.type == "test.counted":
            versions.setdefault(one.subject, []).append(one.streamversion)
    return versions


def large(key: str, number: int) -> Outgoing:
    """The message that asks `key` to count `number`, of which comes an event of 20 KB."""
    plain = asked(key, number)
    return plain._replace(value=plain.value.replace(b'"correlationid":"c"', b'"correlationid":"%s"' % (b"c" * 20_000)))


class TestEffects:
    """Called at most once where the outcome is known, whatever crashes."""

    @pytest.mark.parametrize(
        "step",
        [
            "effects.before-begin",
            "effects.before-call",
            "effects.after-call",
            "effects.before-done",
            "effects.after-done",
        ],
    )
    async def test_a_crash_at_any_step_reaches_the_outside_once(self, counting: World, step: str) -> None:
        await counting.ask(asked("a", 50))
        failpoints.arm(step)
        with pytest.raises(failpoints.Crash):
            await counting.settle()
        await counting.restart()
        await counting.settle()
        assert counting.announcer.reached == ["announce-50"]
        assert (await counting.running.state(DECIDER, counter("a"))).announced == (50,)

    async def test_what_is_no_longer_wanted_is_not_called(self, counting: World) -> None:
        counting.announcer.refuse = lambda _: True
        await counting.ask(asked("a", 50))
        await counting.settle()
        assert counting.announcer.reached == []
        assert (await counting.running.state(DECIDER, counter("a"))).announced == (-1,)

    async def test_an_effect_that_cannot_be_judged_rests_and_the_others_go_out(self, counting: World) -> None:
        counting.announcer.refuse = lambda state: bool(1 // (state.numbers[0] - 50) < 0)
        await counting.ask(asked("a", 50), asked("b", 51))
        await counting.settle()
        assert counting.announcer.reached == ["announce-51"]
        counting.announcer.refuse = lambda _: False
        counting.clock.jump(counting.clock.now() + timedelta(hours=1))
        await counting.settle()
        assert counting.announcer.reached == ["announce-51", "announce-50"]

    async def test_nothing_goes_out_for_a_key_with_a_parked_message(self, counting: World) -> None:
        await counting.ask(asked("a", 50), asked("b", 51))
        await counting.running.consumer.turn()
        await counting.ask(Outgoing(HEARD, "a", b"{}"))
        await counting.running.consumer.turn()
        await counting.settle()
        assert counting.announcer.reached == ["announce-51"]
        from doorstep.kernel.http import discard_one

        await discard_one(counting.running, 1, "olga", "nonsense")
        await counting.settle()
        assert counting.announcer.reached == ["announce-51", "announce-50"]


class TestDeaf:
    """Whoever cannot hear of a payment or a stop keeps still."""

    async def test_while_no_message_gets_through_nothing_is_sent_and_no_timer_comes(self, counting: World) -> None:
        await counting.ask(asked("a", 100))
        await counting.running.consumer.turn()
        counting.clock.jump(await counting.running.next_due() + timedelta(hours=2))
        handle = counting.running.consumer._handle
        healed = asyncio.Event()

        async def handle_once_healed(records: Sequence[Record]) -> None:
            if not healed.is_set():
                raise RuntimeError("whatever nobody has thought of")
            await handle(records)

        counting.running.consumer._handle = handle_once_healed
        await counting.ask(asked("b", 1))
        stop = asyncio.Event()
        running = asyncio.create_task(counting.running.run(stop))
        await asyncio.sleep(1.5)
        assert counting.announcer.reached == []
        assert [said.type for said in await counting.said()] == ["test.counted"]
        assert not counting.running.hears()
        healed.set()
        async with asyncio.timeout(30):
            while not {"test.announced", "test.woken"} <= {said.type for said in await counting.said()}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (counting.running.hears(), counting.announcer.reached) == (True, ["announce-100"])
        stop.set()
        await running

    async def test_without_word_from_the_bus_nothing_is_sent_and_readiness_says_why(
        self, counting: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away() -> int:
            raise ConnectionError("no broker answers")

        monkeypatch.setattr(runtime, "DEAF", 0.3)
        monkeypatch.setattr(counting.running.consumer, "lag", away)
        stop = asyncio.Event()
        running = asyncio.create_task(counting.running.run(stop))
        async with asyncio.timeout(30):
            while "bus" not in counting.running.faults():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await counting.ask(asked("a", 50))
        await asyncio.sleep(1)
        assert counting.announcer.reached == []
        monkeypatch.undo()
        async with asyncio.timeout(30):
            while not counting.announcer.reached:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert "bus" not in counting.running.faults()
        stop.set()
        await running


def stop(way: ContactMethod | None = None, tenant: str = "acme", nth: int = 0) -> Outgoing:
    stopped = SendingStopped(way=way, reason="wrong texts")
    return told(f"tenant-{tenant}", stopped, f"stop-{tenant}-{way}-{nth}", tenant)


def allow(way: ContactMethod | None = None) -> Outgoing:
    return told("tenant-acme", SendingAllowed(way=way, reason="texts are right again"), f"allow-{way}")


class TestStopped:
    """A tenant's kill switch holds at the moment of sending. Announcements go out by letter."""

    @pytest.mark.parametrize("way", ["letter", None])
    async def test_on_a_stopped_way_nothing_goes_out(self, counting: World, way: ContactMethod | None) -> None:
        await counting.ask(stop(way), asked("a", 50))
        await counting.settle()
        assert counting.announcer.reached == []
        assert (await counting.running.state(DECIDER, counter("a"))).announced == (-2,)

    async def test_what_was_counted_before_the_stop_and_not_sent_yet_stays_here(self, counting: World) -> None:
        await counting.ask(asked("a", 50))
        await counting.running.consumer.turn()
        await counting.ask(stop())
        await counting.running.consumer.turn()
        await counting.settle()
        assert counting.announcer.reached == []

    async def test_other_ways_and_other_tenants_go_on(self, counting: World) -> None:
        other = told("b", Asked(number=51), "b-51", tenant="other")
        await counting.ask(stop("sms"), stop(tenant="third"), asked("a", 50), other)
        await counting.settle()
        assert sorted(counting.announcer.reached) == ["announce-50", "announce-51"]

    async def test_allowed_again_it_goes_on(self, counting: World) -> None:
        await counting.ask(stop("letter"), stop("letter", nth=1), allow("letter"), asked("a", 50))
        await counting.settle()
        assert counting.announcer.reached == ["announce-50"]

    async def test_one_way_stays_stopped_when_the_stop_of_all_ends(self, counting: World) -> None:
        await counting.ask(stop(), stop("letter"), allow(), asked("a", 50))
        await counting.settle()
        assert counting.announcer.reached == []


class TestTimers:
    """A stream wakes once, however late."""

    async def test_a_stream_wakes_when_its_instant_has_come(self, counting: World) -> None:
        await counting.ask(asked("a", 100))
        await counting.settle()
        assert "test.woken" not in [e.type for e in await counting.said()]
        due = await counting.running.next_due()
        assert due is not None
        counting.clock.jump(due)
        await counting.settle()
        assert [e.critical for e in await counting.said() if e.type == "test.woken"] == [True]

    @pytest.mark.parametrize("step", ["timers.before-commit", "timers.after-commit"])
    async def test_a_crash_while_waking_wakes_it_once(self, counting: World, step: str) -> None:
        await counting.ask(asked("a", 100))
        await counting.settle()
        counting.clock.jump(await counting.running.next_due())
        failpoints.arm(step)
        with pytest.raises(failpoints.Crash):
            await counting.settle()
        await counting.restart()
        await counting.settle()
        assert [e.type for e in await counting.said()].count("test.woken") == 1

    async def test_a_stream_that_decides_nothing_on_waking_rests_instead_of_spinning(self, counting: World) -> None:
        await counting.ask(asked("a", 200))
        await counting.settle()
        counting.clock.jump(await counting.running.next_due())
        await counting.settle()
        later = await counting.running.next_due()
        assert later is not None
        assert later > counting.clock.now()

    async def test_a_stream_that_fails_to_wake_is_put_off_and_no_other_one(self, counting: World) -> None:
        await counting.ask(asked("a", 300), asked("b", 100))
        await counting.settle()
        due = await counting.running.next_due()
        counting.clock.jump(due)
        others: list[asyncio.Task[object]] = []

        async def another_process_takes_it() -> None:
            async with counting.running.engine.begin() as other:
                await other.execute(text("select from streams where stream = 'counter/a' for update"))
                await asyncio.sleep(1)

        class Contended(Store):
            """While a stream fails to wake alone, another process waits for it."""

            async def apply(
                self, connection: AsyncConnection, work: Sequence[Work], now: datetime
            ) -> Sequence[Committed]:
                if len(work) == 1 and str(work[0].routed.stream) == "counter/a":
                    others.append(asyncio.create_task(another_process_takes_it()))
                    await asyncio.sleep(0.2)
                    # Whoever lets go of the row now finds it taken.
                    event.listen(counting.running.engine.sync_engine, "begin", lambda _: time.sleep(0.3))
                return await super().apply(connection, work, now)

        counting.running.timers._store.__class__ = Contended
        await counting.running.timers.turn()
        assert len(others) == 1
        await asyncio.gather(*others)
        rows = await counting.rows("select stream, wake_at from streams where wake_at is not null order by stream")
        assert [tuple(row) for row in rows] == [("counter/a", due + POSTPONED), ("counter/b", due)]
