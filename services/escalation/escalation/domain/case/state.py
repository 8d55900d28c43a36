"""What is known of a case."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec
from doorstep.events.escalation.cases import CaseAssessed, CaseAssigned, CaseCured, CaseOpened, CaseReevaluated
from doorstep.events.escalation.disputes import (
    Deadline,
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    DisputeOverdue,
)
from doorstep.events.escalation.holds import (
    HoldKind,
    HoldLifted,
    HoldPlaced,
    HoldRenewed,
    ReviewClosed,
    ReviewRequested,
)
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import (
    CancelReason,
    ContactDenied,
    ContactPermitted,
    PermitCancelled,
    Purpose,
    VisitDenied,
    VisitPermitted,
)
from doorstep.events.escalation.preferences import (
    BlockRecorded,
    BlockRemoved,
    ConsentKind,
    ConsentRecorded,
    ConsentWithdrawn,
)
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, PromiseRecorded
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.values import ContactPoint, Language, Money, Sealed, Way

STAGES = ("none", "early", "middle", "late")

Order = tuple[date, datetime, str]
NEVER: Order = (date.min, datetime.min.replace(tzinfo=UTC), "")


class Paid(msgspec.Struct, frozen=True):
    """A payment the bank told of. A reversal may come first: then `amount` is None until the payment comes."""

    paid_on: date
    amount: Money | None
    reversed: bool = False


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """A loan as the latest fact tells it: latest by `order`, whatever came last. `payments` by the bank's name."""

    order: Order = NEVER
    overdue: bool = False
    amount: Money | None = None
    overdue_since: date | None = None
    product: str = ""
    segment: str | None = None
    payments: dict[str, Paid] = {}

    def payment_pending(self) -> bool:
        """Whether a payment waits for the snapshot that takes it in."""
        return any(paid.paid_on > self.order[0] for paid in self.payments.values() if not paid.reversed)


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger: a permitted contact or visit, or the notice of a visit. While it is open its executor may
    still act on it, even when it was cancelled: the cancellation may have crossed with the sending. It is `settled`
    once the borrower has answered, or the episode is over: then it no longer counts as unanswered."""

    permit_id: str
    way: Way
    purpose: Purpose | None = None
    at: datetime
    valid_until: datetime
    loans: tuple[str, ...] = ()
    decision_id: str = ""
    stage: int = 0
    episode: int = 0
    cancelled: bool = False
    settled: bool = False
    outcome: str = "open"
    went_at: datetime | None = None
    answered_at: datetime | None = None
    phone_token: str | None = None
    address_token: str | None = None

    @property
    def kind(self) -> Literal["contact", "visit"]:
        """Who carries it out."""
        return "visit" if self.way == "visit" else "contact"

    def open(self) -> bool:
        """Whether its executor has not come to an end with it."""
        return self.outcome in ("open", "noticed", "started")

    def unanswered(self) -> bool:
        """Whether it went out, for all we know, and nobody answered."""
        return self.way != "visit" and not self.settled and self.outcome in WENT_OUT

    def stoppable(self) -> bool:
        """Whether a cancellation may still stop it."""
        return self.open() and not self.cancelled and self.outcome != "started"

    def counts(self) -> bool:
        """Whether the permit is used up, or may still be: everything but what its executor gave back."""
        return self.outcome not in ("not-sent", "not-made")

    def went_out(self) -> bool:
        """Whether it may have reached the borrower."""
        return self.counts() and self.outcome not in ("open", "failed", "noticed")


class Hold(msgspec.Struct, frozen=True):
    """A reason not to contact: from `starts` to `until`, about `loans`, on `ways`; empty means all."""

    kind: HoldKind
    until: datetime | None
    starts: datetime | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()

    def begun(self, now: datetime) -> bool:
        """Whether it holds at `now`."""
        return self.starts is None or self.starts <= now

    def stops(self, permit: Permit) -> bool:
        """Whether it is about what `permit` is about."""
        about_loan = not self.loans or not permit.loans or bool(set(self.loans) & set(permit.loans))
        return about_loan and (not self.ways or permit.way in self.ways)


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """What the borrower contests, about `loans` (empty: all). `answers` and `attachments` by their ids; `missed` are
    the deadlines of which it was said that they passed; `outcome` is None while it is open."""

    answer_by: datetime
    close_by: datetime
    loans: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    missed: tuple[Deadline, ...] = ()
    outcome: DisputeOutcome | None = None

    def due(self) -> dict[Deadline, datetime]:
        """The deadlines that are still to be kept, or to be missed."""
        waits: dict[Deadline, datetime] = {} if self.answers else {"answer": self.answer_by}
        waits["close"] = self.close_by
        return {} if self.outcome else {name: at for name, at in waits.items() if name not in self.missed}


class Promise(msgspec.Struct, frozen=True):
    """A promise to pay that is neither kept nor broken yet. `owed` was overdue when it was given, on `given`; the
    bank's books of `judged_on` tell, at `check_at` or later."""

    due: date
    check_at: datetime
    judged_on: date
    given: date
    amount: Decimal | None = None
    owed: Money | None = None


class Consent(msgspec.Struct, frozen=True):
    """What the borrower agreed to."""

    kind: ConsentKind
    ways: tuple[Way, ...]
    until: datetime | None


class Block(msgspec.Struct, frozen=True):
    """Hours and ways the borrower called inconvenient."""

    ways: tuple[Way, ...]
    weekdays: tuple[int, ...]
    opens: time | None
    closes: time | None


class RequestedOverride(msgspec.Struct, frozen=True):
    """Another next step, as a person wants it; `approved_by` a second one, or not yet."""

    way: Way
    purpose: Purpose
    reason: str
    by: str
    approved_by: str | None = None


class Denial(msgspec.Struct, frozen=True):
    """The last refusal, so that the same one is not said twice."""

    step: str
    refusing: tuple[str, ...]
    earliest_next: datetime | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision is made from. `assessed` is what was overdue at the last assessment: unlike what is known
    now, it does not depend on what happened to come first since then."""

    open: bool = False
    episode: int = 0
    episode_at: datetime | None = None
    decisions: int = 0
    loans: dict[str, Loan] = {}
    recent_facts: tuple[str, ...] = ()
    known_as_of: Order = NEVER
    personal: Sealed | None = None
    language: Language = "zh-CN"
    region: str | None = None
    time_zone: str | None = None
    phone_token: str | None = None
    address_token: str | None = None
    contact_points: tuple[ContactPoint, ...] = ()
    ledger: tuple[Permit, ...] = ()
    stage: int = 0
    assessed: Money | None = None
    last_visit: datetime | None = None
    visit_unmade: datetime | None = None
    answers: int = 0
    kept: int = 0
    partly_kept: int = 0
    broken: int = 0
    attitude: int | None = None
    holds: dict[str, Hold] = {}
    reviews: dict[str, HoldKind] = {}
    disputes: dict[str, Dispute] = {}
    consents: dict[str, Consent] = {}
    blocks: dict[str, Block] = {}
    overrides: dict[str, RequestedOverride] = {}
    overrides_heard: tuple[str, ...] = ()
    agency: str | None = None
    promises: dict[str, Promise] = {}
    promises_heard: tuple[str, ...] = ()
    promise_broken: bool = False
    reversed: bool = False
    suspended: tuple[tuple[str, str], ...] = ()
    denial: Denial | None = None
    assess_at: datetime | None = None

    def overdue(self) -> dict[str, Loan]:
        """The loans that are overdue by their latest facts."""
        return {loan_id: loan for loan_id, loan in self.loans.items() if loan.overdue}

    def business_date(self) -> date:
        """The latest date the bank has told of."""
        return max(loan.order[0] for loan in self.loans.values())

    def dpd(self) -> int:
        """Days past due of the oldest overdue loan; its first day past due is day 1."""
        since = [loan.overdue_since for loan in self.loans.values() if loan.overdue and loan.overdue_since]
        return (self.business_date() - min(since)).days + 1 if since else 0

    def owed(self) -> dict[str, Money]:
        """What is overdue, by loan; of several currencies, the one in which most loans stand."""
        owed = {i: loan.amount for i, loan in self.overdue().items() if loan.amount and loan.amount.amount}
        currencies = sorted(money.currency for money in owed.values())
        if len(set(currencies)) <= 1:
            return owed
        return {i: money for i, money in owed.items() if money.currency == max(currencies, key=currencies.count)}

    def collectable(self, now: datetime) -> dict[str, Money]:
        """What is owed, without the loans that a hold of their own keeps out."""
        held = {loan for hold in self.holds.values() if hold.begun(now) and not hold.ways for loan in hold.loans}
        return {loan_id: money for loan_id, money in self.owed().items() if loan_id not in held}

    def open_disputes(self) -> dict[str, Dispute]:
        """The disputes nobody has closed; each has a hold of its name."""
        return {name: dispute for name, dispute in self.disputes.items() if dispute.outcome is None}

    def amount(self) -> Money | None:
        """The sum of what is owed; None when that is nothing."""
        return total(self.owed())

    def payment_pending(self) -> bool:
        """Whether a payment on an overdue loan waits for the snapshot that takes it in."""
        return any(loan.payment_pending() for loan in self.loans.values() if loan.overdue)

    def tells(self, promise: Promise) -> bool:
        """Whether the bank's facts can tell if `promise` was kept: nothing is overdue any more, or they reach
        past its grace and no payment waits for a snapshot."""
        if not self.overdue():
            return True
        return self.business_date() >= promise.judged_on and not self.payment_pending()

    def paid_since(self, promise: Promise) -> Decimal:
        """What came in for `promise`: payments from its day on or, where the bank tells of none, by how much less is
        overdue. In the promise's currency."""
        currency = promise.owed.currency if promise.owed else None
        payments = [paid for loan in self.loans.values() for paid in loan.payments.values() if not paid.reversed]
        told = [
            paid.amount.amount
            for paid in payments
            if paid.amount and paid.amount.currency == currency and paid.paid_on >= promise.given
        ]
        left = self.owed().values()
        still = sum((money.amount for money in left if money.currency == currency), Decimal(0))
        less = promise.owed.amount - still if promise.owed else Decimal(0)
        return max(sum(told, Decimal(0)), less, Decimal(0))

    def unanswered(self) -> int:
        """How many contacts in a row went out and were not answered."""
        return sum(permit.unanswered() for permit in self.ledger)


WENT_OUT = ("sent", "unknown", "delivered", "no-answer", "undeliverable")
CONTACT_FINALITY = {"open": 0, "not-sent": 1, "sent": 1, "failed": 1, "unknown": 1, "delivered": 2}
CONTACT_FINALITY |= {"undeliverable": 2, "no-answer": 2, "answered": 3}
VISIT_FINALITY = {"open": 0, "noticed": 1, "started": 2, "completed": 3, "failed": 3, "not-made": 3}
"""How far along an outcome is. What is not further along than what is known says nothing new, except when it went."""
WENT = ("sent", "unknown", "started")
"""Outcomes that tell when a permit was used."""

Event = (
    LoanOverdueRecorded | LoanCureRecorded | PaymentRecorded | PaymentReversalRecorded | CaseReevaluated
    | CaseOpened | CaseCured | CaseAssessed | CaseAssigned
    | ContactPermitted | ContactDenied | VisitPermitted | VisitDenied | PermitCancelled
    | ContactOutcomeRecorded | VisitOutcomeRecorded
    | PromiseRecorded | PromiseBroken | PromisePartlyKept | PromiseKept
    | HoldPlaced | HoldRenewed | HoldLifted | ReviewRequested | ReviewClosed
    | DisputeOpened | DisputeAttached | DisputeAnswered | DisputeOverdue | DisputeClosed
    | ConsentRecorded | ConsentWithdrawn | BlockRecorded | BlockRemoved
    | OverrideRequested | OverrideApproved | OverrideRejected
    | SendingSuspended | SendingResumed
)  # fmt: skip


Fact = LoanOverdueRecorded | LoanCureRecorded | PaymentRecorded | PaymentReversalRecorded


def name_of(fact: Fact) -> str:
    """The fact's identity: its id is unique in its source only."""
    return f"{fact.source} {fact.fact_id}"


def cancellations(permits: Iterable[Permit], reason: CancelReason) -> list[Event]:
    """Of those whose executor can still be stopped."""
    return [
        PermitCancelled(permit_id=permit.permit_id, kind=permit.kind, reason=reason)
        for permit in permits
        if permit.stoppable()
    ]


def total(owed: dict[str, Money]) -> Money | None:
    """The sum of what is owed in one currency; None when that is nothing."""
    amounts = list(owed.values())
    return Money(sum((money.amount for money in amounts), Decimal(0)), amounts[0].currency) if amounts else None


def permit_of(case: Case, permit_id: str) -> Permit | None:
    """The ledger's line of that name."""
    return next((permit for permit in case.ledger if permit.permit_id == permit_id), None)
