"""What an entry is: a value as it came, and what of it can be read. Pure."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import get_args, get_type_hints

import msgspec
from doorstep.events import envelope as envelopes
from doorstep.events.envelope import Envelope
from doorstep.events.registry import Event, UnknownEvent, decode_event, load
from doorstep.events.values import Sealed

# The audit reads every type there is, whatever else of it is imported.
load()

_LONGEST_NAME = 500
_LARGEST_VERSION = 2**31 - 1


class Entry(msgspec.Struct, frozen=True, gc=False):
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
    for name in (envelope.id, envelope.subject, envelope.tenant, envelope.type, envelope.stream):
        if not 0 < len(name) <= _LONGEST_NAME or "\0" in name:
            return False
    years = envelope.time.year, envelope.recordedat.year
    return min(years) > 1 and max(years) < 9999 and abs(envelope.streamversion) <= _LARGEST_VERSION


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
            parts = [(name, getattr(value, name)) for name in _hiding(type(value))]
        case tuple() | list():
            parts = [(str(index), one) for index, one in enumerate(value)]
        case _:
            return {}
    found: dict[str, Sealed] = {}
    for name, one in parts:
        found |= sealed_in(one, f"{path}.{name}" if path else name)
    return found


@cache
def _hiding(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of `cls` that may hold something under seal, however deep."""
    return tuple(name for name, hint in get_type_hints(cls).items() if _hides(hint))


def _hides(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint is Sealed or bool(_hiding(hint))
    return any(_hides(one) for one in get_args(hint))
