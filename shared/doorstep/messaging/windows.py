"""When something may happen: a window of local clock times, each day, in the borrower's zone; and when
something is decided: on the quarter of an hour. Pure; the clock is read elsewhere."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from doorstep.events.values import Windows

QUARTER = timedelta(minutes=15)


def next_quarter(now: datetime) -> datetime:
    """The next quarter of an hour strictly after `now`, in UTC. What is recorded between two of these
    instants is decided on together, so no decision depends on the order in which messages came."""
    into = timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)
    return (now - into + QUARTER).astimezone(UTC)


def local(windows: Windows, instant: datetime) -> datetime:
    """`instant` on the borrower's clock. Raises ZoneInfoNotFoundError for a zone that does not exist."""
    return instant.astimezone(ZoneInfo(windows.time_zone))


def is_open(windows: Windows, instant: datetime) -> bool:
    """From `opens` up to, not including, `closes`; across midnight where it closes before it opens, and all day where
    it closes when it opens."""
    clock = local(windows, instant).time()
    if windows.opens < windows.closes:
        return windows.opens <= clock < windows.closes
    return clock >= windows.opens or clock < windows.closes


def contains(windows: Windows, starts: datetime, ends: datetime) -> bool:
    """Whether the window is open from `starts` right up to `ends`. Both are less than a day apart."""
    always = windows.opens == windows.closes
    return always or (is_open(windows, starts) and closing(windows, starts) >= ends)


def closing(windows: Windows, instant: datetime) -> datetime:
    """When the window that is open at `instant` closes, in UTC; one that is open all day closes to open again."""
    at = local(windows, instant)
    day = at.date() + timedelta(days=0 if at.time() < windows.closes else 1)
    return datetime.combine(day, windows.closes, at.tzinfo).astimezone(UTC)


def next_opening(windows: Windows, instant: datetime) -> datetime:
    """The first instant from `instant` on at which the window is open, in UTC."""
    if is_open(windows, instant):
        return instant.astimezone(UTC)
    at = local(windows, instant)
    day = at.date() + timedelta(days=0 if at.time() < windows.opens else 1)
    return datetime.combine(day, windows.opens, at.tzinfo).astimezone(UTC)
