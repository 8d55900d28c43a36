"""Local hours as instants: when it is open in every place where the borrower may be.

Instants are UTC and so is their arithmetic; a clock is turned into an instant by the rules of its zone on that day,
which is what makes summer time come out right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from escalation.domain.case.preferences import Block
from escalation.domain.rules.calendars import day_class
from escalation.domain.rules.schema import DayClass, Holidays

Zones = tuple[ZoneInfo, ...]
Spans = tuple[tuple[datetime, datetime], ...]
"""From each first instant up to, not including, its second: in order, without overlap."""
SEARCH_DAYS = 35
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class OpenHours:
    """Minutes since local midnight that are open on each class of day, by every one of `calendars`."""

    minutes: dict[DayClass, tuple[tuple[int, int], ...]]
    calendars: tuple[Holidays | None, ...]

    @lru_cache(maxsize=65536)  # noqa: B019 - there is one per rule, made once
    def class_of(self, day: date) -> DayClass:
        """What `day` is by the calendar that leaves least of it open."""
        classes = [day_class(calendar, day) for calendar in self.calendars]
        return classes[0] if len(classes) == 1 else min(classes, key=self._open_minutes)

    def _open_minutes(self, name: DayClass) -> int:
        return sum(closes - opens for opens, closes in self.minutes[name])


@lru_cache(maxsize=65536)
def midnight(zone: ZoneInfo, day: date) -> datetime:
    """The instant at which `day` begins in `zone`."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@lru_cache(maxsize=65536)
def open_on(hours: OpenHours, zones: Zones, day: date) -> Spans:
    """When it is open in all `zones`, inside the UTC day `day`."""
    whole: Spans = ((midnight_utc(day), midnight_utc(day + DAY)),)
    for zone in zones:
        for calendar in hours.calendars:
            # a local day begins up to 14 hours before, and ends up to 12 hours after, the UTC day of its date
            local = (span for ahead in (-1, 0, 1) for span in _local(hours, calendar, zone, day + ahead * DAY))
            whole = intersect(whole, tuple(local))
    return whole


def next_open(hours: OpenHours, zones: Zones, at: datetime) -> datetime | None:
    """`at` where it is open then, else the first instant after it that is; None when none comes in 35 days."""
    day = at.date()
    for _ in range(SEARCH_DAYS):
        for starts, ends in open_on(hours, zones, day):
            if at < ends:
                return max(at, starts)
        day += DAY
    return None


def next_unblocked(blocks: Sequence[Block], zones: Zones, at: datetime) -> datetime | None:
    """The first instant from `at` on that no block covers anywhere; None when none comes in 35 days."""
    free = at
    while free <= at + SEARCH_DAYS * DAY:
        ends = [
            until
            for block in blocks
            for zone in zones
            for ahead in (-1, 0)
            for since, until in _blocked(block, zone, free.astimezone(zone).date() + ahead * DAY)
            if since <= free < until
        ]
        if not ends:
            return free
        free = max(ends)
    return None


def blocked_on(blocks: Iterable[Block], zones: Zones, day: date) -> Spans:
    """What blocks cover anywhere inside the UTC day `day`."""
    covered = (
        span
        for block in blocks
        for zone in zones
        for ahead in (-2, -1, 0, 1)
        for span in _blocked(block, zone, day + ahead * DAY)
    )
    return intersect(merge(covered), ((midnight_utc(day), midnight_utc(day + DAY)),))


def intersect(some: Spans, others: Spans) -> Spans:
    """When both are open."""
    both = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return tuple(sorted((starts, ends) for starts, ends in both if starts < ends))


def merge(spans: Iterable[tuple[datetime, datetime]]) -> Spans:
    """The same instants in as few spans as possible."""
    merged: list[tuple[datetime, datetime]] = []
    for starts, ends in sorted(spans):
        if merged and starts <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ends, merged[-1][1]))
        else:
            merged.append((starts, ends))
    return tuple(merged)


def without(spans: Spans, taken: Spans) -> Spans:
    """What is left of `spans`."""
    for since, until in taken:
        spans = tuple(
            (starts, ends)
            for a, b in spans
            for starts, ends in ((a, min(b, since)), (max(a, until), b))
            if starts < ends
        )
    return spans


def midnight_utc(day: date) -> datetime:
    """The instant at which `day` begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _local(hours: OpenHours, calendar: Holidays | None, zone: ZoneInfo, day: date) -> Spans:
    minutes = hours.minutes[day_class(calendar, day)]
    return tuple((_instant(zone, day, opens), _instant(zone, day, closes)) for opens, closes in minutes)


@lru_cache(maxsize=65536)
def _blocked(block: Block, zone: ZoneInfo, day: date) -> Spans:
    if block.weekdays and day.isoweekday() not in block.weekdays:
        return ()
    opens, closes = _minute(block.opens or time()), _minute(block.closes or time())
    return ((_instant(zone, day, opens), _instant(zone, day, closes if closes > opens else closes + 24 * 60)),)


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _instant(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """A clock's instant; minutes beyond 24:00 are the next day's."""
    clock = time(minute % (24 * 60) // 60, minute % 60)
    return datetime.combine(day + minute // (24 * 60) * DAY, clock, zone).astimezone(UTC)
