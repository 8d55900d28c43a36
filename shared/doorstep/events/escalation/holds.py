"""Holds, and the reviews that end some of them."""

from typing import Literal

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import ContactMethod, Instant, Sealed

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


@event("doorstep.hold.placed", topic=ESCALATION)
class HoldPlaced(Event, frozen=True):
    """Contact stops for `kind` from `starts` (None: at once), until it is lifted or `until` has come: about `loans`,
    on `ways`; empty means all. `rule` is the one of a pack that set its length. `said`: why, in a person's words."""

    hold_id: str
    kind: HoldKind
    until: Instant | None = None
    starts: Instant | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[ContactMethod, ...] = ()
    rule: str | None = None
    reason: str | None = None
    said: Sealed | None = None


@event("doorstep.hold.renewed", topic=ESCALATION)
class HoldRenewed(Event, frozen=True):
    """The hold goes on, to `until`. `said`: why, in a person's words."""

    hold_id: str
    reason: str
    until: Instant | None = None
    said: Sealed | None = None


@event("doorstep.hold.lifted", topic=ESCALATION)
class HoldLifted(Event, frozen=True):
    """The hold's time is over, or a person lifted it. `said`: why, in their words."""

    hold_id: str
    reason: str
    assess_at: Instant | None = None
    said: Sealed | None = None


@event("doorstep.review.requested", topic=ESCALATION)
class ReviewRequested(Event, frozen=True):
    """A person has to look at this case: its hold ends only when they have said what came of it."""

    review_id: str
    about: HoldKind


@event("doorstep.review.closed", topic=ESCALATION)
class ReviewClosed(Event, frozen=True):
    """What came of the review. `said`: why, in a person's words."""

    review_id: str
    outcome: Literal["upheld", "rejected", "resolved"]
    reason: str
    said: Sealed | None = None
