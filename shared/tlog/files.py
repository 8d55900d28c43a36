"""Writing so that what was written outlives a crash."""

import os
from collections.abc import Callable
from pathlib import Path

Reached = Callable[[str], object]
"""Told the name of each step between two effects on the disk or on others: whoever tests crashes lets us die there."""


def unwatched(_: str) -> None:
    """Nobody tests crashes."""


def settle(folder: Path) -> None:
    """A file's name is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
