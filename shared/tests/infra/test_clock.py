"""Clocks tell instants with a zone, and simulated ones never run backwards."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from doorstep.infra.clock import FileClock, SimulatedClock, SystemClock

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_the_machines_clock_tells_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_a_simulated_clock_stands_still_until_it_jumps() -> None:
    clock = SimulatedClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.jump(NOON + timedelta(days=1))
    assert clock.now() == NOON + timedelta(days=1)


def test_a_simulated_clock_tells_utc_wherever_it_started() -> None:
    clock = SimulatedClock(NOON.astimezone(timezone(timedelta(hours=8))))
    assert clock.now().tzinfo is UTC


def test_a_simulated_clock_never_jumps_back() -> None:
    clock = SimulatedClock(NOON)
    clock.jump(NOON)
    with pytest.raises(ValueError, match="cannot jump back"):
        clock.jump(NOON - timedelta(microseconds=1))


def test_processes_share_a_clock_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "now"
    path.write_text("2026-01-05T20:00:00+08:00\n")
    ours, theirs = FileClock(path), FileClock(path)
    assert theirs.now() == NOON
    ours.jump(NOON + timedelta(hours=1))
    assert theirs.now() == NOON + timedelta(hours=1)
    assert [one.name for one in tmp_path.iterdir()] == ["now"]
