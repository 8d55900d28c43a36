"""What escalation says: accepted facts on loans.v1, decisions on escalation.v1. Keyed by case.

`assess_at` is the instant at which the case is next assessed unless something new is recorded before: no
decision falls when a message happens to arrive, only then.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

from doorstep.events.common import Channel, Decision, Instant, Language, Money, Sealed, Windows
from doorstep.events.registry import ESCALATION, LOANS, Event, event

HoldKind = Literal["dispute", "complaint", "hardship", "cease-contact", "wrong-number"]
Outcome = Literal["sent", "not-sent", "failed", "unknown", "delivered", "answered", "no-answer", "undeliverable"]
VisitOutcome = Literal["noticed", "started", "completed", "failed", "not-made"]
Purpose = Literal["reminder", "firm-reminder", "promise-reminder", "promise-broken"]
CancelReason = Literal["payment", "cure", "hold", "suspended"]


@event("doorstep.loan.overdue-recorded", topic=LOANS)
class LoanOverdueRecorded(Event, frozen=True):
    """A bank's overdue fact, accepted. `original` holds the bank's bytes under seal; `said_at` is when the bank
    said it: of one business date, what was said last holds. `late` means that something newer was already
    recorded of this loan: the fact is kept and does not change the loan."""

    fact_id: str
    source: str
    loan_id: str
    product: str
    principal_outstanding: Money
    amount_overdue: Money
    overdue_since: date
    business_date: date
    dpd: int
    language: Language
    phone_token: str
    personal: Sealed
    original: Sealed
    region: str | None = None
    time_zone: str | None = None
    address_token: str | None = None
    said_at: Instant | None = None
    assess_at: Instant | None = None
    late: bool = False


@event("doorstep.loan.cure-recorded", topic=LOANS)
class LoanCureRecorded(Event, frozen=True):
    """The bank's snapshot no longer shows this loan as overdue."""

    fact_id: str
    source: str
    loan_id: str
    business_date: date
    original: Sealed
    said_at: Instant | None = None
    assess_at: Instant | None = None
    late: bool = False


@event("doorstep.loan.payment-recorded", topic=LOANS)
class PaymentRecorded(Event, frozen=True):
    """A payment. It suspends contact until the next snapshot; only snapshots cure."""

    fact_id: str
    source: str
    loan_id: str
    amount: Money
    paid_on: date
    original: Sealed
    assess_at: Instant | None = None
    late: bool = False


@event("doorstep.case.opened", topic=ESCALATION)
class CaseOpened(Event, frozen=True):
    """The borrower has an overdue loan. Episode 1 opens a case, later ones open it again."""

    episode: int
    business_date: date


@event("doorstep.case.cured", topic=ESCALATION)
class CaseCured(Event, frozen=True):
    """No loan of the case is overdue any more; what has not gone out yet is cancelled."""

    episode: int
    business_date: date


@event("doorstep.case.assessed", topic=ESCALATION)
class CaseAssessed(Event, frozen=True):
    """The case was looked at and nothing was to be done, or nothing other than was already said."""

    dpd: int
    amount_overdue: Money | None
    reason: Literal["not-due", "same-denial", "nothing-owed", "closed"]
    assess_at: Instant | None = None


@event("doorstep.contact.permitted", topic=ESCALATION)
class ContactPermitted(Event, frozen=True):
    """One contact on one channel, inside `windows`, until `valid_until`. Nothing goes out without one."""

    permit_id: str
    channel: Channel
    purpose: Purpose
    decision: Decision
    loan_ids: tuple[str, ...]
    amount: Money
    language: Language
    windows: Windows
    valid_until: Instant
    personal: Sealed
    region: str | None = None
    assess_at: Instant | None = None


@event("doorstep.contact.denied", topic=ESCALATION)
class ContactDenied(Event, frozen=True):
    """A contact the strategy wanted and a rule refused: restraint is evidence."""

    channel: Channel
    decision: Decision
    assess_at: Instant | None = None


@event("doorstep.visit.permitted", topic=ESCALATION)
class VisitPermitted(Event, frozen=True):
    """One visit with its advance notice: at least `minimum_staff` collectors together, noticed at least
    `notice_hours` before the slot, inside `windows`, started before `valid_until`."""

    permit_id: str
    decision: Decision
    loan_ids: tuple[str, ...]
    amount: Money
    language: Language
    windows: Windows
    valid_until: Instant
    minimum_staff: int
    notice_hours: int
    personal: Sealed
    assess_at: Instant | None = None
    region: str | None = None


@event("doorstep.visit.denied", topic=ESCALATION)
class VisitDenied(Event, frozen=True):
    """A visit the strategy wanted and a rule refused."""

    decision: Decision
    assess_at: Instant | None = None


@event("doorstep.permit.cancelled", topic=ESCALATION)
class PermitCancelled(Event, frozen=True):
    """A permit is withdrawn; its executor must not begin any more. The ledger gets it back only when the
    executor says it was not used."""

    permit_id: str
    kind: Literal["contact", "visit"]
    reason: CancelReason


@event("doorstep.contact.outcome-recorded", topic=ESCALATION)
class ContactOutcomeRecorded(Event, frozen=True):
    """The ledger's line for a contact: what the executor said became of its permit."""

    permit_id: str
    channel: Channel
    outcome: Outcome
    at: Instant
    assess_at: Instant | None = None


@event("doorstep.visit.outcome-recorded", topic=ESCALATION)
class VisitOutcomeRecorded(Event, frozen=True):
    """The ledger's line for a visit. `willingness` is 0-100 from the report, where there is one."""

    permit_id: str
    outcome: VisitOutcome
    at: Instant
    assess_at: Instant | None = None
    willingness: int | None = None


@event("doorstep.promise.recorded", topic=ESCALATION)
class PromiseRecorded(Event, frozen=True):
    """The borrower promised to pay `amount` (None: all that is overdue) by `due`, a business date. After
    `check_at`, the end of its grace, it is broken if the bank's facts, once they reach that far, still show
    the case as overdue."""

    promise_id: str
    due: date
    check_at: Instant
    amount: Decimal | None = None


@event("doorstep.promise.broken", topic=ESCALATION)
class PromiseBroken(Event, frozen=True):
    """The promised day, with its grace, passed and by the bank's facts the case is still overdue."""

    promise_id: str


@event("doorstep.promise.kept", topic=ESCALATION)
class PromiseKept(Event, frozen=True):
    """The case was cured while the promise ran."""

    promise_id: str


@event("doorstep.hold.placed", topic=ESCALATION)
class HoldPlaced(Event, frozen=True):
    """Contact stops for `kind`, until it is lifted or `until` has come."""

    hold_id: str
    kind: HoldKind
    until: Instant | None = None


@event("doorstep.hold.lifted", topic=ESCALATION)
class HoldLifted(Event, frozen=True):
    """The hold's time is over, or a person lifted it."""

    hold_id: str
    reason: str
    assess_at: Instant | None = None


@event("doorstep.sending.suspended", topic=ESCALATION)
class SendingSuspended(Event, frozen=True):
    """A message about this case is parked at `by`; nothing is sent until it is released."""

    by: str
    key: str


@event("doorstep.sending.resumed", topic=ESCALATION)
class SendingResumed(Event, frozen=True):
    """What was parked at `by` under `key` is released."""

    by: str
    key: str
    assess_at: Instant
