"""A tenant's own doing: shadow mode and ramp."""

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION


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
