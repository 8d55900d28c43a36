"""The record, read for another policy: as little of each event as folding it and comparing decisions takes.

A decision's verdicts are most of its bytes. Of a permit none is needed, of a denial only who refused; so the classes
here are the events themselves with the rest left out, and whatever takes an event takes them.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from doorstep.events import envelope
from doorstep.events import escalation as e
from doorstep.events.envelope import Instant
from doorstep.events.registry import Event, decode_event, known
from doorstep.events.values import Inputs, Override, Verdict

from escalation.domain.case import commands as c
from escalation.domain.case.state import Fact

OURS = "doorstep"
"""Whose rule it is that no pack has."""
OVER = "its time is over"
"""The reason of a hold that nobody lifted."""


class Row(NamedTuple):
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
    way: e.Way
    until: datetime | None = None


class Look(NamedTuple):
    """What came of looking at a case at an instant. `next_at` is when it is looked at next, unless something new is
    recorded; `way` is None when nothing was to be done; `refusals` are empty when it was permitted; `local` is the
    instant on the borrower's clock."""

    at: datetime
    outcome: Literal["permitted", "denied", "nothing"]
    next_at: datetime | None
    way: e.Way | None = None
    step: str = ""
    bucket: str = ""
    refusals: tuple[Refusal, ...] = ()
    local: datetime | None = None
    decision_id: str = ""

    def course(self) -> tuple[object, ...]:
        """As far as the case's course depends on it."""
        return (self.outcome, self.way, self.next_at)


Decided = e.ContactPermitted | e.ContactDenied | e.VisitPermitted | e.VisitDenied


def look(event: Decided | e.CaseAssessed, at: datetime) -> Look:
    """The look that `event` ended."""
    if isinstance(event, e.CaseAssessed):
        return Look(at, "nothing", event.assess_at)
    way: e.Way = event.channel if isinstance(event, e.ContactPermitted | e.ContactDenied) else "visit"
    decision = event.decision
    refusals = tuple(
        Refusal(f"{one.pack or OURS}/{one.rule}", one.detail, one.detail_zh, way, one.earliest_next)
        for one in getattr(decision, "verdicts", ())
        if one.refuses()
    )
    return Look(
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


def command(event: Event, before: Event | None) -> c.Command | None:  # noqa: PLR0911, PLR0912
    """What a case was told, for `event` to be recorded; None for what it concluded itself. `before` is the event
    recorded before it."""
    match event:
        case e.LoanOverdueRecorded() | e.LoanCureRecorded() | e.PaymentRecorded() | e.PaymentReversalRecorded():
            fact: Fact = event
            return c.RecordFact(fact)
        case e.ContactOutcomeRecorded():
            return c.RecordContactOutcome(event.permit_id, event.outcome, event.at)
        case e.VisitOutcomeRecorded():
            return c.RecordVisitOutcome(event.permit_id, event.outcome, event.at, event.willingness)
        case e.PromiseRecorded():
            return c.RecordPromise(event.promise_id, event.due, event.amount)
        case e.HoldPlaced() if isinstance(before, e.DisputeOpened) and before.dispute_id == event.hold_id:
            return None
        case e.HoldPlaced():
            placed = event
            return c.PlaceHold(
                placed.hold_id, placed.kind, placed.starts, placed.until, placed.loans, placed.ways, placed.reason
            )
        case e.HoldRenewed():
            return c.RenewHold(event.hold_id, event.reason, event.until)
        case e.HoldLifted(hold_id=hold_id, reason=reason, assess_at=at):
            closed = isinstance(before, e.ReviewClosed) and before.review_id == hold_id
            closed = closed or (isinstance(before, e.DisputeClosed) and before.dispute_id == hold_id)
            return None if closed or (reason == OVER and at is None) else c.LiftHold(hold_id, reason)
        case e.ReviewClosed():
            return c.CloseReview(event.review_id, event.outcome, event.reason)
        case e.DisputeOpened():
            opened = event
            return c.OpenDispute(
                opened.dispute_id, opened.about, opened.opened_by, opened.answer_by, opened.close_by, opened.loans
            )
        case e.DisputeAttached():
            return c.AttachToDispute(event)
        case e.DisputeAnswered():
            return c.AnswerDispute(event.dispute_id, event.answer_id, event.by)
        case e.DisputeClosed():
            return c.CloseDispute(event.dispute_id, event.outcome, event.by, event.reason)
        case e.ConsentRecorded():
            return c.RecordConsent(event.consent_id, event.kind, event.ways, event.until)
        case e.ConsentWithdrawn():
            return c.WithdrawConsent(event.consent_id)
        case e.BlockRecorded():
            return c.RecordBlock(event.block_id, event.ways, event.weekdays, event.opens, event.closes)
        case e.BlockRemoved():
            return c.RemoveBlock(event.block_id)
        case e.OverrideRequested():
            return c.RequestOverride(event.override_id, event.way, event.reason, event.by, event.purpose)
        case e.OverrideApproved():
            return c.ApproveOverride(event.override_id, event.by)
        case e.OverrideRejected():
            return c.RejectOverride(event.override_id, event.by, event.reason)
        case e.CaseAssigned():
            return c.Assign(event.agency, event.reason)
        case e.SendingSuspended():
            return c.SuspendSending(event.by, event.key)
        case e.SendingResumed():
            return c.ResumeSending(event.by, event.key)
        case _:
            return None


def until(event: Event) -> datetime | None:
    """The instant that the packs, or the tenant's terms, may have set when `event` was recorded."""
    match event:
        case e.PromiseRecorded(check_at=at) | e.HoldPlaced(until=at) | e.HoldRenewed(until=at):
            return at
        case _:
            return None


def read(row: Row) -> tuple[datetime, Event]:
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


class _Denied(_Permitted, frozen=True, kw_only=True):
    verdicts: tuple[_Verdict, ...]


class _Overdue(e.LoanOverdueRecorded, frozen=True, kw_only=True):
    personal: _Key  # type: ignore[assignment]
    original: _Left  # type: ignore[assignment]


class _Cure(e.LoanCureRecorded, frozen=True, kw_only=True):
    original: _Left  # type: ignore[assignment]


class _Payment(e.PaymentRecorded, frozen=True, kw_only=True):
    original: _Left  # type: ignore[assignment]


class _Contact(e.ContactPermitted, frozen=True, kw_only=True):
    decision: _Permitted  # type: ignore[assignment]
    personal: _Left  # type: ignore[assignment]
    windows: _Left  # type: ignore[assignment]


class _NoContact(e.ContactDenied, frozen=True, kw_only=True):
    decision: _Denied  # type: ignore[assignment]


class _Visit(e.VisitPermitted, frozen=True, kw_only=True):
    decision: _Permitted  # type: ignore[assignment]
    personal: _Left  # type: ignore[assignment]
    windows: _Left  # type: ignore[assignment]


class _NoVisit(e.VisitDenied, frozen=True, kw_only=True):
    decision: _Denied  # type: ignore[assignment]


_envelope = msgspec.json.Decoder(_Envelope).decode
_LEAN = (_Overdue, _Cure, _Payment, _Contact, _NoContact, _Visit, _NoVisit)
_decoders: dict[str, Callable[[Any], Event]] = {
    one.event_type: msgspec.json.Decoder(one).decode for one in known().values()
} | {one.event_type: msgspec.json.Decoder(one).decode for one in _LEAN}
