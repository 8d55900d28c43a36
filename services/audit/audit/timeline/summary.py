"""A case at a glance: what a person wants to know before reading the timeline. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from doorstep.events import audit, reminder, visits
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.disputes import DisputeClosed
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.kernel import MessageParked, MessageReleased, SendingResumed, SendingSuspended
from doorstep.events.money import Money

from audit.store.entry import Entry
from audit.timeline.disputes import TELLING, RecordedDispute, disputes
from audit.timeline.domain import Gap, Line, Timeline

Status = Literal["open", "cured"]


@dataclass
class CaseFacts:
    """How a case stands, as its entries tell it. `status` is None before an opening has arrived. `ended`: when it was
    cured or its last dispute closed, whichever is later. `loans` are overdue, the bank says; `disputes` are open;
    `waiting` are parked messages of the case, `suspended` those that sending waits for."""

    status: Status | None = None
    episode: int | None = None
    ended: datetime | None = None
    loans: dict[str, LoanOverdueRecorded] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    disputes: tuple[RecordedDispute, ...] = ()
    waiting: dict[str, None] = field(default_factory=dict)
    suspended: set[tuple[str, str]] = field(default_factory=set)


def facts(ordered: Sequence[Entry]) -> CaseFacts:
    """What has reached the audit by now, from entries in their causal order; what is under way it cannot know."""
    case = CaseFacts()
    for entry in ordered:
        _hear(case, entry)
    telling = (entry for entry in ordered if type(entry.event) in TELLING)
    case.disputes = tuple(one for one in disputes(telling) if one.due())
    return case


def _hear(known: CaseFacts, entry: Entry) -> None:
    at = entry.envelope.recordedat
    match entry.event:
        case CaseOpened(episode=episode):
            known.status, known.episode, known.ended = "open", episode, None
        case CaseCured(episode=episode):
            known.status, known.episode, known.ended = "cured", episode, at
            known.loans.clear()
        case LoanOverdueRecorded(loan_id=loan_id, late=False) as overdue:
            known.loans[loan_id] = overdue
        case LoanCureRecorded(loan_id=loan_id, late=False):
            known.loans.pop(loan_id, None)
        case DisputeClosed() if known.ended:
            known.ended = at
        case HoldPlaced(hold_id=hold_id, kind=kind):
            known.holds[hold_id] = kind
        case HoldLifted(hold_id=hold_id):
            known.holds.pop(hold_id, None)
        case MessageParked(key=key):
            known.waiting[_place(entry, key)] = None
        case MessageReleased(key=key):
            known.waiting.pop(_place(entry, key), None)
        case SendingSuspended(by=by, key=key):
            known.suspended.add((by, key))
        case SendingResumed(by=by, key=key):
            known.suspended.discard((by, key))


def _place(entry: Entry, key: str) -> str:
    return f"{entry.envelope.source.rpartition('/')[2]} {key}"


@dataclass(frozen=True)
class CaseSummary:
    """`overdue` and `dpd` are those of the latest business date of each loan still overdue, summed per
    currency. `status` is None before an opening has arrived. `disputes` are the open ones."""

    status: Status | None
    episode: int | None
    dpd: int
    overdue: tuple[Money, ...]
    permitted: int
    denied: int
    sent: int
    visited: int
    holds: tuple[str, ...]
    disputes: tuple[RecordedDispute, ...]
    suspended: bool
    late: int
    missing: int
    violations: int


def summary(timeline: Timeline) -> CaseSummary:
    """What the timeline comes to."""
    lines = [line for line in timeline.lines if isinstance(line, Line)]
    times = Counter(type(line.entry.event) for line in lines)
    case = facts([line.entry for line in lines])
    return CaseSummary(
        status=case.status,
        episode=case.episode,
        dpd=max((loan.dpd for loan in case.loans.values()), default=0),
        overdue=_per_currency(loan.amount_overdue for loan in case.loans.values()),
        permitted=times[ContactPermitted] + times[VisitPermitted],
        denied=times[ContactDenied] + times[VisitDenied],
        sent=times[reminder.ContactSent] + times[reminder.ContactUnknown],
        visited=times[visits.VisitStarted],
        holds=tuple(dict.fromkeys(case.holds.values())),
        disputes=case.disputes,
        suspended=bool(case.suspended),
        late=sum("late" in line.flags for line in lines),
        missing=sum(gap.last - gap.first + 1 for gap in timeline.lines if isinstance(gap, Gap)),
        violations=times[audit.ViolationFound],
    )


def _per_currency(amounts: Iterable[Money]) -> tuple[Money, ...]:
    sums: dict[str, Money] = {}
    for money in amounts:
        sums[money.currency] = sums[money.currency] + money if money.currency in sums else money
    return tuple(sums.values())
