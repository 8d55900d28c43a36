"""The contact rules of several packs, asked together: each rule's verdict, and the strictest of all.

Everything here is a function of its arguments. A pack is compiled once; a rule that says nothing about a way gives no
verdict on it. Drafts give their verdict and refuse nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeVar, get_args
from zoneinfo import ZoneInfo

from babel.core import get_global
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.permits import Duty
from doorstep.events.values import Span, Verdict

from escalation.domain.case.holds import HoldTerms
from escalation.domain.rules import schema
from escalation.domain.rules.compile import evaluators_of, refusing_of
from escalation.domain.rules.evaluator import EVER, NEVER, Evaluator
from escalation.domain.rules.evaluators import BlocksEvaluator, HoursEvaluator
from escalation.domain.rules.hours import DAY, Spans, intersect, merge, midnight_utc, without
from escalation.domain.rules.pack import Pack
from escalation.domain.rules.request import ContactRequest

ROUNDS = 1000
R = TypeVar("R", bound=schema.Rule)
Binding = tuple[tuple[HoursEvaluator, datetime], ...]
"""Rules of hours, and with each, until when the borrower agreed to others."""


def verdicts(packs: Sequence[Pack], request: ContactRequest) -> list[Verdict]:
    """The word of every rule in force that concerns this way."""
    request = _in_utc(request)
    return [
        evaluator.verdict(request)
        for evaluator in evaluators_of(tuple(packs), request.way)
        if evaluator.in_force(request.now)
    ]


def earliest(packs: Sequence[Pack], request: ContactRequest, since: datetime | None = None) -> datetime | None:
    """The first instant from `since` (None: now) on at which no rule would refuse, if nothing else happens; None where
    that takes news, or no open hour comes in 35 days."""
    refusing = refusing_of(tuple(packs), request.way)
    at = (since or request.now).astimezone(UTC)
    for _ in range(ROUNDS):
        latest = at
        for evaluator in refusing:
            free = evaluator.free(request, latest)
            if free is None:
                return None
            latest = free
        if latest == at:
            return at
        at = latest
    return None


def open_spans(
    packs: Sequence[Pack], request: ContactRequest, until: datetime, since: datetime | None = None
) -> tuple[Span, ...]:
    """When the hours, holidays and blocks of all packs and zones allow it, from `since` (None: now) up to `until`."""
    since, until = (since or request.now).astimezone(UTC), until.astimezone(UTC)
    evaluators = refusing_of(tuple(packs), request.way)
    hours = [
        evaluator for evaluator in evaluators if isinstance(evaluator, HoursEvaluator) and not evaluator.exempt(request)
    ]
    agreed = {evaluator: evaluator.agreed_until(request) or EVER for evaluator in hours} if request.consents else {}
    binding = tuple((evaluator, agreed.get(evaluator, EVER)) for evaluator in hours)
    days = tuple(since.date() + ahead * DAY for ahead in range((until.date() - since.date()).days + 1))
    spans = _open_during(binding, request.zones, days)
    if request.blocks:
        spans = without(spans, merge(_blocked(evaluators, request, days)))
    return tuple(Span(*span) for span in intersect(spans, ((since, until),)))


def staff(packs: Sequence[Pack], on: date | None = None) -> int:
    """How many collectors go together at least, by the strictest rule in force `on` that day (None: whenever)."""
    return max((rule.minimum_staff or 1 for rule in _rules(packs, schema.VisitRule, on)), default=1)


def notice_hours(packs: Sequence[Pack], on: date | None = None) -> int:
    """How many hours lie between a visit and its notice at least."""
    return max((rule.notice_hours or 0 for rule in _rules(packs, schema.VisitRule, on)), default=0)


def duties(packs: Sequence[Pack], on: date | None = None) -> tuple[Duty, ...]:
    """Everything the collectors have to do at the door."""
    said = {duty for rule in _rules(packs, schema.DutiesRule, on) for duty in rule.duties}
    return tuple(duty for duty in get_args(Duty) if duty in said)


def hold_terms(packs: Sequence[Pack], kind: HoldKind, on: date | None = None) -> HoldTerms:
    """What a hold of this kind does: the longest length and every way of the packs that name it, those of a fallback
    where none does. Where nothing does, it stops everything until it is lifted."""
    named = [
        (pack, rule, rule.holds[kind])
        for pack in packs
        for rule in _rules([pack], schema.SuspensionRule, on)
        if kind in rule.holds
    ]
    named = [one for one in named if not one[1].fallback] or named
    if not named:
        return HoldTerms(None, (), "", renewable=True)
    pack, rule, longest = max(named, key=lambda one: (one[2].days is None, one[2].days or 0))
    ways = {way for _, _, stop in named for way in stop.ways or schema.WAYS}
    return HoldTerms(
        days=longest.days,
        ways=() if len(ways) == len(schema.WAYS) else tuple(way for way in schema.WAYS if way in ways),
        rule=f"{pack.id}/{rule.id}",
        renewable=longest.renewable,
    )


def blockable_hours(packs: Sequence[Pack]) -> int | None:
    """How many hours a week the borrower can call inconvenient at most; None: any number."""
    limits = [rule.hours_a_week for pack in packs for rule in pack.rules if isinstance(rule, schema.BlocksRule)]
    return min((limit for limit in limits if limit is not None), default=None)


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
def _in_force(packs: tuple[Pack, ...], on: date | None) -> tuple[schema.Rule, ...]:
    rules = [rule for pack in packs for rule in pack.rules if rule.status != "draft"]
    return tuple(rule for rule in rules if on is None or _covers(rule.effective, on))


def _covers(effective: schema.Effective, on: date) -> bool:
    return (effective.since or date.min) <= on <= (effective.until or date.max)


def _in_utc(request: ContactRequest) -> ContactRequest:
    return request if request.now.tzinfo is UTC else replace(request, now=request.now.astimezone(UTC))


@lru_cache(maxsize=4096)
def _open_during(evaluators: Binding, zones: tuple[ZoneInfo, ...], days: tuple[date, ...]) -> Spans:
    return merge(span for day in days for span in _open_on(evaluators, zones, day))


@lru_cache(maxsize=65536)
def _open_on(evaluators: Binding, zones: tuple[ZoneInfo, ...], day: date) -> Spans:
    """When every rule of hours allows it, inside a UTC day."""
    whole: Spans = ((midnight_utc(day), midnight_utc(day + DAY)),)
    spans = whole
    for evaluator, agreed in evaluators:
        free: Spans = ((EVER, evaluator.since or EVER), (evaluator.until or NEVER, NEVER), (EVER, agreed))
        spans = intersect(spans, merge([*evaluator.open_on(zones, day), *intersect(whole, free)]))
    return spans


def _blocked(
    evaluators: Sequence[Evaluator], request: ContactRequest, days: Sequence[date]
) -> Iterator[tuple[datetime, datetime]]:
    """What the borrower's blocks take on those UTC days, while a rule about them is in force."""
    for evaluator in evaluators:
        if isinstance(evaluator, BlocksEvaluator):
            in_force = ((evaluator.since or EVER, evaluator.until or NEVER),)
            for day in days:
                yield from intersect(evaluator.blocked_on(request, day), in_force)
