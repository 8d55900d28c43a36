"""The record, read for another policy: as little of each event as folding it and comparing decisions takes.

A decision's verdicts are most of its bytes. Of a permit none is needed, of a denial only who refused; so the classes
here are the events themselves with the rest left out, and whatever takes an event takes them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec
from doorstep.events import envelope
from doorstep.events.envelope import Instant
from doorstep.events.escalation.cases import CaseAssessed, CaseAssigned
from doorstep.events.escalation.disputes import DisputeAnswered, DisputeAttached, DisputeClosed, DisputeOpened
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced, HoldRenewed, ReviewClosed
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.escalation.preferences import BlockRecorded, BlockRemoved, ConsentRecorded, ConsentWithdrawn
from doorstep.events.escalation.promises import PromiseRecorded
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.registry import Event, decode_event, known
from doorstep.events.values import ContactMethod, Inputs, Override, Verdict

from escalation.domain.case import contacts, disputes, holds, loans, overrides, preferences, promises
from escalation.domain.case.case import Command
from escalation.domain.case.holds import OVER
from escalation.domain.case.lifecycle import Decided
from escalation.domain.case.loans import Fact


class RecordedEvent(NamedTuple):
    """An event as its stream holds it. The rows of one stream come together, in order."""

    category: str
    tenant: str
    case_id: str
    type: str
    value: bytes


class Refusal(msgspec.Struct, frozen=True):
    """A rule that refused to go a `way`, as `pack/rule`; what it said, and until when it would (None: until something
    changes)."""

    rule: str
    en: str
    zh: str
    way: ContactMethod
    until: datetime | None = None


class Assessment(NamedTuple):
    """What came of assessing a case at an instant. `next_at` is when it is assessed next, unless something new is
    recorded; `way` is None when nothing was to be done; `refusals` are empty when it was permitted; `local` is the
    instant on the borrower's clock."""

    at: datetime
    outcome: Literal["permitted", "denied", "nothing"]
    next_at: datetime | None
    way: ContactMethod | None = None
    step: str = ""
    bucket: str = ""
    refusals: tuple[Refusal, ...] = ()
    local: datetime | None = None
    decision_id: str = ""

    def course(self) -> tuple[object, ...]:
        """As far as the case's course depends on it."""
        return (self.outcome, self.way, self.next_at)


def assessment_of(event: Decided | CaseAssessed, at: datetime) -> Assessment:
    """The assessment that `event` ended."""
    if isinstance(event, CaseAssessed):
        return Assessment(at, "nothing", event.assess_at)
    way: ContactMethod = event.channel if isinstance(event, ContactPermitted | ContactDenied) else "visit"
    decision = event.decision
    refusals = tuple(
        Refusal(one.cited, one.detail, one.detail_zh, way, one.earliest_next)
        for one in getattr(decision, "verdicts", ())
        if one.refuses()
    )
    return Assessment(
        at,
        "denied" if refusals else "permitted",
        event.assess_at,
        way,
        decision.step,
        decision.inputs.bucket,
        refusals,
        decision.inputs.local_time,
        decision.decision_id,
    )


def command(event: Event, before: Event | None) -> Command | None:  # noqa: PLR0911, PLR0912
    """What a case was told, for `event` to be recorded; None for what it concluded itself. `before` is the event
    recorded before it."""
    match event:
        case LoanOverdueRecorded() | LoanCureRecorded() | PaymentRecorded() | PaymentReversalRecorded():
            fact: Fact = event
            return loans.RecordFact(fact)
        case ContactOutcomeRecorded():
            return contacts.RecordContactOutcome(event.permit_id, event.outcome, event.at)
        case VisitOutcomeRecorded():
            return contacts.RecordVisitOutcome(event.permit_id, event.outcome, event.at, event.willingness)
        case PromiseRecorded():
            return promises.RecordPromise(event.promise_id, event.due, event.amount, event.given_at)
        case HoldPlaced() if isinstance(before, DisputeOpened) and before.dispute_id == event.hold_id:
            return None
        case HoldPlaced():
            placed = event
            return holds.PlaceHold(
                placed.hold_id, placed.kind, placed.starts, placed.until, placed.loans, placed.ways, placed.reason
            )
        case HoldRenewed():
            return holds.RenewHold(event.hold_id, event.reason, event.until)
        case HoldLifted(hold_id=hold_id, reason=reason, assess_at=at):
            closed = isinstance(before, ReviewClosed) and before.review_id == hold_id
            closed = closed or (isinstance(before, DisputeClosed) and before.dispute_id == hold_id)
            return None if closed or (reason == OVER and at is None) else holds.LiftHold(hold_id, reason)
        case ReviewClosed():
            return holds.CloseReview(event.review_id, event.outcome, event.reason)
        case DisputeOpened():
            opened = event
            return disputes.OpenDispute(
                opened.dispute_id, opened.about, opened.opened_by, opened.answer_by, opened.close_by, opened.loans
            )
        case DisputeAttached():
            return disputes.AttachToDispute(event)
        case DisputeAnswered():
            return disputes.AnswerDispute(event.dispute_id, event.answer_id, event.by)
        case DisputeClosed():
            return disputes.CloseDispute(event.dispute_id, event.outcome, event.by, event.reason)
        case ConsentRecorded():
            return preferences.RecordConsent(event.consent_id, event.kind, event.ways, event.until)
        case ConsentWithdrawn():
            return preferences.WithdrawConsent(event.consent_id)
        case BlockRecorded():
            return preferences.RecordBlock(event.block_id, event.ways, event.weekdays, event.opens, event.closes)
        case BlockRemoved():
            return preferences.RemoveBlock(event.block_id)
        case OverrideRequested():
            return overrides.RequestOverride(event.override_id, event.way, event.reason, event.by, event.purpose)
        case OverrideApproved():
            return overrides.ApproveOverride(event.override_id, event.by)
        case OverrideRejected():
            return overrides.RejectOverride(event.override_id, event.by, event.reason)
        case CaseAssigned():
            return overrides.Assign(event.agency, event.reason)
        case SendingSuspended():
            return holds.SuspendSending(event.by, event.key)
        case SendingResumed():
            return holds.ResumeSending(event.by, event.key)
        case _:
            return None


def until(event: Event) -> datetime | None:
    """The instant that the packs, or the tenant's terms, may have set when `event` was recorded."""
    match event:
        case PromiseRecorded(check_at=at) | HoldPlaced(until=at) | HoldRenewed(until=at):
            return at
        case _:
            return None


def read(row: RecordedEvent) -> tuple[datetime, Event]:
    """When it was recorded, and the event. Raises msgspec.DecodeError, UnknownEvent."""
    outer = _envelope(row.value)
    decoder = _decoders.get(row.type)
    if decoder is None or outer.schemaversion != known()[row.type].schema_version:
        return outer.recordedat, decode_event(envelope.decode(row.value))
    return outer.recordedat, decoder(outer.data)


class _Envelope(msgspec.Struct, frozen=True):
    recordedat: Instant
    schemaversion: int
    data: msgspec.Raw


class _Left(msgspec.Struct, frozen=True):
    """What is left out."""


class _Key(msgspec.Struct, frozen=True):
    """Of personal data, whose they are."""

    key_id: str


class _Permitted(msgspec.Struct, frozen=True, kw_only=True):
    decision_id: str
    step: str
    inputs: Inputs
    override: Override | None = None
    earliest_next: datetime | None = None


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    rule: str
    allowed: bool
    status: str
    detail: str
    detail_zh: str
    earliest_next: datetime | None = None
    pack: str = ""

    refuses = Verdict.refuses
    cited = Verdict.cited


class _Denied(_Permitted, frozen=True, kw_only=True):
    verdicts: tuple[_Verdict, ...]


class _Overdue(LoanOverdueRecorded, frozen=True, kw_only=True):
    personal: _Key  # type: ignore[assignment]
    original: _Left  # type: ignore[assignment]


class _Cure(LoanCureRecorded, frozen=True, kw_only=True):
    original: _Left  # type: ignore[assignment]


class _Payment(PaymentRecorded, frozen=True, kw_only=True):
    original: _Left  # type: ignore[assignment]


class _Contact(ContactPermitted, frozen=True, kw_only=True):
    decision: _Permitted  # type: ignore[assignment]
    personal: _Left  # type: ignore[assignment]
    windows: _Left  # type: ignore[assignment]


class _NoContact(ContactDenied, frozen=True, kw_only=True):
    decision: _Denied  # type: ignore[assignment]


class _Visit(VisitPermitted, frozen=True, kw_only=True):
    decision: _Permitted  # type: ignore[assignment]
    personal: _Left  # type: ignore[assignment]
    windows: _Left  # type: ignore[assignment]


class _NoVisit(VisitDenied, frozen=True, kw_only=True):
    decision: _Denied  # type: ignore[assignment]


_envelope = msgspec.json.Decoder(_Envelope).decode
_LEAN = (_Overdue, _Cure, _Payment, _Contact, _NoContact, _Visit, _NoVisit)
_decoders: Mapping[str, Callable[[msgspec.Raw], Event]] = {
    one.event_type: msgspec.json.Decoder(one).decode for one in known().values()
} | {one.event_type: msgspec.json.Decoder(one).decode for one in _LEAN}
