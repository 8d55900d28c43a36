"""A case: from the bank's first word to the last outcome."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from doorstep.events.escalation.cases import CaseAssessed, CaseCured, CaseOpened
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded, PaymentRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.permits import (
    ContactDenied,
    ContactPermitted,
    PermitCancelled,
    VisitDenied,
    VisitPermitted,
)
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromiseRecorded
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.values import Money
from doorstep.kernel.decider import Refused, Wake
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.holds import LiftHold, PlaceHold, ResumeSending, SuspendSending
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.promises import RecordPromise
from escalation.domain.decider import wake_at

from tests.support.escalation import CASE, at, cured, day, overdue, paid, told, until, woken
from tests.support.given import Given, Happened


def opened(**changes: Any) -> Happened:
    """A case with a permitted SMS, at 10:15 of day 2."""
    return woken(told(overdue(1, **changes), now=at(2)))


def before_visit() -> Given:
    """A case far overdue, just before its visit falls due: the last of three calls went unanswered."""
    return until(told(overdue(1, dpd=70), now=at(2)), at(17))


def visiting() -> Happened:
    """The visit is permitted."""
    return woken(before_visit().when(RecordFact(overdue(17, dpd=86)), at(18)))


def permit_id(case: Given) -> str:
    """Of the last permit."""
    return str(last_permit(case).permit_id)


def last_permit(case: Given) -> Any:
    """The last line of the ledger that is no notice of a visit."""
    return [permit for permit in case.state.contacts.ledger if not permit.permit_id.endswith("/notice")][-1]


def contact(case: Given, outcome: Any) -> RecordContactOutcome:
    """What became of the last permit."""
    return RecordContactOutcome(permit_id(case), outcome, at(2, "11:00"))


def visit(case: Given, outcome: Any, on: int = 20, **more: Any) -> RecordVisitOutcome:
    """What became of the last permit."""
    return RecordVisitOutcome(permit_id(case), outcome, at(on), **more)


def refused(case: Happened) -> set[str]:
    """The rules that refused in the last decision."""
    return {verdict.rule for verdict in last(case).decision.verdicts if not verdict.allowed}


def last(case: Happened) -> Any:
    """The last event."""
    return case.events[-1]


# -- the bank's facts


def test_a_fact_is_recorded_and_assessed_at_the_next_quarter_of_an_hour() -> None:
    case = told(overdue(1), now=at(2, "10:07"))
    assert (case.event.late, case.event.assess_at) == (False, at(2, "10:15"))
    assert wake_at(case.state) == at(2, "10:15")


def test_a_repeated_fact_is_ignored() -> None:
    told(overdue(1), now=at(2)).when(RecordFact(overdue(1)), at(2, "10:05")).then_nothing()


def test_another_source_may_use_the_same_id() -> None:
    other = overdue(1, source="/bank/other")
    told(overdue(1), now=at(2)).when(RecordFact(other), at(2)).then_types(LoanOverdueRecorded)


def test_a_late_fact_is_kept_and_does_not_change_the_loan() -> None:
    case = told(cured(5), now=at(6)).when(RecordFact(overdue(3)), at(6))
    assert case.event.late
    assert not case.state.loans.overdue()


def test_a_late_fact_may_still_be_the_latest_that_tells_of_the_borrower() -> None:
    facts: list[Any] = [overdue(3, time_zone="Asia/Urumqi"), cured(5), overdue(2, loan="L2")]
    forth, back = told(*facts, now=at(6)), told(*reversed(facts), now=at(6))
    assert forth.state.borrower.time_zone == back.state.borrower.time_zone == "Asia/Urumqi"
    assert forth.state.borrower.personal == back.state.borrower.personal


def test_of_one_business_date_what_the_bank_said_last_holds() -> None:
    wrong = overdue(5, fact_id="z", amount="9000", said_at=at(6, "08:00"))
    right = overdue(5, fact_id="a", amount="90", said_at=at(6, "09:00"))
    for facts in ([wrong, right], [right, wrong]):
        assert told(*facts, now=at(6)).state.loans.amounts() == [Money(Decimal(90), "CNY")]


def test_an_overdue_loan_opens_the_case_and_permits_a_contact() -> None:
    case = opened().then_types(CaseOpened, ContactPermitted)
    first, permit = case.events
    assert first == CaseOpened(episode=1, business_date=day(1))
    assert isinstance(permit, ContactPermitted)
    assert (permit.channel, permit.purpose, permit.amount) == ("sms", "reminder", Money(Decimal(6000), "CNY"))
    assert (permit.valid_until, permit.assess_at) == (at(2, "22:00"), at(9, "10:15"))
    assert all(verdict.allowed and verdict.detail and verdict.detail_zh for verdict in permit.decision.verdicts)


def test_nothing_is_sent_for_an_amount_of_zero() -> None:
    case = opened(amount="0").then_types(CaseOpened, CaseAssessed)
    assert last(case).reason == "nothing-owed"
    assert wake_at(case.state) is None


def test_an_amount_that_falls_to_zero_cancels_the_permit() -> None:
    case = opened().when(RecordFact(overdue(2, amount="0")), at(2, "11:00"))
    case.then_types(LoanOverdueRecorded, PermitCancelled)


def test_the_permit_names_the_loans_its_amount_is_about() -> None:
    facts = [overdue(1), overdue(1, loan="L2", amount="1"), overdue(1, loan="L3", amount="0")]
    permit = woken(told(*facts, overdue(1, loan="L4", currency="USD"), now=at(2))).events[-1]
    assert isinstance(permit, ContactPermitted)
    assert (permit.loan_ids, permit.amount) == (("L1", "L2"), Money(Decimal(6001), "CNY"))


def test_a_cure_cancels_at_once_and_closes_at_the_next_assessment() -> None:
    case = opened().when(RecordFact(cured(2)), at(3)).then_types(LoanCureRecorded, PermitCancelled)
    assert last(case).reason == "cure"
    closed = woken(case).then_types(CaseCured, CaseAssessed)
    back = closed.when(contact(closed, "not-sent"), at(3))
    assert wake_at(woken(back).state) is None


def test_a_repeated_cure_is_ignored_and_another_one_cancels_no_second_time() -> None:
    case = opened().when(RecordFact(cured(2)), at(3))
    case.when(RecordFact(cured(2)), at(3)).then_nothing()
    case.when(RecordFact(cured(3)), at(4)).then_types(LoanCureRecorded)


def test_a_cure_of_a_loan_nobody_knows_opens_nothing() -> None:
    case = woken(told(cured(1), now=at(2)))
    assert case.event.reason == "closed"


def test_the_cure_of_one_of_two_loans_cancels_the_permit_of_both_but_cures_nothing() -> None:
    case = woken(told(overdue(1), overdue(1, loan="L2"), now=at(2)))
    case = case.when(RecordFact(cured(2)), at(2, "11:00")).then_types(LoanCureRecorded, PermitCancelled)
    again = woken(woken(case).when(contact(case, "not-sent"), at(2, "12:00")))
    assert isinstance(again.event, ContactPermitted)
    assert again.event.loan_ids == ("L2",)


def test_a_case_opens_again_as_the_next_episode_and_its_ledger_goes_on() -> None:
    case = opened()
    case = woken(case.when(contact(case, "sent"), at(2, "11:00")).when(RecordFact(cured(2)), at(3)))
    case = woken(case.when(RecordFact(overdue(3)), at(4))).then_types(CaseOpened, CaseAssessed)
    assert (case.state.lifecycle.episode, case.state.contacts.unanswered(), len(case.state.contacts.ledger)) == (
        2,
        0,
        1,
    )


def test_a_cure_and_a_relapse_between_two_assessments_are_no_new_episode() -> None:
    case = opened().when(RecordFact(cured(2)), at(4, "09:00")).when(RecordFact(overdue(3)), at(4, "09:01"))
    assert woken(case).state.lifecycle.episode == 1


def test_a_payment_cancels_and_no_contact_is_permitted_until_the_next_snapshot() -> None:
    case = opened().when(RecordFact(paid(2)), at(2, "11:00")).then_types(PaymentRecorded, PermitCancelled)
    case = woken(case.when(contact(case, "not-sent"), at(2, "11:05"))).then_types(ContactDenied)
    assert refused(case) == {"no-payment-pending"}
    woken(case.when(RecordFact(overdue(2, amount="20")), at(3))).then_types(ContactPermitted)


def test_a_repeated_payment_is_ignored_and_another_one_cancels_no_second_time() -> None:
    case = opened().when(RecordFact(paid(2)), at(2, "11:00"))
    case.when(RecordFact(paid(2)), at(2, "11:01")).then_nothing()
    case.when(RecordFact(paid(2, fact_id="another")), at(2, "11:01")).then_types(PaymentRecorded)


def test_payments_of_two_sources_are_two_though_their_names_run_together() -> None:
    case = opened()
    for source, fact_id in [("/x", "a b"), ("/x a", "b")]:
        case = case.when(RecordFact(msgspec.structs.replace(paid(2, fact_id=fact_id), source=source)), at(2, "11:00"))
    assert len(case.state.loans.by_id["L1"].payments) == 2


def test_a_payment_that_the_snapshot_has_taken_in_changes_nothing() -> None:
    case = opened().when(RecordFact(paid(1)), at(2, "11:00")).then_types(PaymentRecorded)
    assert not case.state.loans.payment_pending()


def test_a_payment_on_a_loan_that_is_not_overdue_does_not_stop_the_others_for_ever() -> None:
    case = opened().when(RecordFact(paid(2, loan="healthy")), at(2, "11:00")).then_types(PaymentRecorded)
    assert not case.state.loans.payment_pending()


def test_a_payment_that_comes_before_its_loan_counts() -> None:
    case = told(paid(3), overdue(2), now=at(3))
    assert refused(woken(case)) == {"no-payment-pending"}


# -- what became of a contact


def test_an_outcome_is_recorded_and_ignored_when_repeated() -> None:
    case = opened()
    sent = case.when(contact(case, "sent"), at(2, "11:00")).then_types(ContactOutcomeRecorded)
    sent.when(contact(case, "sent"), at(2, "11:01")).then_nothing()


def test_an_outcome_of_an_unknown_permit_is_ignored() -> None:
    opened().when(RecordContactOutcome("another", "sent", at(2)), at(2, "11:00")).then_nothing()


def test_an_outcome_of_a_visit_is_none_of_a_contact() -> None:
    case = opened()
    case.when(visit(case, "completed"), at(2, "11:00")).then_nothing()
    assert not visiting().when(contact(visiting(), "sent"), at(18)).events


def test_an_older_outcome_says_nothing_new() -> None:
    case = opened()
    case = case.when(contact(case, "delivered"), at(2, "11:00"))
    case.when(contact(case, "not-sent"), at(2, "11:01")).then_nothing()
    case.when(contact(case, "answered"), at(2, "11:01")).then_types(ContactOutcomeRecorded)


def test_a_sending_that_a_receipt_overtook_still_tells_when() -> None:
    case = opened()
    case = case.when(contact(case, "delivered"), at(2, "11:00"))
    sent = case.when(contact(case, "sent"), at(2, "11:01")).then_types(ContactOutcomeRecorded)
    assert (last_permit(sent).outcome, last_permit(sent).went_at) == ("delivered", at(2, "11:00"))
    sent.when(contact(case, "sent"), at(2, "11:02")).then_nothing()


def test_a_receipt_that_overtakes_the_sending_counts_as_unanswered_too() -> None:
    for outcomes in (("sent", "delivered"), ("delivered", "sent"), ("unknown",), ("no-answer",)):
        case: Given = opened()
        for outcome in outcomes:
            case = case.when(contact(case, outcome), at(2, "11:00"))
        assert case.state.contacts.unanswered() == 1


def test_a_contact_the_provider_refused_reached_nobody_and_keeps_its_place_in_the_ledger() -> None:
    case = opened()
    case = case.when(contact(case, "failed"), at(2, "11:00"))
    assert (case.state.contacts.unanswered(), len(case.state.contacts.ledger)) == (0, 1)


def test_an_answer_ends_the_count_and_a_later_sending_of_what_was_out_does_not_start_it() -> None:
    case = opened()
    case = case.when(contact(case, "answered"), at(2, "11:00")).when(contact(case, "sent"), at(2, "11:01"))
    assert (case.state.contacts.unanswered(), case.state.contacts.answers) == (0, 1)


def test_only_not_sent_gives_the_permit_back_and_the_step_is_done_again() -> None:
    case = opened()
    case = case.when(contact(case, "not-sent"), at(2, "12:00"))
    assert [permit.counts() for permit in case.state.contacts.ledger] == [False]
    woken(case).then_types(ContactPermitted)


def test_an_expired_permit_that_nobody_accounts_for_stays_in_the_ledger() -> None:
    case = until_open(opened(), 30)
    first = case.state.contacts.ledger[0]
    assert (first.lapsed, first.counts(), first.went_out()) == (True, True, True)


def until_open(case: Happened, on: int) -> Happened:
    """Timers only, and no word from an executor."""
    while (due := wake_at(case.state)) is not None and due <= at(on):
        case = woken(case)
    return case


def test_an_outcome_after_the_cancellation_is_recorded_too() -> None:
    case = opened().when(RecordFact(cured(2)), at(3))
    assert case.state.contacts.ledger[-1].cancelled
    case.when(contact(case, "sent"), at(3)).then_types(ContactOutcomeRecorded)


# -- what became of a visit


def test_a_visit_is_permitted_when_three_contacts_went_unanswered() -> None:
    assert before_visit().state.contacts.unanswered() == 3
    permit = visiting().then_types(VisitPermitted).event
    assert (permit.minimum_staff, permit.notice_hours, permit.loan_ids) == (2, 24, ("L1",))


def test_a_visit_s_own_notice_counts_for_its_caps() -> None:
    """Three contacts in seven days: with two behind it, notice and visit would make four."""
    case = before_visit()
    week = [at(15), at(16)]
    lines = [
        msgspec.structs.replace(case.state.contacts.ledger[-1], permit_id=f"p{n}", at=on) for n, on in enumerate(week)
    ]
    contacts = msgspec.structs.replace(case.state.contacts, ledger=(*case.state.contacts.ledger[:-1], *lines))
    crowded = msgspec.structs.replace(case.state, contacts=contacts)
    denied = woken(Given(CASE, crowded).when(RecordFact(overdue(17, dpd=86)), at(18))).then_types(VisitDenied)
    assert refused(denied) == {"contacts-a-week"}


@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_visit_is_noticed_started_and_ended(ending: str) -> None:
    case: Given = visiting()
    for outcome in ("noticed", "started", ending):
        happened = case.when(visit(case, outcome), at(20)).then_types(VisitOutcomeRecorded)
        happened.when(visit(case, outcome), at(20)).then_nothing()
        case = happened
    assert not last_permit(case).open()
    assert (case.state.contacts.last_visit, wake_at(case.state)) == (at(20), at(20, "10:15"))


def test_after_an_ending_nothing_more_is_heard_of_a_visit() -> None:
    case = visiting()
    case = case.when(visit(case, "completed", willingness=80), at(20))
    assert (case.state.contacts.attitude, case.state.contacts.unanswered()) == (80, 0)
    case.when(visit(case, "failed"), at(20)).then_nothing()
    case.when(visit(case, "not-made"), at(20)).then_nothing()


def test_an_outcome_of_an_unknown_visit_is_ignored() -> None:
    visiting().when(RecordVisitOutcome("another", "completed", at(20)), at(20)).then_nothing()


def test_after_a_visit_the_borrower_is_left_alone_for_a_while() -> None:
    case = visiting()
    case = woken(case.when(visit(case, "failed"), at(20)))
    assert (case.event.reason, case.event.assess_at) == ("not-due", at(27))


def test_the_next_visit_waits_thirty_one_days() -> None:
    case: Given = visiting()
    case = until(case.when(visit(case, "failed"), at(20)), at(50))
    assert case.state.contacts.unanswered() >= 3
    assert [permit.kind for permit in case.state.contacts.ledger].count("visit") == 1
    assert woken(until(case, at(51)).when(RecordFact(overdue(50, dpd=119)), at(51))).then_types(VisitPermitted)


def test_a_visit_not_made_is_given_back_and_not_permitted_again_at_once() -> None:
    case = visiting()
    case = woken(case.when(visit(case, "not-made"), at(20)))
    assert not isinstance(case.event, VisitPermitted)
    assert case.state.contacts.last_visit is None
    kinds = [permit.kind for permit in until(case, at(31)).state.contacts.ledger if permit.counts()]
    assert kinds.count("visit") == 1


def test_while_a_visit_is_out_no_contact_is_permitted() -> None:
    case = until(visiting(), at(31))
    assert case.state.contacts.ledger[-1].kind == "visit"


def test_a_started_visit_is_not_cancelled_any_more() -> None:
    case = visiting()
    case = case.when(visit(case, "started"), at(20)).when(RecordFact(cured(20)), at(20))
    case.then_types(LoanCureRecorded)
    case.when(visit(case, "completed"), at(20)).then_types(VisitOutcomeRecorded)


def test_a_noticed_visit_is_cancelled_by_a_payment() -> None:
    case = visiting()
    case = case.when(visit(case, "noticed"), at(19)).when(RecordFact(paid(20)), at(20))
    assert [type(event) for event in case.events] == [PaymentRecorded, PermitCancelled]
    assert last(case).kind == "visit"


# -- promises


PROMISE = RecordPromise("p1", day(5), Decimal(100))


def test_a_promise_is_recorded_with_the_end_of_its_grace_and_ignored_when_repeated() -> None:
    case = opened().when(PROMISE, at(2, "12:00"))
    assert case.event == PromiseRecorded(
        promise_id="p1",
        due=day(5),
        check_at=at(7, "08:00"),
        amount=Decimal(100),
        given=day(2),
        owed=Money(Decimal(6000), "CNY"),
        judged_on=day(6),
        given_at=at(2, "12:00"),
        owed_on=day(1),
    )
    case.when(PROMISE, at(2, "12:01")).then_nothing()


def test_a_promise_to_a_case_nobody_knows_is_ignored() -> None:
    Given(CASE, CASE.initial).when(PROMISE, at(2)).then_nothing()


@pytest.mark.parametrize("due", [day(62 + 1), date.max])
def test_a_promise_beyond_sixty_days_is_none(due: date) -> None:
    opened().when(RecordPromise("p1", due, None), at(2, "12:00")).then_nothing()
    opened().when(RecordPromise("p1", day(62), None), at(2, "12:00")).then_types(PromiseRecorded)


def promised(**more: Any) -> Given:
    """A promise by day 5 is running; the SMS of day 2 is sent."""
    case = opened(**more)
    return case.when(contact(case, "answered"), at(2, "12:00")).when(PROMISE, at(2, "12:00"))


def test_while_it_runs_no_contact_is_permitted() -> None:
    case = opened()
    case = woken(case.when(PROMISE, at(2, "12:00")).when(contact(case, "not-sent"), at(2, "12:00")))
    assert refused(case) == {"no-promise-running"}
    assert case.event.assess_at == at(7, "08:00")


def test_a_promise_is_kept_when_the_case_is_cured_while_it_runs() -> None:
    case = woken(promised().when(RecordFact(cured(5)), at(6)))
    case.then_types(CaseCured, PromiseKept, CaseAssessed)
    assert (case.state.promises.running, wake_at(case.state), case.state.promises.kept) == ({}, None, 1)


def test_a_promise_is_broken_after_its_grace_and_the_borrower_is_told_once() -> None:
    case = until(promised().when(RecordFact(overdue(6)), at(7, "06:00")), at(7, "07:00"))
    broken = woken(case).then_types(PromiseBroken, ContactPermitted)
    assert last(broken).purpose == "promise-broken"
    assert (broken.state.promises.broken_unsaid, broken.state.promises.broken) == (False, 1)


def test_the_word_about_a_broken_promise_that_was_not_sent_is_still_to_be_said() -> None:
    case = woken(until(promised().when(RecordFact(overdue(6)), at(7, "06:00")), at(7, "07:00")))
    case = woken(case.when(contact(case, "not-sent"), at(7, "09:00")))
    assert case.event.purpose == "promise-broken"


def test_a_promise_is_not_broken_before_the_bank_has_told_of_its_day() -> None:
    case = until(promised(), at(9))
    assert case.state.promises.running.keys() == {"p1"}
    woken(case.when(RecordFact(overdue(6)), at(10))).then_types(PromiseBroken, ContactPermitted)


def test_a_promise_is_not_broken_while_a_payment_waits_for_the_snapshot() -> None:
    case: Given = promised().when(RecordFact(overdue(6)), at(7, "06:00")).when(RecordFact(paid(7)), at(7, "07:00"))
    case = until(case, at(9))
    assert case.state.promises.running.keys() == {"p1"}
    woken(case.when(RecordFact(cured(9)), at(10))).then_types(CaseCured, PromiseKept, CaseAssessed)


def test_each_promise_is_judged_by_itself_and_the_last_one_protects() -> None:
    case: Given = promised().when(RecordPromise("p2", day(9), None), at(3)).when(RecordFact(overdue(6)), at(7, "06:00"))
    case = until(case, at(7, "09:00"))
    assert (case.state.promises.broken, case.state.promises.running.keys()) == (1, {"p2"})
    assert case.state.lifecycle.denial.refusing == ("no-promise-running",)


def test_a_promise_cured_before_the_case_was_even_opened_leaves_no_timer_behind() -> None:
    case = told(overdue(1), now=at(2)).when(PROMISE, at(2)).when(RecordFact(cured(2)), at(2))
    case = woken(case).then_types(PromiseKept, CaseAssessed)
    assert wake_at(case.state) is None


# -- holds


def test_a_hold_cancels_and_is_ignored_when_repeated() -> None:
    case = opened().when(PlaceHold("h1", "dispute"), at(2, "12:00")).then_types(HoldPlaced, PermitCancelled)
    case.when(PlaceHold("h1", "dispute"), at(2, "12:01")).then_nothing()
    case.when(PlaceHold("h2", "hardship"), at(2, "12:01")).then_types(HoldPlaced)


def held() -> Happened:
    """A dispute; the permit is back."""
    case = opened().when(PlaceHold("h1", "dispute"), at(2, "12:00"))
    return woken(case.when(contact(case, "not-sent"), at(2, "12:00")))


def test_while_it_lasts_every_contact_is_denied_and_the_same_denial_is_said_once() -> None:
    case = held().then_types(ContactDenied)
    assert refused(case) == {"objection"}
    again = woken(case.when(RecordFact(overdue(2)), at(3)))
    assert again.event.reason == "same-denial"


def test_a_lifted_hold_lets_the_case_go_on() -> None:
    case = held().when(LiftHold("h1", "settled"), at(3)).then_types(HoldLifted)
    woken(case).then_types(ContactPermitted)


def test_a_hold_that_is_not_there_cannot_be_lifted_nor_twice() -> None:
    with pytest.raises(Refused, match="its holds are: h1"):
        held().when(LiftHold("another", "settled"), at(3))
    with pytest.raises(Refused, match="none"):
        held().when(LiftHold("h1", "settled"), at(3)).when(LiftHold("h1", "settled"), at(3))


def test_a_hardship_ends_by_itself_after_thirty_days() -> None:
    case = opened().when(PlaceHold("h1", "hardship"), at(2, "12:00"))
    case = woken(case.when(contact(case, "not-sent"), at(2, "12:00")))
    assert case.event.decision.earliest_next == at(32, "12:00")
    woken(case).then_types(HoldLifted, ContactPermitted)


def test_of_two_holds_the_other_one_goes_on() -> None:
    case = held().when(PlaceHold("h2", "complaint"), at(3)).when(LiftHold("h1", "settled"), at(3))
    woken(case)
    assert case.state.holds.by_id.keys() == {"h2"}


# -- parked messages


def test_a_parked_message_suspends_sending_and_is_ignored_when_repeated() -> None:
    case = opened().when(SuspendSending("escalation", "acme:L1"), at(2, "12:00"))
    case.then_types(SendingSuspended, PermitCancelled)
    case.when(SuspendSending("escalation", "acme:L1"), at(2, "12:01")).then_nothing()
    case.when(SuspendSending("reminder", "case-1"), at(2, "12:01")).then_types(SendingSuspended)


def test_released_it_goes_on_once() -> None:
    case = opened().when(SuspendSending("escalation", "k"), at(2, "12:00"))
    case = case.when(contact(case, "not-sent"), at(2, "12:00"))
    resumed = case.when(ResumeSending("escalation", "k"), at(3)).then_types(SendingResumed)
    resumed.when(ResumeSending("escalation", "k"), at(3)).then_nothing()
    woken(resumed).then_types(ContactPermitted)


def test_one_of_two_released_does_not_let_it_go_on() -> None:
    case = opened().when(SuspendSending("escalation", "k"), at(2, "12:00")).when(SuspendSending("audit", "k"), at(3))
    case = case.when(contact(case, "not-sent"), at(3)).when(ResumeSending("escalation", "k"), at(3))
    assert refused(woken(case)) == {"nothing-parked"}


def test_what_was_never_parked_is_not_released() -> None:
    opened().when(ResumeSending("escalation", "k"), at(3)).then_nothing()


# -- assessments


def test_a_wake_that_is_not_due_is_ignored_and_so_is_a_repeated_one() -> None:
    case = told(overdue(1), now=at(2))
    case.when(Wake(at(2, "10:15")), at(2, "10:14")).then_nothing()
    woken(case).when(Wake(at(2, "10:15")), at(2, "10:15")).then_nothing()


def test_a_late_wake_decides_by_the_hour_it_is() -> None:
    case = told(overdue(1), now=at(2, "21:50")).when(Wake(at(2, "22:00")), at(2, "23:00"))
    denied = case.then_types(CaseOpened, ContactDenied).events[1]
    assert isinstance(denied, ContactDenied)
    assert denied.assess_at == at(3, "08:00")


def test_at_night_a_contact_is_denied_once_and_permitted_in_the_morning() -> None:
    case = woken(told(overdue(1), now=at(2, "23:00"))).then_types(CaseOpened, ContactDenied)
    case = woken(case.when(RecordFact(overdue(1, loan="L2")), at(2, "23:30")))
    assert case.event.reason == "same-denial"
    morning = woken(case).then_types(ContactPermitted)
    assert morning.event.decision.inputs.local_time == at(3, "08:00")


def test_before_the_next_step_is_due_a_look_changes_nothing() -> None:
    case = opened()
    case = woken(case.when(contact(case, "sent"), at(2, "11:00")).when(RecordFact(overdue(2)), at(3)))
    assert (case.event.reason, case.event.assess_at) == ("not-due", at(9, "10:15"))


def test_the_days_past_due_grow_with_the_bank_s_dates_not_with_the_clock() -> None:
    case = opened(dpd=30)
    assert (case.state.loans.dpd(), until(case, at(20)).state.loans.dpd()) == (30, 30)
    assert case.when(RecordFact(overdue(2, dpd=31)), at(3)).state.loans.dpd() == 31


def test_the_ledger_forgets_after_sixty_days() -> None:
    case = until(told(overdue(1), now=at(2)), at(200))
    assert all(permit.at > at(200) - timedelta(days=70) for permit in case.state.contacts.ledger)


def test_a_stored_case_decides_as_a_fresh_one() -> None:
    case = opened(time_zone="America/New_York")
    assert CASE.load(CASE.dump(case.state)) == case.state
