"""A day's assessments of many open cases, as `make bench` measures them, small."""

from doorstep.infra.database import EmbeddedPostgres

from benchmarks import scale


async def test_each_case_is_assessed_once_and_every_reading_is_taken(postgres: EmbeddedPostgres) -> None:
    found = await scale.measured(postgres, 40)
    assert found.rate > 0
    assert len(found.readings) == 9
    assert all(seconds > 0 for seconds in found.readings.values())
