"""What a witness cosigns, and what it refuses (C2SP tlog-witness, tlog-cosignature). Pure."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tlog.verifier import COSIGNATURE, EMPTY_ROOT, Checkpoint, Note, VerifierKey, Wrong, verify_consistency

LONGEST = 16 * 1024
"""No request and no answer of a witness is longer, in bytes: 63 hashes and a checkpoint fill a third of it."""
_MOST_HASHES = 63


@dataclass(frozen=True)
class CosignatureRequest:
    """A log asks for a cosignature under `note`, its newest checkpoint, and proves that this continues the one of `old`
    entries."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def of(cls, old: int, proof: Iterable[bytes], note: str) -> "CosignatureRequest":
        """Raises Wrong where `note` is no signed checkpoint."""
        opened = Note.parse(note)
        return cls(old, tuple(proof), opened, Checkpoint.parse(opened.body))

    @classmethod
    def parse(cls, text: str) -> "CosignatureRequest":
        """The body of a POST. Raises Wrong."""
        head, _, note = text.partition("\n\n")
        first, *hashes = head.split("\n")
        old = re.fullmatch(r"old (0|[1-9]\d{0,18})", first, re.ASCII)
        if not old or len(hashes) > _MOST_HASHES:
            raise Wrong("want `old` and a size, at most 63 hashes, an empty line, and the checkpoint")
        return cls.of(int(old[1]), map(_hash, hashes), note)

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.proof)
        return f"old {self.old}\n{hashes}\n{self.note}"


@dataclass(frozen=True)
class CosignatureRefusal:
    """`status` is the one of HTTP that tlog-witness gives to this case. `size`: what the witness holds, where the log
    has to know it."""

    status: int
    why: str
    size: int | None = None


def admit(text: str, logs: Mapping[str, VerifierKey]) -> CosignatureRequest | CosignatureRefusal:
    """The request in `text`, if one of `logs` (by origin) signed its checkpoint. Signatures of others are left out."""
    try:
        request = CosignatureRequest.parse(text)
    except Wrong as error:
        return CosignatureRefusal(400, str(error))
    key = logs.get(request.checkpoint.origin)
    if key is None:
        return CosignatureRefusal(404, "this witness does not know that log")
    try:
        signed = request.note.by([key])
    except Wrong as error:
        return CosignatureRefusal(403, str(error))
    if not signed:
        return CosignatureRefusal(403, f"the checkpoint is not signed by {key}")
    own = tuple(one for one in request.note.signatures if one[:2] == (key.name, key.id))
    return CosignatureRequest(request.old, request.proof, Note(request.note.body, own), request.checkpoint)


def decide(held: Checkpoint | None, request: CosignatureRequest) -> Checkpoint | CosignatureRefusal:
    """What the witness holds from now on. `held` is what it held; None before the first checkpoint, which it believes
    as it comes."""
    size, root = (held.size, held.root) if held else (0, EMPTY_ROOT)
    offered = request.checkpoint
    if request.old > offered.size:
        return CosignatureRefusal(400, f"a log of {offered.size} entries does not continue one of {request.old}")
    if request.old != size:
        return CosignatureRefusal(409, f"the log continues {request.old} entries, this witness holds {size}", size)
    if offered.size == size and offered.root != root:
        return CosignatureRefusal(409, "two logs of one size have different roots: the log is forked", size)
    try:
        verify_consistency(size, offered.size, root, offered.root, request.proof)
    except Wrong as error:
        return CosignatureRefusal(422, str(error))
    return offered


@dataclass(frozen=True)
class Cosigner:
    """Signs as the witness called `name`. The private key is never shown."""

    name: str
    _private: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> "Cosigner":
        """From an Ed25519 private key (PEM, PKCS 8). Raises Wrong."""
        if not re.fullmatch(r"[^\s+]+", name):
            raise Wrong("a witness has a name without spaces and +, such as witness.example/w1")
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Wrong("the witness's key is no Ed25519 private key (PEM)")
        return cls(name, key)

    @property
    def verifier(self) -> VerifierKey:
        """What the others verify with."""
        raw = self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return VerifierKey(self.name, COSIGNATURE, raw)

    def cosign(self, body: str, now: datetime) -> str:
        """The signature line, with its newline: as of `now`, the log whose checkpoint is `body` has only grown."""
        moment = int(now.timestamp())
        signature = self._private.sign(b"cosignature/v1\ntime %d\n" % moment + body.encode())
        return signature_line(self.name, self.verifier.id, moment.to_bytes(8, "big") + signature)


def fresh_key() -> bytes:
    """An Ed25519 private key of one's own (PEM, PKCS 8)."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """As it stands in a signed note, with its newline (C2SP signed-note)."""
    return f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n"


def with_cosignatures(note: str, lines: Iterable[str]) -> str:
    """`note` with more signature lines."""
    return note + "".join(lines)


def _hash(line: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9+/]{43}=", line):
        raise Wrong("a hash of the consistency proof cannot be read: want base64 of 32 bytes")
    return base64.b64decode(line)
