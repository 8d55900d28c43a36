"""Preferences: what the borrower agreed to, and the hours and ways they called inconvenient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import assert_never

import msgspec
from doorstep.events.escalation.permits import PermitCancelled
from doorstep.events.escalation.preferences import (
    BlockRecorded,
    BlockRemoved,
    ConsentKind,
    ConsentRecorded,
    ConsentWithdrawn,
)
from doorstep.events.values import ContactMethod
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

from escalation.domain.case.contacts import Contacts, about, cancellations

Event = ConsentRecorded | ConsentWithdrawn | BlockRecorded | BlockRemoved


@dataclass(frozen=True)
class RecordConsent:
    """The borrower agreed to be reached at other hours, or at another place."""

    consent_id: str
    kind: ConsentKind
    ways: tuple[ContactMethod, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True)
class WithdrawConsent:
    """The borrower took it back."""

    consent_id: str


@dataclass(frozen=True)
class RecordBlock:
    """Hours, or ways, that the borrower called inconvenient."""

    block_id: str
    ways: tuple[ContactMethod, ...] = ()
    weekdays: tuple[int, ...] = ()
    opens: time | None = None
    closes: time | None = None


@dataclass(frozen=True)
class RemoveBlock:
    """They are convenient again."""

    block_id: str


Command = RecordConsent | WithdrawConsent | RecordBlock | RemoveBlock


class Consent(msgspec.Struct, frozen=True):
    """The borrower agreed to other hours, or another place, on `ways` (empty: all)."""

    kind: ConsentKind
    ways: tuple[ContactMethod, ...]
    until: datetime | None


class Block(msgspec.Struct, frozen=True):
    """Hours the borrower called inconvenient: on `weekdays` (1 is Monday; empty: every day) from `opens` to `closes` on
    the borrower's clock, past midnight where it closes first; on `ways` (empty: all). Without hours: all day."""

    ways: tuple[ContactMethod, ...] = ()
    weekdays: tuple[int, ...] = ()
    opens: time | None = None
    closes: time | None = None

    def hours_a_week(self) -> float:
        """How many hours it takes; one of ways alone takes none."""
        if self.opens is None or self.closes is None:
            return 0
        opens, closes = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.opens, self.closes))
        day = (closes - opens) % timedelta(days=1) or timedelta(days=1)
        return (len(self.weekdays) or 7) * (day / timedelta(hours=1))


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """Consents and blocks, by id."""

    consents: dict[str, Consent] = {}
    blocks: dict[str, Block] = {}


def decide(
    preferences: Preferences, command: Command, contacts: Contacts, hours_a_week: int | None, now: datetime
) -> Sequence[Event | PermitCancelled]:
    """What follows. Raises Refused for a consent or block that is not there, and for more than `hours_a_week`, which is
    what can be blocked (None: any number)."""
    soon = next_quarter(now)
    match command:
        case RecordConsent(consent_id, kind, ways, until):
            consent = ConsentRecorded(consent_id=consent_id, kind=kind, ways=ways, until=until, assess_at=soon)
            return [] if consent_id in preferences.consents else [consent]
        case WithdrawConsent(consent_id):
            if consent_id not in preferences.consents:
                names = ", ".join(preferences.consents) or "none"
                raise Refused(f"the case has no consent {consent_id}; it has: {names}")
            withdrawn = ConsentWithdrawn(consent_id=consent_id, assess_at=soon)
            return [withdrawn, *cancellations(contacts.ledger, "consent")]
        case RecordBlock():
            known = command.block_id in preferences.blocks
            return [] if known else _block(preferences, command, contacts, hours_a_week)
        case RemoveBlock(block_id):
            if block_id not in preferences.blocks:
                names = ", ".join(preferences.blocks) or "none"
                raise Refused(f"the case has no block {block_id}; it has: {names}")
            return [BlockRemoved(block_id=block_id, assess_at=soon)]
    assert_never(command)


def evolve(preferences: Preferences, event: Event) -> Preferences:
    """The preferences after `event`."""
    consents, blocks = preferences.consents, preferences.blocks
    match event:
        case ConsentRecorded(consent_id=consent_id):
            consent = Consent(event.kind, event.ways, event.until)
            return replace(preferences, consents={**consents, consent_id: consent})
        case ConsentWithdrawn(consent_id=consent_id):
            return replace(preferences, consents={name: one for name, one in consents.items() if name != consent_id})
        case BlockRecorded(block_id=block_id):
            block = Block(event.ways, event.weekdays, event.opens, event.closes)
            return replace(preferences, blocks={**blocks, block_id: block})
        case BlockRemoved(block_id=block_id):
            return replace(preferences, blocks={name: one for name, one in blocks.items() if name != block_id})
    assert_never(event)


def _block(
    preferences: Preferences, command: RecordBlock, contacts: Contacts, hours_a_week: int | None
) -> Sequence[BlockRecorded | PermitCancelled]:
    if not all(1 <= day <= 7 for day in command.weekdays):
        raise Refused("a weekday is a number from 1, Monday, to 7")
    if (command.opens is None) != (command.closes is None):
        raise Refused("give both opens and closes, or neither")
    blocked = BlockRecorded(
        block_id=command.block_id,
        ways=command.ways,
        weekdays=command.weekdays,
        opens=command.opens,
        closes=command.closes,
    )
    hours = sum(block.hours_a_week() for block in evolve(preferences, blocked).blocks.values())
    if hours_a_week is not None and hours > hours_a_week:
        raise Refused(f"{hours:g} hours a week would be blocked; {hours_a_week} can be, so remove another block first")
    stopped = (permit for permit in contacts.ledger if about(command.ways, (permit.way,)))
    return [blocked, *cancellations(stopped, "hold")]
