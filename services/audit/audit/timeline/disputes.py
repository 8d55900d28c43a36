"""Disputes as the record tells them: what is contested, by when it is due, and what came of it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from doorstep.events.escalation.disputes import (
    Contested,
    Deadline,
    DisputeAnswered,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    DisputeOverdue,
)

from audit.store.entry import Entry

TELLING = (DisputeOpened, DisputeAnswered, DisputeOverdue, DisputeClosed)
"""The events a dispute is told from. What was attached can be large, and changes no deadline."""
LATEST = 100
"""So many closed disputes are listed, behind all that are open."""


@dataclass(frozen=True)
class RecordedDispute:
    """What the borrower contests about `loans` (empty: all). `as_of` is when the audit heard of it: everything known of
    `case_id` at its opening is what was known then. `missed`: deadlines that passed, as escalation said."""

    case_id: str
    tenant: str
    dispute_id: str
    about: Contested
    loans: tuple[str, ...]
    opened_by: str | None
    opened_at: datetime
    as_of: datetime
    answer_by: datetime
    close_by: datetime
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: DisputeOutcome | None = None
    missed: tuple[Deadline, ...] = ()

    def due(self) -> dict[Deadline, datetime]:
        """The deadlines that are still to be kept, the nearest first."""
        if self.closed_at:
            return {}
        return {"close": self.close_by} if self.answered_at else {"answer": self.answer_by, "close": self.close_by}


@dataclass(frozen=True)
class ShownDispute(RecordedDispute):
    """A dispute as it stands at a moment. `days_left`: whole days to each deadline that is still to be kept, below zero
    once it has passed; then it is `overdue`. `collect` is the command that shows the case as of the opening."""

    days_left: dict[Deadline, int] | None = None
    overdue: tuple[Deadline, ...] = ()
    collect: str = ""


@dataclass(frozen=True)
class DisputeList:
    """Open disputes first, what is due next before the others; then the latest of those `closed`."""

    open: int
    closed: int
    disputes: list[ShownDispute]


def disputes(ordered: Iterable[Entry]) -> Sequence[RecordedDispute]:
    """Those that `ordered` entries tell of, of one case or of several, in the order of their openings."""
    found: dict[tuple[str, str], RecordedDispute] = {}
    for entry in ordered:
        event, name = entry.event, (entry.envelope.subject, getattr(entry.event, "dispute_id", ""))
        if isinstance(event, DisputeOpened):
            found.setdefault(name, _opened(entry, event))
        elif name in found:
            found[name] = _after(found[name], entry)
    return list(found.values())


def listed(known: Iterable[RecordedDispute], now: datetime) -> DisputeList:
    """How they stand at `now`."""
    shown = [_shown(one, now) for one in known]
    still_open = sorted((one for one in shown if one.due()), key=lambda one: next(iter(one.due().values())))
    closed = sorted((one for one in shown if not one.due()), key=lambda one: one.closed_at or now, reverse=True)
    return DisputeList(len(still_open), len(closed), [*still_open, *closed[:LATEST]])


def _opened(entry: Entry, event: DisputeOpened) -> RecordedDispute:
    return RecordedDispute(
        case_id=entry.envelope.subject,
        tenant=entry.envelope.tenant,
        dispute_id=event.dispute_id,
        about=event.about,
        loans=event.loans,
        opened_by=event.opened_by,
        opened_at=entry.envelope.recordedat,
        as_of=entry.absorbed_at,
        answer_by=event.answer_by,
        close_by=event.close_by,
    )


def _after(dispute: RecordedDispute, entry: Entry) -> RecordedDispute:
    at = entry.envelope.recordedat
    match entry.event:
        case DisputeAnswered():
            return replace(dispute, answered_at=dispute.answered_at or at)
        case DisputeOverdue(deadline=deadline):
            return replace(dispute, missed=(*dispute.missed, deadline))
        case DisputeClosed(outcome=outcome):
            return replace(dispute, closed_at=at, outcome=outcome)
        case _:
            return dispute


def _shown(dispute: RecordedDispute, now: datetime) -> ShownDispute:
    due = dispute.due()
    return ShownDispute(
        **asdict(dispute),
        days_left={name: (at - now).days for name, at in due.items()},
        overdue=tuple(name for name, at in due.items() if at <= now),
        collect=f"doorstep timeline {dispute.case_id} --as-of {dispute.as_of.isoformat()}",
    )
