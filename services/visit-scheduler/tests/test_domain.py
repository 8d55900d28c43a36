"""Each command three ways: it does its work, it does nothing when repeated, and it knows when not to."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from doorstep.events.registry import Event
from doorstep.events.values import Span, Windows
from doorstep.events.visits import (
    NoticeFailed,
    NoticeStarted,
    VisitCancelled,
    VisitCancelledEarly,
    VisitCompleted,
    VisitFailed,
    VisitNoticed,
    VisitPlanned,
    VisitRequested,
    VisitStarted,
    VisitUnplanned,
)
from doorstep.kernel.decider import Refused, Wake
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from visit_scheduler.domain import notices
from visit_scheduler.domain.commands import (
    Cancel,
    Command,
    Complete,
    Fail,
    MissNotice,
    Plan,
    RecordNoticed,
    RecordNoticeFailed,
    Request,
    Start,
    Unplan,
)
from visit_scheduler.domain.decider import VISIT
from visit_scheduler.domain.states import status_of

from tests.support.given import Given, given
from tests.support.visits import LIN, MEI, NOW, STARTS, VISIT_ID, appointment, plan_of, terms

HOUR = timedelta(hours=1)
PLAN_AT = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
ENDS = STARTS + HOUR

requested = VisitRequested(visit_id=VISIT_ID, terms=terms(), plan_at=PLAN_AT)
planned = VisitPlanned(visit_id=VISIT_ID, collectors=(LIN, MEI), starts=STARTS, ends=ENDS)
template = notices.template("zh-CN", "sms")
noticing = NoticeStarted(
    visit_id=VISIT_ID,
    channel="sms",
    template_id=template.id,
    template_version=template.version,
    template_hash=template.hash,
    opened=("name", "phone"),
)
noticed = VisitNoticed(visit_id=VISIT_ID, channel="sms", provider="fake", provider_message_id="m-1", rendered_mac="mac")
started = VisitStarted(visit_id=VISIT_ID, at=STARTS, agent_id="A-017", present=("A-017", "A-032"))
completed = VisitCompleted(
    visit_id=VISIT_ID, at=ENDS, agent_id="A-017", attitude="cooperative", willingness=70, cause="cash-flow"
)

REQUEST = Request(VISIT_ID, terms())
PLAN = plan_of(appointment())
RECORD_NOTICED = RecordNoticed("fake", "m-1", "mac")
START = Start(STARTS, "A-017", ("A-017", "A-032"))
COMPLETE = Complete(ENDS, "A-017", "cooperative", 70, "cash-flow")
FAIL = Fail(ENDS, "A-032", "nobody-home")

TO_NOTICED = (requested, planned, noticing, noticed)
TO_STARTED = (*TO_NOTICED, started)


def visit(*events: Event) -> Given:
    return given(VISIT, *events)


def cancelled(reason: str) -> VisitCancelled:
    return VisitCancelled(visit_id=VISIT_ID, reason=reason)  # type: ignore[arg-type]


def status(happened: Given) -> str:
    return status_of(happened.state)


class TestRequest:
    def test_is_to_be_planned_at_the_next_quarter_of_an_hour(self) -> None:
        visit().when(REQUEST, NOW).then(requested)

    def test_at_a_quarter_sharp_waits_for_the_next_one(self) -> None:
        assert visit().when(REQUEST, PLAN_AT).event.plan_at == PLAN_AT + timedelta(minutes=15)

    def test_repeated_changes_nothing(self) -> None:
        visit(requested).when(REQUEST, NOW).then_nothing()

    def test_of_a_cancelled_permit_changes_nothing(self) -> None:
        visit(requested, cancelled("payment")).when(REQUEST, NOW).then_nothing()


class TestPlan:
    def test_names_collectors_and_slot(self) -> None:
        visit(requested).when(PLAN, PLAN_AT).then(planned)

    def test_repeated_changes_nothing(self) -> None:
        visit(requested, planned).when(PLAN, PLAN_AT).then_nothing()

    def test_of_a_cancelled_visit_changes_nothing(self) -> None:
        visit(requested, cancelled("cure")).when(PLAN, PLAN_AT).then_nothing()

    def test_sends_the_notice_at_once_in_permitted_hours(self) -> None:
        assert VISIT.wake_at(visit(requested, planned).state) == PLAN_AT

    def test_outside_the_spans_for_notices_waits_for_the_next_one(self) -> None:
        opens = PLAN_AT + 3 * HOUR
        spans = (Span(PLAN_AT - HOUR, PLAN_AT), Span(opens, opens + HOUR))
        spanned = VisitRequested(visit_id=VISIT_ID, terms=terms(notice_allowed=spans), plan_at=PLAN_AT)
        assert VISIT.wake_at(visit(spanned, planned).state) == opens

    def test_outside_permitted_hours_waits_for_the_morning_with_the_notice(self) -> None:
        evening = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
        late = VisitRequested(visit_id=VISIT_ID, terms=terms(), plan_at=evening)
        assert VISIT.wake_at(visit(late, planned).state) == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)


class TestUnplan:
    retry_at = PLAN_AT + timedelta(days=1)

    def test_is_tried_again(self) -> None:
        happened = visit(requested).when(Unplan("nobody is free", self.retry_at), PLAN_AT)
        happened.then(VisitUnplanned(visit_id=VISIT_ID, reason="nobody is free", retry_at=self.retry_at))
        assert happened.state.plan_at == self.retry_at

    def test_repeated_changes_nothing(self) -> None:
        again = Unplan("nobody is free", self.retry_at)
        visit(requested).when(again, PLAN_AT).when(again, PLAN_AT).then_nothing()

    def test_without_another_chance_gives_the_permit_back(self) -> None:
        visit(requested).when(Unplan("no slot"), PLAN_AT).then(
            VisitUnplanned(visit_id=VISIT_ID, reason="no slot"), cancelled("no-plan")
        )

    def test_after_the_permit_ran_out_calls_it_expired(self) -> None:
        happened = visit(requested).when(Unplan("no slot"), terms().valid_until)
        assert happened.events[-1] == cancelled("expired")

    def test_of_a_planned_visit_changes_nothing(self) -> None:
        visit(requested, planned).when(Unplan("no slot"), PLAN_AT).then_nothing()


class TestWakeToNotice:
    def test_commits_the_intent_and_names_the_template(self) -> None:
        visit(requested, planned).when(Wake(PLAN_AT), PLAN_AT).then(noticing)

    def test_repeated_changes_nothing(self) -> None:
        visit(requested, planned, noticing).when(Wake(PLAN_AT), PLAN_AT).then_nothing()

    def test_too_late_for_the_lead_time_cancels(self) -> None:
        late = STARTS - timedelta(hours=23)
        visit(requested, planned).when(Wake(PLAN_AT), late).then(cancelled("no-notice"))

    def test_before_its_time_changes_nothing(self) -> None:
        visit(requested, planned).when(Wake(PLAN_AT), PLAN_AT - HOUR).then_nothing()


class TestRecordNoticed:
    def test_freezes_the_plan(self) -> None:
        happened = visit(requested, planned, noticing).when(RECORD_NOTICED, PLAN_AT).then(noticed)
        happened.when(PLAN, PLAN_AT).then_nothing()

    def test_repeated_changes_nothing(self) -> None:
        visit(*TO_NOTICED).when(RECORD_NOTICED, PLAN_AT).then_nothing()

    def test_that_crossed_a_payment_is_recorded_once_and_nobody_goes(self) -> None:
        happened = visit(requested, planned, noticing, cancelled("payment")).when(RECORD_NOTICED, PLAN_AT)
        happened.then(noticed).when(RECORD_NOTICED, PLAN_AT).then_nothing()
        assert status(happened) == "cancelled"

    def test_too_late_is_recorded_and_nobody_goes(self) -> None:
        late = STARTS - timedelta(hours=23)
        visit(requested, planned, noticing).when(RECORD_NOTICED, late).then(noticed, cancelled("no-notice"))


class TestRecordNoticeFailed:
    refused = RecordNoticeFailed("fake", "no such number")
    failed = NoticeFailed(visit_id=VISIT_ID, provider="fake", reason="no such number")

    def test_ends_the_visit(self) -> None:
        happened = visit(requested, planned, noticing).when(self.refused, PLAN_AT)
        happened.then(self.failed, cancelled("no-notice"))
        assert status(happened) == "notice-failed"

    def test_where_nobody_knows_uses_the_permit_up_and_ends_the_visit_too(self) -> None:
        lost = RecordNoticeFailed("fake", "lost", unknown=True)
        happened = visit(requested, planned, noticing).when(lost, PLAN_AT)
        happened.then(NoticeFailed(visit_id=VISIT_ID, provider="fake", reason="lost", unknown=True))
        assert status(happened) == "notice-failed"

    def test_that_crossed_a_payment_is_recorded(self) -> None:
        visit(requested, planned, noticing, cancelled("payment")).when(self.refused, PLAN_AT).then(self.failed)

    def test_repeated_changes_nothing(self) -> None:
        visit(requested, planned, noticing, self.failed).when(self.refused, PLAN_AT).then_nothing()

    def test_without_an_intent_changes_nothing(self) -> None:
        visit(requested, planned).when(self.refused, PLAN_AT).then_nothing()


class TestMissNotice:
    def test_cancels(self) -> None:
        visit(requested, planned, noticing).when(MissNotice(), STARTS).then(cancelled("no-notice"))

    def test_because_visits_are_stopped_says_so(self) -> None:
        visit(requested, planned, noticing).when(MissNotice("stopped"), PLAN_AT).then(cancelled("stopped"))

    def test_repeated_changes_nothing(self) -> None:
        visit(requested, planned, noticing, cancelled("no-notice")).when(MissNotice(), STARTS).then_nothing()
        visit(requested, planned, noticing, cancelled("stopped")).when(MissNotice("stopped"), STARTS).then_nothing()

    def test_of_a_noticed_visit_changes_nothing(self) -> None:
        visit(*TO_NOTICED).when(MissNotice(), STARTS).then_nothing()


class TestCancel:
    @pytest.mark.parametrize("past", [TO_NOTICED[:1], TO_NOTICED[:2], TO_NOTICED[:3], TO_NOTICED])
    def test_before_the_start_ends_the_visit(self, past: tuple[Event, ...]) -> None:
        visit(*past).when(Cancel(VISIT_ID, "payment"), NOW).then(cancelled("payment"))

    def test_repeated_changes_nothing(self) -> None:
        visit(requested, cancelled("payment")).when(Cancel(VISIT_ID, "payment"), NOW).then_nothing()

    def test_after_the_start_changes_nothing(self) -> None:
        visit(*TO_STARTED).when(Cancel(VISIT_ID, "payment"), ENDS).then_nothing()

    def test_before_the_permit_was_heard_of_nobody_goes_when_it_comes(self) -> None:
        early = VisitCancelledEarly(visit_id=VISIT_ID, reason="hold")
        happened = visit().when(Cancel(VISIT_ID, "hold"), NOW).then(early)
        happened.when(REQUEST, NOW).then(cancelled("hold")).when(REQUEST, NOW).then_nothing()

    def test_before_the_permit_was_heard_of_is_remembered_once(self) -> None:
        early = VisitCancelledEarly(visit_id=VISIT_ID, reason="hold")
        visit(early).when(Cancel(VISIT_ID, "payment"), NOW).then_nothing()

    def test_before_the_permit_was_heard_of_refuses_whoever_goes(self) -> None:
        early = VisitCancelledEarly(visit_id=VISIT_ID, reason="hold")
        with pytest.raises(Refused, match="do not go"):
            visit(early).when(START, STARTS)


class TestStart:
    def test_is_recorded_with_all_who_are_there(self) -> None:
        visit(*TO_NOTICED).when(START, STARTS).then(started)

    def test_repeated_changes_nothing(self) -> None:
        visit(*TO_STARTED).when(START, STARTS).then_nothing()

    @pytest.mark.parametrize(
        ("command", "why"),
        [
            (Start(STARTS, "A-099", ("A-017", "A-032", "A-099")), "not planned"),
            (Start(STARTS, "A-017", ("A-017",)), "must be present"),
            (Start(STARTS, "A-017", ("A-017", "A-099")), "must be present"),
            (Start(STARTS - HOUR, "A-017", ("A-017", "A-032")), "expects you"),
            (Start(ENDS + 3 * HOUR, "A-017", ("A-017", "A-032")), "expects you"),
            (Start(STARTS + HOUR, "A-017", ("A-017", "A-032")), "in the future"),
            (Start(STARTS, "A-017", ("A-017", "A-032"), suspended=True), "do not knock"),
            (Start(STARTS, "A-017", ("A-017", "A-032"), stopped=True), "the lender has stopped visits: do not knock"),
        ],
    )
    def test_that_breaks_a_rule_is_refused(self, command: Start, why: str) -> None:
        with pytest.raises(Refused, match=why):
            visit(*TO_NOTICED).when(command, STARTS)

    def test_outside_permitted_hours_is_refused(self) -> None:
        evening = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
        last = VisitPlanned(visit_id=VISIT_ID, collectors=(LIN, MEI), starts=evening, ends=evening + HOUR)
        at = evening + HOUR
        with pytest.raises(Refused, match="08:00:00 to 20:00:00"):
            visit(requested, last, noticing, noticed).when(Start(at, "A-017", ("A-017", "A-032")), at)

    @pytest.mark.parametrize(
        ("spans", "why"),
        [
            ((Span(STARTS + HOUR, ENDS + HOUR),), "the next may begin at 2026-11-24 15:00"),
            ((Span(STARTS - HOUR, STARTS),), "no permitted hours are left: do not go"),
        ],
    )
    def test_outside_the_spans_of_the_permit_is_refused(self, spans: tuple[Span, ...], why: str) -> None:
        narrow = VisitRequested(visit_id=VISIT_ID, terms=terms(allowed=spans), plan_at=PLAN_AT)
        with pytest.raises(Refused, match=why):
            visit(narrow, planned, noticing, noticed).when(START, STARTS)

    def test_inside_a_span_of_the_permit_is_recorded_whatever_the_windows_say(self) -> None:
        night = Windows(opens=time(22), closes=time(23), time_zone="Asia/Shanghai")
        narrow = terms(windows=night, allowed=(Span(STARTS, ENDS),))
        spanned = VisitRequested(visit_id=VISIT_ID, terms=narrow, plan_at=PLAN_AT)
        visit(spanned, planned, noticing, noticed).when(START, STARTS).then(started)

    def test_on_an_expired_permit_is_refused(self) -> None:
        short = VisitRequested(visit_id=VISIT_ID, terms=terms(valid_until=ENDS), plan_at=PLAN_AT)
        with pytest.raises(Refused, match="expired"):
            visit(short, planned, noticing, noticed).when(Start(ENDS, "A-017", ("A-017", "A-032")), ENDS)

    def test_before_the_notice_is_refused(self) -> None:
        with pytest.raises(Refused, match="has not been told"):
            visit(requested, planned, noticing).when(START, STARTS)

    def test_of_a_cancelled_visit_is_refused(self) -> None:
        with pytest.raises(Refused, match="do not go"):
            visit(*TO_NOTICED, cancelled("payment")).when(START, STARTS)


class TestReport:
    def test_of_a_talk_completes_the_visit(self) -> None:
        visit(*TO_STARTED).when(COMPLETE, ENDS).then(completed)

    def test_of_a_closed_door_fails_it(self) -> None:
        visit(*TO_STARTED).when(FAIL, ENDS).then(
            VisitFailed(visit_id=VISIT_ID, at=ENDS, agent_id="A-032", reason="nobody-home")
        )

    def test_repeated_changes_nothing(self) -> None:
        visit(*TO_STARTED, completed).when(COMPLETE, ENDS).then_nothing()

    def test_of_a_visit_that_did_not_start_says_what_to_do(self) -> None:
        with pytest.raises(Refused, match="start it at the door"):
            visit(*TO_NOTICED).when(COMPLETE, ENDS)

    @pytest.mark.parametrize(
        ("command", "why"),
        [
            (Complete(ENDS, "A-099", "neutral", 50, "other"), "not planned"),
            (Complete(ENDS, "A-017", "neutral", 101, "other"), "from 0 to 100"),
            (Complete(STARTS - HOUR, "A-017", "neutral", 50, "other"), "between the start"),
            (Complete(ENDS + HOUR, "A-017", "neutral", 50, "other"), "between the start"),
            (Complete(ENDS, "A-017", "neutral", 50, "other", Decimal(100)), "promise_due"),
        ],
    )
    def test_that_makes_no_sense_is_refused(self, command: Complete, why: str) -> None:
        with pytest.raises(Refused, match=why):
            visit(*TO_STARTED).when(command, ENDS)


class TestNobodyStarted:
    due = ENDS + timedelta(hours=24)

    def test_a_day_after_the_slot_gives_the_permit_back(self) -> None:
        assert VISIT.wake_at(visit(*TO_NOTICED).state) == self.due
        visit(*TO_NOTICED).when(Wake(self.due), self.due).then(cancelled("not-started"))

    def test_repeated_changes_nothing(self) -> None:
        visit(*TO_NOTICED, cancelled("not-started")).when(Wake(self.due), self.due).then_nothing()

    def test_of_a_started_visit_changes_nothing(self) -> None:
        visit(*TO_STARTED).when(Wake(self.due), self.due).then_nothing()


COMMANDS: list[Command] = [
    REQUEST,
    PLAN,
    Plan((MEI, LIN), STARTS + HOUR, ENDS + HOUR),
    Unplan("nobody is free", PLAN_AT + timedelta(days=1)),
    Unplan("no slot"),
    Cancel(VISIT_ID, "payment"),
    Cancel(VISIT_ID, "hold"),
    Cancel(VISIT_ID, "consent"),
    MissNotice("stopped"),
    Wake(PLAN_AT),
    RECORD_NOTICED,
    RecordNoticeFailed("fake", "lost", unknown=True),
    MissNotice(),
    START,
    COMPLETE,
    FAIL,
]
IN_ORDER: list[tuple[Command, datetime]] = [
    (REQUEST, NOW),
    (PLAN, PLAN_AT),
    (Wake(PLAN_AT), PLAN_AT),
    (RECORD_NOTICED, PLAN_AT),
    (START, STARTS),
    (COMPLETE, ENDS),
]
moments = st.sampled_from([NOW, PLAN_AT, STARTS - 23 * HOUR, STARTS, ENDS, ENDS + 25 * HOUR])
histories = st.builds(
    lambda done, more: [*done, *more],
    st.integers(0, len(IN_ORDER)).map(lambda n: IN_ORDER[:n]),
    st.lists(st.tuples(st.sampled_from(COMMANDS), moments), max_size=8),
)


@settings(max_examples=400)
@for_all(histories)
def test_a_repeated_command_yields_no_second_event(history: list[tuple[Command, datetime]]) -> None:
    past = visit()
    for command, now in history:
        try:
            past = past.when(command, now)
        except Refused:
            continue
        past.when(command, now).then_nothing()


@settings(max_examples=200)
@for_all(histories)
def test_a_state_survives_being_cached(history: list[tuple[Command, datetime]]) -> None:
    past = visit()
    for command, now in history:
        try:
            past = past.when(command, now)
        except Refused:
            continue
    assert VISIT.load(VISIT.dump(past.state)) == past.state
