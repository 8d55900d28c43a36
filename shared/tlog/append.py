"""What a log becomes when entries are added: which files, under which root. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tlog.merkle import WIDTH, Tiles, fold, root
from tlog.paths import tile_path
from tlog.verifier import HASH_SIZE, leaf_hash


class Stored(Tiles, Protocol):
    """A log as it is."""

    def entries(self, index: int, width: int) -> list[bytes]:
        """The first `width` entries of bundle `index`."""
        ...


@dataclass(frozen=True)
class Growth:
    """The log with `size` entries under `root`. `files` are to be written in their order; `whole` are the tiles (level,
    index) that were partial before and no longer are."""

    size: int
    root: bytes
    files: tuple[tuple[str, bytes], ...]
    whole: tuple[tuple[int | str, int], ...]


def grow(stored: Stored, size: int, entries: Sequence[bytes]) -> Growth:
    """`stored`, of `size` entries, with `entries` added."""
    fresh = _Fresh(stored)
    files = _bundles(stored, size, entries)
    whole: list[tuple[int | str, int]] = [("entries", size // WIDTH)] if _fills(size, len(entries)) else []
    level, start, hashes = 0, size, b"".join(map(leaf_hash, entries))
    while hashes:
        index, held = divmod(start, WIDTH)
        row = (stored.hashes(level, index, held) if held else b"") + hashes
        if _fills(start, len(hashes) // HASH_SIZE):
            whole.append((level, index))
        hashes = b""
        for number, tile in enumerate(_cut(row), index):
            width = len(tile) // HASH_SIZE
            files.append((tile_path(level, number, width), tile))
            fresh.rows[level, number] = tile
            hashes += fold(tile) if width == WIDTH else b""
        level, start = level + 1, index
    total = size + len(entries)
    return Growth(total, root(fresh, total), tuple(files), tuple(whole))


def _fills(start: int, count: int) -> bool:
    """Whether `count` more make whole a tile that was begun."""
    return start % WIDTH > 0 and start % WIDTH + count >= WIDTH


def _bundles(stored: Stored, size: int, entries: Sequence[bytes]) -> list[tuple[str, bytes]]:
    index, held = divmod(size, WIDTH)
    joined = [*(stored.entries(index, held) if held else ()), *entries]
    parts = [joined[at : at + WIDTH] for at in range(0, len(joined), WIDTH)]
    return [(tile_path("entries", number, len(part)), join_bundle(part)) for number, part in enumerate(parts, index)]


def join_bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length, two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def _cut(row: bytes) -> Sequence[bytes]:
    length = WIDTH * HASH_SIZE
    return [row[at : at + length] for at in range(0, len(row), length)]


class _Fresh:
    """The tiles as they will be."""

    def __init__(self, stored: Tiles) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self._stored = stored

    def hashes(self, level: int, index: int, width: int) -> bytes:
        row = self.rows.get((level, index))
        return self._stored.hashes(level, index, width) if row is None else row[: width * HASH_SIZE]
