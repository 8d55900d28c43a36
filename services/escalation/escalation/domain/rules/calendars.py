"""Which class of day a date is, by the calendar of a pack."""

from datetime import date, timedelta
from functools import lru_cache

import chinese_calendar
import holidays

from escalation.domain.rules.schema import DayClass, Holidays

_CHINESE_YEARS = frozenset(day.year for day in chinese_calendar.holidays)


@lru_cache(maxsize=65536)
def day_class(calendar: Holidays | None, day: date) -> DayClass:
    """A holiday is one whatever its weekday; a weekend day that was made a working day is a workday. Without a
    calendar there are weekdays only."""
    if calendar is None:
        return _weekday(day)
    if calendar.calendar == "chinesecalendar" and day.year in _CHINESE_YEARS:
        return _chinese(day)
    return "holiday" if day in _holidays(calendar.country or "CN") else _weekday(day)


@lru_cache(maxsize=65536)
def business_day(calendar: Holidays | None, day: date, number: int) -> date:
    """The business day that is `number` business days after `day`; a `day` that is none itself counts as the next one
    that is."""
    left = number
    while True:
        if day_class(calendar, day) == "workday":
            if left == 0:
                return day
            left -= 1
        day += timedelta(days=1)


def _chinese(day: date) -> DayClass:
    """The government shifts weekend days before and after its holidays every year."""
    if day in chinese_calendar.workdays:
        return "workday"
    return "holiday" if day in chinese_calendar.holidays else _weekday(day)


def _weekday(day: date) -> DayClass:
    weekdays: dict[int, DayClass] = {6: "saturday", 7: "sunday"}
    return weekdays.get(day.isoweekday(), "workday")


@lru_cache(maxsize=256)
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)
