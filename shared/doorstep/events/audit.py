"""What audit says of its own doing."""

from doorstep.events.registry import AUDIT, Event, event


@event("doorstep.personal-data.opened", topic=AUDIT)
class PersonalDataOpened(Event, frozen=True):
    """Someone looked at a borrower's personal data: who, in which role, why."""

    by: str
    role: str
    reason: str
