"""Writing so that what was written outlives a crash."""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Reached = Callable[[str], object]
"""Told the name of each step between two effects on the disk or on others: whoever tests crashes lets us die there."""


def unwatched(_: str) -> None:
    """Nobody tests crashes."""


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """All of it or nothing, in place of what was there. With `durable` it is on the disk when this returns. Raises
    OSError."""
    with drafted(path, content, mode=mode, durable=durable) as draft:
        os.replace(draft, path)
    if durable:
        settle(path.parent)


@contextmanager
def drafted(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> Iterator[str]:
    """`content` in a file beside `path`, to be renamed to it; where it is not, it is gone afterwards. Raises
    OSError."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        _fill(handle, content, durable=durable)
        os.chmod(draft, mode)
        yield draft
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def write_new(path: Path, content: bytes) -> None:
    """A file that is not there yet, for its owner alone, on the disk when this returns. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _fill(handle, content, durable=True)
    except BaseException:
        os.unlink(path)
        raise
    settle(path.parent)


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


def _fill(handle: int, content: bytes, *, durable: bool) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
