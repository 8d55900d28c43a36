"""The bank's facts, accepted: on loans.v1."""

from datetime import date

from doorstep.events.registry import Event, event
from doorstep.events.topics import LOANS
from doorstep.events.values import ContactPoint, Instant, Language, Money, Sealed


@event("doorstep.loan.overdue-recorded", topic=LOANS)
class LoanOverdueRecorded(Event, frozen=True):
    """A bank's overdue fact, accepted. `original` holds the bank's bytes under seal; `said_at` is when the bank
    said it: of one business date, what was said last holds. `late` means that something newer was already
    recorded of this loan: the fact is kept and does not change the loan. `contact_points` tells which the bank
    knows, not what they are; None, as before there was a choice: a telephone, and an address where it has a token."""

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
    segment: str | None = None
    contact_points: tuple[ContactPoint, ...] | None = None


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
    """A payment. It suspends contact until the next snapshot; only snapshots cure. It was made by `said_at`, when the
    bank told of it."""

    fact_id: str
    source: str
    loan_id: str
    amount: Money
    paid_on: date
    original: Sealed
    assess_at: Instant | None = None
    late: bool = False
    said_at: Instant | None = None


@event("doorstep.loan.payment-reversal-recorded", topic=LOANS)
class PaymentReversalRecorded(Event, frozen=True):
    """A payment did not stand, such as a debit that bounced: from here on it counts as never made."""

    fact_id: str
    source: str
    loan_id: str
    payment_id: str
    reversed_on: date
    original: Sealed
    assess_at: Instant | None = None
