"""What changes when the bank says something late, or takes it back."""

from collections.abc import Iterator
from datetime import date

from doorstep.events.escalation.cases import Aspect, CaseReevaluated, Cause, Change
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)

from escalation.domain.case.state import Case, Fact


def reevaluated(before: Case, after: Case, fact: Fact) -> Iterator[CaseReevaluated]:
    """Says so, with the decisions that had been made without knowing it; nothing for news of the present."""
    cause = _cause(before, fact)
    if cause is None:
        return
    effective = _effective(before, fact)
    changes = tuple(_changes(before, after))
    if cause == "late-fact" and not changes:
        return
    since = sorted((one.at, one.decision_id) for one in before.ledger if one.at.date() >= effective and one.decision_id)
    yield CaseReevaluated(
        fact_id=fact.fact_id,
        cause=cause,
        effective=effective,
        changes=changes,
        decisions=tuple(dict.fromkeys(decision_id for _, decision_id in since)),
    )


def _cause(before: Case, fact: Fact) -> Cause | None:
    match fact:
        case PaymentReversalRecorded():
            return "reversal"
        case PaymentRecorded(paid_on=paid_on):
            return "backdated-payment" if before.loans and paid_on < before.business_date() else None
        case LoanOverdueRecorded(business_date=day) | LoanCureRecorded(business_date=day):
            return "late-fact" if before.loans and day < before.business_date() else None


def _effective(before: Case, fact: Fact) -> date:
    match fact:
        case PaymentReversalRecorded(loan_id=loan_id):
            paid = (
                before.loans[loan_id].payments.get(f"{fact.source} {fact.payment_id}")
                if loan_id in before.loans
                else None
            )
            return paid.paid_on if paid else fact.reversed_on
        case PaymentRecorded(paid_on=paid_on):
            return paid_on
        case LoanOverdueRecorded(business_date=day) | LoanCureRecorded(business_date=day):
            return day


def _changes(before: Case, after: Case) -> Iterator[Change]:
    for was, now in zip(_seen(before), _seen(after), strict=True):
        if was != now:
            yield Change(was[0], was[1], now[1])


def _seen(case: Case) -> tuple[tuple[Aspect, str], ...]:
    amount = case.amount()
    return (
        ("overdue", ", ".join(sorted(case.overdue())) or "-"),
        ("dpd", str(case.dpd())),
        ("amount", f"{amount.amount} {amount.currency}" if amount else "0"),
        ("payment-pending", "yes" if case.payment_pending() else "no"),
    )
