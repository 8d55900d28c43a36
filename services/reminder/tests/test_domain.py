"""A contact: from permit to reply."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from doorstep.events.reminder import (
    ContactCancelledEarly,
    ContactFailed,
    ContactNotSent,
    ContactScheduled,
    ContactSent,
    ContactStarted,
    ContactTerms,
    ContactUnknown,
    ContactWithdrawn,
    ReceiptRecorded,
    ReplyReceived,
)
from doorstep.events.values import Money, Sealed, Windows
from doorstep.kernel.decider import Refused, Wake
from hypothesis import given as for_all
from hypothesis import strategies as some
from reminder.domain import (
    CONTACT,
    Command,
    ContactEvent,
    Hear,
    Outcome,
    Schedule,
    Sending,
    Settle,
    Withdraw,
    objection,
)
from reminder.templates import template_for

from tests.support.given import given

NIGHT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
"""07:30 in Shanghai: half an hour before the window opens."""
OPENS = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
CLOSES = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
NEXT_DAY = OPENS + timedelta(days=1)
TERMS = ContactTerms(
    purpose="reminder",
    language="zh-CN",
    loan_ids=("L1",),
    amount=Money(Decimal("1200.50"), "CNY"),
    windows=Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai"),
    valid_until=CLOSES + timedelta(days=1),
    personal=Sealed("case", b"commitment", b"box"),
)
TEMPLATE = template_for("sms", "reminder", "zh-CN")

permit = Schedule("p1", "sms", TERMS)
scheduled = ContactScheduled(permit_id="p1", channel="sms", due=MORNING, terms=TERMS)
started = ContactStarted(
    permit_id="p1",
    channel="sms",
    template_id="zh-CN/sms/reminder",
    template_version=TEMPLATE.version,
    template_hash=TEMPLATE.hash,
    opened=("name", "phone"),
)
withdrawn = ContactWithdrawn(permit_id="p1", channel="sms", reason="cancelled")
sent = ContactSent(permit_id="p1", channel="sms", provider="file", provider_message_id="m1", rendered_mac="mac")
failed = ContactFailed(permit_id="p1", channel="sms", provider="file", reason="no such number")
unknown = ContactUnknown(permit_id="p1", channel="sms", provider="file")
receipt = ReceiptRecorded(permit_id="p1", channel="sms", status="delivered", at=MORNING)
reply = ReplyReceived(reply_id="r1", permit_id="p1", kind="hardship", at=MORNING)


def not_sent(reason: Any) -> ContactNotSent:
    return ContactNotSent(permit_id="p1", channel="sms", reason=reason)


class TestSchedule:
    def test_inside_the_window_it_is_due_now(self) -> None:
        given(CONTACT).when(permit, MORNING).then(scheduled)

    def test_before_the_window_it_is_due_when_the_window_opens(self) -> None:
        happened = given(CONTACT).when(permit, NIGHT)
        assert happened.event.due == OPENS
        assert CONTACT.wake_at(happened.state) == OPENS

    def test_a_permit_that_ends_before_the_next_window_is_given_back_at_once(self) -> None:
        after_hours = CLOSES + timedelta(days=1, minutes=-1)
        short = Schedule("p1", "sms", _terms(valid_until=CLOSES + timedelta(hours=1)))
        given(CONTACT).when(short, CLOSES).then_types(ContactScheduled, ContactNotSent)
        given(CONTACT).when(permit, after_hours).then_types(ContactScheduled)

    def test_under_a_permit_for_a_whole_day_it_is_due_at_once_and_goes_out(self) -> None:
        hours = Windows(opens=time(), closes=time(), time_zone="Asia/Shanghai")
        all_day = msgspec.structs.replace(TERMS, windows=hours)
        happened = given(CONTACT).when(Schedule("p1", "sms", all_day), NIGHT)
        happened.when(Wake(NIGHT), NIGHT).then(started)

    def test_the_same_permit_again_is_ignored(self) -> None:
        given(CONTACT, scheduled).when(permit, MORNING).then_nothing()
        given(CONTACT, scheduled, not_sent("cancelled")).when(permit, MORNING).then_nothing()


class TestWake:
    def test_at_its_time_the_intent_is_committed_with_the_very_text_that_is_meant(self) -> None:
        happened = given(CONTACT, scheduled).when(Wake(MORNING), MORNING).then(started)
        assert CONTACT.wake_at(happened.state) is None

    def test_after_downtime_it_waits_for_the_next_window(self) -> None:
        again = ContactScheduled(permit_id="p1", channel="sms", due=NEXT_DAY)
        late = CLOSES + timedelta(hours=1)
        given(CONTACT, scheduled).when(Wake(MORNING), late).then(again).when(Wake(NEXT_DAY), NEXT_DAY).then(started)

    def test_after_the_last_window_it_has_expired(self) -> None:
        given(CONTACT, scheduled).when(Wake(MORNING), CLOSES + timedelta(days=1)).then(not_sent("expired"))

    def test_past_its_validity_inside_a_window_it_has_expired(self) -> None:
        brief = ContactScheduled(permit_id="p1", channel="sms", due=OPENS, terms=_terms(valid_until=MORNING))
        given(CONTACT, brief).when(Wake(OPENS), MORNING).then_types(ContactStarted)
        given(CONTACT, brief).when(Wake(OPENS), MORNING + timedelta(seconds=1)).then(not_sent("expired"))

    def test_too_early_or_already_started_it_is_ignored(self) -> None:
        given(CONTACT, scheduled).when(Wake(MORNING), MORNING - timedelta(seconds=1)).then_nothing()
        given(CONTACT, scheduled, started).when(Wake(MORNING), MORNING).then_nothing()
        given(CONTACT).when(Wake(MORNING), MORNING).then_nothing()

    def test_a_letter_opens_the_address(self) -> None:
        letter = ContactScheduled(permit_id="p1", channel="letter", due=MORNING, terms=TERMS)
        happened = given(CONTACT, letter).when(Wake(MORNING), MORNING)
        assert happened.event.opened == ("name", "address")


class TestCancel:
    @pytest.mark.parametrize("reason", ["cancelled", "suspended"])
    def test_what_waits_is_not_sent(self, reason: Any) -> None:
        happened = given(CONTACT, scheduled).when(Withdraw("p1", reason), MORNING).then(not_sent(reason))
        assert CONTACT.wake_at(happened.state) is None

    def test_what_has_started_is_withdrawn_and_stopped_at_the_last_look(self) -> None:
        happened = given(CONTACT, scheduled, started).when(Withdraw("p1", "cancelled"), MORNING).then(withdrawn)
        assert objection(happened.state, MORNING) == "cancelled"

    def test_what_crossed_in_flight_keeps_its_outcome(self) -> None:
        given(CONTACT, scheduled, started, withdrawn).when(Settle(sent), MORNING).then(sent)

    @pytest.mark.parametrize("reason", ["cancelled", "suspended"])
    def test_a_permit_cancelled_before_it_was_heard_of_starts_nothing_when_it_comes(self, reason: Any) -> None:
        early = ContactCancelledEarly(permit_id="p1", reason=reason)
        happened = given(CONTACT).when(Withdraw("p1", reason), MORNING).then(early)
        happened = happened.when(permit, MORNING).then(scheduled, not_sent(reason))
        assert CONTACT.wake_at(happened.state) is None

    @pytest.mark.parametrize(
        "past",
        [
            (ContactCancelledEarly(permit_id="p1", reason="cancelled"),),
            (scheduled, not_sent("cancelled")),
            (scheduled, started, withdrawn),
            (scheduled, started, sent),
            (scheduled, started, unknown),
        ],
    )
    def test_otherwise_it_is_ignored(self, past: Sequence[ContactEvent]) -> None:
        given(CONTACT, *past).when(Withdraw("p1", "cancelled"), MORNING).then_nothing()


@pytest.mark.parametrize("outcome", [sent, failed, unknown, not_sent("expired")])
class TestSettle:
    def test_it_is_recorded(self, outcome: Outcome) -> None:
        given(CONTACT, scheduled, started).when(Settle(outcome), MORNING).then(outcome)

    def test_once(self, outcome: Outcome) -> None:
        given(CONTACT, scheduled, started, outcome).when(Settle(sent), MORNING).then_nothing()

    def test_and_only_of_what_was_started(self, outcome: Outcome) -> None:
        given(CONTACT, scheduled).when(Settle(outcome), MORNING).then_nothing()
        given(CONTACT).when(Settle(outcome), MORNING).then_nothing()


@pytest.mark.parametrize("message", [receipt, reply])
class TestHear:
    @pytest.mark.parametrize("past", [(), (sent,), (unknown,), (withdrawn,)])
    def test_from_the_intent_on_it_is_recorded(
        self, message: ReceiptRecorded | ReplyReceived, past: Sequence[ContactEvent]
    ) -> None:
        given(CONTACT, scheduled, started, *past).when(Hear(message), MORNING).then(message)

    def test_once(self, message: ReceiptRecorded | ReplyReceived) -> None:
        given(CONTACT, scheduled, started, message).when(Hear(message), MORNING).then_nothing()
        given(CONTACT, scheduled, started, message, sent).when(Hear(message), MORNING).then_nothing()

    @pytest.mark.parametrize("past", [(), (scheduled,), (scheduled, not_sent("expired")), (scheduled, started, failed)])
    def test_of_what_was_not_sent_it_is_refused(
        self, message: ReceiptRecorded | ReplyReceived, past: Sequence[ContactEvent]
    ) -> None:
        with pytest.raises(Refused, match="check the permit id"):
            given(CONTACT, *past).when(Hear(message), MORNING)


class TestObjection:
    def test_none_inside_the_window(self) -> None:
        assert objection(_started(), MORNING) is None

    def test_expired_outside_the_window(self) -> None:
        assert objection(_started(), CLOSES) == "expired"

    def test_expired_after_its_validity(self) -> None:
        assert objection(_started(valid_until=MORNING), MORNING + timedelta(seconds=1)) == "expired"

    def test_expired_when_the_text_was_changed_since(self) -> None:
        assert objection(_started(template_hash="another"), MORNING) == "expired"


commands: some.SearchStrategy[Command] = some.sampled_from(
    [
        permit,
        Withdraw("p1", "cancelled"),
        Withdraw("p1", "suspended"),
        Wake(MORNING),
        Settle(sent),
        Settle(failed),
        Settle(unknown),
        Settle(not_sent("expired")),
        Hear(receipt),
        Hear(reply),
    ]
)
times = some.integers(0, 72).map(lambda hours: NIGHT + timedelta(hours=hours))


@for_all(some.lists(commands, max_size=8), commands, times)
def test_a_command_repeated_yields_no_second_event(past: list[Command], command: Command, now: datetime) -> None:
    state = CONTACT.initial
    for earlier in past:
        state = CONTACT.fold(_attempt(state, earlier, now), state)
    state = CONTACT.fold(_attempt(state, command, now), state)
    assert _attempt(state, command, now) == ()


@for_all(some.lists(some.tuples(commands, some.integers(0, 12)), max_size=12))
def test_at_most_one_outcome_whatever_comes_in_whatever_order(past: list[tuple[Command, int]]) -> None:
    state, now, events = CONTACT.initial, NIGHT, list[Any]()
    for command, hours in past:
        now += timedelta(hours=hours)
        happened = _attempt(state, command, now)
        state, events = CONTACT.fold(happened, state), [*events, *happened]
        assert CONTACT.load(CONTACT.dump(state)) == state
    assert sum(isinstance(event, ContactStarted) for event in events) <= 1
    assert (
        sum(isinstance(event, ContactSent | ContactNotSent | ContactFailed | ContactUnknown) for event in events) <= 1
    )


def _attempt(state: Any, command: Command, now: datetime) -> tuple[ContactEvent, ...]:
    try:
        return tuple(CONTACT.decide(state, command, now))
    except Refused:
        return ()


def _terms(*, valid_until: datetime) -> ContactTerms:
    return ContactTerms(
        purpose=TERMS.purpose,
        language=TERMS.language,
        loan_ids=TERMS.loan_ids,
        amount=TERMS.amount,
        windows=TERMS.windows,
        valid_until=valid_until,
        personal=TERMS.personal,
    )


def _started(valid_until: datetime = TERMS.valid_until, template_hash: str = TEMPLATE.hash) -> Sending:
    return Sending(
        permit_id="p1",
        channel="sms",
        due=MORNING,
        terms=_terms(valid_until=valid_until),
        template_hash=template_hash,
    )
