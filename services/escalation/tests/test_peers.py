"""What users of other systems complain about, each with its issue there: none of it may happen here."""

from datetime import timedelta
from decimal import Decimal

from doorstep.events.escalation.cases import CaseOpened, CaseReevaluated
from doorstep.events.escalation.loans import PaymentRecorded
from doorstep.events.escalation.permits import ContactPermitted
from doorstep.events.values import Money
from doorstep.kernel.decider import Wake
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.loans import Fact, RecordFact
from escalation.domain.decider import wake_at

from tests.support.escalation import at, cured, day, overdue, paid, told, until, woken
from tests.support.given import Given


def steps(case: Given, end: int) -> list[str]:
    """The steps permitted up to day `end`; each is sent and nobody answers."""
    taken = []
    while (due := wake_at(case.state)) is not None and due <= at(end):
        case = woken(case)
        permit = case.state.contacts.ledger[-1] if case.state.contacts.ledger else None
        if permit is not None and permit.open() and permit.way != "visit":
            taken.append(case.events[-1].decision.step)  # type: ignore[attr-defined]
            case = case.when(RecordContactOutcome(permit.permit_id, "sent", due), due)
    return taken


def test_kill_bill_2297_after_a_partial_payment_no_stage_is_skipped() -> None:
    """There a partial payment left the re-evaluation where it was, and a stage was skipped. Here a case that falls
    back to an earlier stage goes through the ones between again, and one imported late begins with the mildest."""
    late = told(overdue(1, dpd=65, amount="4000"), now=at(2))
    assert steps(late, 9)[:2] == ["early-sms", "middle-call"]
    case = until(late, at(30))
    assert case.state.contacts.stage == 3
    partly_paid = case.when(RecordFact(paid(29)), at(30)).when(RecordFact(overdue(30, dpd=20, amount="3000")), at(31))
    case = until(partly_paid, at(32))
    assert case.state.contacts.stage == 1
    again = case.when(RecordFact(overdue(40, dpd=75, amount="3000")), at(41))
    assert steps(again, 60)[0] == "middle-call"


def test_kill_bill_535_a_late_run_takes_its_dates_from_the_facts_not_from_the_clock() -> None:
    """There the effective date came from now() when processing ran late. Here days past due and the opening date are
    the bank's; the hours are those of the present, because that is when the borrower would be reached."""
    on_time = told(overdue(1), now=at(2))
    due = wake_at(on_time.state)
    assert due is not None
    late = on_time.when(Wake(due), due + timedelta(hours=30))
    opened, permit = late.events
    assert opened == CaseOpened(episode=1, business_date=day(1))
    assert isinstance(permit, ContactPermitted)
    assert (permit.decision.inputs.dpd, permit.decision.inputs.business_date) == (10, day(1))
    assert permit.decision.inputs.local_time == at(3, "16:15")


def test_kill_bill_1032_the_result_does_not_depend_on_what_was_heard_first() -> None:
    """There the overdue state depended on which listener ran first. (test_properties.py permutes far more.)"""
    facts: list[Fact] = [
        overdue(2, amount="900"),
        paid(2),
        overdue(3, amount="500"),
        cured(3, loan="L2"),
        overdue(2, loan="L2"),
    ]
    decided = []
    for order in (facts, facts[::-1], facts[2:] + facts[:2]):
        permit = woken(told(*order, now=at(4))).events[-1]
        assert isinstance(permit, ContactPermitted)
        decided.append((permit.amount, permit.loan_ids, permit.decision.inputs, permit.decision.verdicts))
    assert decided[0] == decided[1] == decided[2]
    assert decided[0][0] == Money(Decimal(500), "CNY")


def test_lending_1425_what_was_decided_then_still_shows_the_figures_of_then() -> None:
    """There a historical report used live balances and was wrong after a later payment."""
    then = woken(told(overdue(1, amount="6000"), now=at(2)))
    permit = then.events[-1]
    now = until(then.when(RecordFact(paid(3)), at(3)).when(RecordFact(overdue(3, amount="10")), at(4)), at(12))
    assert now.state.loans.amounts() == [Money(Decimal(10), "CNY")]
    assert isinstance(permit, ContactPermitted)
    assert permit.decision.inputs.amount_overdue == Money(Decimal(6000), "CNY")


def test_lending_251_a_backdated_payment_needs_no_repair_and_says_what_it_changes() -> None:
    """There a backdated payment needed the log of days past due to be posted again. Here it is a late fact: past
    decisions stand, the timeline says which ones were made without it, and the next one knows."""
    case = woken(told(overdue(5, amount="6000"), now=at(6)))
    late = case.when(RecordFact(paid(3)), at(7)).then_types(PaymentRecorded, CaseReevaluated)
    payment, said = late.events
    assert isinstance(payment, PaymentRecorded)
    assert isinstance(said, CaseReevaluated)
    assert payment.late
    assert (said.cause, said.effective, said.decisions) == (
        "backdated-payment",
        day(3),
        (case.state.contacts.ledger[-1].decision_id,),
    )
    corrected = late.when(RecordFact(overdue(4, dpd=2, amount="900")), at(7))
    assert corrected.state.loans.dpd() == 10, "an older snapshot does not change what a newer one said"


def test_oca_21_one_borrower_with_many_loans_gets_one_message() -> None:
    """There a customer with many invoices got as many mails."""
    loans = [overdue(1, loan=f"L{number}", amount="100") for number in range(12)]
    case = woken(told(*loans, now=at(2)))
    permits = [event for event in case.events if isinstance(event, ContactPermitted)]
    assert len(permits) == 1
    assert (len(permits[0].loan_ids), permits[0].amount) == (12, Money(Decimal(1200), "CNY"))
    assert steps(case, 8) == []
