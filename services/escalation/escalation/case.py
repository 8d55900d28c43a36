"""What is known of a case, and how each event changes it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeVar, assert_never

import msgspec
from doorstep.events import escalation as e
from doorstep.events.common import Channel, Decision, Language, Money, Sealed
from msgspec.structs import replace

Thing = TypeVar("Thing")
LEDGER_KEEPS = timedelta(days=60)
"""Longer than any counter of a rule looks back."""
FACTS_REMEMBERED = 64
"""A fact that comes again within so many is recognised here; before that, the inbox does it."""
PROMISE_GRACE = timedelta(days=1)

Order = tuple[date, datetime, str]
NEVER: Order = (date.min, datetime.min.replace(tzinfo=UTC), "")


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """A loan as the latest fact tells it: latest by `order`, whatever came last."""

    order: Order = NEVER
    overdue: bool = False
    amount: Money | None = None
    overdue_since: date | None = None
    paid_on: date | None = None


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger; a visit has no channel and no purpose. While it is open its executor may still act
    on it, even when it was cancelled: the cancellation may have crossed with the sending. It is `settled` once
    the borrower has answered, or the episode is over: then it no longer counts as unanswered."""

    permit_id: str
    kind: Literal["contact", "visit"]
    channel: Channel | None = None
    purpose: e.Purpose | None = None
    at: datetime
    valid_until: datetime
    cancelled: bool = False
    settled: bool = False
    outcome: str = "open"

    def open(self) -> bool:
        """Whether its executor has not come to an end with it."""
        return self.outcome in ("open", "noticed", "started")

    def unanswered(self) -> bool:
        """Whether it went out, for all we know, and nobody answered."""
        return self.kind == "contact" and not self.settled and self.outcome in WENT_OUT


class Hold(msgspec.Struct, frozen=True):
    """A reason not to contact."""

    kind: e.HoldKind
    until: datetime | None


class Promise(msgspec.Struct, frozen=True):
    """A promise to pay that is neither kept nor broken yet."""

    due: date
    check_at: datetime


class Denial(msgspec.Struct, frozen=True):
    """The last refusal, so that the same one is not said twice."""

    step: str
    refusing: tuple[str, ...]
    earliest_next: datetime | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision is made from."""

    open: bool = False
    episode: int = 0
    decisions: int = 0
    loans: dict[str, Loan] = {}
    recent_facts: tuple[str, ...] = ()
    known_as_of: Order = NEVER
    personal: Sealed | None = None
    language: Language = "zh-CN"
    region: str | None = None
    time_zone: str | None = None
    ledger: tuple[Permit, ...] = ()
    last_visit: datetime | None = None
    visit_unmade: datetime | None = None
    answers: int = 0
    kept: int = 0
    broken: int = 0
    attitude: int | None = None
    holds: dict[str, Hold] = {}
    promises: dict[str, Promise] = {}
    promises_heard: tuple[str, ...] = ()
    promise_broken: bool = False
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
        since = [loan.overdue_since for loan in self.overdue().values() if loan.overdue_since]
        return (self.business_date() - min(since)).days + 1 if since else 0

    def owed(self) -> dict[str, Money]:
        """What is overdue, by loan; of several currencies, the one in which most loans stand."""
        owed = {i: loan.amount for i, loan in self.overdue().items() if loan.amount and loan.amount.amount}
        currencies = sorted(money.currency for money in owed.values())
        return {i: money for i, money in owed.items() if money.currency == max(currencies, key=currencies.count)}

    def amount(self) -> Money | None:
        """The sum of what is owed; None when that is nothing."""
        owed = list(self.owed().values())
        return Money(sum((money.amount for money in owed), Decimal(0)), owed[0].currency) if owed else None

    def payment_pending(self) -> bool:
        """Whether a payment on an overdue loan waits for the snapshot that takes it in."""
        return any(loan.paid_on is not None and loan.paid_on > loan.order[0] for loan in self.overdue().values())

    def tells(self, promise: Promise) -> bool:
        """Whether the bank's facts can tell if `promise` was kept: nothing is overdue any more, or they reach
        past its grace and no payment waits for a snapshot."""
        if not self.overdue():
            return True
        return self.business_date() >= promise.due + PROMISE_GRACE and not self.payment_pending()

    def unanswered(self) -> int:
        """How many contacts in a row went out and were not answered."""
        return sum(permit.unanswered() for permit in self.ledger)

    def willingness(self) -> int:
        """0-100, from 50: promises kept and broken, answers, and what a visit found. Sums only, so that the
        order in which they were heard plays no part."""
        start = 50 if self.attitude is None else (50 + self.attitude) // 2
        return max(0, min(100, start + 2 * self.answers + 10 * self.kept - 15 * self.broken))


WENT_OUT = ("sent", "unknown", "delivered", "no-answer", "undeliverable")
CONTACT_FINALITY = {"open": 0, "not-sent": 1, "sent": 1, "failed": 1, "unknown": 1, "delivered": 2}
CONTACT_FINALITY |= {"undeliverable": 2, "no-answer": 2, "answered": 3}
VISIT_FINALITY = {"open": 0, "noticed": 1, "started": 2, "completed": 3, "failed": 3, "not-made": 3}
"""How far along an outcome is. What is not further along than what is known says nothing new."""

Event = (
    e.LoanOverdueRecorded | e.LoanCureRecorded | e.PaymentRecorded | e.CaseOpened | e.CaseCured | e.CaseAssessed
    | e.ContactPermitted | e.ContactDenied | e.VisitPermitted | e.VisitDenied | e.PermitCancelled
    | e.ContactOutcomeRecorded | e.VisitOutcomeRecorded | e.PromiseRecorded | e.PromiseBroken | e.PromiseKept
    | e.HoldPlaced | e.HoldLifted | e.SendingSuspended | e.SendingResumed
)  # fmt: skip


def evolve(case: Case, event: Event) -> Case:  # noqa: PLR0911, PLR0912
    """The case after `event`."""
    match event:
        case e.LoanOverdueRecorded():
            return _loan_overdue(case, event)
        case e.LoanCureRecorded():
            loan = replace(_loan(case, event.loan_id), order=order(event), overdue=False)
            return _with_fact(case, event, None if event.late else loan)
        case e.PaymentRecorded():
            loan = _loan(case, event.loan_id)
            return _with_fact(case, event, replace(loan, paid_on=max(event.paid_on, loan.paid_on or date.min)))
        case e.CaseOpened(episode=episode):
            return replace(_settled(case), open=True, episode=episode, denial=None)
        case e.CaseCured():
            return replace(case, open=False, promise_broken=False, denial=None, assess_at=None)
        case e.CaseAssessed(assess_at=at):
            return replace(case, assess_at=at)
        case e.ContactPermitted():
            # The message about the broken promise is said once.
            said = event.purpose == "promise-broken"
            return replace(_permitted(case, event), promise_broken=case.promise_broken and not said)
        case e.VisitPermitted():
            return _permitted(case, event)
        case e.ContactDenied() | e.VisitDenied():
            return replace(case, decisions=case.decisions + 1, denial=denial(event.decision), assess_at=event.assess_at)
        case e.PermitCancelled(permit_id=permit_id):
            return _with_permit(case, permit_id, cancelled=True)
        case e.ContactOutcomeRecorded():
            return _contact_outcome(case, event)
        case e.VisitOutcomeRecorded():
            return _visit_outcome(case, event)
        case e.PromiseRecorded(promise_id=promise_id, due=due, check_at=check_at):
            promises = {**case.promises, promise_id: Promise(due, check_at)}
            heard = (*case.promises_heard, promise_id)
            return replace(case, promises=promises, promises_heard=heard, promise_broken=False)
        case e.PromiseBroken(promise_id=promise_id):
            case = replace(case, promises=_but(case.promises, promise_id))
            return replace(case, promise_broken=True, broken=case.broken + 1)
        case e.PromiseKept(promise_id=promise_id):
            return replace(case, promises=_but(case.promises, promise_id), kept=case.kept + 1)
        case e.HoldPlaced(hold_id=hold_id, kind=kind, until=until):
            return replace(case, holds={**case.holds, hold_id: Hold(kind, until)})
        case e.HoldLifted(hold_id=hold_id):
            return _assess_by(replace(case, holds=_but(case.holds, hold_id)), event.assess_at)
        case e.SendingSuspended(by=by, key=key):
            return replace(case, suspended=(*case.suspended, (by, key)))
        case e.SendingResumed(by=by, key=key):
            left = tuple(one for one in case.suspended if one != (by, key))
            return _assess_by(replace(case, suspended=left), event.assess_at)
    assert_never(event)


def order(fact: e.LoanOverdueRecorded | e.LoanCureRecorded) -> Order:
    """Which of two facts about a loan is the later one, whichever came first: by business date, then by when
    the bank said it (a correction of the same date), then by name, so that every permutation ends alike."""
    return (fact.business_date, fact.said_at.astimezone(UTC) if fact.said_at else NEVER[1], name_of(fact))


def name_of(fact: e.LoanOverdueRecorded | e.LoanCureRecorded | e.PaymentRecorded) -> str:
    """The fact's identity: its id is unique in its source only."""
    return f"{fact.source} {fact.fact_id}"


def denial(decision: Decision) -> Denial:
    """What makes two refusals the same."""
    refusing = tuple(verdict.rule for verdict in decision.verdicts if not verdict.allowed)
    return Denial(decision.step, refusing, decision.earliest_next)


def _loan(case: Case, loan_id: str) -> Loan:
    return case.loans.get(loan_id, Loan())


def _loan_overdue(case: Case, fact: e.LoanOverdueRecorded) -> Case:
    loan = replace(
        _loan(case, fact.loan_id),
        order=order(fact),
        overdue=True,
        amount=fact.amount_overdue,
        overdue_since=fact.overdue_since,
    )
    case = _with_fact(case, fact, None if fact.late else loan)
    # Late for its loan may still be the latest that tells of the borrower.
    if order(fact) < case.known_as_of:
        return case
    return replace(
        case,
        known_as_of=order(fact),
        personal=fact.personal,
        language=fact.language,
        region=fact.region,
        time_zone=fact.time_zone,
    )


def _with_fact(
    case: Case, fact: e.LoanOverdueRecorded | e.LoanCureRecorded | e.PaymentRecorded, loan: Loan | None
) -> Case:
    loans = case.loans if loan is None else {**case.loans, fact.loan_id: loan}
    facts = (*case.recent_facts, name_of(fact))[-FACTS_REMEMBERED:]
    return _assess_by(replace(case, loans=loans, recent_facts=facts), fact.assess_at)


def _assess_by(case: Case, at: datetime | None) -> Case:
    """Never later than what was planned already."""
    if at is None or (case.assess_at is not None and case.assess_at <= at):
        return case
    return replace(case, assess_at=at)


def _permitted(case: Case, event: e.ContactPermitted | e.VisitPermitted) -> Case:
    contact = event if isinstance(event, e.ContactPermitted) else None
    permit = Permit(
        permit_id=event.permit_id,
        kind="contact" if contact else "visit",
        channel=contact.channel if contact else None,
        purpose=contact.purpose if contact else None,
        # In UTC: arithmetic on a clock with summer time would depend on whether the state was stored in between.
        at=event.decision.inputs.local_time.astimezone(UTC),
        valid_until=event.valid_until.astimezone(UTC),
    )
    kept = tuple(old for old in case.ledger if old.at > permit.at - LEDGER_KEEPS)
    return replace(case, ledger=(*kept, permit), decisions=case.decisions + 1, denial=None, assess_at=event.assess_at)


def _with_permit(case: Case, permit_id: str, **changes: bool | str) -> Case:
    ledger = tuple(replace(one, **changes) if one.permit_id == permit_id else one for one in case.ledger)
    return replace(case, ledger=ledger)


def _given_back(case: Case, permit: Permit) -> Case:
    # What was not said is still to be said.
    unsaid = permit.purpose == "promise-broken" and case.open and not case.promises
    ledger = tuple(one for one in case.ledger if one is not permit)
    return replace(case, ledger=ledger, promise_broken=case.promise_broken or unsaid)


def _settled(case: Case) -> Case:
    return replace(case, ledger=tuple(replace(permit, settled=True) for permit in case.ledger))


def _contact_outcome(case: Case, event: e.ContactOutcomeRecorded) -> Case:
    case = _assess_by(case, event.assess_at)
    if event.outcome == "not-sent":
        return _given_back(case, _permit(case, event.permit_id))
    case = _with_permit(case, event.permit_id, outcome=event.outcome)
    return replace(_settled(case), answers=case.answers + 1) if event.outcome == "answered" else case


def _visit_outcome(case: Case, event: e.VisitOutcomeRecorded) -> Case:
    case = _assess_by(case, event.assess_at)
    permit = _permit(case, event.permit_id)
    if event.outcome == "not-made":
        return replace(_given_back(case, permit), visit_unmade=event.at)
    case = _with_permit(case, event.permit_id, outcome=event.outcome)
    if event.outcome == "completed":
        met = case.attitude if event.willingness is None else event.willingness
        return replace(_settled(case), last_visit=event.at, attitude=met)
    return replace(case, last_visit=event.at) if event.outcome == "failed" else case


def _permit(case: Case, permit_id: str) -> Permit:
    return next(permit for permit in case.ledger if permit.permit_id == permit_id)


def _but(things: dict[str, Thing], name: str) -> dict[str, Thing]:
    return {other: thing for other, thing in things.items() if other != name}
