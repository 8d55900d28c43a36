"""What escalation permits and denies, and takes back."""

from typing import Any, Literal

from doorstep.events.registry import Event, event, upcast
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Channel, Decision, Instant, Language, Money, Sealed, Span, Windows

Purpose = Literal[
    "reminder", "firm-reminder", "promise-reminder", "promise-broken", "collection-notice", "validation-notice"
]

CancelReason = Literal["payment", "cure", "hold", "suspended", "consent"]

Duty = Literal[
    "show-identity", "show-authorisation", "record-throughout", "no-entry-without-consent", "take-no-money",
    "explain-purpose", "leave-when-asked",
]  # fmt: skip
"""What collectors have to do at the door."""


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


@event("doorstep.permit.lapsed", topic=ESCALATION)
class PermitLapsed(Event, frozen=True):
    """Two days after its end nobody has said what became of a permit: something is broken between its executor and the
    ledger. It stays used, as one whose outcome is unknown, and the case goes on. What its executor says later counts
    all the same."""

    permit_id: str
    kind: Literal["contact", "visit"]
    assess_at: Instant | None = None


def _several_packs(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew one pack of rules, written in code, and no strategy graph."""
    decision = data["decision"]
    pack = {"id": decision.pop("pack"), "version": decision.pop("pack_version"), "hash": decision.pop("pack_hash")}
    return {**data, "decision": {**decision, "packs": [pack]}}


for _name in ("contact.permitted", "contact.denied", "visit.permitted", "visit.denied"):
    upcast(f"doorstep.{_name}", from_version=1)(_several_packs)
