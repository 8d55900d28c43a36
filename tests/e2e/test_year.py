"""A sample of `make year`: some weeks of a few borrowers in every jurisdiction, and the independent checker over them.

`make year` runs 2,000 borrowers for a year; here the whole chain is run as it is, only smaller."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
JURISDICTIONS = {"cn", "us", "in", "uk", "kr", "ru", "au", "id", "th", "ph", "tw", "jp"}
BORROWERS, DAYS, SEED = 8, 45, 1390
"""Of this seed somebody was behind for months when it begins, and is visited in any country."""

pytestmark = pytest.mark.timeout(1800)

Results = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def year() -> Results:
    """What `make year` prints, by jurisdiction."""
    arguments = ["--borrowers", str(BORROWERS), "--days", str(DAYS), "--seed", str(SEED), "--json"]
    command = [sys.executable, "-m", "examples.year", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {result["jurisdiction"]: result for result in json.loads(done.stdout.strip().splitlines()[-1])}


def test_nobody_is_treated_against_the_rules_anywhere(year: Results) -> None:
    assert set(year) == JURISDICTIONS
    assert {name: result["violations"] for name, result in year.items() if result["violations"]} == {}


def test_people_are_contacted_and_refusals_recorded_everywhere(year: Results) -> None:
    for name, result in year.items():
        assert sum(count for way, count in result["left"].items() if way != "visit") > BORROWERS, name
        assert result["denied"], name
        assert result["parked"] == 0, name


def test_collectors_visit_and_say_so_before(year: Results) -> None:
    visits = {name: result["left"].get("visit", 0) for name, result in year.items()}
    notices = {name: result["left"].get("notice", 0) for name, result in year.items()}
    assert all(visits.values()), visits
    assert all(visits[name] <= notices[name] for name in year)
