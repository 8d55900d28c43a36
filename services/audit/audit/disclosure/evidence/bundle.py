"""Makes an evidence bundle: proved entries, what they were decided by and how they read, as one canonical ZIP. Pure.

What is in it, and how it is checked, is told in the bundle's own README.md and by `verifier.check`."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

import msgspec
from doorstep.events.kernel import ArtifactPublished
from tlog.merkle import Tiles, inclusion_proof
from tlog.notes import Signer
from tlog.verifier import Manifest, Proof, open_checkpoint, pack
from tlog.wrapper import logged

from audit.store.entry import Entry

_HERE = files("audit.disclosure.evidence")
_README = Template(_HERE.joinpath("bundle.md").read_text(encoding="utf-8"))
_VERIFIER = files("tlog").joinpath("verifier.py").read_bytes()


@dataclass(frozen=True)
class Evidence:
    """What goes into a bundle: all `entries` of `case_id` among the first `prefix` of the log, the entries that
    `published` what they cite, the log's signed `checkpoint` with its `tiles`, and `renderings` (files by name): the
    timeline as people read it."""

    case_id: str
    prefix: int
    entries: Sequence[Entry]
    published: Sequence[Entry]
    checkpoint: str
    tiles: Tiles
    renderings: Mapping[str, bytes]


@dataclass(frozen=True)
class Bundle:
    """A bundle as it is handed out; `manifest` is the SHA-256 of its manifest, in hex."""

    data: bytes
    manifest: str


def bundle(evidence: Evidence, signer: Signer) -> Bundle:
    """The same evidence gives the same bytes. Raises Wrong for a checkpoint of another log, or for more than one ZIP
    can hold; IndexError for an entry that the checkpoint does not cover."""
    size = open_checkpoint(evidence.checkpoint, signer.verifier).size
    contents = dict(_contents(evidence, signer, size))
    manifest = Manifest.of(signer.name, evidence.case_id, evidence.prefix, size, contents)
    signed = signer.sign(manifest.body).encode()
    return Bundle(pack(contents | {"manifest": signed}), hashlib.sha256(signed).hexdigest())


def genuine(published: Sequence[Entry]) -> Sequence[Entry]:
    """Those that state the hash of what they hold; anybody may claim another one."""
    return [entry for entry in published if (artifact := _artifact(entry)) and _hash(artifact) == artifact.hash]


def _contents(evidence: Evidence, signer: Signer, size: int) -> Iterator[tuple[str, bytes]]:
    """Every file but the manifest."""
    names = {"case": evidence.case_id, "origin": signer.name, "key": str(signer.verifier)}
    yield "README.md", _README.substitute(names).encode()
    yield "verify.py", _VERIFIER
    yield "key", f"{signer.verifier}\n".encode()
    yield "checkpoint", evidence.checkpoint.encode()
    yield from evidence.renderings.items()
    for folder, entries in (("events", evidence.entries), ("published", evidence.published)):
        for entry in entries:
            yield from _proved(folder, entry, evidence, size)
    for entry in evidence.published:
        if artifact := _artifact(entry):
            yield _name(artifact), artifact.content.encode()


def _proved(folder: str, entry: Entry, evidence: Evidence, size: int) -> Iterator[tuple[str, bytes]]:
    kept = logged(entry.topic, entry.partition, entry.offset, entry.value, readable=entry.filed)
    proof = Proof(entry.position, inclusion_proof(evidence.tiles, entry.position, size), evidence.checkpoint)
    yield f"{folder}/{entry.position:010}.json", kept.entry
    yield f"proofs/{entry.position:010}.tlog-proof", str(proof).encode()
    if kept.blob is not None:
        yield f"blob/{hashlib.sha256(kept.blob).hexdigest()}", kept.blob


def _artifact(entry: Entry) -> ArtifactPublished | None:
    return entry.event if isinstance(entry.event, ArtifactPublished) else None


def _hash(artifact: ArtifactPublished) -> str:
    return hashlib.sha256(artifact.content.encode()).hexdigest()


def _name(artifact: ArtifactPublished) -> str:
    """A readable one; what it must be known by is its hash."""
    parts = [_plain(part) for part in (artifact.name, artifact.version or "") if _plain(part)]
    return f"artifacts/{artifact.kind}/{'-'.join([*parts, artifact.hash[:12]])}.{_form(artifact)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:60]


def _form(artifact: ArtifactPublished) -> str:
    if artifact.kind == "template":
        return "txt"
    try:
        msgspec.json.decode(artifact.content)
    except msgspec.DecodeError:
        return "yaml"
    return "json"
