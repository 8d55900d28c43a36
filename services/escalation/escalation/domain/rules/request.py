"""What the rules are asked about: one contact or visit, and everything known that may speak against it.

Every instant is UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from doorstep.events.values import ContactMethod

from escalation.domain.case.contacts import LedgerEntry
from escalation.domain.case.holds import Hold
from escalation.domain.case.preferences import Block, Consent


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """May this go out at `now`? `zones` is where the borrower may be, `person` the ledger of the case, `number` and
    `address` those across cases, this one's lines included. Notices count from `episode_at` on."""

    way: ContactMethod
    purpose: str | None
    now: datetime
    zones: tuple[ZoneInfo, ...]
    loans: tuple[str, ...]
    dpd: int
    person: Sequence[LedgerEntry]
    number: Sequence[LedgerEntry]
    address: Sequence[LedgerEntry]
    holds: Sequence[Hold] = ()
    consents: Sequence[Consent] = ()
    blocks: Sequence[Block] = ()
    episode_at: datetime | None = None
