"""What the rules are asked about: one contact or visit, and everything known that may speak against it.

Every instant is UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.preferences import ConsentKind
from doorstep.events.values import Way

from escalation.domain.rules.hours import Block


class LedgerEntry(msgspec.Struct, frozen=True):
    """A line of a ledger, of a case or of a number or an address: what may have reached the borrower. `outcome` is the
    executor's last word, or `open` while it may still act. No `loans` means all. `answered_at` is when a conversation
    took place, where one did."""

    way: Way
    at: datetime
    outcome: str = "open"
    loans: tuple[str, ...] = ()
    purpose: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A hold: from `starts` (None: already) to `until` (None: until it is lifted), about `loans`, on `ways`; empty
    means all."""

    kind: HoldKind
    starts: datetime | None
    until: datetime | None
    loans: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """The borrower agreed to other hours, or another place, on `ways` (empty: all)."""

    kind: ConsentKind
    ways: tuple[Way, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """May this go out at `now`? `zones` is where the borrower may be, `person` the ledger of the case, `number` and
    `address` those across cases, this one's lines included. Notices count from `episode_at` on."""

    way: Way
    purpose: str | None
    now: datetime
    zones: tuple[ZoneInfo, ...]
    loans: tuple[str, ...]
    dpd: int
    person: Sequence[LedgerEntry]
    number: Sequence[LedgerEntry]
    address: Sequence[LedgerEntry]
    holds: Sequence[HeldBy] = ()
    consents: Sequence[Consent] = ()
    blocks: Sequence[Block] = ()
    episode_at: datetime | None = None


def about(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two scopes meet, where an empty one means everything."""
    return not some or not others or not frozenset(some).isdisjoint(others)
