"""Loans and payments: what the bank's facts tell. Of a loan the latest fact counts, whatever came last; what a late one
changes is said."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import assert_never

import msgspec
from doorstep.events.escalation.cases import Aspect, CaseCured, CaseReevaluated, Cause, Change
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.permits import CancelReason, PermitCancelled
from doorstep.events.intake import fact_name
from doorstep.events.values import Money
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

from escalation.domain.case.contacts import Contacts, cancellations

PAYMENTS_KEPT = timedelta(days=90)
"""Longer than a promise can reach."""
FACTS_REMEMBERED = 64
"""A fact that comes again within so many is recognised here; before that, the inbox does it."""

Order = tuple[date, datetime, str]
NEVER: Order = (date.min, datetime.min.replace(tzinfo=UTC), "")
Fact = LoanOverdueRecorded | LoanCureRecorded | PaymentRecorded | PaymentReversalRecorded
Event = Fact | CaseReevaluated


@dataclass(frozen=True)
class RecordFact:
    """The bank says something of a loan. `fact` is the event to be; deciding adds when it will be assessed
    and whether it came late."""

    fact: Fact


class Payment(msgspec.Struct, frozen=True):
    """A payment the bank told of, at `said_at`. A reversal may come first: then `amount` is None until the payment
    comes."""

    paid_on: date
    amount: Money | None
    reversed: bool = False
    said_at: datetime | None = None


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """A loan as the latest fact tells it: latest by `order`, whatever came last. `payments` by the bank's name."""

    order: Order = NEVER
    overdue: bool = False
    amount: Money | None = None
    overdue_since: date | None = None
    product: str = ""
    segment: str | None = None
    payments: dict[str, Payment] = {}

    def payment_pending(self) -> bool:
        """Whether a payment waits for the snapshot that takes it in."""
        return any(paid.paid_on > self.order[0] for paid in self.payments.values() if not paid.reversed)


class Loans(msgspec.Struct, frozen=True, kw_only=True):
    """The loans of a case. `reversed`: a payment was taken back, and the case has not been cured since."""

    by_id: dict[str, Loan] = msgspec.field(default_factory=dict, name="loans")
    recent_facts: tuple[str, ...] = ()
    reversed: bool = False

    def overdue(self) -> dict[str, Loan]:
        """The loans that are overdue by their latest facts."""
        return {loan_id: loan for loan_id, loan in self.by_id.items() if loan.overdue}

    def payments(self, currency: str) -> Sequence[tuple[str, Payment, Decimal]]:
        """Each payment in `currency` that stands, with its name and amount, the earliest first."""
        told = [(name, paid) for loan in self.by_id.values() for name, paid in loan.payments.items()]
        stand = [(name, paid, paid.amount.amount) for name, paid in told if paid.amount and not paid.reversed]
        return sorted(
            (one for one in stand if one[1].amount and one[1].amount.currency == currency),
            key=lambda one: (one[1].paid_on, one[0]),
        )

    def business_date(self) -> date:
        """The latest date the bank has told of."""
        return max(loan.order[0] for loan in self.by_id.values())

    def dpd(self) -> int:
        """Days past due of the oldest overdue loan; its first day past due is day 1."""
        since = [loan.overdue_since for loan in self.by_id.values() if loan.overdue and loan.overdue_since]
        return (self.business_date() - min(since)).days + 1 if since else 0

    def owed(self) -> dict[str, Money]:
        """What is overdue, by loan, and can be asked for."""
        return {i: loan.amount for i, loan in self.overdue().items() if loan.amount and loan.amount.payable()}

    def amounts(self) -> Sequence[Money]:
        """The sum of what is owed in each currency."""
        return [total(owed) for _, owed in sorted(by_currency(self.owed()).items())]

    def payment_pending(self) -> bool:
        """Whether a payment on an overdue loan waits for the snapshot that takes it in."""
        return any(loan.payment_pending() for loan in self.by_id.values() if loan.overdue)


def by_currency(owed: dict[str, Money]) -> dict[str, dict[str, Money]]:
    """What is owed by loan, for each currency by itself."""
    found: dict[str, dict[str, Money]] = {}
    for loan_id, money in owed.items():
        found.setdefault(money.currency, {})[loan_id] = money
    return found


def total(owed: dict[str, Money]) -> Money:
    """The sum of what is owed, all of it in one currency, and not nothing."""
    amounts = list(owed.values())
    return Money(sum((money.amount for money in amounts), Decimal(0)), amounts[0].currency)


def order(fact: LoanOverdueRecorded | LoanCureRecorded) -> Order:
    """Which of two facts about a loan is the later one, whichever came first: by business date, then by when
    the bank said it (a correction of the same date), then by name, so that every permutation ends alike."""
    return (fact.business_date, fact.said_at.astimezone(UTC) if fact.said_at else NEVER[1], _name(fact))


def decide(loans: Loans, command: RecordFact, contacts: Contacts, now: datetime) -> Sequence[Event | PermitCancelled]:
    """The fact, what it changes if it is late, and the permits that it takes back."""
    if _name(command.fact) in loans.recent_facts:
        return []
    recorded = _dated(loans, command.fact, now)
    after = evolve(loans, recorded)
    reason = _in_the_way(loans, after)
    cancelled = cancellations(contacts.ledger, reason) if reason else []
    return [recorded, *_reevaluated(loans, after, recorded, contacts), *cancelled]


def evolve(loans: Loans, event: Fact | CaseCured) -> Loans:
    """The loans after `event`."""
    match event:
        case LoanOverdueRecorded():
            loan = replace(
                _loan(loans, event),
                order=order(event),
                overdue=True,
                amount=event.amount_overdue,
                overdue_since=event.overdue_since,
                product=event.product,
                segment=event.segment,
            )
            return _with(loans, event, None if event.late else loan)
        case LoanCureRecorded():
            loan = replace(_loan(loans, event), order=order(event), overdue=False)
            return _with(loans, event, None if event.late else loan)
        case PaymentRecorded():
            return _with(loans, event, _paid(_loan(loans, event), event))
        case PaymentReversalRecorded():
            return replace(_with(loans, event, _taken_back(_loan(loans, event), event)), reversed=True)
        case CaseCured():
            return replace(loans, reversed=False)
    assert_never(event)


def _name(fact: Fact) -> str:
    return fact_name(fact.source, fact.fact_id)


def _payment_name(fact: PaymentReversalRecorded) -> str:
    return fact_name(fact.source, fact.payment_id)


def _loan(loans: Loans, fact: Fact) -> Loan:
    return loans.by_id.get(fact.loan_id, Loan())


def _dated(loans: Loans, fact: Fact, now: datetime) -> Fact:
    if isinstance(fact, PaymentReversalRecorded):
        return replace(fact, assess_at=next_quarter(now))
    known = _loan(loans, fact).order
    late = fact.paid_on < known[0] if isinstance(fact, PaymentRecorded) else order(fact) < known
    return replace(fact, late=late, assess_at=next_quarter(now))


def _in_the_way(before: Loans, after: Loans) -> CancelReason | None:
    """Why a permit that was given `before` must not be used `after`; its amount may have changed, too."""
    if before.owed().keys() - after.owed().keys():
        return "cure"
    return "payment" if after.payment_pending() else None


def _with(loans: Loans, fact: Fact, loan: Loan | None) -> Loans:
    by_id = loans.by_id if loan is None else {**loans.by_id, fact.loan_id: loan}
    return replace(loans, by_id=by_id, recent_facts=(*loans.recent_facts, _name(fact))[-FACTS_REMEMBERED:])


def _paid(loan: Loan, fact: PaymentRecorded) -> Loan:
    name = _name(fact)
    taken_back = name in loan.payments and loan.payments[name].reversed
    said_at = fact.said_at.astimezone(UTC) if fact.said_at else None
    return _with_payment(loan, name, Payment(fact.paid_on, fact.amount, taken_back, said_at), fact.paid_on)


def _taken_back(loan: Loan, fact: PaymentReversalRecorded) -> Loan:
    name = _payment_name(fact)
    known = loan.payments.get(name, Payment(fact.reversed_on, None))
    return _with_payment(loan, name, replace(known, reversed=True), fact.reversed_on)


def _with_payment(loan: Loan, name: str, payment: Payment, on: date) -> Loan:
    kept = {n: one for n, one in loan.payments.items() if n != name and one.paid_on >= on - PAYMENTS_KEPT}
    return replace(loan, payments={**kept, name: payment})


def _reevaluated(before: Loans, after: Loans, fact: Fact, contacts: Contacts) -> Iterator[CaseReevaluated]:
    """That the bank said something late, or took it back, with the decisions that had been made without knowing it;
    nothing for news of the present."""
    cause = _cause(before, fact)
    if cause is None:
        return
    effective = _effective(before, fact)
    changes = tuple(Change(aspect, was, now) for aspect, was, now in _compared(before, after) if was != now)
    if cause == "late-fact" and not changes:
        return
    made = sorted(
        (one.at, one.decision_id) for one in contacts.ledger if one.at.date() >= effective and one.decision_id
    )
    yield CaseReevaluated(
        fact_id=fact.fact_id,
        cause=cause,
        effective=effective,
        changes=changes,
        decisions=tuple(dict.fromkeys(decision_id for _, decision_id in made)),
    )


def _cause(before: Loans, fact: Fact) -> Cause | None:
    match fact:
        case PaymentReversalRecorded():
            return "reversal"
        case PaymentRecorded(paid_on=paid_on):
            return "backdated-payment" if before.by_id and paid_on < before.business_date() else None
        case LoanOverdueRecorded(business_date=day) | LoanCureRecorded(business_date=day):
            return "late-fact" if before.by_id and day < before.business_date() else None


def _effective(before: Loans, fact: Fact) -> date:
    match fact:
        case PaymentReversalRecorded():
            paid = _loan(before, fact).payments.get(_payment_name(fact))
            return paid.paid_on if paid else fact.reversed_on
        case PaymentRecorded(paid_on=paid_on):
            return paid_on
        case LoanOverdueRecorded(business_date=day) | LoanCureRecorded(business_date=day):
            return day


def _compared(before: Loans, after: Loans) -> Iterator[tuple[Aspect, str, str]]:
    for aspect, tell in _ASPECTS.items():
        yield aspect, tell(before), tell(after)


_ASPECTS: dict[Aspect, Callable[[Loans], str]] = {
    "overdue": lambda loans: ", ".join(sorted(loans.overdue())) or "-",
    "dpd": lambda loans: str(loans.dpd()),
    "amount": lambda loans: ", ".join(f"{one.amount} {one.currency}" for one in loans.amounts()) or "0",
    "payment-pending": lambda loans: "yes" if loans.payment_pending() else "no",
}
