"""A value as it stands in a log: itself, or a wrapper that names it by its hash. Pure."""

import hashlib
from dataclasses import dataclass

import msgspec

UNDECODABLE = "undecodable"
LARGEST = 65_535
"""Bytes: an entry bundle gives each entry a length of two bytes."""
WRAPPED = b'{"doorstep":"wrapped",'
"""How an entry begins that names its value by the hash. No envelope begins so."""


@dataclass(frozen=True)
class Logged:
    """A value as it stands in the log: `entry` is the value itself, or where that is too large or cannot be read, a
    wrapper that names it by its hash; then `blob` is the value, and `blob_path` where it lies in the log's folder."""

    entry: bytes
    blob: bytes | None = None
    blob_path: str = ""


def logged(topic: str, partition: int, offset: int, value: bytes, *, readable: bool) -> Logged:
    """`value` as it is logged. Always the same for the same value of the same place."""
    if readable and len(value) <= LARGEST:
        return Logged(value)
    digest = hashlib.sha256(value).hexdigest()
    wrapper = {
        "doorstep": "wrapped",
        "why": "too large" if readable else UNDECODABLE,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "size": len(value),
        "sha256": digest,
    }
    return Logged(msgspec.json.encode(wrapper), value, blob_path(digest))


def blob_path(sha256: str) -> str:
    """Where in the log's folder the value lies that an entry names by `sha256` (hex)."""
    return f"blob/{sha256[:2]}/{sha256}"


def blob_of(entry: bytes) -> str | None:
    """The hash by which an entry names its value; None for one that is the value itself."""
    if not entry.startswith(WRAPPED):
        return None
    digest: str = msgspec.json.decode(entry)["sha256"]
    return digest
