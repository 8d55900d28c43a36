"""The planner: who visits, and when. Pure, and the same for the same inputs, whatever their order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from doorstep.events.values import Language
from doorstep.events.visits import Collector, VisitTerms
from doorstep.messaging.windows import local

from visit_scheduler.domain.appointment import staff
from visit_scheduler.domain.commands import Plan, Unplan
from visit_scheduler.domain.hours import holds_visit, next_notice

SLOT = timedelta(hours=1)
SLACK = timedelta(hours=1)
"""For sending the notice, on top of the permit's lead time."""
FIRST_HOUR, LAST_HOUR = 9, 17
"""Slots start on the hour, from 09:00; the last one ends at 18:00."""
SUNDAY = 6
A_DAY = 6
"""Visits an agent makes on one day at most."""
HORIZON = timedelta(days=31)
"""Nothing is planned further ahead than this."""

Booked = tuple[datetime, datetime]
"""From when to when."""


class Diary:
    """When each agent is to visit, or has visited, someone. Kept by agent and local day, for each zone that is asked
    for: a plan looks at one day of one agent, never through all of them."""

    def __init__(self, booked: Mapping[str, Iterable[Booked]] | None = None) -> None:
        self._booked: dict[str, list[Booked]] = {agent: list(visits) for agent, visits in (booked or {}).items()}
        self._days: dict[ZoneInfo, dict[tuple[str, date], list[Booked]]] = {}

    def book(self, agent_id: str, starts: datetime, ends: datetime) -> None:
        """One visit more."""
        self._booked.setdefault(agent_id, []).append((starts, ends))
        for zone, days in self._days.items():
            _enter(days, zone, agent_id, (starts, ends))

    def visits(self, agent_id: str) -> int:
        """How many there are."""
        return len(self._booked.get(agent_id, ()))

    def on(self, agent_id: str, day: date, zone: ZoneInfo) -> Sequence[Booked]:
        """Those that touch a day of `zone`."""
        if zone not in self._days:
            days = self._days[zone] = {}
            for agent, booked in self._booked.items():
                for one in booked:
                    _enter(days, zone, agent, one)
        return self._days[zone].get((agent_id, day), ())


def _enter(days: dict[tuple[str, date], list[Booked]], zone: ZoneInfo, agent_id: str, booked: Booked) -> None:
    day, last = (instant.astimezone(zone).date() for instant in booked)
    while day <= last:
        days.setdefault((agent_id, day), []).append(booked)
        day += timedelta(days=1)


@dataclass(frozen=True)
class FieldAgent:
    """An agent as the planner sees one. `regions` are ISO 3166-2 codes; a country covers its subdivisions,
    and no region at all means everywhere."""

    agent_id: str
    agency: str
    certified_until: date
    languages: frozenset[Language]
    regions: tuple[str, ...] = ()
    active: bool = True

    def covers(self, region: str | None) -> bool:
        """An unknown region is covered only by those who go everywhere."""
        within = region is not None and any(f"{region}-".startswith(f"{one}-") for one in self.regions)
        return within or not self.regions


def plan(terms: VisitTerms, agents: Iterable[FieldAgent], diary: Diary, now: datetime) -> Plan | Unplan:
    """The earliest slot that keeps every rule, with the least busy collectors of one agency in it.

    Hard: at least two collectors together, or as many as the permit wants, of one agency, and of the permit's where
    it names one, active, certified on the day, speaking the borrower's language, covering the region, free, within
    six visits a day; the permit's spans or windows, and its end; office hours; notice with an hour to spare. Not on
    a Sunday, which is house policy and no law: a day of rest is the borrower's too.
    Soft: the earlier slot, then the least booked collectors, then agent ids."""
    able = [one for one in agents if _able(one, terms)]
    possible = tuple(slots(terms, now))
    for day, hours in groupby(possible, key=lambda starts: local(terms.windows, starts).date()):
        ready = [one for one in able if one.certified_until >= day and _has_room(diary, one, terms, day)]
        # Whoever is done for a day is so in each of its hours.
        for starts in hours if len(ready) >= staff(terms) else ():
            free = [one for one in ready if not _visits(diary, one, terms, day, starts)]
            if team := _team(terms, free, diary):
                return Plan(tuple(_collector(one) for one in team), starts, starts + SLOT)
    return Unplan(_reason(terms, possible, able), _retry(terms, now))


def _able(one: FieldAgent, terms: VisitTerms) -> bool:
    assigned = terms.agency in (None, one.agency)
    return one.active and assigned and terms.language in one.languages and one.covers(terms.region)


def slots(terms: VisitTerms, now: datetime) -> Iterator[datetime]:
    """When a visit may start, earliest first, if its notice goes out from `now` on: in UTC."""
    noticed = next_notice(terms, now)
    if noticed is None:
        return
    earliest = noticed + timedelta(hours=terms.notice_hours) + SLACK
    latest = min(terms.valid_until, earliest + HORIZON) - SLOT
    day, last = local(terms.windows, earliest).date(), local(terms.windows, latest).date()
    while day <= last:
        for starts in _hours(day, terms.windows.time_zone):
            if earliest <= starts <= latest and holds_visit(terms, starts, starts + SLOT):
                yield starts
        day += timedelta(days=1)


def _hours(day: date, time_zone: str) -> Sequence[datetime]:
    if day.weekday() == SUNDAY:
        return ()
    zone = ZoneInfo(time_zone)
    return [datetime.combine(day, time(hour), zone).astimezone(UTC) for hour in range(FIRST_HOUR, LAST_HOUR + 1)]


def _team(terms: VisitTerms, ready: Sequence[FieldAgent], diary: Diary) -> Sequence[FieldAgent]:
    def burden(one: FieldAgent) -> tuple[int, str]:
        return diary.visits(one.agent_id), one.agent_id

    ordered = sorted(ready, key=lambda one: (one.agency, burden(one)))
    size = staff(terms)
    teams = [list(team)[:size] for _, team in groupby(ordered, key=lambda one: one.agency)]
    return min(
        (team for team in teams if len(team) == size),
        key=lambda team: (sum(burden(one)[0] for one in team), sorted(one.agent_id for one in team)),
        default=(),
    )


def _has_room(diary: Diary, one: FieldAgent, terms: VisitTerms, day: date) -> bool:
    zone = ZoneInfo(terms.windows.time_zone)
    return sum(begin.astimezone(zone).date() == day for begin, _ in diary.on(one.agent_id, day, zone)) < A_DAY


def _visits(diary: Diary, one: FieldAgent, terms: VisitTerms, day: date, starts: datetime) -> bool:
    booked = diary.on(one.agent_id, day, ZoneInfo(terms.windows.time_zone))
    return any(begin < starts + SLOT and starts < end for begin, end in booked)


def _collector(one: FieldAgent) -> Collector:
    return Collector(agent_id=one.agent_id, agency=one.agency, certified_until=one.certified_until)


def _reason(terms: VisitTerms, possible: Sequence[datetime], able: Sequence[FieldAgent]) -> str:
    if not possible:
        return "no slot keeps the notice, the permitted hours and the permit's end"
    if len(able) < staff(terms):
        of_agency = f" of {terms.agency}" if terms.agency else ""
        return f"fewer than {staff(terms)} active agents{of_agency} speak {terms.language} and cover the region"
    return "no agency has enough certified, free agents in any permitted slot"


def _retry(terms: VisitTerms, now: datetime) -> datetime | None:
    day = local(terms.windows, now).date() + timedelta(days=1)
    day += timedelta(days=day.weekday() == SUNDAY)
    morning = _hours(day, terms.windows.time_zone)[0]
    return morning if next(slots(terms, morning), None) else None
