"""Verifying a whole log: every entry, every tile, up to the signed root. Needs no database and nothing secret."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tlog.folder import Broken, Folder
from tlog.merkle import WIDTH, consistency_proof, fold, root, tiles_over
from tlog.paths import tile_path
from tlog.verifier import HASH_SIZE, Checkpoint, VerifierKey, Wrong, leaf_hash, open_checkpoint, verify_consistency
from tlog.wrapper import blob_of, blob_path

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """A log that is what its checkpoint says."""

    checkpoint: Checkpoint
    earlier: Checkpoint | None


def verify(
    folder: Folder, key: VerifierKey, *, earlier: str | None = None, progress: Progress = lambda _, __: None
) -> Verified:
    """Every entry and tile of the log in `folder`, under the checkpoint that `key` signed; and that it goes on from
    `earlier`, a checkpoint that somebody kept. Raises Wrong with the first thing that is wrong."""
    try:
        checkpoint = open_checkpoint(folder.checkpoint(), key)
        found = _walk(folder, checkpoint.size, progress)
        if found != checkpoint.root:
            raise Wrong("the entries do not have the root that the checkpoint states")
        before = _continued(folder, checkpoint, key, earlier) if earlier else None
    except (Broken, FileNotFoundError) as error:
        raise Wrong(str(error)) from None
    return Verified(checkpoint, before)


def _walk(folder: Folder, size: int, progress: Progress) -> bytes:
    """The root over what lies there, each tile held against what is below it."""
    rows = _leaves(folder, size, progress)
    level = 0
    while len(rows) >= WIDTH * HASH_SIZE:
        above = b"".join(
            fold(rows[at : at + WIDTH * HASH_SIZE])
            for at in range(0, len(rows) - WIDTH * HASH_SIZE + 1, WIDTH * HASH_SIZE)
        )
        level += 1
        _demand_tiles(folder, level, above)
        rows = above
    return root(folder, size)


def _leaves(folder: Folder, size: int, progress: Progress) -> bytes:
    rows = bytearray()
    for index, width in tiles_over(size):
        entries = folder.entries(index, width)
        hashes = b"".join(map(leaf_hash, entries))
        if hashes != folder.hashes(0, index, width):
            raise Wrong(_first_difference(folder, index, hashes))
        for number, entry in enumerate(entries, index * WIDTH):
            if digest := blob_of(entry):
                _demand_blob(folder, number, digest)
        rows += hashes
        progress(index * WIDTH + width, size)
    return bytes(rows)


def _demand_blob(folder: Folder, number: int, digest: str) -> None:
    try:
        found = hashlib.sha256(folder.blob(digest)).hexdigest()
    except FileNotFoundError:
        raise Wrong(f"{blob_path(digest)}, which entry {number} names, is missing") from None
    if found != digest:
        raise Wrong(f"{blob_path(digest)}, which entry {number} names, was changed")


def _first_difference(folder: Folder, index: int, hashes: bytes) -> str:
    theirs = folder.hashes(0, index, len(hashes) // HASH_SIZE)
    places = range(0, len(hashes), HASH_SIZE)
    at = next(at for at in places if hashes[at : at + HASH_SIZE] != theirs[at : at + HASH_SIZE])
    number = index * WIDTH + at // HASH_SIZE
    return f"entry {number} was changed: it does not have the hash that is in {tile_path(0, index)}"


def _demand_tiles(folder: Folder, level: int, row: bytes) -> None:
    for index, width in tiles_over(len(row) // HASH_SIZE):
        start = index * WIDTH * HASH_SIZE
        if folder.hashes(level, index, width) != row[start : start + width * HASH_SIZE]:
            raise Wrong(f"{tile_path(level, index)} does not have the hashes of the tiles below it: it was changed")


def _continued(folder: Folder, checkpoint: Checkpoint, key: VerifierKey, earlier: str) -> Checkpoint:
    before = open_checkpoint(earlier, key)
    if before.size > checkpoint.size:
        raise Wrong(f"the log had {before.size} entries before and has {checkpoint.size} now: it was cut short")
    proof = consistency_proof(folder, before.size, checkpoint.size)
    verify_consistency(before.size, checkpoint.size, before.root, checkpoint.root, proof)
    return before
