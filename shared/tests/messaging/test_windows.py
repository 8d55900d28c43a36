"""Windows on the borrower's clock, and the grid of instants on which decisions fall."""

from datetime import UTC, datetime, time, timedelta

import pytest
from doorstep.events.values import Windows
from doorstep.messaging.windows import contains, is_open, next_opening, next_quarter
from hypothesis import given
from hypothesis import strategies as some

SHANGHAI = Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai")
URUMQI = Windows(opens=time(8), closes=time(20), time_zone="Asia/Urumqi")
NEW_YORK = Windows(opens=time(8), closes=time(21), time_zone="America/New_York")
OVERNIGHT = Windows(opens=time(22), closes=time(2), time_zone="Asia/Shanghai")
ALL_DAY = Windows(opens=time(), closes=time(), time_zone="Asia/Shanghai")


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_it_opens_on_the_minute_and_is_closed_at_closing_time() -> None:
    assert is_open(SHANGHAI, utc(3, 0))
    assert not is_open(SHANGHAI, utc(2, 23, 59))
    assert not is_open(SHANGHAI, utc(3, 12))


def test_inside_the_window_the_next_opening_is_now() -> None:
    assert next_opening(SHANGHAI, utc(3, 5)) == utc(3, 5)


def test_before_the_window_it_opens_the_same_local_day() -> None:
    assert next_opening(SHANGHAI, utc(2, 20)) == utc(3, 0)


def test_after_the_window_it_opens_the_next_local_day() -> None:
    assert next_opening(SHANGHAI, utc(3, 12)) == utc(4, 0)


def test_the_zone_is_the_borrowers() -> None:
    assert is_open(SHANGHAI, utc(3, 1))
    assert next_opening(URUMQI, utc(3, 1)) == utc(3, 2)


def test_the_clock_change_moves_the_opening() -> None:
    assert next_opening(NEW_YORK, utc(7, 4)) == utc(7, 13)
    assert next_opening(NEW_YORK, utc(8, 4)) == utc(8, 12)


def test_a_window_may_run_across_midnight() -> None:
    assert is_open(OVERNIGHT, utc(3, 15))
    assert is_open(OVERNIGHT, utc(3, 17))
    assert not is_open(OVERNIGHT, utc(3, 18))
    assert next_opening(OVERNIGHT, utc(3, 18)) == utc(4, 14)


@pytest.mark.parametrize("clock", [utc(3, 16), utc(3, 15, 59), utc(3, 4)])
def test_a_window_that_closes_when_it_opens_is_a_whole_day(clock: datetime) -> None:
    assert is_open(ALL_DAY, clock)
    assert next_opening(ALL_DAY, clock) == clock
    assert contains(ALL_DAY, clock, clock + timedelta(hours=1))


@given(
    some.sampled_from([SHANGHAI, URUMQI, NEW_YORK, OVERNIGHT, ALL_DAY]),
    some.integers(0, 525_600).map(lambda minutes: utc(1, 0) + timedelta(minutes=minutes)),
)
def test_the_next_opening_is_open_not_in_the_past_and_at_most_a_day_away(windows: Windows, now: datetime) -> None:
    opening = next_opening(windows, now)
    assert is_open(windows, opening)
    assert now <= opening <= now + timedelta(hours=25)


DAY = Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai")
NIGHT = Windows(opens=time(20), closes=time(6), time_zone="Asia/Shanghai")


def shanghai(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("instant", "inside"),
    [(shanghai(7, 59), False), (shanghai(8), True), (shanghai(19, 59), True), (shanghai(20), False)],
)
def test_a_window_opens_sharp_and_closes_sharp(instant: datetime, inside: bool) -> None:
    assert is_open(DAY, instant) is inside


def test_what_ends_when_the_window_closes_is_inside() -> None:
    assert contains(DAY, shanghai(19), shanghai(20))
    assert not contains(DAY, shanghai(19, 1), shanghai(20, 1))


def test_a_window_can_run_across_midnight() -> None:
    assert contains(NIGHT, shanghai(23), shanghai(1, day=24))
    assert not contains(NIGHT, shanghai(5, 30), shanghai(6, 30))


def test_the_next_opening_is_now_while_it_is_open() -> None:
    assert next_opening(DAY, shanghai(12)) == shanghai(12)
    assert next_opening(DAY, shanghai(6)) == shanghai(8)
    assert next_opening(DAY, shanghai(21)) == shanghai(8, day=24)


def today(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)


def test_the_next_quarter_lies_strictly_ahead() -> None:
    assert next_quarter(today(10, 14)) == today(10, 15)
    assert next_quarter(today(10, 15)) == today(10, 30)
    assert next_quarter(today(10, 59) + timedelta(microseconds=1)) == today(11)
    assert next_quarter(today(23, 59)) == today(0) + timedelta(days=1)
