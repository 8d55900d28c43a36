"""What a borrower agreed to, and what is inconvenient."""

from datetime import time
from typing import Literal

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import ContactMethod, Instant

ConsentKind = Literal["hours", "place"]


@event("doorstep.consent.recorded", topic=ESCALATION)
class ConsentRecorded(Event, frozen=True):
    """The borrower agreed to be reached outside the usual hours, or at another place, on `ways` (empty: all). It
    overrides a rule only where that rule's pack says so."""

    consent_id: str
    kind: ConsentKind
    ways: tuple[ContactMethod, ...] = ()
    until: Instant | None = None
    assess_at: Instant | None = None


@event("doorstep.consent.withdrawn", topic=ESCALATION)
class ConsentWithdrawn(Event, frozen=True):
    """The borrower took it back."""

    consent_id: str
    assess_at: Instant | None = None


@event("doorstep.block.recorded", topic=ESCALATION)
class BlockRecorded(Event, frozen=True):
    """Hours or ways the borrower called inconvenient: on `weekdays` (1 is Monday; empty: every day) from `opens` to
    `closes` on the borrower's clock, on `ways` (empty: all). Without hours: always."""

    block_id: str
    ways: tuple[ContactMethod, ...] = ()
    weekdays: tuple[int, ...] = ()
    opens: time | None = None
    closes: time | None = None


@event("doorstep.block.removed", topic=ESCALATION)
class BlockRemoved(Event, frozen=True):
    """They are convenient again."""

    block_id: str
    assess_at: Instant | None = None
