"""Another next step than the strategy's, by two persons."""

from doorstep.events.escalation.permits import Purpose
from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import ContactMethod, Instant, Sealed


@event("doorstep.override.requested", topic=ESCALATION)
class OverrideRequested(Event, frozen=True):
    """A person wants another next step than the strategy's. It waits for a second person. `said`: why, in
    their words."""

    override_id: str
    way: ContactMethod
    reason: str
    by: str
    purpose: Purpose = "reminder"
    said: Sealed | None = None


@event("doorstep.override.approved", topic=ESCALATION)
class OverrideApproved(Event, frozen=True):
    """A second person agreed. The rules are asked all the same; only the strategy is set aside, once."""

    override_id: str
    by: str
    assess_at: Instant | None = None


@event("doorstep.override.rejected", topic=ESCALATION)
class OverrideRejected(Event, frozen=True):
    """A second person did not agree, or the override ran out. `said`: why, in their words."""

    override_id: str
    by: str
    reason: str
    said: Sealed | None = None
