"""Days and hours: classes of days, business days, blocked hours."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache

import chinese_calendar
import holidays

from conformance.record import Data


@lru_cache(maxsize=8192)
def class_of(country: str, day: date) -> int:
    """0 a workday, 1 a Saturday, 2 a Sunday, 3 a public holiday. China works on some weekend days."""
    weekend = {5: 1, 6: 2}.get(day.weekday(), 0)
    if country == "CN" and day.year in _CHINESE:
        return 0 if day in chinese_calendar.workdays else 3 if day in chinese_calendar.holidays else weekend
    return 3 if day in _holidays(country) else weekend


def business_days(country: str, after: date, until: date) -> int:
    """How many workdays lie after `after`, up to and with `until`."""
    days = (after + timedelta(days=number) for number in range(1, (until - after).days + 1))
    return sum(class_of(country, day) == 0 for day in days)


def inside(block: Data, local: datetime) -> bool:
    """Whether a borrower's clock stands in blocked hours. Hours over midnight belong to the day they begin on."""
    weekdays = block.get("weekdays") or range(1, 8)
    if not block.get("opens") or not block.get("closes"):
        return local.isoweekday() in weekdays
    opens, closes = time.fromisoformat(block["opens"]), time.fromisoformat(block["closes"])
    if opens <= closes:
        return local.isoweekday() in weekdays and opens <= local.time() < closes
    began = local if local.time() >= opens else local - timedelta(days=1)
    return began.isoweekday() in weekdays and not closes <= local.time() < opens


_CHINESE = {day.year for day in chinese_calendar.holidays}


@lru_cache(maxsize=32)
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


def years_later(at: datetime, years: int) -> datetime:
    """The same day of a later year; of a leap day, the one before."""
    day = min(at.day, 28) if at.month == 2 else at.day
    return at.replace(year=at.year + years, day=day)
