#!/usr/bin/env python3
"""Checks Doorstep's evidence without Doorstep: needs Python 3.11 and the package `cryptography`, nothing else.

    python verify.py case.zip --key 'NAME+ID+BASE64' [--witness 'NAME+ID+BASE64' ...] [--lang zh|en]

It reads no network, no database and no other file. It ends with 0 where everything holds, with 1 and the first thing
that is wrong, and with 2 where it was called wrongly. Take the key from where the lender publishes it, never from the
bundle itself: whoever edits a bundle could replace the key inside it.

The audit verifies with this same file, and puts it into every evidence bundle. Formats: RFC 6962 (Merkle tree), C2SP
signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. Read it from top to bottom: the tree, signatures,
checkpoints and proofs, then the bundle (`check` is all that is checked, in its order), then the command line.
"""

import argparse
import base64
import binascii
import hashlib
import json
import locale
import re
import struct
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_SIZE = 32
ED25519, COSIGNATURE = 1, 4
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_LARGEST = 2**63


class Wrong(Exception):
    """What was to be shown is not so; the message names what is wrong, and `zh` does so in Chinese."""

    def __init__(self, message: str, zh: str | None = None) -> None:
        super().__init__(message)
        self.zh = zh or message


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two hashes (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """`leaf` (a hash) is number `index`, from 0, of the tree of `size` leaves under `root` (RFC 9162, 2.1.3.2).
    Raises Wrong."""
    if not 0 <= index < size:
        raise Wrong(f"there is no entry {index} in a log of {size}")
    _demand_hashes(leaf, root, *proof)
    number, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            raise Wrong("the inclusion proof is longer than the tree is high")
        if number & 1 or number == last:
            found = node_hash(one, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, one)
        number, last = number >> 1, last >> 1
    if last:
        raise Wrong("the inclusion proof is shorter than the tree is high")
    if found != root:
        raise Wrong("the inclusion proof leads to another root")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """The tree of `size1` leaves under `root1` is the beginning of that of `size2` under `root2` (RFC 9162, 2.1.4.2).
    An empty tree begins every other, and needs no proof. Raises Wrong."""
    if not 0 <= size1 <= size2:
        raise Wrong(f"a log does not shrink from {size1} to {size2}")
    if 0 < size1 < size2:
        return _verify_growth(size1, size2, root1, root2, proof)
    if proof:
        raise Wrong("the consistency proof should be empty")
    if size1 == size2 and root1 != root2:
        raise Wrong("two logs of one size have different roots: the log is forked")
    if size1 == 0 and root1 != EMPTY_ROOT:
        raise Wrong("the empty log has another root")
    return None


def _verify_growth(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    _demand_hashes(root1, root2, *proof)
    path = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not path:
        raise Wrong("the consistency proof is empty")
    number, last = size1 - 1, size2 - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = path[0]
    for one in path[1:]:
        if last == 0:
            raise Wrong("the consistency proof is longer than the tree is high")
        if number & 1 or number == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, one)
        number, last = number >> 1, last >> 1
    if last:
        raise Wrong("the consistency proof is shorter than the tree is high")
    if old != root1:
        raise Wrong("the consistency proof leads to another earlier root: history was rewritten")
    if new != root2:
        raise Wrong("the consistency proof leads to another later root: history was rewritten")


def _demand_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise Wrong(f"a hash has {HASH_SIZE} bytes")


@dataclass(frozen=True)
class VerifierKey:
    """Who signs, as a log or a witness makes it known: `<name>+<key id, hex>+<base64 of algorithm and public key>`."""

    name: str
    algorithm: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises Wrong for what is no key, and for one whose id does not fit."""
        match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", text.strip())
        if not match:
            raise Wrong("want a verifier key: name+id+base64")
        raw = _base64(match[3])
        key = cls(match[1], raw[0] if raw else 0, raw[1:])
        if key.algorithm not in (ED25519, COSIGNATURE) or len(key.public) != HASH_SIZE:
            raise Wrong("the verifier key is of an algorithm other than Ed25519")
        if key.id.hex() != match[2]:
            raise Wrong("the verifier key was changed: its id does not fit")
        return key

    @property
    def id(self) -> bytes:
        """The first four bytes of the hash over name and key."""
        named = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return hashlib.sha256(named).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.algorithm]) + self.public).decode()}"

    def signed(self, body: str, signature: bytes) -> int | None:
        """Whether `signature` (without the key id) is ours under `body`: a cosignature's time, in seconds since 1970,
        for a log's own 0; None when it is not."""
        message, moment = body.encode(), 0
        if self.algorithm == COSIGNATURE:
            moment, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = b"cosignature/v1\ntime %d\n" % moment + message
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return None
        return moment


@dataclass(frozen=True)
class Note:
    """A signed text. `signatures` are (name, key id, signature), in their order."""

    body: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, text: str) -> "Note":
        """Raises Wrong for what is no signed note."""
        body, separator, signed = text.rpartition("\n\n")
        if not separator or not signed.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
            raise Wrong("that is no signed note")
        return cls(body + "\n", tuple(_signature(line) for line in signed[:-1].split("\n")))

    def by(self, keys: Iterable[VerifierKey]) -> Mapping[VerifierKey, int]:
        """Those of `keys` that signed, with the moment as in VerifierKey.signed. Unknown keys are ignored. Raises
        Wrong where one of `keys` is named and its signature fails."""
        found: dict[VerifierKey, int] = {}
        for key in keys:
            for name, key_id, signature in self.signatures:
                if (name, key_id) == (key.name, key.id):
                    moment = key.signed(self.body, signature)
                    if moment is None:
                        raise Wrong(f"the signature of {key.name} is not under this text: it was changed")
                    found[key] = moment
        return found

    def __str__(self) -> str:
        lines = [
            f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n"
            for name, key_id, signature in self.signatures
        ]
        return f"{self.body}\n{''.join(lines)}"


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+=*)", line)
    raw = _base64(match[2]) if match else b""
    if not match or len(raw) <= 4:
        raise Wrong("a signature line of the note cannot be read")
    return match[1], raw[:4], raw[4:]


@dataclass(frozen=True)
class Checkpoint:
    """What a log states of itself: so many entries, under this root."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, body: str) -> "Checkpoint":
        """From the body of a note. Raises Wrong; also for lines after the root, which we never write."""
        match = re.fullmatch(r"([^\n]+)\n(0|[1-9]\d{0,18})\n([A-Za-z0-9+/]{43}=)\n", body)
        if not match or int(match[2]) >= _LARGEST:
            raise Wrong("that is no checkpoint: want origin, size and root, a line each")
        return cls(match[1], int(match[2]), _base64(match[3]))

    @property
    def body(self) -> str:
        """As it is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def open_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed. Raises Wrong, also for another key or origin."""
    note = Note.parse(text)
    if not note.by([key]):
        raise Wrong(f"the checkpoint is not signed by {key}")
    checkpoint = Checkpoint.parse(note.body)
    if checkpoint.origin != key.name:
        raise Wrong(f"the checkpoint is of the log {checkpoint.origin}, the key of {key.name}")
    return checkpoint


@dataclass(frozen=True)
class Proof:
    """That an entry is in a log: its `index`, the `hashes` from leaf to root, and the `checkpoint` as signed."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """From a `.tlog-proof` file. Raises Wrong."""
        head, separator, checkpoint = text.partition("\n\n")
        lines = [line for line in head.split("\n") if not line.startswith("extra ")]
        if not separator or lines[0] != PROOF_HEADER or len(lines) < 2:
            raise Wrong(f"that is no proof: want {PROOF_HEADER}")
        index = re.fullmatch(r"index (0|[1-9]\d{0,18})", lines[1])
        if not index:
            raise Wrong("the proof names no index")
        return cls(int(index[1]), tuple(_base64(line) for line in lines[2:]), checkpoint)

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.hashes)
        return f"{PROOF_HEADER}\nindex {self.index}\n{hashes}\n{self.checkpoint}"

    def verify(self, entry: bytes, key: VerifierKey) -> Checkpoint:
        """`entry` is in the log of `key`, as of the checkpoint returned. Raises Wrong."""
        checkpoint = open_checkpoint(self.checkpoint, key)
        verify_inclusion(self.index, checkpoint.size, leaf_hash(entry), self.hashes, checkpoint.root)
        return checkpoint


def split_bundle(bundle: bytes) -> Iterator[bytes]:
    """The entries of an entry bundle: two bytes of length, big-endian, then so many bytes. Raises Wrong."""
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise Wrong("an entry bundle ends within an entry")
        yield bundle[at + 2 : end]
        at = end


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("that is no base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Wrong("that is no canonical base64")
    return raw


# The bundle: one ZIP for one case. Its manifest, signed by the log, names every other file by its SHA-256.

MANIFEST_HEADER = "doorstep.evidence/v1"
_MANIFEST = re.compile(
    re.escape(MANIFEST_HEADER) + r" ([^\n]+)\ncase ([^\n]+)\nentries (\d{1,18}) of (\d{1,18})\n((?:[^\n]+\n)+)"
)
_FILE = re.compile(r"([0-9a-f]{64}) (\d{1,18}) ([!-~]+)")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_INDEXED = re.compile(r"(events|published)/(\d{10})\.json")
_WITH_PROOF = "proofs/{:010}.tlog-proof"


@dataclass(frozen=True)
class Manifest:
    """What a bundle states of itself: it holds all entries of `case_id` among the first `prefix` entries of the log
    `origin`, proved against its checkpoint of `size`. `files` are (SHA-256 in hex, number of bytes), by name."""

    origin: str
    case_id: str
    prefix: int
    size: int
    files: Mapping[str, tuple[str, int]]

    @classmethod
    def of(cls, origin: str, case_id: str, prefix: int, size: int, contents: Mapping[str, bytes]) -> "Manifest":
        """Over every file of a bundle but the manifest itself."""
        return cls(origin, case_id, prefix, size, {name: (_hash(data), len(data)) for name, data in contents.items()})

    @classmethod
    def parse(cls, body: str) -> "Manifest":
        """From the body of a note. Raises Wrong, also for whatever is not written as `body` writes it."""
        match = _MANIFEST.fullmatch(body)
        rows = [_FILE.fullmatch(line) for line in match[5].splitlines()] if match else [None]
        files = {row[3]: (row[1], int(row[2])) for row in rows if row}
        if match and len(files) == len(rows):
            found = cls(match[1], match[2], int(match[3]), int(match[4]), files)
            if found.body == body:
                return found
        raise Wrong("that is no manifest of evidence", "这不是证据清单")

    @property
    def body(self) -> str:
        """As it is signed. The first line keeps it from ever being taken for a checkpoint."""
        head = f"{MANIFEST_HEADER} {self.origin}\ncase {self.case_id}\nentries {self.prefix} of {self.size}\n"
        return head + "".join(f"{sha256} {size} {name}\n" for name, (sha256, size) in sorted(self.files.items()))


_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _MIDNIGHT, _NEW_YEAR_1980 = 20, 0, 1 << 5 | 1
_MOST_FILES, _MOST_BYTES = 0xFFFF, 0xFFFFFFFF


def pack(files: Mapping[str, bytes]) -> bytes:
    """The one ZIP of `files`: sorted by name, not compressed, dated 1980-01-01, no comments or extra fields; so the
    same files give the same bytes everywhere. Raises Wrong for more than such a ZIP can hold."""
    members, directory = bytearray(), bytearray()
    for name, data in sorted(files.items()):
        path, at = name.encode("ascii"), len(members)
        about = (_VERSION, 0, 0, _MIDNIGHT, _NEW_YEAR_1980, zlib.crc32(data), len(data), len(data), len(path), 0)
        directory += _CENTRAL.pack(b"PK\1\2", _VERSION, *about, 0, 0, 0, 0, at) + path
        members += _LOCAL.pack(b"PK\3\4", *about) + path + data
        if len(members) + len(directory) > _MOST_BYTES or len(files) > _MOST_FILES:
            raise Wrong("that is more than one bundle can hold", "超出单个证据包的容量")
    end = _END.pack(b"PK\5\6", 0, 0, len(files), len(files), len(directory), len(members), 0)
    return bytes(members + directory + end)


def unpack(data: bytes) -> Mapping[str, bytes]:
    """The files of a ZIP as `pack` makes it, read from the front. Raises Wrong. What this does not look at (dates,
    checksums, the directory) is compared by `_check_form`."""
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4" and len(data) >= at + _LOCAL.size:
        size, length = _LOCAL.unpack_from(data, at)[8:10]
        start = at + _LOCAL.size + length
        name, end = data[at + _LOCAL.size : start].decode("ascii", "replace"), start + size
        if not _NAME.fullmatch(name) or name in files or data[end : end + 4] not in (b"PK\3\4", b"PK\1\2"):
            shown = name.encode("ascii", "replace").decode()[:80]
            raise Wrong(
                f"the ZIP itself was changed at {shown!r}, which begins at byte {at}",
                f"ZIP 文件本身被改动：{shown!r} 处（始于第 {at} 字节）",
            )
        files[name] = data[start:end]
        at = end
    if not files:
        raise Wrong("that is no evidence bundle", "这不是证据包")
    return files


@dataclass(frozen=True)
class Report:
    """What a bundle that holds was found to be. `key` is what it was checked with, None where only the one inside it
    was there. `cosigned`: the witnesses asked for, with the moment of each; `missing`, `contested` and `unreadable`
    (entries that are no text) in both languages (en, zh)."""

    manifest: Manifest
    key: VerifierKey | None
    inner: VerifierKey
    events: int
    first: str
    last: str
    artifacts: int
    cosigned: Mapping[VerifierKey, int]
    cosignatures: int
    missing: tuple[tuple[str, str], ...]
    contested: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...] = ()


def check(data: bytes, key: VerifierKey | None = None, witnesses: Sequence[VerifierKey] = ()) -> Report:
    """All that can be checked of the bundle in `data`. Raises Wrong, naming the first thing that is wrong.

    Without `key` only the inner consistency is checked, with the key that lies in the bundle."""
    files = unpack(data)
    inner = key or _inner_key(files)
    manifest = _check_manifest(files, inner)
    _check_files(files, manifest)
    if _inner_key(files) != inner:
        raise Wrong("key: the bundle names another key than the one given", "key：证据包内的公钥与给出的公钥不同")
    note, checkpoint = _check_checkpoint(files, inner, manifest)
    with _in("checkpoint", "见证人联署不成立"):
        cosigned = _check_witnesses(note, witnesses)
    events = _check_entries(files, "events", checkpoint)
    _check_case(events, manifest)
    published = _check_artifacts(files, _check_entries(files, "published", checkpoint))
    _check_timelines(files, events)
    _check_form(data, files)
    recorded = sorted(filter(None, (_instant(event.json) for event in events.values())))
    return Report(
        manifest=manifest,
        key=key,
        inner=inner,
        events=len(events),
        first=_told(recorded[0]) if recorded else "?",
        last=_told(recorded[-1]) if recorded else "?",
        artifacts=len(published),
        cosigned=cosigned,
        cosignatures=len(note.signatures) - 1,
        missing=(*_gaps(events), *_not_on_record(events, published)),
        contested=tuple(_contested(events)),
        unreadable=tuple(_unreadable(events)),
    )


@dataclass(frozen=True)
class LoggedEvent:
    """A proved entry: the event's bytes as they were published, and what they say."""

    name: str
    value: bytes
    json: Mapping[str, Any]


def _inner_key(files: Mapping[str, bytes]) -> VerifierKey:
    with _in("key", "无法读取"):
        return VerifierKey.parse(_text(files, "key"))


def _check_manifest(files: Mapping[str, bytes], key: VerifierKey) -> Manifest:
    with _in("manifest", "清单不可信"):
        text = _text(files, "manifest")
        note = Note.parse(text)
        if not note.by([key]):
            raise Wrong(
                f"it is not signed by {key}: another key made this bundle", f"不是由 {key} 签名：证据包出自另一密钥"
            )
        if len(note.signatures) != 1 or str(note) != text:
            raise Wrong("it is not written as it was signed", "与签名时的写法不同")
        manifest = Manifest.parse(note.body)
        if manifest.origin != key.name:
            raise Wrong(f"it is of the log {manifest.origin}, the key of {key.name}", "清单与公钥不属于同一日志")
        return manifest


def _check_files(files: Mapping[str, bytes], manifest: Manifest) -> None:
    """Every file is as the manifest names it, and there is none besides."""
    for name in sorted(files.keys() - manifest.files.keys() - {"manifest"}):
        raise Wrong(f"{name}: the manifest does not name it: it was added", f"{name}：清单中没有此文件，系后来加入")
    for name, (sha256, size) in sorted(manifest.files.items()):
        if name not in files:
            raise Wrong(f"{name}: it is missing", f"{name}：缺少此文件")
        if (_hash(files[name]), len(files[name])) != (sha256, size):
            raise Wrong(f"{name}: it was changed: its SHA-256 is another", f"{name}：内容被改动（SHA-256 不符）")


def _check_checkpoint(files: Mapping[str, bytes], key: VerifierKey, manifest: Manifest) -> tuple[Note, Checkpoint]:
    with _in("checkpoint", "检查点不可信"):
        text = _text(files, "checkpoint")
        checkpoint = open_checkpoint(text, key)
        if not manifest.prefix <= manifest.size == checkpoint.size:
            raise Wrong("it is of another size than the manifest says", "检查点的条目数与清单不符")
        return Note.parse(text), checkpoint


def _check_witnesses(note: Note, witnesses: Sequence[VerifierKey]) -> Mapping[VerifierKey, int]:
    found = note.by(witnesses)
    for witness in witnesses:
        if witness not in found:
            raise Wrong(f"{witness.name} has not cosigned it", f"{witness.name} 没有联署")
    return found


def _check_entries(files: Mapping[str, bytes], folder: str, checkpoint: Checkpoint) -> Mapping[int, LoggedEvent]:
    """The entries in `folder`, each with the proof that it is in the log, by index."""
    found: dict[int, LoggedEvent] = {}
    for name in sorted(files):
        match = _INDEXED.fullmatch(name)
        if match and match[1] == folder:
            index = int(match[2])
            _check_proof(files, name, index, checkpoint)
            with _in(name, "无法读取"):
                value = _unwrapped(files, files[name])
                found[index] = LoggedEvent(name, value, _event(value))
    return found


def _check_proof(files: Mapping[str, bytes], entry: str, index: int, checkpoint: Checkpoint) -> None:
    name = _WITH_PROOF.format(index)
    with _in(name, f"不能证明 {entry} 在日志中"):
        proof = Proof.parse(_text(files, name))
        if proof.index != index:
            raise Wrong(f"it is of entry {proof.index}, not of {entry}")
        if proof.checkpoint != _text(files, "checkpoint"):
            raise Wrong("it rests on another checkpoint than the bundle's")
        verify_inclusion(index, checkpoint.size, leaf_hash(files[entry]), proof.hashes, checkpoint.root)


def _unwrapped(files: Mapping[str, bytes], logged: bytes) -> bytes:
    """What was too large for the log lies beside it; the log then holds its hash."""
    wrapper = _event(logged)
    if wrapper.get("doorstep") != "wrapped" or "specversion" in wrapper:
        return logged
    value = files.get(f"blob/{wrapper.get('sha256')}")
    if value is None:
        raise Wrong(f"blob/{wrapper.get('sha256')} is missing")
    if _hash(value) != wrapper.get("sha256"):
        raise Wrong(f"blob/{wrapper.get('sha256')} is not what was logged")
    return value


def _check_case(events: Mapping[int, LoggedEvent], manifest: Manifest) -> None:
    if not events:
        raise Wrong("events/: there is no entry", "events/：没有任何条目")
    for index, event in events.items():
        if event.json.get("subject") != manifest.case_id:
            raise Wrong(f"{event.name}: it is of another case", f"{event.name}：属于另一案件")
        if index >= manifest.prefix:
            raise Wrong(f"{event.name}: it came later than the manifest says", f"{event.name}：晚于清单所述范围")


def _check_artifacts(files: Mapping[str, bytes], published: Mapping[int, LoggedEvent]) -> set[str]:
    """The hashes of the packs, strategies and templates on record. Each is what an entry of the log published."""
    contents = {_hash(data): name for name, data in files.items() if name.startswith("artifacts/")}
    stated = set()
    for event in published.values():
        content, sha256 = _at(event.json, "data", "content"), _at(event.json, "data", "hash")
        if not isinstance(content, str) or _hash(content.encode()) != sha256:
            raise Wrong(f"{event.name}: its content has another hash", f"{event.name}：内容与其哈希不符")
        if sha256 not in contents:
            raise Wrong(f"{event.name}: its content is not in artifacts/", f"{event.name}：artifacts/ 中缺少其内容")
        stated.add(sha256)
    for sha256, name in contents.items():
        if sha256 not in stated:
            raise Wrong(f"{name}: no entry in published/ is of it", f"{name}：published/ 中没有对应的条目")
    return stated


def _check_timelines(files: Mapping[str, bytes], events: Mapping[int, LoggedEvent]) -> None:
    """A timeline is for reading; it has a line for each entry of the bundle, by index and hash, and for no other."""
    wanted = {(index, _hash(event.value)) for index, event in events.items()}
    for name in sorted(files):
        if re.fullmatch(r"timeline\.\w+\.json", name):
            with _in(name, "与条目不符"):
                lines = _json(files[name]).get("lines")
                entries = [line.get("entry") for line in lines if isinstance(line, dict)] if lines else []
                told = {(_at(entry, "position"), _at(entry, "sha256")) for entry in entries if entry}
                if told != wanted:
                    raise Wrong("its lines are not those of the entries in events/")


def _check_form(data: bytes, files: Mapping[str, bytes]) -> None:
    """The ZIP is the only one there is of these files."""
    wanted = pack(files)
    if data == wanted:
        return
    at = next((n for n, (one, other) in enumerate(zip(data, wanted, strict=False)) if one != other), None)
    at = min(len(data), len(wanted)) if at is None else at
    begins, where = 0, "its directory"
    for name, content in sorted(files.items()):
        ends = begins + _LOCAL.size + len(name) + len(content)
        where = name if begins <= at < ends else where
        begins = ends
    raise Wrong(
        f"the ZIP itself was changed at byte {at}, in {where}",
        f"ZIP 文件本身被改动：第 {at} 字节（{'目录区' if where == 'its directory' else where}）",
    )


def _gaps(events: Mapping[int, LoggedEvent]) -> Iterator[tuple[str, str]]:
    """Each stream numbers its events from 1 without a gap. What follows the last number here cannot be told."""
    for stream, claims in sorted(_streams(events).items()):
        before = 0
        for number in sorted(claims):
            if number > before + 1:
                missing = f"{before + 1}" if number == before + 2 else f"{before + 1}-{number - 1}"
                yield f"number {missing} of {stream}", f"{stream} 的第 {missing} 号事件"
            before = number


def _contested(events: Mapping[int, LoggedEvent]) -> Iterator[tuple[str, str]]:
    for stream, claims in sorted(_streams(events).items()):
        for number, names in sorted(claims.items()):
            if len(names) > 1:
                yield f"number {number} of {stream}: {', '.join(names)}", f"{stream} 第 {number} 号：{'、'.join(names)}"


def _unreadable(events: Mapping[int, LoggedEvent]) -> Iterator[tuple[str, str]]:
    for event in events.values():
        try:
            event.value.decode()
        except UnicodeDecodeError:
            yield (
                f"{event.name} is no text (UTF-8): its bytes are as logged",
                f"{event.name} 不是 UTF-8 文本，字节与日志一致",
            )


def _streams(events: Mapping[int, LoggedEvent]) -> Mapping[str, Mapping[int, list[str]]]:
    streams: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for event in events.values():
        stream, number = event.json.get("stream"), event.json.get("streamversion")
        if isinstance(stream, str) and isinstance(number, int) and number > 0:
            streams[stream][number].append(event.name)
    return streams


def _not_on_record(events: Mapping[int, LoggedEvent], published: set[str]) -> Iterator[tuple[str, str]]:
    cited = {one for event in events.values() for one in _cited(event.json) if one[1] not in published}
    for kind, sha256 in sorted(cited):
        yield f"{kind} {sha256}, which decisions or messages cite", f"{kind} {sha256}（决定或消息引用了它）"


def _cited(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a decision or message says that it was made by: kind and SHA-256."""
    packs = _at(event, "data", "decision", "packs")
    found = [("contact-rules", _at(pack, "hash")) for pack in packs] if isinstance(packs, list) else []
    found.append(("strategy", _at(event, "data", "decision", "strategy", "hash")))
    found.append(("template", _at(event, "data", "template_hash")))
    yield from ((kind, sha256) for kind, sha256 in found if isinstance(sha256, str))


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _instant(event: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(event.get("recordedat")))
    except ValueError:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else None
    except OverflowError:
        return None


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _event(value: bytes) -> Mapping[str, Any]:
    """What an entry says. Where a part of it is no text, or no number that we can hold, the rest is read all the same:
    it was logged so, and what it is about has to be told."""
    try:
        return _json(value)
    except Wrong:
        pass
    try:
        found = json.loads(value.decode(errors="replace"), parse_int=str)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Wrong("it is no JSON object")
    version = str(found.get("streamversion"))
    return {**found, "streamversion": int(version)} if re.fullmatch(r"\d{1,18}", version) else found


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Wrong("it is no JSON object")
    return found


def _text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise Wrong("it is missing", "缺少此文件")
    try:
        return files[name].decode()
    except UnicodeDecodeError:
        raise Wrong("it is no text") from None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _in(name: str, zh: str) -> Iterator[None]:
    """Puts the name of the file before what is wrong with it."""
    try:
        yield
    except Wrong as error:
        raise Wrong(f"{name}: {error}", f"{name}：{zh}（{error.zh}）") from None


# The command line.

_LABELS = {
    "case": "案件",
    "log": "日志",
    "entries": "条目",
    "recorded": "记录时间",
    "rules, texts": "规则与文本",
    "key": "公钥",
    "witness": "见证人",
    "missing": "缺失",
    "contested": "冲突",
    "unreadable": "不可读",
}
_HOLDS = (
    "VERIFIED: every file is as it was signed, and every entry is in the log.",
    "验证通过：每个文件均与签名时一致，每个条目均在日志中。",
)
_INNER = (
    "ONLY CONSISTENT WITHIN ITSELF: the key came out of the bundle, and whoever edits a bundle could replace it.\n"
    "Take the key from where the lender publishes it, and check again with --key.",
    "仅证实内部一致：所用公钥取自证据包自身，而改动证据包的人也可能替换公钥。\n"
    "请从机构公开发布之处取得公钥，用 --key 重新验证。",
)


def summary(report: Report, zh: bool = False) -> str:
    """`report` in plain words."""
    manifest = report.manifest
    given = ("given from outside", "由外部给出") if report.key else ("the one inside the bundle", "取自证据包自身")
    unasked = (
        f"none asked for; {report.cosignatures} cosignatures were not checked (--witness)",
        f"未指定；{report.cosignatures} 个联署未核对（--witness）",
    )
    lines = [
        ("case", manifest.case_id),
        ("log", (f"{manifest.origin}, {manifest.size:,} entries", f"{manifest.origin}，共 {manifest.size:,} 条")),
        (
            "entries",
            (
                f"{report.events:,} of the case, among the first {manifest.prefix:,} of the log",
                f"本案 {report.events:,} 条，取自日志前 {manifest.prefix:,} 条",
            ),
        ),
        ("recorded", (f"{report.first} to {report.last}", f"{report.first} 至 {report.last}")),
        ("rules, texts", (f"{report.artifacts} on record", f"{report.artifacts} 份在案")),
        ("key", (f"{report.inner} ({given[0]})", f"{report.inner}（{given[1]}）")),
        *(("witness", _witnessed(witness, moment)) for witness, moment in report.cosigned.items()),
        *([] if report.cosigned else [("witness", unasked)]),
        *(("missing", one) for one in report.missing or (("nothing", "无"),)),
        *(("contested", one) for one in report.contested),
        *(("unreadable", one) for one in report.unreadable),
    ]
    shown = [(_LABELS[name] if zh else name, told if isinstance(told, str) else told[zh]) for name, told in lines]
    verdict = (_HOLDS if report.key else _INNER)[zh]
    return "\n".join([*(_printable(f"{name}: {told}") for name, told in shown), "", verdict])


def refusal(error: Wrong, zh: bool = False) -> str:
    """The first thing that is wrong, in one line."""
    return _printable(f"验证未通过：{error.zh}" if zh else f"WRONG: {error}")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _witnessed(witness: VerifierKey, moment: int) -> tuple[str, str]:
    when = _told(datetime.fromtimestamp(moment, UTC))
    return f"{witness.name}, cosigned {when}", f"{witness.name}，联署于 {when}"


def key_of(text: str, algorithm: int) -> VerifierKey:
    """The key of a log (ED25519) or a witness (COSIGNATURE) in `text`. Raises Wrong, also for one of the other kind."""
    key = VerifierKey.parse(text)
    if key.algorithm != algorithm:
        raise Wrong("a log's key is wanted for --key, a witness's for --witness")
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the bundle that the arguments name, and say what was found; 0, or 1 where something is wrong. Ends the
    process with 2 when it is called wrongly."""
    system = (locale.getlocale()[0] or "").lower()
    parser = argparse.ArgumentParser(description="Checks an evidence bundle of Doorstep, offline.")
    parser.add_argument("bundle", type=_bytes, help="the ZIP")
    parser.add_argument("--key", type=_key(ED25519), help="the log's verifier key, from where the lender publishes it")
    parser.add_argument("--witness", type=_key(COSIGNATURE), action="append", default=[], help="a witness's key")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh" if system.startswith(("zh", "chinese")) else "en")
    told = parser.parse_args(arguments)
    zh = told.lang == "zh"
    try:
        print(summary(check(told.bundle, told.key, told.witness), zh))  # noqa: T201
    except Wrong as error:
        print(refusal(error, zh), file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error.strerror}") from None


def _key(algorithm: int) -> Callable[[str], VerifierKey]:
    def parse(text: str) -> VerifierKey:
        try:
            return key_of(text, algorithm)
        except Wrong as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


if __name__ == "__main__":
    sys.exit(main())
