"""The ledger: what executors said became of a permit."""

from typing import Literal

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Channel, Instant

Outcome = Literal["sent", "not-sent", "failed", "unknown", "delivered", "answered", "no-answer", "undeliverable"]

VisitOutcome = Literal["noticed", "started", "completed", "failed", "not-made"]


@event("doorstep.contact.outcome-recorded", topic=ESCALATION)
class ContactOutcomeRecorded(Event, frozen=True):
    """The ledger's line for a contact: what the executor said became of its permit. `first_at`: it gives back the first
    contact of an episode, permitted then."""

    permit_id: str
    channel: Channel
    outcome: Outcome
    at: Instant
    assess_at: Instant | None = None
    phone_token: str | None = None
    address_token: str | None = None
    first_at: Instant | None = None


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
