"""What an entry is: a value as it came, what of it can be read, and what it is filed under. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple, get_args, get_type_hints

import msgspec
from doorstep.events import envelope as envelopes
from doorstep.events.envelope import Envelope
from doorstep.events.registry import Event, UnknownEvent, decode_event, load
from doorstep.events.values import Sealed
from tlog.wrapper import UNDECODABLE

# The audit reads every type there is, whatever else of it is imported.
load()

_LONGEST_NAME = 500
_LARGEST_VERSION = 2**31 - 1


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One value as it came, and what we can read of it. `event` is None where its type or its data are
    not known to this release. `absorbed_at`: when the audit took it in. `filed`: it is filed under its names; what an
    earlier release could not read is not."""

    position: int
    topic: str
    partition: int
    offset: int
    absorbed_at: datetime
    value: bytes
    envelope: Envelope
    event: Event | None
    filed: bool = True


class EntryRow(NamedTuple):
    """A value as it came, and what it is filed under; nothing where it cannot be read."""

    topic: str
    partition: int
    offset: int
    value: bytes
    type: str = UNDECODABLE
    event_id: str | None = None
    case_id: str | None = None
    tenant: str | None = None
    stream: str | None = None
    stream_version: int | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None

    def derived(self) -> "EntryRow":
        """The same value of the same place, filed under what its bytes say."""
        place = EntryRow(self.topic, self.partition, self.offset, self.value)
        envelope = read_envelope(self.value)
        if envelope is None:
            return place
        return place._replace(
            type=envelope.type,
            event_id=envelope.id,
            case_id=envelope.subject,
            tenant=envelope.tenant,
            stream=envelope.stream,
            stream_version=envelope.streamversion,
            occurred_at=_utc(envelope.time),
            recorded_at=_utc(envelope.recordedat),
        )

    def fits(self) -> bool:
        """Whether it is filed under what its bytes say. Releases before 0.2 filed nothing under the first and the last
        year of the calendar."""
        derived = self.derived()
        return self == derived or (self.event_id is None and _at_the_edge(derived) and self == _nameless(derived))


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
    return abs(envelope.streamversion) <= _LARGEST_VERSION


def _utc(moment: datetime) -> datetime:
    """For a column: where the calendar ends, the last or the first moment there is."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if moment.year > 1 else datetime.min.replace(tzinfo=UTC)


def _at_the_edge(row: EntryRow) -> bool:
    return any(at is not None and at.year in (1, 2, 9998, 9999) for at in (row.occurred_at, row.recorded_at))


def _nameless(row: EntryRow) -> EntryRow:
    return EntryRow(row.topic, row.partition, row.offset, row.value)


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
