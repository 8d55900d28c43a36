"""Folders that PostgreSQL can use."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder; not below pytest's own, which is closed to the user that PostgreSQL runs as."""
    made = Path(tempfile.mkdtemp(prefix="doorstep-e2e-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)
