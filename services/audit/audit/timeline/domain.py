"""The causal order of a case's entries, the gaps between them, and the timeline they make. Pure.

The timeline is a function of the set of entries alone: however they arrived, it reads the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, tzinfo
from functools import cache, lru_cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from doorstep.events.audit import ViolationFound
from doorstep.events.escalation.cases import CaseReevaluated
from doorstep.events.escalation.permits import ContactDenied, VisitDenied
from doorstep.events.kernel import MessageParked, SendingSuspended
from doorstep.events.registry import Event
from doorstep.events.values import Decision, Verdict

from audit.store.entry import Entry
from audit.timeline.corrections import Corrections, corrections
from audit.timeline.echoes import echoes
from audit.timeline.order import causal_order

Kind = Literal["decision", "contact", "visit", "money", "case"]
Flag = Literal["denied", "late", "reevaluated", "override", "suspended", "conflict", "unknown", "violation"]
"""`late`: told after something newer. `reevaluated`: what is known of a day in the past changed. `override`: a person
chose the step, and a second one agreed. `conflict`: another entry claims the same place in its stream. `unknown`: no
release of ours that this reader knows explains the data, so they are shown raw. `violation`: the conformance monitor
holds that it should not have happened."""

_DECISIONS = {
    "doorstep.contact.permitted",
    "doorstep.contact.denied",
    "doorstep.visit.permitted",
    "doorstep.visit.denied",
    "doorstep.permit.cancelled",
    "doorstep.permit.lapsed",
}
_TOLD: Mapping[type[Event | None], Flag] = {
    ViolationFound: "violation",
    ContactDenied: "denied",
    VisitDenied: "denied",
    CaseReevaluated: "reevaluated",
    SendingSuspended: "suspended",
    MessageParked: "suspended",
}
"""The flag that the type alone tells."""
_FAMILIES: Mapping[str, Kind] = {
    "contact": "contact",
    "visit": "visit",
    "loan": "money",
    "promise": "money",
    "override": "decision",
}


class Line(msgspec.Struct, frozen=True, gc=False):
    """An entry in its place on the timeline, with the positions of what it corrects, of what corrects it, and of what
    claims the same place in its stream; with the rules it broke; and with what it only `repeats`, unless it stands
    out."""

    entry: Entry
    kind: Kind
    flags: tuple[Flag, ...]
    business_date: date | None
    decision: Decision | None
    corrects: tuple[int, ...] = ()
    corrected_by: tuple[int, ...] = ()
    conflicts_with: tuple[int, ...] = ()
    violations: tuple[ViolationFound, ...] = ()
    repeats: int | None = None


class Gap(msgspec.Struct, frozen=True):
    """Events `first` to `last` of `stream` are not here: not arrived yet, or lost. Never hidden."""

    stream: str
    first: int
    last: int


class Timeline(msgspec.Struct, frozen=True):
    """Everything known of one case, in causal order. `zone` is the borrower's, where an entry tells it. `size`: it
    rests on the first so many entries of the log."""

    case_id: str
    tenant: str
    lines: tuple[Line | Gap, ...]
    zone: tzinfo
    size: int


def timeline(case_id: str, entries: Iterable[Entry], size: int | None = None) -> Timeline:
    """The timeline that `entries` make, in whatever order they come. `size`: they are all that the first so many
    entries of the log hold of the case (None: up to the last of them)."""
    ordered = causal_order(entries)
    claims = _claims(ordered)
    gaps, corrected, broken, repeated = _gaps(claims), corrections(ordered), _broken(ordered), echoes(ordered)
    lines: list[Line | Gap] = []
    for entry in ordered:
        place = (entry.envelope.stream, entry.envelope.streamversion)
        if gap := gaps.pop(place, None):
            lines.append(gap)
        line = _line(entry, corrected, claims[place[0]][place[1]], broken.get(entry.envelope.id, ()))
        if entry.position in repeated and not line.flags:
            line = msgspec.structs.replace(line, repeats=repeated[entry.position])
        lines.append(line)
    last = max((entry.position + 1 for entry in ordered), default=0)
    tenant = ordered[0].envelope.tenant if ordered else ""
    return Timeline(case_id, tenant, tuple(lines), zone_of(ordered), last if size is None else size)


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


def _broken(entries: Sequence[Entry]) -> Mapping[str, tuple[ViolationFound, ...]]:
    """What the conformance monitor found, by the event it is about."""
    found: dict[str, tuple[ViolationFound, ...]] = {}
    for entry in entries:
        if isinstance(event := entry.event, ViolationFound):
            found[event.event_id] = (*found.get(event.event_id, ()), event)
    return found


def _line(
    entry: Entry, corrected: Corrections, claims: Sequence[Entry], broken: tuple[ViolationFound, ...] = ()
) -> Line:
    event = entry.event
    others = tuple(sorted(other.position for other in claims if other is not entry)) if len(claims) > 1 else ()
    found = getattr(event, "decision", None)
    decision = found if isinstance(found, Decision) else None
    return Line(
        entry=entry,
        kind=kind_of(entry.envelope.type),
        flags=tuple(_flags(event, decision, conflict=bool(others), broken=bool(broken))),
        business_date=_business_date(event, decision),
        decision=decision,
        corrects=corrected.of.get(entry.position, ()),
        corrected_by=corrected.by.get(entry.position, ()),
        conflicts_with=others,
        violations=broken,
    )


@lru_cache(maxsize=1000)
def kind_of(event_type: str) -> Kind:
    """Which filter an event type falls under, told by its name, so that unknown types find their place."""
    if event_type in _DECISIONS:
        return "decision"
    return _FAMILIES.get(event_type.removeprefix("doorstep.").partition(".")[0], "case")


def _flags(event: Event | None, decision: Decision | None, *, conflict: bool, broken: bool) -> Iterator[Flag]:
    told = _TOLD.get(type(event))
    if broken or told == "violation":
        yield "violation"
    if told == "denied":
        yield "denied"
    if getattr(event, "late", False):
        yield "late"
    if told == "reevaluated":
        yield "reevaluated"
    if decision is not None and decision.override is not None:
        yield "override"
    if told == "suspended":
        yield "suspended"
    if conflict:
        yield "conflict"
    if event is None:
        yield "unknown"


def _business_date(event: Event | None, decision: Decision | None) -> date | None:
    if decision is not None:
        return decision.inputs.business_date
    if event is None:
        return None
    for name in _dates(type(event)):
        day: date | None = getattr(event, name)
        if day is not None:
            return day
    return None


@cache
def _dates(cls: type[Event]) -> Sequence[str]:
    return [name for name in ("business_date", "paid_on", "reversed_on", "effective") if hasattr(cls, name)]


def refusals(decision: Decision) -> Sequence[Verdict]:
    """The verdicts that denied; a draft rule only advises."""
    return [v for v in decision.verdicts if not v.allowed and v.status != "draft"]


def zone_of(ordered: Sequence[Entry]) -> tzinfo:
    """The borrower's time zone as the last entry that tells one has it, else UTC."""
    for entry in reversed(ordered):
        windows = getattr(entry.event, "windows", None)
        name = getattr(windows, "time_zone", None) or getattr(entry.event, "time_zone", None)
        if name is not None and (zone := zone_named(name)) is not UTC:
            return zone
    return UTC


def zone_named(name: str) -> tzinfo:
    """The zone with that IANA name; UTC where there is none."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
