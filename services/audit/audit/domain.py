"""The causal order of a case's entries, the gaps between them, and the timeline they make. Pure.

The timeline is a function of the set of entries alone: however they arrived, it reads the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from doorstep.events.common import Decision, Verdict
from doorstep.events.escalation import CaseReevaluated, ContactDenied, SendingSuspended, VisitDenied
from doorstep.events.kernel import MessageParked
from doorstep.events.registry import Event

from audit.entry import Entry

Kind = Literal["decision", "contact", "visit", "money", "case"]
Flag = Literal["denied", "late", "reevaluated", "override", "suspended", "conflict", "unknown"]
"""`late`: told after something newer. `reevaluated`: what is known of a day in the past changed. `override`: a person
chose the step, and a second one agreed. `conflict`: another entry claims the same place in its stream. `unknown`: no
release of ours that this reader knows explains the data, so they are shown raw."""

_DECISIONS = {
    "doorstep.contact.permitted",
    "doorstep.contact.denied",
    "doorstep.visit.permitted",
    "doorstep.visit.denied",
    "doorstep.permit.cancelled",
}
_FAMILIES: Mapping[str, Kind] = {
    "contact": "contact",
    "visit": "visit",
    "loan": "money",
    "promise": "money",
    "override": "decision",
}


@dataclass(frozen=True)
class Line:
    """An entry in its place on the timeline."""

    entry: Entry
    kind: Kind
    flags: tuple[Flag, ...]
    business_date: date | None
    decision: Decision | None


@dataclass(frozen=True)
class Gap:
    """Events `first` to `last` of `stream` are not here: not arrived yet, or lost. Never hidden."""

    stream: str
    first: int
    last: int


@dataclass(frozen=True)
class Timeline:
    """Everything known of one case, in causal order. `zone` is the borrower's, where an entry tells it."""

    case_id: str
    lines: tuple[Line | Gap, ...]
    zone: tzinfo


def timeline(case_id: str, entries: Iterable[Entry]) -> Timeline:
    """The timeline that `entries` make, in whatever order they come."""
    ordered = causal_order(entries)
    claims = _claims(ordered)
    gaps = _gaps(claims)
    lines: list[Line | Gap] = []
    for entry in ordered:
        place = (entry.envelope.stream, entry.envelope.streamversion)
        if gap := gaps.pop(place, None):
            lines.append(gap)
        lines.append(_line(entry, conflict=len(claims[place[0]][place[1]]) > 1))
    return Timeline(case_id, tuple(lines), zone_of(ordered))


def causal_order(entries: Iterable[Entry]) -> Sequence[Entry]:
    """By the time they were recorded; but whatever the clocks say, an event comes after its cause and
    after the earlier ones of its stream. Where all that is equal, by stream and version."""
    ranked = sorted(entries, key=_rank)
    before = _predecessors(ranked)
    placed: dict[int, Entry] = {}
    entered: set[int] = set()
    for start in range(len(ranked)):
        stack = [start]
        while stack:
            at = stack[-1]
            entered.add(at)
            if awaited := [earlier for earlier in before[at] if earlier not in entered]:
                stack.extend(awaited)
            else:
                placed.setdefault(stack.pop(), ranked[at])
    return list(placed.values())


def _rank(entry: Entry) -> tuple[datetime, str, int, str, bytes]:
    envelope = entry.envelope
    return (envelope.recordedat, envelope.stream, envelope.streamversion, envelope.id, entry.value)


def _predecessors(ranked: Sequence[Entry]) -> Sequence[Sequence[int]]:
    by_id = {entry.envelope.id: index for index, entry in enumerate(ranked)}
    streams: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(ranked):
        streams[entry.envelope.stream].append(index)
    before: list[list[int]] = [[] for _ in ranked]
    for members in streams.values():
        members.sort(key=lambda index: ranked[index].envelope.streamversion)
        for earlier, later in pairwise(members):
            before[later].append(earlier)
    for index, entry in enumerate(ranked):
        cause = by_id.get(entry.envelope.causationid or "")
        if cause is not None:
            before[index].append(cause)
    return before


def _claims(entries: Sequence[Entry]) -> Mapping[str, Mapping[int, Sequence[Entry]]]:
    claims: dict[str, dict[int, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        claims[entry.envelope.stream][entry.envelope.streamversion].append(entry)
    return claims


def _gaps(claims: Mapping[str, Mapping[int, object]]) -> dict[tuple[str, int], Gap]:
    """Each gap under the place of the event that follows it."""
    return {
        (stream, later): Gap(stream, earlier + 1, later - 1)
        for stream, versions in claims.items()
        for earlier, later in _steps(sorted(version for version in versions if version > 0))
        if later > earlier + 1
    }


def _steps(versions: Sequence[int]) -> Iterator[tuple[int, int]]:
    return pairwise([0, *versions])


def _line(entry: Entry, *, conflict: bool) -> Line:
    event = entry.event
    found = getattr(event, "decision", None)
    decision = found if isinstance(found, Decision) else None
    return Line(
        entry=entry,
        kind=kind_of(entry.envelope.type),
        flags=tuple(_flags(event, decision, conflict)),
        business_date=_business_date(event, decision),
        decision=decision,
    )


def kind_of(event_type: str) -> Kind:
    """Which filter an event type falls under, told by its name, so that unknown types find their place."""
    if event_type in _DECISIONS:
        return "decision"
    return _FAMILIES.get(event_type.removeprefix("doorstep.").partition(".")[0], "case")


def _flags(event: Event | None, decision: Decision | None, conflict: bool) -> Iterator[Flag]:
    if isinstance(event, ContactDenied | VisitDenied):
        yield "denied"
    if getattr(event, "late", False):
        yield "late"
    if isinstance(event, CaseReevaluated):
        yield "reevaluated"
    if decision is not None and decision.override is not None:
        yield "override"
    if isinstance(event, SendingSuspended | MessageParked):
        yield "suspended"
    if conflict:
        yield "conflict"
    if event is None:
        yield "unknown"


def _business_date(event: Event | None, decision: Decision | None) -> date | None:
    if decision is not None:
        return decision.inputs.business_date
    days = (getattr(event, name, None) for name in ("business_date", "paid_on", "reversed_on", "effective"))
    return next((day for day in days if day is not None), None)


def refusals(decision: Decision) -> Sequence[Verdict]:
    """The verdicts that denied; a draft rule only advises."""
    return [v for v in decision.verdicts if not v.allowed and v.status != "draft"]


def zone_of(ordered: Sequence[Entry]) -> tzinfo:
    """The borrower's time zone as the last entry that tells one has it, else UTC."""
    for entry in reversed(ordered):
        windows = getattr(entry.event, "windows", None)
        name = getattr(windows, "time_zone", None) or getattr(entry.event, "time_zone", None)
        if name is None:
            continue
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return UTC
