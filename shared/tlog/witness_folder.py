"""What a witness keeps: its key, every checkpoint it cosigned, and what shows that a log lies.

Key and memory lie in one folder and share one fate: a witness that has lost its memory has another key, and nobody
takes it for the one it was. What is cosigned is on the disk before anybody sees the cosignature."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from tlog.cosigning import LONGEST, Cosigner, fresh_key
from tlog.files import Reached, settle, unwatched, write_whole
from tlog.verifier import Checkpoint, Note, Wrong

_KEY = "key.pem"
_LINE = 4 * LONGEST
"""No line of a history is longer, in bytes, nor one that a crash has torn."""


class Spoilt(Exception):
    """The folder is not as the witness left it; the message says what to do. Nothing is repaired."""


class History:
    """The checkpoints of one log that were cosigned, each larger than the one before: a JSON text per line. A line
    counts once it is whole. Whoever has a History is alone with it."""

    def __init__(self, file: BinaryIO, folder: Path, reached: Reached = unwatched) -> None:
        self._file = file
        self._folder = folder
        self._reached = reached

    def latest(self) -> Note | None:
        """What the witness holds. Raises Spoilt."""
        end = self._end()
        return self._note(self._start(end - 1))[0] if end else None

    def of_size(self, size: int) -> Note | None:
        """The checkpoint of the log when it had `size` entries, if it was cosigned. Raises Spoilt."""
        low, high = 0, self._end()
        while low < high:
            start = self._start((low + high) // 2)
            note, length = self._note(start)
            found = Checkpoint.parse(note.body).size
            if found == size:
                return note
            low, high = (start + length, high) if found < size else (low, start)
        return None

    def keep(self, note: Note) -> None:
        """Hold `note` from now on; it is on the disk when this returns. Raises Spoilt and OSError."""
        latest = self.latest()
        if latest is None or latest.body != note.body:
            self._file.truncate(self._end())
            self._file.write(msgspec.json.encode(str(note)) + b"\n")
            self._file.flush()
            self._reached("witness.before-fsync")
        # Also when it was there already: who wrote it may have died before it was settled.
        os.fsync(self._file.fileno())
        settle(self._folder)

    def _end(self) -> int:
        """Where the whole lines end."""
        return self._start(self._file.seek(0, os.SEEK_END))

    def _start(self, at: int) -> int:
        """Where the line begins that `at` is in."""
        low = self._file.seek(max(0, at - _LINE))
        before = self._file.read(at - low).rfind(b"\n")
        if low and before < 0:
            raise self._spoilt()
        return low + before + 1

    def _note(self, start: int) -> tuple[Note, int]:
        """The note in the line that begins there, and how many bytes the line has."""
        self._file.seek(start)
        line = self._file.readline(_LINE)
        try:
            return Note.parse(msgspec.json.decode(line, type=str)), len(line)
        except (msgspec.DecodeError, UnicodeDecodeError, Wrong):
            raise self._spoilt() from None

    def _spoilt(self) -> Spoilt:
        return Spoilt(f"{Path(self._file.name).name} cannot be read: retire this witness, and keep its folder")


class WitnessFolder:
    """A witness's folder, made where it is not there."""

    def __init__(self, path: Path, reached: Reached = unwatched) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._reached = reached

    def cosigner(self, name: str) -> Cosigner:
        """Signs with the key in the folder; the first start makes it. Raises Wrong and Spoilt."""
        path = self._path / _KEY
        if not path.exists():
            if any(self._path.glob("history-*")):
                raise Spoilt(f"{path} is missing beside the histories it signed: bring it back, or take another folder")
            write_whole(path, fresh_key())
        return Cosigner.from_pem(name, path.read_bytes())

    @contextmanager
    def history(self, origin: str) -> Iterator[History]:
        """Waits until nobody else, in this process or another, has that of the log `origin`."""
        path = self._path / f"history-{hashed(origin)}.jsonl"
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield History(file, self._path, self._reached)

    def latest(self, hashed_origin: str) -> Note | None:
        """What the witness holds of a log, by the hash of its origin. Raises Spoilt."""
        path = self._path / f"history-{hashed_origin}.jsonl"
        if not path.exists():
            return None
        with path.open("rb") as file:
            return History(file, self._path).latest()

    def accuse(self, what: str, held: Note, offered: Note) -> Path:
        """Keep both, once: `what` the log has done by signing `offered`, when it had signed `held`."""
        checkpoint = Checkpoint.parse(offered.body)
        name = f"{what}-{hashed(checkpoint.origin)}-{checkpoint.size}-{checkpoint.root.hex()[:16]}.txt"
        path = self._path / name
        if not path.exists():
            write_whole(path, f"{held}\n{offered}".encode())
        return path


def hashed(origin: str) -> str:
    """A log's origin as a name that any file system and any URL can bear (SHA-256, hex)."""
    return hashlib.sha256(origin.encode()).hexdigest()
