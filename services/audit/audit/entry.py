"""What an entry is: a value as it came, and what of it can be read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from doorstep import envelope as envelopes
from doorstep.envelope import Envelope
from doorstep.events.common import Sealed
from doorstep.events.registry import Event, UnknownEvent, decode_event

UNDECODABLE = "undecodable"
_LONGEST_NAME = 500
_LARGEST_VERSION = 2**31 - 1


@dataclass(frozen=True)
class Entry:
    """One value as it came, and what we can read of it. `event` is None where its type or its data are
    not known to this release. `absorbed_at`: when the audit took it in."""

    position: int
    topic: str
    partition: int
    offset: int
    absorbed_at: datetime
    value: bytes
    envelope: Envelope
    event: Event | None


def read_envelope(value: bytes) -> Envelope | None:
    """The envelope inside `value`; None when there is none, or one that cannot be filed under its names."""
    try:
        envelope = envelopes.decode(value)
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
        return None
    return envelope if _fileable(envelope) else None


def _fileable(envelope: Envelope) -> bool:
    names = (envelope.id, envelope.subject, envelope.tenant, envelope.type, envelope.stream)
    moments = (envelope.time, envelope.recordedat)
    return (
        all(0 < len(name) <= _LONGEST_NAME and "\0" not in name for name in names)
        and all(1 < moment.year < 9999 for moment in moments)
        and abs(envelope.streamversion) <= _LARGEST_VERSION
    )


def read_event(envelope: Envelope) -> Event | None:
    """The event inside `envelope`; None for an unknown type, a version from the future, or data that do
    not fit."""
    try:
        return decode_event(envelope)
    except (UnknownEvent, msgspec.DecodeError, ArithmeticError, ValueError):
        return None


def sealed_in(value: object, path: str = "") -> Mapping[str, Sealed]:
    """Every sealed field within an event, however deep, by its path: `personal`, `terms.personal`."""
    match value:
        case Sealed():
            return {path: value}
        case msgspec.Struct():
            parts = [(name, getattr(value, name)) for name in value.__struct_fields__]
        case tuple() | list():
            parts = [(str(index), one) for index, one in enumerate(value)]
        case _:
            return {}
    inner = [sealed_in(one, f"{path}.{name}" if path else name) for name, one in parts]
    return {where: sealed for found in inner for where, sealed in found.items()}
