"""What visit-scheduler says of the visits it carries out. Keyed by case (agents by agent)."""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from doorstep.events.escalation.permits import Duty
from doorstep.events.registry import Event, event
from doorstep.events.topics import VISITS
from doorstep.events.values import Channel, Instant, Language, Money, Sealed, Span, Windows


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as named in a plan: who, from which agency, certified until when."""

    agent_id: str
    agency: str
    certified_until: date


@event("doorstep.agent.registered", topic=VISITS)
class AgentRegistered(Event, frozen=True):
    """An agent who may be assigned, or the same with new particulars."""

    agent_id: str
    agency: str
    certified_until: date
    languages: tuple[Language, ...]
    regions: tuple[str, ...] = ()
    active: bool = True


class VisitTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the permit allows: everything needed to plan, notice and make the visit."""

    amount: Money
    language: Language
    windows: Windows
    valid_until: Instant
    minimum_staff: int
    notice_hours: int
    personal: Sealed
    region: str | None = None
    allowed: tuple[Span, ...] = ()
    notice_allowed: tuple[Span, ...] = ()
    duties: tuple[Duty, ...] = ()
    agency: str | None = None


@event("doorstep.visit.requested", topic=VISITS)
class VisitRequested(Event, frozen=True):
    """A visit permit has arrived. `visit_id` is the permit's id. It is planned at `plan_at`, together with
    whatever else has arrived by then."""

    visit_id: str
    terms: VisitTerms
    plan_at: Instant


@event("doorstep.visit.cancelled-early", topic=VISITS)
class VisitCancelledEarly(Event, frozen=True):
    """The permit was cancelled before it was heard of here: when it comes, nobody goes, and it is given back."""

    visit_id: str
    reason: Literal["payment", "cure", "hold", "consent", "suspended"]


@event("doorstep.visit.planned", topic=VISITS)
class VisitPlanned(Event, frozen=True):
    """Who comes, and when."""

    visit_id: str
    collectors: tuple[Collector, ...]
    starts: Instant
    ends: Instant


@event("doorstep.visit.unplanned", topic=VISITS)
class VisitUnplanned(Event, frozen=True):
    """No plan keeps every rule; tried again at `retry_at`, or never when that is None."""

    visit_id: str
    reason: str
    retry_at: Instant | None = None


@event("doorstep.visit.notice-started", topic=VISITS)
class NoticeStarted(Event, frozen=True):
    """The intent to send the advance notice, committed before anything leaves."""

    visit_id: str
    channel: Channel
    template_id: str
    template_version: int
    template_hash: str
    opened: tuple[str, ...]


@event("doorstep.visit.noticed", topic=VISITS)
class VisitNoticed(Event, frozen=True):
    """The borrower has been told who comes, when and why. From here the plan is frozen."""

    visit_id: str
    channel: Channel
    provider: str
    provider_message_id: str
    rendered_mac: str


@event("doorstep.visit.notice-failed", topic=VISITS)
class NoticeFailed(Event, frozen=True):
    """The notice did not go out, or nobody knows (`unknown`): the visit is not made."""

    visit_id: str
    provider: str
    reason: str
    unknown: bool = False


@event("doorstep.visit.started", topic=VISITS)
class VisitStarted(Event, frozen=True):
    """The collectors are at the door; permit and suspensions were checked again."""

    visit_id: str
    at: Instant
    agent_id: str
    present: tuple[str, ...] = ()


@event("doorstep.visit.completed", topic=VISITS)
class VisitCompleted(Event, frozen=True):
    """The report: what they learnt. `willingness` 0-100; `cause` is why payment is hard."""

    visit_id: str
    at: Instant
    attitude: Literal["cooperative", "neutral", "hostile"]
    willingness: int
    cause: Literal["forgot", "cash-flow", "unemployment", "illness", "dispute", "other"]
    agent_id: str
    promise_amount: Decimal | None = None
    promise_due: date | None = None
    notes: Sealed | None = None


@event("doorstep.visit.failed", topic=VISITS)
class VisitFailed(Event, frozen=True):
    """They went and could not talk."""

    visit_id: str
    at: Instant
    reason: Literal["nobody-home", "refused", "wrong-address", "unsafe"]
    agent_id: str
    notes: Sealed | None = None


@event("doorstep.visit.cancelled", topic=VISITS)
class VisitCancelled(Event, frozen=True):
    """Not made: nobody went. The permit goes back to the ledger."""

    visit_id: str
    reason: Literal[
        "payment", "cure", "hold", "consent", "suspended", "stopped", "expired", "no-plan", "no-notice", "not-started"
    ]  # fmt: skip
