"""The contact rules of several packs, asked together: each rule's verdict, and the strictest of all.

Everything here is a function of its arguments. A pack is compiled once; a rule that says nothing about a way gives no
verdict on it. Drafts give their verdict and refuse nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeVar, get_args
from zoneinfo import ZoneInfo

from babel.core import get_global
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.permits import Duty
from doorstep.events.values import Span, Verdict, Way

from escalation.domain.rules import terms
from escalation.domain.rules.asked import Asked, Consent, HeldBy, Line
from escalation.domain.rules.compiled import judges_of, refusing_of
from escalation.domain.rules.hours import DAY, Block, Spans, intersect, merge, midnight_utc, without
from escalation.domain.rules.judge import EVER, NEVER, Judge
from escalation.domain.rules.judges import BlocksJudge, HoursJudge
from escalation.domain.rules.pack import Pack

__all__ = [
    "Asked",
    "Block",
    "Consent",
    "HeldBy",
    "HoldTerms",
    "Line",
    "duties",
    "earliest",
    "hold_terms",
    "notice_hours",
    "open_spans",
    "staff",
    "verdicts",
    "zones_of",
]

ROUNDS = 1000
R = TypeVar("R", bound=terms.Rule)
Binding = tuple[tuple[HoursJudge, datetime], ...]
"""Rules of hours, and with each, until when the borrower agreed to others."""


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lasts (None: until it is lifted), the ways it stops (empty: all), the rule that sets its length
    as `pack/rule`, and whether it can be renewed."""

    days: int | None
    ways: tuple[Way, ...]
    rule: str
    renewable: bool


def verdicts(packs: Sequence[Pack], asked: Asked) -> list[Verdict]:
    """The word of every rule in force that concerns this way."""
    asked = _in_utc(asked)
    return [judge.verdict(asked) for judge in judges_of(tuple(packs), asked.way) if judge.in_force(asked.now)]


def earliest(packs: Sequence[Pack], asked: Asked, since: datetime | None = None) -> datetime | None:
    """The first instant from `since` (None: now) on at which no rule would refuse, if nothing else happens; None where
    that takes news, or no open hour comes in 35 days."""
    refusing = refusing_of(tuple(packs), asked.way)
    at = (since or asked.now).astimezone(UTC)
    for _ in range(ROUNDS):
        latest = at
        for judge in refusing:
            free = judge.free(asked, latest)
            if free is None:
                return None
            latest = free
        if latest == at:
            return at
        at = latest
    return None


def open_spans(packs: Sequence[Pack], asked: Asked, until: datetime, since: datetime | None = None) -> tuple[Span, ...]:
    """When the hours, holidays and blocks of all packs and zones allow it, from `since` (None: now) up to `until`."""
    since, until = (since or asked.now).astimezone(UTC), until.astimezone(UTC)
    judges = refusing_of(tuple(packs), asked.way)
    hours = [judge for judge in judges if isinstance(judge, HoursJudge) and not judge.exempt(asked)]
    agreed = {judge: judge.agreed_until(asked) or EVER for judge in hours} if asked.consents else {}
    binding = tuple((judge, agreed.get(judge, EVER)) for judge in hours)
    days = tuple(since.date() + ahead * DAY for ahead in range((until.date() - since.date()).days + 1))
    spans = _open_during(binding, asked.zones, days)
    if asked.blocks:
        spans = without(spans, merge(_blocked(judges, asked, days)))
    return tuple(Span(*span) for span in intersect(spans, ((since, until),)))


def staff(packs: Sequence[Pack], on: date | None = None) -> int:
    """How many collectors go together at least, by the strictest rule in force `on` that day (None: whenever)."""
    return max((rule.minimum_staff or 1 for rule in _rules(packs, terms.Visit, on)), default=1)


def notice_hours(packs: Sequence[Pack], on: date | None = None) -> int:
    """How many hours lie between a visit and its notice at least."""
    return max((rule.notice_hours or 0 for rule in _rules(packs, terms.Visit, on)), default=0)


def duties(packs: Sequence[Pack], on: date | None = None) -> tuple[Duty, ...]:
    """Everything the collectors have to do at the door."""
    said = {duty for rule in _rules(packs, terms.Duties, on) for duty in rule.duties}
    return tuple(duty for duty in get_args(Duty) if duty in said)


def hold_terms(packs: Sequence[Pack], kind: HoldKind, on: date | None = None) -> HoldTerms:
    """What a hold of this kind does: the longest length and every way of the packs that name it, those of a fallback
    where none does. Where nothing does, it stops everything until it is lifted."""
    named = [
        (pack, rule, rule.holds[kind])
        for pack in packs
        for rule in _rules([pack], terms.Suspension, on)
        if kind in rule.holds
    ]
    named = [one for one in named if not one[1].fallback] or named
    if not named:
        return HoldTerms(None, (), "", renewable=True)
    pack, rule, longest = max(named, key=lambda one: (one[2].days is None, one[2].days or 0))
    ways = {way for _, _, stop in named for way in stop.ways or terms.WAYS}
    return HoldTerms(
        days=longest.days,
        ways=() if len(ways) == len(terms.WAYS) else tuple(way for way in terms.WAYS if way in ways),
        rule=f"{pack.id}/{rule.id}",
        renewable=longest.renewable,
    )


@lru_cache(maxsize=4096)
def zones_of(time_zone: str | None, region: str | None, home: str) -> tuple[ZoneInfo, ...]:
    """Where the borrower may be: the known zone, else every zone of the region's country (of `home`, the tenant's,
    where that is unknown too). A rule about local time must hold in all of them."""
    if time_zone is not None:
        return (ZoneInfo(time_zone),)
    zones = get_global("territory_zones")
    return tuple(ZoneInfo(name) for name in zones.get((region or home)[:2], zones[home]))


def _rules(packs: Sequence[Pack], kind: type[R], on: date | None) -> Iterator[R]:
    """The rules of a kind that can refuse and are in force."""
    return (rule for rule in _in_force(tuple(packs), on) if isinstance(rule, kind))


@lru_cache(maxsize=4096)
def _in_force(packs: tuple[Pack, ...], on: date | None) -> tuple[terms.Rule, ...]:
    rules = [rule for pack in packs for rule in pack.rules if rule.status != "draft"]
    return tuple(rule for rule in rules if on is None or _covers(rule.effective, on))


def _covers(effective: terms.Effective, on: date) -> bool:
    return (effective.since or date.min) <= on <= (effective.until or date.max)


def _in_utc(asked: Asked) -> Asked:
    return asked if asked.now.tzinfo is UTC else replace(asked, now=asked.now.astimezone(UTC))


@lru_cache(maxsize=4096)
def _open_during(judges: Binding, zones: tuple[ZoneInfo, ...], days: tuple[date, ...]) -> Spans:
    return merge(span for day in days for span in _open_on(judges, zones, day))


@lru_cache(maxsize=65536)
def _open_on(judges: Binding, zones: tuple[ZoneInfo, ...], day: date) -> Spans:
    """When every rule of hours allows it, inside a UTC day."""
    whole: Spans = ((midnight_utc(day), midnight_utc(day + DAY)),)
    spans = whole
    for judge, agreed in judges:
        free: Spans = ((EVER, judge.since or EVER), (judge.until or NEVER, NEVER), (EVER, agreed))
        spans = intersect(spans, merge([*judge.open_on(zones, day), *intersect(whole, free)]))
    return spans


def _blocked(judges: Sequence[Judge], asked: Asked, days: Sequence[date]) -> Iterator[tuple[datetime, datetime]]:
    """What the borrower's blocks take on those UTC days, while a rule about them is in force."""
    for judge in judges:
        if isinstance(judge, BlocksJudge):
            in_force = ((judge.since or EVER, judge.until or NEVER),)
            for day in days:
                yield from intersect(judge.blocked_on(asked, day), in_force)
