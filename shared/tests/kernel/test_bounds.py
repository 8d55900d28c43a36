"""Days and instants that may be told, whatever the offset, and those that may not."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from doorstep.events import bounds
from doorstep.infra.bodies import ClockTime, Count, Day, Instant, Name
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

NOW = datetime(2026, 3, 3, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS, allow_imaginary=False))
def test_an_instant_that_is_taken_can_be_reckoned_with(told: datetime) -> None:
    try:
        taken = bounds.instant(told)
    except bounds.OutOfBounds:
        assert not 1970 < told.year < 2199
    else:
        assert taken == told
        for far in (timedelta(days=366), timedelta(days=-366)):
            (taken + far).astimezone(UTC).astimezone(timezone(timedelta(hours=14)))


@given(st.dates())
def test_a_day_is_taken_within_its_bounds(told: date) -> None:
    if bounds.FIRST_DAY <= told <= bounds.LAST_DAY:
        assert bounds.day(told) == told
    else:
        with pytest.raises(bounds.OutOfBounds, match="1970-01-01 to 2199-12-31"):
            bounds.day(told)


def test_what_has_happened_does_not_lie_ahead_of_us_but_by_a_clock_that_is_a_little_fast() -> None:
    assert bounds.happened(NOW + bounds.LEEWAY, NOW) == NOW + bounds.LEEWAY
    with pytest.raises(bounds.OutOfBounds, match="has not come yet"):
        bounds.happened(NOW + bounds.LEEWAY + timedelta(seconds=1), NOW)


@pytest.mark.parametrize("told", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-03-03T00:00:00", 1e300])
def test_a_request_names_no_instant_outside_nor_one_without_an_offset(told: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(told)


@pytest.mark.parametrize("told", ["9999-12-31", "0001-01-01", 10**12])
def test_a_request_names_no_day_outside(told: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(told)


def test_a_time_of_day_has_no_offset() -> None:
    assert TypeAdapter(ClockTime).validate_python("09:30") == time(9, 30)
    with pytest.raises(ValidationError, match="without an offset"):
        TypeAdapter(ClockTime).validate_python("09:30+08:00")


@pytest.mark.parametrize("told", ["", "a\0b", "two\nlines", "x" * 101, "\ud800"])
def test_a_name_is_one_line(told: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(told)


@pytest.mark.parametrize("told", [-1, 2**53, 1e400, float("nan")])
def test_a_count_is_a_whole_number_that_json_can_hold(told: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Count).validate_python(told)
