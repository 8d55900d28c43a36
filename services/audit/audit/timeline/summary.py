"""A case at a glance: what a person wants to know before reading the timeline. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from doorstep.events import audit, reminder, visits
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.money import Money
from doorstep.events.registry import Event

from audit.store.entry import Entry
from audit.timeline.disputes import TELLING, Dispute, disputes
from audit.timeline.domain import Gap, Line, Timeline


@dataclass(frozen=True)
class Summary:
    """`overdue` and `dpd` are those of the latest business date of each loan still overdue, summed per
    currency. `status` is None before an opening has arrived. `disputes` are the open ones."""

    status: Literal["open", "cured"] | None
    episode: int | None
    dpd: int
    overdue: tuple[Money, ...]
    permitted: int
    denied: int
    sent: int
    visited: int
    holds: tuple[str, ...]
    disputes: tuple[Dispute, ...]
    suspended: bool
    late: int
    missing: int
    violations: int


def summary(timeline: Timeline) -> Summary:
    """What the timeline comes to."""
    lines = [line for line in timeline.lines if isinstance(line, Line)]
    events = [line.entry.event for line in lines if line.entry.event is not None]
    times = Counter(type(event) for event in events)
    last = next((e for e in reversed(events) if isinstance(e, CaseOpened | CaseCured)), None)
    loans = _overdue(_only(events, LoanOverdueRecorded, LoanCureRecorded))
    return Summary(
        status=_status(last),
        episode=last.episode if last else None,
        dpd=max((loan.dpd for loan in loans), default=0),
        overdue=_per_currency([loan.amount_overdue for loan in loans]),
        permitted=times[ContactPermitted] + times[VisitPermitted],
        denied=times[ContactDenied] + times[VisitDenied],
        sent=times[reminder.ContactSent] + times[reminder.ContactUnknown],
        visited=times[visits.VisitStarted],
        holds=_holds(_only(events, HoldPlaced, HoldLifted)),
        disputes=tuple(one for one in disputes(_telling(lines)) if one.due()),
        suspended=_suspended(_only(events, SendingSuspended, SendingResumed)),
        late=sum("late" in line.flags for line in lines),
        missing=sum(gap.last - gap.first + 1 for gap in timeline.lines if isinstance(gap, Gap)),
        violations=times[audit.ViolationFound],
    )


def _only(events: Sequence[Event], *types: type[Event]) -> Sequence[Event]:
    return [event for event in events if type(event) in types]


def _telling(lines: Sequence[Line]) -> Sequence[Entry]:
    return [line.entry for line in lines if type(line.entry.event) in TELLING]


def _status(last: Event | None) -> Literal["open", "cured"] | None:
    match last:
        case CaseOpened():
            return "open"
        case CaseCured():
            return "cured"
        case _:
            return None


def _overdue(events: Sequence[Event]) -> Sequence[LoanOverdueRecorded]:
    loans: dict[str, LoanOverdueRecorded] = {}
    for event in events:
        match event:
            case LoanOverdueRecorded(late=False):
                loans[event.loan_id] = event
            case LoanCureRecorded(late=False):
                loans.pop(event.loan_id, None)
    return list(loans.values())


def _per_currency(amounts: Sequence[Money]) -> tuple[Money, ...]:
    sums: dict[str, Money] = {}
    for money in amounts:
        sums[money.currency] = sums[money.currency] + money if money.currency in sums else money
    return tuple(sums.values())


def _holds(events: Sequence[Event]) -> tuple[str, ...]:
    placed: dict[str, str] = {}
    for event in events:
        match event:
            case HoldPlaced():
                placed[event.hold_id] = event.kind
            case HoldLifted():
                placed.pop(event.hold_id, None)
    return tuple(dict.fromkeys(placed.values()))


def _suspended(events: Sequence[Event]) -> bool:
    waiting: set[tuple[str, str]] = set()
    for event in events:
        match event:
            case SendingSuspended():
                waiting.add((event.by, event.key))
            case SendingResumed():
                waiting.discard((event.by, event.key))
    return bool(waiting)
