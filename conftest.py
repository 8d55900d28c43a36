"""Fixtures for every test: a real PostgreSQL, one per worker, and fresh databases in it."""

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from doorstep.infra import database, failpoints
from sqlalchemy.ext.asyncio import AsyncEngine

NewDatabase = Callable[..., Awaitable[AsyncEngine]]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whoever configures logging in a test writes to that test's standard error, which then is closed."""
    root = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = root


@pytest.fixture(scope="session")
def postgres() -> Iterator[database.EmbeddedPostgres]:
    """PostgreSQL 18, embedded; it ends with the worker."""
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="doorstep-test-"))
    folder.chmod(0o755)
    server = database.EmbeddedPostgres(folder / "data", durable=False)
    yield server
    server.stop_now()
    shutil.rmtree(folder, ignore_errors=True)


_templates: dict[tuple[Path, ...], str] = {}


@pytest.fixture
async def new_database(postgres: database.EmbeddedPostgres) -> AsyncIterator[NewDatabase]:
    """Makes a fresh database with the given migrations, and its engine. Migrates once, then copies."""
    engines: list[AsyncEngine] = []

    async def make(*versions: Path) -> AsyncEngine:
        if versions not in _templates:
            _templates[versions] = await postgres.scratch()
            template = database.engine(postgres.url(_templates[versions], owner="postgres"))
            await database.migrate(template, *versions, epoch="test")
            await template.dispose()
        name = await postgres.scratch(_templates[versions])
        engines.append(database.engine(postgres.url(name, owner="postgres")))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.dispose()


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()
