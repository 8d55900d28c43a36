"""What escalation says: accepted facts on loans.v1, decisions on escalation.v1. Keyed by case.

`assess_at` is the instant at which the case is next assessed unless something new is recorded before: no
decision falls when a message happens to arrive, only then.
"""

from datetime import date, time
from decimal import Decimal
from typing import Any, Literal

import msgspec

from doorstep.events.registry import ESCALATION, LOANS, Event, event, upcast
from doorstep.events.values import Channel, Decision, Instant, Language, Money, Sealed, Span, Windows

HoldKind = Literal[
    "dispute",
    "complaint",
    "hardship",
    "cease-contact",
    "wrong-number",
    "attorney",
    "bereavement",
    "disaster",
    "vulnerability",
    "family-event",
]
ConsentKind = Literal["hours", "place"]
Way = Literal["sms", "voice", "email", "push", "letter", "visit"]
"""A channel, or a visit."""
Outcome = Literal["sent", "not-sent", "failed", "unknown", "delivered", "answered", "no-answer", "undeliverable"]
VisitOutcome = Literal["noticed", "started", "completed", "failed", "not-made"]
Purpose = Literal[
    "reminder", "firm-reminder", "promise-reminder", "promise-broken", "collection-notice", "validation-notice"
]
CancelReason = Literal["payment", "cure", "hold", "suspended", "consent"]


Duty = Literal[
    "show-identity", "show-authorisation", "record-throughout", "no-entry-without-consent", "take-no-money",
    "explain-purpose", "leave-when-asked",
]  # fmt: skip
"""What collectors have to do at the door."""


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
    segment: str | None = None


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


@event("doorstep.case.opened", topic=ESCALATION)
class CaseOpened(Event, frozen=True):
    """The borrower has an overdue loan. Episode 1 opens a case, later ones open it again. `after_reversal`: because
    a payment did not stand."""

    episode: int
    business_date: date
    after_reversal: bool = False


Aspect = Literal["overdue", "dpd", "amount", "payment-pending"]
Cause = Literal["late-fact", "backdated-payment", "reversal"]


class Change(msgspec.Struct, frozen=True):
    """`what` was `was` and is `now`, in plain figures."""

    what: Aspect
    was: str
    now: str


@event("doorstep.case.reevaluated", topic=ESCALATION)
class CaseReevaluated(Event, frozen=True):
    """Something the bank said late, or took back, changed what is known of a day in the past. `changes` say what is
    seen otherwise now; `decisions` were made from `effective` on, without knowing it, and stand as they were."""

    fact_id: str
    cause: Cause
    effective: date
    changes: tuple[Change, ...] = ()
    decisions: tuple[str, ...] = ()


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
    reason: Literal["not-due", "same-denial", "nothing-owed", "closed", "no-step"]
    assess_at: Instant | None = None


@event("doorstep.contact.permitted", topic=ESCALATION, version=2)
class ContactPermitted(Event, frozen=True):
    """One contact on one channel, inside `windows`, until `valid_until`. Nothing goes out without one. `first`: of
    this episode. The tokens are those the caps per number and address count by."""

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
    first: bool = False
    phone_token: str | None = None
    address_token: str | None = None
    agency: str | None = None


@event("doorstep.contact.denied", topic=ESCALATION, version=2)
class ContactDenied(Event, frozen=True):
    """A contact the strategy wanted and a rule refused: restraint is evidence."""

    channel: Channel
    decision: Decision
    assess_at: Instant | None = None


@event("doorstep.visit.permitted", topic=ESCALATION, version=2)
class VisitPermitted(Event, frozen=True):
    """One visit with its advance notice: at least `minimum_staff` collectors together, noticed at least
    `notice_hours` before the slot, begun inside one of `allowed`, the notice sent inside one of `notice_allowed`,
    started before `valid_until`. `windows` are the hours that `allowed` lie in. `duties` are what the collectors have
    to do at the door, `agency` the one that may go (none: any)."""

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
    allowed: tuple[Span, ...] = ()
    notice_allowed: tuple[Span, ...] = ()
    duties: tuple[Duty, ...] = ()
    phone_token: str | None = None
    address_token: str | None = None
    agency: str | None = None


@event("doorstep.visit.denied", topic=ESCALATION, version=2)
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
    phone_token: str | None = None
    address_token: str | None = None


@event("doorstep.visit.outcome-recorded", topic=ESCALATION)
class VisitOutcomeRecorded(Event, frozen=True):
    """The ledger's line for a visit. `willingness` is 0-100 from the report, where there is one."""

    permit_id: str
    outcome: VisitOutcome
    at: Instant
    assess_at: Instant | None = None
    willingness: int | None = None
    phone_token: str | None = None
    address_token: str | None = None


@event("doorstep.promise.recorded", topic=ESCALATION)
class PromiseRecorded(Event, frozen=True):
    """The borrower promised to pay `amount` (None: all that is overdue) by `due`, a business date. After
    `check_at`, the end of its grace, it is broken if the bank's facts, once they reach that far, still show
    the case as overdue. It was given on the day `given`, when `owed` was overdue;
    the books of `judged_on` tell."""

    promise_id: str
    due: date
    check_at: Instant
    amount: Decimal | None = None
    given: date | None = None
    owed: Money | None = None
    judged_on: date | None = None


@event("doorstep.promise.broken", topic=ESCALATION)
class PromiseBroken(Event, frozen=True):
    """The promised day, with its grace, passed and by the bank's facts the case is still overdue."""

    promise_id: str


@event("doorstep.promise.kept", topic=ESCALATION)
class PromiseKept(Event, frozen=True):
    """The case was cured while the promise ran."""

    promise_id: str


@event("doorstep.promise.partly-kept", topic=ESCALATION)
class PromisePartlyKept(Event, frozen=True):
    """The promised day, with its grace, passed, and less came in than was promised."""

    promise_id: str
    paid: Money


@event("doorstep.hold.placed", topic=ESCALATION)
class HoldPlaced(Event, frozen=True):
    """Contact stops for `kind` from `starts` (None: at once), until it is lifted or `until` has come: about `loans`,
    on `ways`; empty means all. `rule` is the one of a pack that set its length."""

    hold_id: str
    kind: HoldKind
    until: Instant | None = None
    starts: Instant | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    rule: str | None = None
    reason: str | None = None


@event("doorstep.hold.renewed", topic=ESCALATION)
class HoldRenewed(Event, frozen=True):
    """The hold goes on, to `until`."""

    hold_id: str
    reason: str
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


@event("doorstep.review.requested", topic=ESCALATION)
class ReviewRequested(Event, frozen=True):
    """A person has to look at this case: its hold ends only when they have said what came of it."""

    review_id: str
    about: HoldKind


@event("doorstep.review.closed", topic=ESCALATION)
class ReviewClosed(Event, frozen=True):
    """What came of the review."""

    review_id: str
    outcome: Literal["upheld", "rejected", "resolved"]
    reason: str


@event("doorstep.consent.recorded", topic=ESCALATION)
class ConsentRecorded(Event, frozen=True):
    """The borrower agreed to be reached outside the usual hours, or at another place, on `ways` (empty: all). It
    overrides a rule only where that rule's pack says so."""

    consent_id: str
    kind: ConsentKind
    ways: tuple[Way, ...] = ()
    until: Instant | None = None
    assess_at: Instant | None = None


@event("doorstep.consent.withdrawn", topic=ESCALATION)
class ConsentWithdrawn(Event, frozen=True):
    """The borrower took it back."""

    consent_id: str
    assess_at: Instant | None = None


@event("doorstep.block.recorded", topic=ESCALATION)
class BlockRecorded(Event, frozen=True):
    """Hours or ways the borrower called inconvenient: on `weekdays` (1 is Monday; empty: every day) from `opens` to
    `closes` on the borrower's clock, on `ways` (empty: all). Without hours: always."""

    block_id: str
    ways: tuple[Way, ...] = ()
    weekdays: tuple[int, ...] = ()
    opens: time | None = None
    closes: time | None = None


@event("doorstep.block.removed", topic=ESCALATION)
class BlockRemoved(Event, frozen=True):
    """They are convenient again."""

    block_id: str
    assess_at: Instant | None = None


@event("doorstep.override.requested", topic=ESCALATION)
class OverrideRequested(Event, frozen=True):
    """A person wants another next step than the strategy's. It waits for a second person."""

    override_id: str
    way: Way
    reason: str
    by: str
    purpose: Purpose = "reminder"


@event("doorstep.override.approved", topic=ESCALATION)
class OverrideApproved(Event, frozen=True):
    """A second person agreed. The rules are asked all the same; only the strategy is set aside, once."""

    override_id: str
    by: str
    assess_at: Instant | None = None


@event("doorstep.override.rejected", topic=ESCALATION)
class OverrideRejected(Event, frozen=True):
    """A second person did not agree, or the override ran out."""

    override_id: str
    by: str
    reason: str


@event("doorstep.case.assigned", topic=ESCALATION)
class CaseAssigned(Event, frozen=True):
    """Who works on the case from now on: an agency, or the lender's own people (None)."""

    agency: str | None
    reason: str


@event("doorstep.tenant.shadow-set", topic=ESCALATION)
class ShadowSet(Event, frozen=True):
    """While `on`, everything is decided and recorded, and nothing is permitted."""

    on: bool
    reason: str


@event("doorstep.tenant.ramp-set", topic=ESCALATION)
class RampSet(Event, frozen=True):
    """So many cases may have the first contact of an episode on one day; None: any number."""

    first_contacts_a_day: int | None
    reason: str


@event("doorstep.tenant.sending-stopped", topic=ESCALATION)
class SendingStopped(Event, frozen=True):
    """The kill switch of a tenant: nothing leaves on `way` (None: on any) from now on. Executors look at the moment
    of sending, and at the door."""

    way: Way | None
    reason: str


@event("doorstep.tenant.sending-allowed", topic=ESCALATION)
class SendingAllowed(Event, frozen=True):
    """The kill switch is off again."""

    way: Way | None
    reason: str


def _several_packs(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew one pack of rules, written in code, and no strategy graph."""
    decision = data["decision"]
    pack = {"id": decision.pop("pack"), "version": decision.pop("pack_version"), "hash": decision.pop("pack_hash")}
    return {**data, "decision": {**decision, "packs": [pack]}}


for _name in ("contact.permitted", "contact.denied", "visit.permitted", "visit.denied"):
    upcast(f"doorstep.{_name}", from_version=1)(_several_packs)


Contested = Literal["amount", "identity", "conduct", "contact", "other"]
Deadline = Literal["answer", "close"]
DisputeOutcome = Literal["upheld", "partly-upheld", "rejected", "withdrawn"]


@event("doorstep.dispute.opened", topic=ESCALATION)
class DisputeOpened(Event, frozen=True):
    """The borrower contests something of this case, or of `loans` (empty: all of them): contact about it is frozen by
    the hold `dispute_id` until the dispute is closed. It is to be answered before `answer_by` and closed before
    `close_by`. `opened_by` took it down (None: the borrower said so in a reply); `text` is what was said."""

    dispute_id: str
    about: Contested
    answer_by: Instant
    close_by: Instant
    opened_by: str | None = None
    loans: tuple[str, ...] = ()
    text: Sealed | None = None


@event("doorstep.dispute.attached", topic=ESCALATION)
class DisputeAttached(Event, frozen=True):
    """Something that bears on the dispute was added: `size` bytes, whose SHA-256 (in hex) stands in `token` as an HMAC.
    Up to 256 KiB they travel under seal, in `content`; larger ones lie at `uri`, which names no person. `name` is
    that of the file."""

    dispute_id: str
    attachment_id: str
    by: str
    media_type: str
    size: int
    token: str
    name: Sealed | None = None
    content: Sealed | None = None
    uri: str | None = None


@event("doorstep.dispute.answered", topic=ESCALATION)
class DisputeAnswered(Event, frozen=True):
    """The borrower was given an answer. `late`: it is the first one, and came after the deadline."""

    dispute_id: str
    answer_id: str
    by: str
    text: Sealed | None = None
    late: bool = False


@event("doorstep.dispute.overdue", topic=ESCALATION)
class DisputeOverdue(Event, frozen=True):
    """The dispute was not answered, or not closed, by the instant at which it was due. Said once for each deadline."""

    dispute_id: str
    deadline: Deadline
    was_due: Instant


@event("doorstep.dispute.closed", topic=ESCALATION)
class DisputeClosed(Event, frozen=True):
    """What came of it; the hold that froze contact is lifted. `late`: after the deadline."""

    dispute_id: str
    outcome: DisputeOutcome
    by: str
    reason: str
    late: bool = False
