"""How long a case is kept after it has ended, and by whose rule. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from doorstep.events.kernel import ArtifactPublished

from audit.erasure.domain import ErasureFacts, known
from audit.store.entry import Entry
from audit.timeline.artifacts import cited
from audit.timeline.domain import Gap, timeline

LENDER = "DOORSTEP_RETENTION_DAYS"


@dataclass(frozen=True)
class Expiry:
    """From `at` on nobody wants the case kept: `days` after its end, as `rule` has it, a pack by name and version or
    the lender's setting."""

    at: datetime
    rule: str
    days: int


def packs(entries: Iterable[Entry]) -> frozenset[str]:
    """The hashes of the rule packs that the decisions of a case went by."""
    return cited(entries)["contact-rules"]


def expiry(case_id: str, entries: Sequence[Entry], published: Iterable[Entry], lender_days: int) -> Expiry | None:
    """None where it cannot be told: something of the case is open, an event of it is missing, or a pack it was decided
    by is not among `published`."""
    ended = _ended(known(entries))
    told = _published(published)
    if ended is None or packs(entries) - {one.hash for one in told} or _incomplete(case_id, entries):
        return None
    return _latest(ended, [*_wanted(told), (lender_days, LENDER)])


def minimum(entries: Sequence[Entry], published: Iterable[Entry]) -> Expiry | None:
    """As far as the packs go that are among `published`; None where none of them says anything."""
    ended, wanted = _ended(known(entries)), _wanted(_published(published))
    return _latest(ended, wanted) if ended is not None and wanted else None


def _latest(ended: datetime, wanted: Sequence[tuple[int, str]]) -> Expiry:
    days, rule = max(wanted)
    return Expiry(ended + timedelta(days=days), rule, days)


def _published(entries: Iterable[Entry]) -> Sequence[ArtifactPublished]:
    return [entry.event for entry in entries if isinstance(entry.event, ArtifactPublished)]


def _wanted(told: Iterable[ArtifactPublished]) -> Sequence[tuple[int, str]]:
    return [(one.retention_days, f"{one.name} {one.version or ''}".strip()) for one in told if one.retention_days]


def _ended(told: ErasureFacts) -> datetime | None:
    return None if told.open or told.disputes or told.waiting else told.ended


def _incomplete(case_id: str, entries: Sequence[Entry]) -> bool:
    # What is missing might have opened a dispute.
    return any(isinstance(line, Gap) for line in timeline(case_id, entries).lines)
