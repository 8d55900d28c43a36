"""The envelope: CloudEvents 1.0 JSON in structured mode, one self-contained value per event.

The audit keeps these bytes as they came, so an envelope is encoded once, by its owner, and never again.
"""

from datetime import datetime
from functools import lru_cache
from hashlib import sha1
from typing import Annotated, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with a zone; a naive timestamp is refused when it is decoded."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who caused an event: the system itself, or a person with a role."""

    id: str
    role: str = "system"
    agency: str | None = None
    on_behalf_of: str | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CloudEvents attributes (lower case, as the specification wants them) and the event as `data`.

    `stream` and `streamversion` number the events of one stream 1..n without a gap, so that a reader
    can see that one is missing. Whoever hears one topic alone sees it by `previousid`, the event before this one in
    its stream on the same topic and key (None: the first, or one from before there was this attribute). `time` is when
    it happened, `recordedat` when we wrote it down. `critical`: whoever does not know this type must not go on as if it
    had not come.
    """

    id: str
    source: str
    type: str
    subject: str
    time: Instant
    recordedat: Instant
    tenant: str
    stream: str
    streamversion: int
    partitionkey: str
    correlationid: str
    schemaversion: int
    data: msgspec.Raw
    actor: Actor
    causationid: str | None = None
    traceparent: str | None = None
    previousid: str | None = None
    critical: bool = False
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding the bytes of others may raise: a thousand brackets are no recursion of ours."""

# CloudEvents requires these two in every event, so omit_defaults must not drop them.
_REQUIRED = b'{"specversion":"1.0","datacontenttype":"application/json",'
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The bytes that are published, stored and proved."""
    return _REQUIRED + _encoder.encode(envelope)[1:]


def decode(value: bytes) -> Envelope:
    """Raises one of UNREADABLE (ValidationError among them) when `value` is no such envelope."""
    return _decoder.decode(value)


def event_id(epoch: str, stream: str, version: int) -> str:
    """uuid5 of store epoch, stream and version: the same event keeps its id however often it is rebuilt,
    and a restored database, which starts a new epoch, never reuses one."""
    return _named(_namespace(epoch), f"{stream}/{version}")


def derived_id(*parts: str) -> str:
    """A stable id for something named by `parts`, for example the nth permit of a case."""
    return _named(NAMESPACE_URL.bytes, "doorstep:" + "/".join(parts))


def _named(namespace: bytes, name: str) -> str:
    # A uuid5, in a third of the standard library's time.
    return str(UUID(bytes=sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16], version=5))


@lru_cache(maxsize=8)
def _namespace(epoch: str) -> bytes:
    return uuid5(NAMESPACE_URL, f"doorstep-epoch:{epoch}").bytes
