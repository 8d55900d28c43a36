"""The log on disk, as it is served and exported: `checkpoint`, `vkey`, `tile/`, `blob/` (C2SP tlog-tiles).

A file is written whole or not at all, and never again with other bytes: what is served to one is served to all. What
lies beyond the last published checkpoint is nobody's evidence yet, and the next writer finds it as it left it."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path

from tlog.append import join_bundle
from tlog.files import Reached, drafted, locked, settle, unwatched
from tlog.merkle import WIDTH, tiles_over
from tlog.paths import CHECKPOINT, KEY, is_part, tile_path
from tlog.verifier import HASH_SIZE, Checkpoint, Note, Wrong, split_bundle
from tlog.wrapper import blob_of, blob_path

_CACHED_TILES = 4096
_LOCK = ".lock"
"""Held for the moment of publishing."""
_PATIENCE = 10.0
"""Seconds to wait for it."""


class Broken(Exception):
    """The log is not what it must be: nothing is repaired before a person has looked."""


class Folder:
    """A log's folder. `durable`: what was written is on the disk before a method returns."""

    def __init__(self, path: Path, *, durable: bool = True, reached: Reached = unwatched) -> None:
        self.path = path
        self._durable = durable
        self._reached = reached
        # So many hashes of a tile never change, even after it is whole.
        self._hashes = lru_cache(maxsize=_CACHED_TILES)(self._read_hashes)

    def checkpoint(self) -> str:
        """The checkpoint as published. Raises FileNotFoundError."""
        return (self.path / CHECKPOINT).read_bytes().decode(errors="replace")

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile. Raises Broken for a tile that is not there or of another size."""
        return self._hashes(level, index, width)

    def entries(self, index: int, width: int) -> list[bytes]:
        """The first `width` entries of bundle `index`. Raises Broken."""
        name, content = self._read_tile("entries", index, width)
        try:
            found = list(split_bundle(content))
        except Wrong as error:
            raise Broken(f"{name}: {error}") from None
        if len(found) < width:
            raise Broken(f"{name} has {len(found)} entries; {width} are wanted")
        return found[:width]

    def blob(self, sha256: str) -> bytes:
        """What was too large for an entry. Raises FileNotFoundError."""
        return (self.path / blob_path(sha256)).read_bytes()

    def exists(self) -> bool:
        """Whether anything of a log is here."""
        return (self.path / CHECKPOINT).exists() or (self.path / "tile").exists()

    def begin(self, key: str, checkpoint: str, files: Iterable[tuple[str, bytes]] = ()) -> None:
        """A new log: `files` are what `checkpoint` covers, none while it is empty."""
        self.write([(KEY, f"{key}\n".encode())])
        self.write(files)
        self.publish(checkpoint)

    def publish(self, checkpoint: str) -> None:
        """Replace the published checkpoint, all that `checkpoint` covers having been written. Never by one that says
        less: whoever was stopped and wakes up late leaves what others have published since. Raises Broken for another
        root at the size that is published; TimeoutError where another process stands still in the middle of this."""
        path = self.path / CHECKPOINT
        with self._drafted(path, checkpoint.encode()) as draft, locked(self.path / _LOCK, _PATIENCE):
            if _says_more(checkpoint, self._published()):
                self._reached("log.before-rename")
                os.replace(draft, path)
        self._settle([self.path])

    def write(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write files that are not there yet. Raises Broken where one is there with other bytes: then the log and
        the database tell different histories."""
        folders = set()
        for name, content in files:
            path = self.path / name
            if path.exists():
                if path.read_bytes() != content:
                    raise Broken(
                        f"{name} holds other bytes than the database would write: was the database restored from a"
                        " backup, or does another one write here? Nothing is overwritten"
                    )
                continue
            folders |= self._make(path.parent)
            self._replace(path, content)
            folders.add(path.parent)
        self._settle(folders)

    def export(self, target: Path) -> str:
        """Copy the log as its checkpoint has it to `target`, which must hold no other; the checkpoint. A log that goes
        on growing meanwhile does no harm. Raises Broken."""
        note, copy = self.checkpoint(), Folder(target, durable=self._durable)
        size = Checkpoint.parse(Note.parse(note).body).size
        copy.begin((self.path / KEY).read_text(encoding="utf-8").strip(), note, self._parts(size))
        return note

    def forget_partials(self, tiles: Iterable[tuple[int | str, int]]) -> None:
        """Delete the partial forms of tiles that are whole by now."""
        for level, index in tiles:
            folder = self.path / (tile_path(level, index) + ".p")
            if folder.is_dir():
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()

    def files(self) -> Iterator[str]:
        """Every file that belongs to the log, by name."""
        for path in sorted(self.path.rglob("*")):
            name = self._name(path)
            if path.is_file() and is_part(name):
                yield name

    def _parts(self, size: int) -> Iterator[tuple[str, bytes]]:
        """The tiles, bundles and blobs of a log of `size` entries."""
        level, hashes = 0, size
        while hashes:
            for index, width in tiles_over(hashes):
                yield tile_path(level, index, width), self.hashes(level, index, width)
            level, hashes = level + 1, hashes // WIDTH
        for index, width in tiles_over(size):
            entries = self.entries(index, width)
            yield tile_path("entries", index, width), join_bundle(entries)
            for digest in filter(None, map(blob_of, entries)):
                yield blob_path(digest), self.blob(digest)

    def _read_hashes(self, level: int, index: int, width: int) -> bytes:
        name, content = self._read_tile(level, index, width)
        whole = width if name == tile_path(level, index, width) else WIDTH
        if len(content) != whole * HASH_SIZE:
            raise Broken(f"{name} has {len(content)} bytes instead of {whole * HASH_SIZE}")
        return content[: width * HASH_SIZE]

    def _read_tile(self, level: int | str, index: int, width: int) -> tuple[str, bytes]:
        """A tile with its name: the partial one, or where that is gone the whole one that took its place."""
        for name in (tile_path(level, index, width), tile_path(level, index)):
            with contextlib.suppress(FileNotFoundError):
                return name, (self.path / name).read_bytes()
        raise Broken(f"{tile_path(level, index, width)} is missing")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _make(self, folder: Path) -> set[Path]:
        """Make `folder`; those whose own entries have to be settled."""
        made = set()
        while not folder.exists():
            made.add(folder.parent)
            folder = folder.parent
        return made

    def _published(self) -> str | None:
        try:
            return self.checkpoint()
        except FileNotFoundError:
            return None

    def _replace(self, path: Path, content: bytes) -> None:
        with self._drafted(path, content) as draft:
            self._reached("log.before-rename")
            os.replace(draft, path)

    def _drafted(self, path: Path, content: bytes) -> AbstractContextManager[str]:
        path.parent.mkdir(parents=True, exist_ok=True)
        return drafted(path, content, mode=0o644, durable=self._durable)

    def _settle(self, folders: Iterable[Path]) -> None:
        for folder in folders if self._durable else ():
            settle(folder)


def _says_more(note: str, published: str | None) -> bool:
    """Whether `note` is of a larger log than what is `published`, or of the same one with as many signatures. Raises
    Broken."""
    if published is None:
        return True
    try:
        fresh, present = Note.parse(note), Note.parse(published)
        ours, theirs = Checkpoint.parse(fresh.body), Checkpoint.parse(present.body)
    except Wrong as error:
        raise Broken(f"the published checkpoint: {error}; nothing is written over it") from None
    if ours.size != theirs.size:
        return ours.size > theirs.size
    if ours != theirs:
        raise Broken(f"two checkpoints of {ours.size} entries differ: another log was published here")
    return len(fresh.signatures) >= len(present.signatures)
