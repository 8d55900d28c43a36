"""The counting world, fresh for each test."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from counting import World, world


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whoever configures logging in a test writes to that test's standard error, which then is closed."""
    root = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = root


@pytest.fixture
async def counting(new_database: Any, tmp_path: Path) -> Any:
    """A counter service that runs."""
    made: World = await world(new_database, tmp_path)
    yield made
    await made.running.close()
