"""The Merkle tree of RFC 6962, computed from tiles: roots, inclusion and consistency proofs. Pure.

A tile holds up to 256 hashes of one level; a hash of level L covers 256 ** L entries. Only complete subtrees are ever
in a tile, so a hash that is there never changes."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from tlog.verifier import EMPTY_ROOT, HASH_SIZE, node_hash

WIDTH = 256
HEIGHT = 8


class Tiles(Protocol):
    """Where the hashes are."""

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile."""
        ...


def root(tiles: Tiles, size: int) -> bytes:
    """The root over the first `size` entries."""
    return _hash_of(tiles, size, 0, size) if size else EMPTY_ROOT


def inclusion_proof(tiles: Tiles, index: int, size: int) -> tuple[bytes, ...]:
    """From leaf to root, for entry `index` among the first `size` (RFC 6962, 2.1.1). Raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"there is no entry {index} in a log of {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_hash_of(tiles, size, middle, high))
            high = middle
        else:
            proof.append(_hash_of(tiles, size, low, middle))
            low = middle
    return tuple(reversed(proof))


def consistency_proof(tiles: Tiles, size1: int, size2: int) -> tuple[bytes, ...]:
    """That the first `size1` entries begin the first `size2` (RFC 6962, 2.1.2). Raises IndexError."""
    if not 0 <= size1 <= size2:
        raise IndexError(f"a log of {size2} did not begin with {size1}")
    if size1 in (0, size2):
        return ()
    proof: list[bytes] = []
    low, high, whole = 0, size2, True
    while size1 != high:
        middle = low + _split(high - low)
        if size1 <= middle:
            proof.append(_hash_of(tiles, size2, middle, high))
            high = middle
        else:
            proof.append(_hash_of(tiles, size2, low, middle))
            low, whole = middle, False
    if not whole:
        proof.append(_hash_of(tiles, size2, low, high))
    return tuple(reversed(proof))


def tiles_over(count: int) -> Iterator[tuple[int, int]]:
    """The index and width of each tile over `count` hashes, or of each bundle over so many entries."""
    return ((start // WIDTH, min(WIDTH, count - start)) for start in range(0, count, WIDTH))


def _hash_of(tiles: Tiles, size: int, low: int, high: int) -> bytes:
    """Over the entries from `low` up to `high`, which begin a subtree."""
    count = high - low
    if count & (count - 1) == 0:
        return _subtree(tiles, size, count.bit_length() - 1, low)
    middle = low + _split(count)
    return node_hash(_hash_of(tiles, size, low, middle), _hash_of(tiles, size, middle, high))


def _subtree(tiles: Tiles, size: int, height: int, low: int) -> bytes:
    """The hash over the complete subtree of 2 ** height entries that begins at `low`."""
    level, within = divmod(height, HEIGHT)
    index, at = divmod(low >> (level * HEIGHT), WIDTH)
    width = min(WIDTH, (size >> (level * HEIGHT)) - index * WIDTH)
    return _fold(tiles.hashes(level, index, width)[at * HASH_SIZE : (at + (1 << within)) * HASH_SIZE])


@lru_cache(maxsize=4096)
def _fold(hashes: bytes) -> bytes:
    return fold(hashes)


def fold(hashes: bytes) -> bytes:
    """The hash over a complete row: 1, 2, 4, ... hashes, joined."""
    row = [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
