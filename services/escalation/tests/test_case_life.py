"""What people, and the borrower through them, change about a case; and what the bank takes back."""

from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from doorstep.events.escalation.cases import CaseAssessed, CaseAssigned, CaseOpened, CaseReevaluated, Change
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced, HoldRenewed, ReviewClosed, ReviewRequested
from doorstep.events.escalation.loans import PaymentReversalRecorded
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, PermitCancelled, VisitPermitted
from doorstep.events.escalation.preferences import BlockRecorded, BlockRemoved, ConsentRecorded, ConsentWithdrawn
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, Use
from doorstep.events.values import ContactMethod, Money
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import is_open
from escalation.domain.case import promises
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.holds import CloseReview, LiftHold, PlaceHold, RenewHold
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.overrides import ApproveOverride, Assign, RejectOverride, RequestOverride
from escalation.domain.case.preferences import RecordBlock, RecordConsent, RemoveBlock, WithdrawConsent
from escalation.domain.case.promises import RecordPromise
from escalation.domain.decider import wake_at

from tests.support.escalation import CASE, at, cured, day, overdue, paid, reversal, told, until, woken
from tests.support.given import Given, Happened, given


def opened(**changes: Any) -> Happened:
    """A case with a permitted SMS, at 10:15 of day 2."""
    return woken(told(overdue(1, **changes), now=at(2)))


def sent(**changes: Any) -> Happened:
    """The SMS of day 2 is out."""
    case = opened(**changes)
    return case.when(
        RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "sent", at(2, "10:20")), at(2, "10:20")
    )


def given_back(case: Happened, on: Any) -> Happened:
    """The executor gives the last permit back."""
    return case.when(RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "not-sent", on), on)


def refused(case: Happened) -> set[str]:
    """The rules that refused in the last decision."""
    return {verdict.rule for verdict in case.events[-1].decision.verdicts if verdict.refuses()}  # type: ignore[attr-defined]


# -- holds


def test_a_hold_lasts_as_long_as_the_packs_say_and_names_the_rule() -> None:
    hold = opened().when(PlaceHold("h1", "bereavement"), at(2, "12:00")).events[0]
    assert isinstance(hold, HoldPlaced)
    assert hold.until == at(2, "12:00") + timedelta(days=60)
    assert hold.rule is not None
    assert hold.rule.startswith("house/")


def test_a_hold_of_its_own_length_and_scope_is_kept_as_the_person_said() -> None:
    command = PlaceHold("h1", "dispute", until=at(9), loans=("L2",), ways=("voice",), reason="disputes the second loan")
    hold = opened().when(command, at(2, "12:00")).then_types(HoldPlaced).event
    assert (hold.until, hold.loans, hold.ways, hold.reason) == (at(9), ("L2",), ("voice",), "disputes the second loan")


def test_a_hold_on_one_loan_leaves_the_others_to_be_collected() -> None:
    case = woken(told(overdue(1), overdue(1, loan="L2", amount="70"), now=at(2)))
    case = case.when(PlaceHold("h1", "dispute", loans=("L1",)), at(2, "12:00")).then_types(HoldPlaced, PermitCancelled)
    permit = woken(given_back(case, at(2, "12:00"))).then_types(ContactPermitted).event
    assert (permit.loan_ids, permit.amount) == (("L2",), Money(Decimal(70), "CNY"))


def test_when_every_loan_is_held_nothing_is_left_to_collect() -> None:
    case = opened().when(PlaceHold("h1", "dispute", loans=("L1",)), at(2, "12:00"))
    assert woken(given_back(case, at(2, "12:00"))).event.reason == "nothing-owed"


def test_a_hold_on_calls_lets_messages_go_out() -> None:
    case = opened().when(PlaceHold("h1", "dispute", ways=("voice",)), at(2, "12:00")).then_types(HoldPlaced)
    assert woken(given_back(case, at(2, "12:00"))).then_types(ContactPermitted)


def test_a_hold_that_begins_later_stops_what_is_out_when_it_begins() -> None:
    case: Given = sent(dpd=40).when(PlaceHold("h1", "dispute", starts=at(5, "09:00")), at(3)).then_types(HoldPlaced)
    case = until(case, at(5, "09:00"))
    assert wake_at(case.state) != at(5, "09:00")
    case = until(case.when(RecordFact(overdue(9, dpd=48)), at(10)), at(11))
    assert case.state.lifecycle.denial is not None
    assert case.state.lifecycle.denial.refusing == ("cn/objection",)


def test_a_hold_is_renewed_for_as_long_again_and_only_when_that_is_news() -> None:
    case = opened().when(PlaceHold("h1", "hardship"), at(2, "12:00"))
    renewed = case.when(RenewHold("h1", "still without work"), at(20)).then_types(HoldRenewed)
    assert renewed.event.until == at(50)
    renewed.when(RenewHold("h1", "still without work"), at(20)).then_nothing()
    with pytest.raises(Refused, match="its holds are: h1"):
        case.when(RenewHold("another", "why not"), at(20))


@pytest.mark.parametrize("starts", [None, at(9)])
def test_a_hold_that_would_end_before_it_begins_is_refused(starts: Any) -> None:
    with pytest.raises(Refused, match="ends after it has begun"):
        opened().when(PlaceHold("h1", "hardship", starts=starts, until=at(3)), at(3))


def test_a_renewal_never_shortens_a_hold() -> None:
    case = opened().when(PlaceHold("h1", "hardship", until=at(90)), at(2, "12:00"))
    case.when(RenewHold("h1", "for as long as is usual"), at(20)).then_nothing()
    with pytest.raises(Refused, match="never shortens"):
        case.when(RenewHold("h1", "a minute", until=at(20, "10:01")), at(20))
    assert case.when(RenewHold("h1", "longer", until=at(100)), at(20)).then_types(HoldRenewed).event.until == at(100)
    endless = opened().when(PlaceHold("h1", "attorney"), at(2, "12:00"))
    with pytest.raises(Refused, match="until it is lifted"):
        endless.when(RenewHold("h1", "a minute", until=at(20, "10:01")), at(20))


def test_a_hold_under_review_has_no_end_and_no_renewal_gives_it_one() -> None:
    case = opened().when(PlaceHold("c1", "complaint", until=at(5)), at(2, "12:00"))
    assert case.state.holds.by_id["c1"].until is None
    with pytest.raises(Refused, match="close review c1"):
        case.when(RenewHold("c1", "to be rid of it", until=at(3, "10:01")), at(3))
    woken(given_back(case, at(3)).when(RecordFact(overdue(9)), at(10))).then_types(ContactDenied)


def test_an_older_complaint_that_names_an_end_stops_until_its_review_is_closed() -> None:
    older = (
        HoldPlaced(hold_id="c1", kind="complaint", until=at(5)),
        ReviewRequested(review_id="c1", about="complaint"),
    )
    renewed = HoldRenewed(hold_id="c1", reason="a minute", until=at(3, "10:01"))
    case = Given(CASE, CASE.fold([*older, renewed], opened().state))
    assert case.state.holds.by_id["c1"].until is None
    assert "c1" in until(case, at(20)).state.holds.by_id


def test_a_complaint_freezes_the_case_and_asks_for_a_review_that_alone_ends_it() -> None:
    case = opened().when(PlaceHold("c1", "complaint"), at(2, "12:00"))
    case.then_types(HoldPlaced, ReviewRequested, PermitCancelled)
    with pytest.raises(Refused, match="close review c1"):
        case.when(LiftHold("c1", "let us go on"), at(3))
    closed = case.when(CloseReview("c1", "rejected", "the call was within hours"), at(3))
    closed.then_types(ReviewClosed, HoldLifted)
    assert (closed.state.holds.reviews, closed.state.holds.by_id) == ({}, {})
    with pytest.raises(Refused, match="no review c1"):
        closed.when(CloseReview("c1", "rejected", "again"), at(3))


# -- what the borrower wishes


def test_consent_to_other_hours_lets_a_message_out_at_night_where_the_pack_allows_it() -> None:
    night = woken(told(overdue(1), now=at(2, "22:20"))).then_types(CaseOpened, ContactDenied)
    consent = RecordConsent("n1", "hours", until=at(5))
    agreed = night.when(consent, at(2, "22:40")).then_types(ConsentRecorded)
    agreed.when(consent, at(2, "22:41")).then_nothing()
    permit = woken(agreed).then_types(ContactPermitted).event
    assert is_open(permit.windows, at(2, "22:45"))
    assert permit.valid_until == at(3, "00:00")


def test_under_a_consent_the_permit_of_a_visit_is_open_in_every_hour_that_it_allows() -> None:
    case = until(told(overdue(1, dpd=70), now=at(2)).when(RecordConsent("n1", "hours"), at(2)), at(17))
    permit = woken(case.when(RecordFact(overdue(17, dpd=86)), at(18))).events[-1]
    assert isinstance(permit, VisitPermitted)
    for span in permit.allowed:
        assert is_open(permit.windows, span.starts)
        assert is_open(permit.windows, span.ends - timedelta(minutes=1))


def test_a_consent_that_is_withdrawn_cancels_what_it_may_have_allowed() -> None:
    case = opened().when(RecordConsent("n1", "hours"), at(2, "11:00"))
    withdrawn = case.when(WithdrawConsent("n1"), at(2, "12:00")).then_types(ConsentWithdrawn, PermitCancelled)
    with pytest.raises(Refused, match="no consent n1"):
        withdrawn.when(WithdrawConsent("n1"), at(2, "12:01"))


def test_inside_blocked_hours_nobody_is_contacted() -> None:
    block = RecordBlock("b1", opens=time(10), closes=time(12))
    case = told(overdue(1), now=at(2)).when(block, at(2)).then_types(BlockRecorded)
    case.when(block, at(2)).then_nothing()
    denied = woken(case).then_types(CaseOpened, ContactDenied)
    assert denied.events[-1].decision.earliest_next == at(2, "12:00")  # type: ignore[attr-defined]
    freed = denied.when(RemoveBlock("b1"), at(2, "10:30")).then_types(BlockRemoved)
    woken(freed).then_types(ContactPermitted)


def test_a_blocked_way_is_not_used_at_all() -> None:
    case = opened().when(RecordBlock("b1", ways=("sms",)), at(2, "12:00")).then_types(BlockRecorded, PermitCancelled)
    denied = woken(given_back(case, at(2, "12:00"))).then_types(ContactDenied)
    assert denied.event.decision.earliest_next is None


@pytest.mark.parametrize("day", [0, 8, -1])
def test_a_weekday_that_there_is_not_cannot_be_blocked(day: int) -> None:
    with pytest.raises(Refused, match="from 1, Monday, to 7"):
        opened().when(RecordBlock("b1", weekdays=(1, day)), at(3))


def test_nothing_became_of_a_permit_later_than_now() -> None:
    case = opened()
    said = RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "answered", at(300))
    assert case.when(said, at(3)).event.at == at(3)


def test_a_promise_for_a_day_gone_by_when_it_was_given_is_none() -> None:
    assert not opened().when(RecordPromise("p1", day(1), None), at(2, "12:00")).events
    assert opened().when(RecordPromise("p1", day(2), None, at(2, "12:00")), at(5)).event.given == day(2)
    midnight = at(3, "00:30")
    assert not opened().when(RecordPromise("p1", day(2), None), midnight).events, "on the borrower's clock"


def test_a_block_needs_both_ends_and_one_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(Refused, match="both opens and closes"):
        opened().when(RecordBlock("b1", opens=time(9)), at(3))
    with pytest.raises(Refused, match="no block b1"):
        opened().when(RemoveBlock("b1"), at(3))


def test_in_korea_28_hours_a_week_can_be_blocked_and_no_more() -> None:
    case = woken(told(overdue(1, region="KR-11", time_zone="Asia/Seoul", currency="KRW"), now=at(2)))
    case = case.when(RecordBlock("b1", opens=time(9), closes=time(13)), at(3))
    with pytest.raises(Refused, match="28 can be"):
        case.when(RecordBlock("b2", weekdays=(1,), opens=time(14), closes=time(15)), at(3))


# -- another step than the strategy's


def asked_for(way: ContactMethod = "voice") -> Happened:
    """Olga wants a call before the next message is due."""
    return sent().when(RequestOverride("o1", way, "the borrower asked to be called", "olga"), at(3))


def test_an_override_needs_a_second_person() -> None:
    case = asked_for().then_types(OverrideRequested)
    with pytest.raises(Refused, match="a second person has to approve"):
        case.when(ApproveOverride("o1", "olga"), at(3))
    woken(case.when(RecordFact(overdue(2)), at(3))).then_types(CaseAssessed)


def test_approved_it_is_decided_at_the_next_assessment_and_said_with_both_persons() -> None:
    case = asked_for().when(ApproveOverride("o1", "chen"), at(3)).then_types(OverrideApproved)
    case.when(ApproveOverride("o1", "li"), at(3)).then_nothing()
    permit = woken(case).then_types(ContactPermitted).event
    assert permit.channel == "voice"
    assert permit.decision.step == "override-voice"
    override = permit.decision.override
    assert (override.by, override.approved_by, override.reason) == ("olga", "chen", "the borrower asked to be called")


def test_an_override_is_used_once_and_not_heard_twice() -> None:
    case = woken(asked_for().when(ApproveOverride("o1", "chen"), at(3)))
    assert case.state.overrides.waiting == {}
    case.when(RequestOverride("o1", "voice", "once more", "olga"), at(4)).then_nothing()


def test_an_override_sets_the_strategy_aside_and_no_rule() -> None:
    case = asked_for().when(PlaceHold("h1", "dispute"), at(3)).when(ApproveOverride("o1", "chen"), at(3))
    woken(case).then_types(ContactDenied)
    assert case.state.overrides.waiting.keys() == {"o1"}


def test_an_override_can_be_rejected_and_one_that_is_not_there_cannot() -> None:
    case = asked_for().when(RejectOverride("o1", "chen", "not now"), at(3)).then_types(OverrideRejected)
    with pytest.raises(Refused, match="no override o1 waits"):
        case.when(ApproveOverride("o1", "chen"), at(3))


def test_a_case_that_is_not_open_has_no_step_to_override() -> None:
    with pytest.raises(Refused, match="not open"):
        given(CASE).when(RequestOverride("o1", "voice", "why not", "olga"), at(3))


def test_a_case_is_assigned_to_an_agency_and_its_permits_say_so() -> None:
    case = told(overdue(1), now=at(2)).when(Assign("harbour", "out of capacity"), at(2)).then_types(CaseAssigned)
    case.when(Assign("harbour", "again"), at(2)).then_nothing()
    permit = woken(case).events[-1]
    assert isinstance(permit, ContactPermitted)
    assert permit.agency == "harbour"
    assert case.when(Assign(None, "back in house"), at(3)).state.overrides.agency is None


# -- promises


def promised(amount: str, **changes: Any) -> Given:
    """6,000 is owed; by day 5 the borrower will pay `amount`."""
    case = opened(**changes)
    case = case.when(
        RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "answered", at(2, "12:00")), at(2, "12:00")
    )
    return case.when(RecordPromise("p1", day(5), Decimal(amount)), at(2, "12:00"))


def judged(case: Given, left: str) -> Happened:
    """After its grace the bank's books still show `left`."""
    return woken(until(case.when(RecordFact(overdue(6, amount=left)), at(7, "06:00")), at(7, "07:00")))


def test_a_promise_of_a_part_is_kept_when_that_part_came_in() -> None:
    kept = judged(promised("1000").when(RecordFact(paid(4, amount="1000")), at(4)), "5000")
    assert isinstance(kept.events[0], PromiseKept)
    assert (kept.state.promises.kept, kept.state.promises.broken) == (1, 0)


def test_less_than_promised_keeps_it_partly() -> None:
    partly = judged(promised("1000").when(RecordFact(paid(4, amount="400")), at(4)), "5600")
    assert partly.events[0] == PromisePartlyKept(
        promise_id="p1", paid=Money(Decimal(400), "CNY"), uses=(Use("/bank/acme L1 paid 4", Decimal(400)),)
    )
    assert (partly.state.promises.partly_kept, partly.state.promises.broken) == (1, 0)


def test_where_the_bank_tells_of_no_payments_its_books_tell() -> None:
    assert isinstance(judged(promised("1000"), "5000").events[0], PromiseKept)
    assert isinstance(judged(promised("1000"), "5999").events[0], PromisePartlyKept)
    assert isinstance(judged(promised("1000"), "6000").events[0], PromiseBroken)


def test_money_in_another_currency_keeps_no_promise() -> None:
    case = promised("1000").when(RecordFact(paid(4, amount="1000", currency="USD")), at(4))
    assert isinstance(judged(case, "6000").events[0], PromiseBroken)


def test_a_payment_that_was_taken_back_keeps_no_promise() -> None:
    case = promised("1000").when(RecordFact(paid(4, fact_id="pay", amount="1000")), at(4))
    case = case.when(RecordFact(reversal(6, "pay")), at(6))
    assert isinstance(judged(case, "6000").events[0], PromiseBroken)


def promised_twice() -> Given:
    """By day 5 the borrower will pay 1,000, and by day 6 another 1,000."""
    return promised("1000").when(RecordPromise("p2", day(6), Decimal(1000)), at(3))


def both_judged(case: Given, left: str) -> list[Any]:
    """What came of both, when after their grace the bank's books show `left`."""
    case, said = case.when(RecordFact(overdue(7, amount=left)), at(8, "06:00")), []
    while (due := wake_at(case.state)) is not None and due <= at(8, "08:00"):
        case = woken(case)
        said += [event for event in case.events if isinstance(event, promises.Judged)]
    return said


def test_one_payment_keeps_one_promise_the_one_that_is_due_first() -> None:
    case = promised_twice().when(RecordFact(paid(4, fact_id="pay", amount="1000")), at(4))
    use = Use("/bank/acme pay", Decimal(1000))
    assert both_judged(case, "5000") == [PromiseKept(promise_id="p1", uses=(use,)), PromiseBroken(promise_id="p2")]


def test_what_one_promise_leaves_of_a_payment_goes_to_the_next() -> None:
    case = promised_twice().when(RecordFact(paid(4, amount="1500")), at(4))
    kept, partly = both_judged(case, "4500")
    assert (kept.promise_id, partly.promise_id, partly.paid) == ("p1", "p2", Money(Decimal(500), "CNY"))


def test_a_promise_judged_later_finds_used_what_an_earlier_one_was_kept_by() -> None:
    case = promised_twice().when(RecordFact(paid(4, amount="1000")), at(4))
    first = judged(case, "5000")
    assert isinstance(first.events[0], PromiseKept)
    assert [event.promise_id for event in both_judged(first, "5000") if isinstance(event, PromiseBroken)] == ["p2"]


def test_a_payment_taken_back_after_it_kept_a_promise_leaves_the_next_payment_to_the_next_promise() -> None:
    first = judged(promised_twice().when(RecordFact(paid(4, fact_id="pay", amount="1000")), at(4)), "5000")
    again = first.when(RecordFact(reversal(6, "pay")), at(7, "09:00"))
    again = again.when(RecordFact(paid(7, fact_id="more", amount="1000")), at(7, "09:00"))
    assert [type(event) for event in both_judged(again, "5000")] == [PromiseKept]


def test_what_was_paid_before_a_promise_was_given_does_not_keep_it() -> None:
    morning = paid(2, amount="1000", said_at=at(2, "11:00"))
    case = (
        opened()
        .when(RecordFact(morning), at(2, "11:00"))
        .when(RecordPromise("p1", day(5), Decimal(1000)), at(2, "12:00"))
    )
    assert isinstance(judged(case, "5000").events[0], PromiseBroken)


def test_of_the_same_day_what_the_bank_told_of_later_counts_in_the_borrower_s_favour() -> None:
    evening = paid(2, amount="1000", said_at=at(2, "23:00"))
    assert isinstance(judged(promised("1000").when(RecordFact(evening), at(2, "23:00")), "5000").events[0], PromiseKept)


def test_where_the_bank_tells_of_no_payments_what_its_books_fell_by_keeps_one_promise_too() -> None:
    assert [type(event) for event in both_judged(promised_twice(), "5000")] == [PromiseKept, PromiseBroken]
    assert [type(event) for event in both_judged(promised_twice(), "4000")] == [PromiseKept, PromiseKept]


def test_what_the_books_fell_by_before_a_promise_was_given_is_left_to_the_earlier_one() -> None:
    case = until(promised("1000").when(RecordFact(overdue(3, amount="5000")), at(4)), at(4, "11:00"))
    case = case.when(RecordPromise("p2", day(6), Decimal(1000)), at(4, "12:00"))
    assert [type(event) for event in both_judged(case, "4000")] == [PromiseKept, PromiseKept]


# -- what the bank says late, or takes back


def test_a_reversal_ends_the_waiting_for_a_snapshot_and_says_what_changed() -> None:
    case = sent().when(RecordFact(paid(2, fact_id="pay")), at(2, "11:00"))
    assert case.state.loans.payment_pending()
    case = case.when(RecordFact(reversal(4, "pay")), at(4)).then_types(PaymentReversalRecorded, CaseReevaluated)
    assert not case.state.loans.payment_pending()
    said = case.events[-1]
    assert isinstance(said, CaseReevaluated)
    assert (said.cause, said.effective) == ("reversal", day(2))
    assert said.changes == (Change("payment-pending", "yes", "no"),)
    assert len(said.decisions) == 1
    case.when(RecordFact(reversal(4, "pay")), at(4)).then_nothing()


@pytest.mark.parametrize("first", ["payment", "reversal"])
def test_a_payment_and_its_reversal_end_alike_whichever_comes_first(first: str) -> None:
    facts = [RecordFact(paid(2, fact_id="pay")), RecordFact(reversal(2, "pay"))]
    case: Given = sent()
    for fact in facts if first == "payment" else reversed(facts):
        case = case.when(fact, at(2, "11:00"))
    assert not case.state.loans.payment_pending()


def test_after_a_reversal_the_case_opens_again_and_says_why() -> None:
    case = woken(sent().when(RecordFact(paid(2, fact_id="pay")), at(3)).when(RecordFact(cured(2)), at(3)))
    case = woken(case.when(RecordFact(reversal(4, "pay")), at(5)))
    assert not case.state.lifecycle.open
    opened_again = woken(case.when(RecordFact(overdue(5)), at(6))).events[0]
    assert opened_again == CaseOpened(episode=2, business_date=day(5), after_reversal=True)
    assert opened().events[0] == CaseOpened(episode=1, business_date=day(1))


# -- notices a jurisdiction asks for, of each debt


def abroad(region: str, zone: str, clock: str) -> Happened:
    """The first assessment of a borrower there, at `clock` in Shanghai."""
    return woken(told(overdue(1, region=region, time_zone=zone), now=at(2, clock)))


def delivered(case: Happened) -> Happened:
    """The last permit is out and arrived."""
    due = case.state.contacts.ledger[-1].at
    permit_id = case.state.contacts.ledger[-1].permit_id
    return case.when(RecordContactOutcome(permit_id, "sent", due), due).when(
        RecordContactOutcome(permit_id, "delivered", due), due
    )


def purposes(case: Given) -> list[str | None]:
    """What was permitted, in order."""
    return [permit.purpose for permit in case.state.contacts.ledger]


def test_in_korea_a_second_debt_gets_a_notice_of_its_own_before_any_other_contact() -> None:
    case: Given = delivered(abroad("KR-11", "Asia/Seoul", "12:00"))
    assert purposes(case) == ["collection-notice"]
    case = until(case, at(12))
    assert purposes(case) == ["collection-notice", "reminder"]
    second = overdue(12, loan="L2", dpd=3, region="KR-11", time_zone="Asia/Seoul")
    case = until(case.when(RecordFact(second), at(13, "09:00")), at(20))
    assert purposes(case)[2:3] == ["collection-notice"]
    assert case.state.contacts.ledger[2].loans == ("L1", "L2")


def test_in_the_united_states_a_debt_first_contacted_later_gets_its_own_validation() -> None:
    case = until(delivered(abroad("US-NY", "America/New_York", "23:00")), at(5))
    assert purposes(case) == ["reminder", "validation-notice"]
    second = overdue(5, loan="L2", dpd=3, region="US-NY", time_zone="America/New_York")
    case = until(case.when(RecordFact(second), at(6)), at(15))
    assert purposes(case) == ["reminder", "validation-notice", "reminder", "validation-notice"]


def test_a_notice_that_failed_is_given_again() -> None:
    case = abroad("KR-11", "Asia/Seoul", "12:00")
    case = case.when(
        RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "failed", at(2, "13:00")), at(2, "13:00")
    )
    assert purposes(until(case, at(4)))[:2] == ["collection-notice", "collection-notice"]


def test_a_notice_the_borrower_is_owed_waits_for_no_promise() -> None:
    case = abroad("US-NY", "America/New_York", "23:00")
    answered = RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "answered", at(2, "23:30"))
    promised = case.when(answered, at(2, "23:30")).when(RecordPromise("p1", day(12), None), at(2, "23:30"))
    assert purposes(until(promised, at(7))) == ["reminder", "validation-notice"]


@pytest.mark.parametrize(
    ("region", "zone", "currency"),
    [
        ("CN-GD", "Asia/Shanghai", "CNY"),
        ("US-NY", "America/New_York", "USD"),
        ("IN-DL", "Asia/Kolkata", "INR"),
        ("GB-LND", "Europe/London", "GBP"),
        ("KR-11", "Asia/Seoul", "KRW"),
        ("RU-MOW", "Europe/Moscow", "RUB"),
        ("AU-NSW", "Australia/Sydney", "AUD"),
        ("ID-JK", "Asia/Jakarta", "IDR"),
        ("TH-10", "Asia/Bangkok", "THB"),
        ("PH-00", "Asia/Manila", "PHP"),
        ("TW-TPE", "Asia/Taipei", "TWD"),
        ("JP-13", "Asia/Tokyo", "JPY"),
    ],
)
def test_nowhere_do_the_rules_make_a_warranted_visit_impossible(region: str, zone: str, currency: str) -> None:
    """Nobody answers, much is owed: after the milder means a visit with its notice is allowed."""
    case = told(overdue(1, dpd=90, amount="90000000", currency=currency, region=region, time_zone=zone), now=at(2))
    assert "visit" in [permit.way for permit in until(case, at(60)).state.contacts.ledger]
