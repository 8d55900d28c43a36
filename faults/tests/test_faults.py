"""A small run: every kind of fault at least once, in a few minutes, and every promise held."""

from pathlib import Path

import pytest
from doorstep_faults.faults import FAULTS
from doorstep_faults.report import written
from doorstep_faults.run import run, schedule


@pytest.mark.kafka
@pytest.mark.timeout(900)
async def test_every_kind_of_fault_hits_and_every_promise_holds(tmp_path: Path) -> None:
    said: list[str] = []
    report = await run(tmp_path, 7, len(FAULTS), "asked", list(FAULTS), said.append)
    text = written([report])
    assert not report.wrong, text
    assert report.hits.keys() == FAULTS.keys(), "\n".join(said)
    assert report.sent > 10
    assert "no message is sent twice" in text


def test_the_same_seed_gives_the_same_schedule() -> None:
    kinds = list(FAULTS)
    assert schedule(3, 100, kinds) == schedule(3, 100, kinds)
    assert schedule(3, 100, kinds) != schedule(4, 100, kinds)
    assert set(schedule(3, 100, kinds)) == FAULTS.keys()
    assert len(schedule(3, 100, kinds)) == 100
