"""Writing so that what was written outlives a crash."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Alone with whatever the file `path` stands for, among all processes that ask so; their end ends it. Raises
    TimeoutError after `patience` seconds: whoever has it may stand still, and shall not make others stand still."""
    deadline = time.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process holds {path} and does not let go: is it stopped?") from None
                time.sleep(0.01)
        yield
