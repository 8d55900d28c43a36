"""The Merkle tree: our prover and our verifier against the vectors, and against each other."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog.merkle import WIDTH, consistency_proof, inclusion_proof, root
from tlog.verifier import EMPTY_ROOT, Wrong, leaf_hash, node_hash, verify_consistency, verify_inclusion

BESIDE = Path(__file__).parents[4] / "shared" / "data" / "merkle-vectors"
VECTORS = Path(os.environ.get("DOORSTEP_MERKLE_VECTORS", BESIDE))
PRESENT = sorted(VECTORS.glob("*.json"))
INCLUSION = [path for path in PRESENT if path.name.startswith("inclusion__")]
CONSISTENCY = [path for path in PRESENT if path.name.startswith("consistency__")]
NINE = [bytes.fromhex(entry) for entry in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
"""The entries of the tree that the vectors were made from (RFC 6962's reference tree)."""


class Memory:
    """Tiles of a tree that is held whole."""

    def __init__(self, entries: list[bytes]) -> None:
        self._levels = [[leaf_hash(entry) for entry in entries]]
        while len(self._levels[-1]) >= WIDTH:
            below = self._levels[-1]
            self._levels.append([plainly(below[at : at + WIDTH]) for at in range(0, len(below) - WIDTH + 1, WIDTH)])

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """As the protocol says."""
        tile = self._levels[level][index * WIDTH : index * WIDTH + width]
        assert len(tile) == width
        return b"".join(tile)


def plainly(hashes: list[bytes]) -> bytes:
    """The root over leaf hashes, by the definition in RFC 6962, 2.1."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return node_hash(plainly(hashes[:half]), plainly(hashes[half:]))


def read(path: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path.read_text())
    vector["proof"] = [base64.b64decode(one) for one in vector["proof"] or ()]
    for name in ("root", "root1", "root2", "leafHash"):
        if name in vector:
            vector[name] = base64.b64decode(vector[name] or "")
    return vector


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in paths])


@pytest.mark.skipif(
    not VECTORS.exists() and "DOORSTEP_MERKLE_VECTORS" not in os.environ,
    reason="the Merkle vectors are not here: ../shared/data/merkle-vectors, or the folder in DOORSTEP_MERKLE_VECTORS",
)
def test_the_merkle_vectors_are_here() -> None:
    assert len(INCLUSION) + len(CONSISTENCY) == len(PRESENT) > 90, f"not all of the vectors are in {VECTORS}"


@named(INCLUSION)
def test_merkle_vectors_of_inclusion_for_the_verifier(path: Path) -> None:
    vector = read(path)

    def verify() -> None:
        verify_inclusion(vector["leafIdx"], vector["treeSize"], vector["leafHash"], vector["proof"], vector["root"])

    if vector["wantErr"]:
        with pytest.raises(Wrong):
            verify()
    else:
        verify()


@named(CONSISTENCY)
def test_merkle_vectors_of_consistency_for_the_verifier(path: Path) -> None:
    vector = read(path)

    def verify() -> None:
        verify_consistency(vector["size1"], vector["size2"], vector["root1"], vector["root2"], vector["proof"])

    if vector["wantErr"]:
        with pytest.raises(Wrong):
            verify()
    else:
        verify()


@named(INCLUSION)
def test_merkle_vectors_of_inclusion_for_the_prover(path: Path) -> None:
    """It makes the proof of every vector that is right, and of none that is wrong."""
    vector = read(path)
    index, size, tiles = vector["leafIdx"], vector["treeSize"], Memory(NINE)
    if not 0 <= index < size <= len(NINE):
        assert vector["wantErr"]
        return
    ours = (list(inclusion_proof(tiles, index, size)), root(tiles, size), leaf_hash(NINE[index]))
    theirs = (vector["proof"], vector["root"], vector["leafHash"])
    if "single-entry" not in path.name:
        assert (ours == theirs) is not vector["wantErr"]
    elif not vector["wantErr"]:
        # A tree over an entry that the vector does not tell; its proof can be compared, and is empty.
        assert ours[0] == theirs[0]


@named(CONSISTENCY)
def test_merkle_vectors_of_consistency_for_the_prover(path: Path) -> None:
    vector = read(path)
    size1, size2, tiles = vector["size1"], vector["size2"], Memory(NINE)
    if not 0 <= size1 <= size2 <= len(NINE):
        assert vector["wantErr"]
        return
    ours = (list(consistency_proof(tiles, size1, size2)), root(tiles, size1), root(tiles, size2))
    theirs = (vector["proof"], vector["root1"], vector["root2"])
    if "additional" not in path.name:
        assert (ours == theirs) is not vector["wantErr"]
    elif not vector["wantErr"]:
        # These name roots of no tree; what can be said of the proof is that it is the same.
        assert ours[0] == theirs[0]


@given(st.integers(1, 700), st.data())
def test_what_the_prover_proves_the_verifier_believes(size: int, data: st.DataObject) -> None:
    entries = [b"%d" % number for number in range(size)]
    tiles = Memory(entries)
    whole = root(tiles, size)
    assert whole == plainly([leaf_hash(entry) for entry in entries])
    index, earlier = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = inclusion_proof(tiles, index, size)
    verify_inclusion(index, size, leaf_hash(entries[index]), proof, whole)
    grown = consistency_proof(tiles, earlier, size)
    verify_consistency(earlier, size, root(tiles, earlier), whole, grown)
    forged = hashlib.sha256(b"forged").digest()
    with pytest.raises(Wrong):
        verify_inclusion(index, size, forged, proof, whole)
    with pytest.raises(Wrong):
        verify_consistency(earlier, size, root(tiles, earlier), forged, grown)
