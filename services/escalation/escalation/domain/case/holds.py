"""Holds: what stands in the way of contact, until it is lifted, is over, or a person has looked at the case."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, assert_never

import msgspec
from doorstep.events.escalation.holds import (
    HoldKind,
    HoldLifted,
    HoldPlaced,
    HoldRenewed,
    ReviewClosed,
    ReviewRequested,
)
from doorstep.events.escalation.permits import PermitCancelled
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.values import ContactMethod, Sealed
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

from escalation.domain.case.contacts import Contacts, Permit, about, cancellations

REVIEWED: tuple[HoldKind, ...] = ("complaint",)
"""Holds that end only when a person has looked at the case."""
OVER = "its time is over"
"""The reason of a hold that nobody lifted."""

Event = HoldPlaced | HoldRenewed | HoldLifted | ReviewRequested | ReviewClosed | SendingSuspended | SendingResumed


@dataclass(frozen=True)
class PlaceHold:
    """Something forbids going on: from `starts` (None: now) to `until` (None: as long as the packs say), about
    `loans`, on `ways` (empty: all). `said`: a person's words, here and below."""

    hold_id: str
    kind: HoldKind
    starts: datetime | None = None
    until: datetime | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[ContactMethod, ...] = ()
    reason: str | None = None
    said: Sealed | None = None


@dataclass(frozen=True)
class RenewHold:
    """It goes on, to `until` (None: for as long from now as the packs say). It never ends sooner than it would have."""

    hold_id: str
    reason: str
    until: datetime | None = None
    said: Sealed | None = None


@dataclass(frozen=True)
class LiftHold:
    """A person ends a hold. Refused when there is none of that id, while it is under review, and while it is that of
    an open dispute."""

    hold_id: str
    reason: str
    said: Sealed | None = None


@dataclass(frozen=True)
class CloseReview:
    """A person has looked at the case; the hold that asked for it ends."""

    review_id: str
    outcome: Literal["upheld", "rejected", "resolved"]
    reason: str
    said: Sealed | None = None


@dataclass(frozen=True)
class SuspendSending:
    """A message about this case is parked at `by` under `key`."""

    by: str
    key: str


@dataclass(frozen=True)
class ResumeSending:
    """It is released."""

    by: str
    key: str


Command = PlaceHold | RenewHold | LiftHold | CloseReview | SuspendSending | ResumeSending


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lasts (None: until it is lifted), the ways it stops (empty: all), the rule that sets its length
    as `pack/rule`, and whether it can be renewed."""

    days: int | None
    ways: tuple[ContactMethod, ...]
    rule: str
    renewable: bool


TermsOf = Callable[[HoldKind, date], HoldTerms]
"""What the packs in force on a day say of holds of a kind."""


class Hold(msgspec.Struct, frozen=True):
    """A reason not to contact: from `starts` to `until`, about `loans`, on `ways`; empty means all."""

    kind: HoldKind
    until: datetime | None
    starts: datetime | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[ContactMethod, ...] = ()

    def begun(self, now: datetime) -> bool:
        """Whether it holds at `now`."""
        return self.starts is None or self.starts <= now

    def stops(self, permit: Permit) -> bool:
        """Whether it is about what `permit` is about."""
        return about(self.loans, permit.loans) and about(self.ways, (permit.way,))


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """The holds and the reviews that are open, by id, and who (`by`, `key`) has suspended sending."""

    by_id: dict[str, Hold] = msgspec.field(default_factory=dict, name="holds")
    reviews: dict[str, HoldKind] = {}
    suspended: tuple[tuple[str, str], ...] = ()

    def held_loans(self, now: datetime) -> set[str]:
        """The loans that a hold of their own keeps out of what is collected."""
        return {loan for hold in self.by_id.values() if hold.begun(now) and not hold.ways for loan in hold.loans}


def decide(
    holds: Holds, command: Command, contacts: Contacts, terms_of: TermsOf, now: datetime
) -> Sequence[Event | PermitCancelled]:
    """What follows. Raises Refused for a hold or review that is not there, for one that would end before it begins, for
    lifting or renewing one that is under review, and for a renewal that would shorten."""
    match command:
        case PlaceHold(hold_id):
            return [] if hold_id in holds.by_id else _place(command, contacts, terms_of, now)
        case RenewHold(hold_id, reason, until, said):
            hold = _unreviewed(holds, hold_id)
            new = _renewed(hold, until, _until(terms_of, hold.kind, now))
            return [] if new == hold.until else [HoldRenewed(hold_id=hold_id, reason=reason, until=new, said=said)]
        case LiftHold(hold_id, reason, said):
            _unreviewed(holds, hold_id)
            return [HoldLifted(hold_id=hold_id, reason=reason, assess_at=next_quarter(now), said=said)]
        case CloseReview(review_id, outcome, reason, said):
            if review_id not in holds.reviews:
                raise Refused(f"the case has no review {review_id}; its reviews: {', '.join(holds.reviews) or 'none'}")
            closed = ReviewClosed(review_id=review_id, outcome=outcome, reason=reason, said=said)
            lifted = HoldLifted(hold_id=review_id, reason=f"review: {outcome}", assess_at=next_quarter(now))
            return [closed, lifted] if review_id in holds.by_id else [closed]
        case SuspendSending(by, key):
            suspended = SendingSuspended(by=by, key=key)
            known = (by, key) in holds.suspended
            return [] if known else [suspended, *cancellations(contacts.ledger, "suspended")]
        case ResumeSending(by, key):
            resumed = SendingResumed(by=by, key=key, assess_at=next_quarter(now))
            return [resumed] if (by, key) in holds.suspended else []
    assert_never(command)


def placing(placed: HoldPlaced, contacts: Contacts) -> Sequence[HoldPlaced | ReviewRequested | PermitCancelled]:
    """`placed`, the review it asks for, and what it cancels: nothing yet if it begins later."""
    hold = _placed(placed)
    stopped = [permit for permit in contacts.ledger if hold.stops(permit)] if placed.starts is None else []
    review = [ReviewRequested(review_id=placed.hold_id, about=placed.kind)] if placed.kind in REVIEWED else []
    return [placed, *review, *cancellations(stopped, "hold")]


def begun(holds: Holds, contacts: Contacts, now: datetime) -> Sequence[PermitCancelled]:
    """What those cancel that were to begin later, and have."""
    fresh = [hold for hold in holds.by_id.values() if hold.starts is not None and hold.begun(now)]
    stopped = [permit for permit in contacts.ledger if any(hold.stops(permit) for hold in fresh)] if fresh else []
    return cancellations(stopped, "hold")


def ended(holds: Holds, now: datetime) -> Iterator[HoldLifted]:
    """Those whose time is over."""
    for hold_id, hold in sorted(holds.by_id.items()):
        if hold.until is not None and hold.until <= now:
            yield HoldLifted(hold_id=hold_id, reason=OVER)


def evolve(holds: Holds, event: Event) -> Holds:  # noqa: PLR0911
    """The holds after `event`."""
    match event:
        case HoldPlaced(hold_id=hold_id):
            return replace(holds, by_id={**holds.by_id, hold_id: _placed(event)})
        case HoldRenewed(hold_id=hold_id):
            hold = holds.by_id[hold_id]
            until = None if hold.kind in REVIEWED else event.until
            return replace(holds, by_id={**holds.by_id, hold_id: replace(hold, until=until)})
        case HoldLifted(hold_id=hold_id):
            return replace(holds, by_id={name: hold for name, hold in holds.by_id.items() if name != hold_id})
        case ReviewRequested(review_id=review_id, about=kind):
            return replace(holds, reviews={**holds.reviews, review_id: kind})
        case ReviewClosed(review_id=review_id):
            return replace(holds, reviews={name: kind for name, kind in holds.reviews.items() if name != review_id})
        case SendingSuspended(by=by, key=key):
            return replace(holds, suspended=(*holds.suspended, (by, key)))
        case SendingResumed(by=by, key=key):
            return replace(holds, suspended=tuple(one for one in holds.suspended if one != (by, key)))
    assert_never(event)


def _place(
    command: PlaceHold, contacts: Contacts, terms_of: TermsOf, now: datetime
) -> Sequence[HoldPlaced | ReviewRequested | PermitCancelled]:
    terms = terms_of(command.kind, now.date())
    starts = command.starts if command.starts is not None and command.starts > now else None
    if command.until is not None and command.until <= (starts or now):
        raise Refused("a hold ends after it has begun: give a later until, or none for as long as is usual")
    placed = HoldPlaced(
        hold_id=command.hold_id,
        kind=command.kind,
        starts=starts,
        until=None if command.kind in REVIEWED else command.until or _until(terms_of, command.kind, starts or now),
        loans=command.loans,
        ways=command.ways or terms.ways,
        rule=terms.rule,
        reason=command.reason,
        said=command.said,
    )
    return placing(placed, contacts)


def _placed(placed: HoldPlaced) -> Hold:
    # Older ones may name an end: only the review ends it.
    until = None if placed.kind in REVIEWED else placed.until
    return Hold(placed.kind, until, placed.starts, placed.loans, placed.ways)


def _renewed(hold: Hold, wanted: datetime | None, usual: datetime | None) -> datetime | None:
    """When a hold that is renewed ends: as `wanted`, else as long as is `usual`, and never sooner than it does."""
    if wanted is None:
        return None if hold.until is None or usual is None else max(hold.until, usual)
    if hold.until is None or wanted < hold.until:
        end = "it is lifted" if hold.until is None else f"{hold.until:%Y-%m-%d %H:%M} UTC"
        raise Refused(f"a renewal never shortens, and the hold goes on until {end}: name a later end, or lift the hold")
    return wanted


def _until(terms_of: TermsOf, kind: HoldKind, starts: datetime) -> datetime | None:
    days = terms_of(kind, starts.date()).days
    return None if days is None else starts + timedelta(days=days)


def _unreviewed(holds: Holds, hold_id: str) -> Hold:
    hold = _hold(holds, hold_id)
    if hold_id in holds.reviews:
        raise Refused(f"hold {hold_id} is under review: close review {hold_id} and say what came of it")
    return hold


def _hold(holds: Holds, hold_id: str) -> Hold:
    if hold_id not in holds.by_id:
        raise Refused(f"the case has no hold {hold_id}; its holds are: {', '.join(holds.by_id) or 'none'}")
    return holds.by_id[hold_id]
