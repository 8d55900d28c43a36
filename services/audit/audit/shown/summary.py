"""A case at a glance: what a person wants to know before reading the timeline. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from doorstep.events import audit, escalation, reminder, visits
from doorstep.events.money import Money
from doorstep.events.registry import Event

from audit.disputes import TELLING, Dispute, disputes
from audit.domain import Gap, Line, Timeline
from audit.entry import Entry


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
    last = next((e for e in reversed(events) if isinstance(e, escalation.CaseOpened | escalation.CaseCured)), None)
    loans = _overdue(_only(events, escalation.LoanOverdueRecorded, escalation.LoanCureRecorded))
    return Summary(
        status=_status(last),
        episode=last.episode if last else None,
        dpd=max((loan.dpd for loan in loans), default=0),
        overdue=_per_currency([loan.amount_overdue for loan in loans]),
        permitted=times[escalation.ContactPermitted] + times[escalation.VisitPermitted],
        denied=times[escalation.ContactDenied] + times[escalation.VisitDenied],
        sent=times[reminder.ContactSent] + times[reminder.ContactUnknown],
        visited=times[visits.VisitStarted],
        holds=_holds(_only(events, escalation.HoldPlaced, escalation.HoldLifted)),
        disputes=tuple(one for one in disputes(_telling(lines)) if one.due()),
        suspended=_suspended(_only(events, escalation.SendingSuspended, escalation.SendingResumed)),
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
        case escalation.CaseOpened():
            return "open"
        case escalation.CaseCured():
            return "cured"
        case _:
            return None


def _overdue(events: Sequence[Event]) -> Sequence[escalation.LoanOverdueRecorded]:
    loans: dict[str, escalation.LoanOverdueRecorded] = {}
    for event in events:
        match event:
            case escalation.LoanOverdueRecorded(late=False):
                loans[event.loan_id] = event
            case escalation.LoanCureRecorded(late=False):
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
            case escalation.HoldPlaced():
                placed[event.hold_id] = event.kind
            case escalation.HoldLifted():
                placed.pop(event.hold_id, None)
    return tuple(dict.fromkeys(placed.values()))


def _suspended(events: Sequence[Event]) -> bool:
    waiting: set[tuple[str, str]] = set()
    for event in events:
        match event:
            case escalation.SendingSuspended():
                waiting.add((event.by, event.key))
            case escalation.SendingResumed():
                waiting.discard((event.by, event.key))
    return bool(waiting)
