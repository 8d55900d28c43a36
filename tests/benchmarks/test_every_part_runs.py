"""A benchmark that nobody runs is broken one day. Each part runs here in its smallest size."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS

ROOT = Path(__file__).resolve().parents[2]


async def bench(part: str, **environment: str) -> str:
    """What it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", "--smallest", "--only", part),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()[-3000:]
    return printed.decode()


@pytest.mark.parametrize("part", [part for part in PARTS if part != "kafka"])
async def test_a_part_of_the_bench_runs(part: str) -> None:
    assert len((await bench(part)).splitlines()) > 2


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_the_whole_way_over_kafka_runs(kafka_address: str) -> None:
    printed = await bench("kafka", DOORSTEP_TEST_KAFKA=kafka_address)
    assert "cases/s" in printed
    assert "each on its own (Poisson)" in printed
