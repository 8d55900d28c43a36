"""A small run: faults of the kinds that hit fast, and every promise held. docs/faults.md says what is run beside it."""

from pathlib import Path

import pytest
from doorstep_faults.faults import FAULTS
from doorstep_faults.report import written
from doorstep_faults.run import run, schedule

SAMPLE = ("kill", "stand still", "cut connections", "provider misbehaves", "repeated", "rubbish", "huge", "kill switch")


@pytest.mark.kafka
@pytest.mark.timeout(900)
async def test_each_fault_hits_and_every_promise_holds(tmp_path: Path) -> None:
    said: list[str] = []
    report = await run(tmp_path, 7, len(SAMPLE), "asked", SAMPLE, said.append)
    text = written([report])
    assert not report.wrong, text
    assert report.hits.keys() == set(SAMPLE), "\n".join(said)
    assert report.sent > 10
    assert "no message is sent twice" in text


def test_the_same_seed_gives_the_same_schedule() -> None:
    kinds = list(FAULTS)
    assert schedule(3, 100, kinds) == schedule(3, 100, kinds)
    assert schedule(3, 100, kinds) != schedule(4, 100, kinds)
    assert set(schedule(3, 100, kinds)) == FAULTS.keys()
    assert len(schedule(3, 100, kinds)) == 100
