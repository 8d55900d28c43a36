"""The counting world, fresh for each test."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.counting import World, world


@pytest.fixture
async def counting(new_database: Any, tmp_path: Path) -> Any:
    """A counter service that runs."""
    made: World = await world(new_database, tmp_path)
    yield made
    await made.running.close()
