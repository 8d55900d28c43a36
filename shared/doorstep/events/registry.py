"""What can happen: every event type by its published name and schema version.

A type is an explicit string plus an integer version, never a class path. Readers ignore unknown fields.
An old version is lifted to the present one by a chain of upcasts, checked for gaps at start.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import msgspec

from doorstep import events
from doorstep.events.envelope import Envelope


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened. Its fields are a storage format: adding an optional one is free, anything
    else needs a new version, an upcast and a golden example."""

    event_type: ClassVar[str]
    schema_version: ClassVar[int]
    topic: ClassVar[str | None]
    critical: ClassVar[bool]


def happened_at(event: Event, recorded: datetime) -> datetime:
    """When it happened, by its own word (`at`, `sent_at`); without one, when it is `recorded`."""
    told: datetime | None = getattr(event, "at", None) or getattr(event, "sent_at", None)
    return told or recorded


E = TypeVar("E", bound=type[Event])
Upcast = Callable[[dict[str, Any]], dict[str, Any]]

_types: dict[str, type[Event]] = {}
_decoders: dict[str, msgspec.json.Decoder[Any]] = {}
_upcasts: dict[tuple[str, int], Upcast] = {}


class UnknownEvent(ValueError):
    """A type or version this reader does not know; what to do is in the message."""


def event(name: str, *, topic: str | None, version: int = 1, critical: bool = False) -> Callable[[E], E]:
    """Register an event class under its published `name`. `topic` is None for the kernel's own events,
    which each service publishes on its own topic. `critical`: services of a release that does not know it park it
    instead of passing it over; for what stops or narrows something (ADR 0026)."""

    def register(cls: E) -> E:
        if name in _types:
            raise ValueError(f"event type {name} is registered twice")
        cls.event_type, cls.schema_version, cls.topic, cls.critical = name, version, topic, critical
        _types[name] = cls
        _decoders[name] = msgspec.json.Decoder(cls)
        return cls

    return register


def upcast(name: str, from_version: int) -> Callable[[Upcast], Upcast]:
    """Register the function that lifts `name` from `from_version` to the next one."""

    def register(function: Upcast) -> Upcast:
        _upcasts[name, from_version] = function
        return function

    return register


def known() -> Mapping[str, type[Event]]:
    """Every registered event class by published name."""
    return _types


def load() -> None:
    """Register every type of ours, also those a service never names: it may still hear them."""
    for module in pkgutil.walk_packages(events.__path__, f"{events.__name__}."):
        importlib.import_module(module.name)


def check() -> None:
    """Call it at start. Raises ValueError naming each version that no upcast chain reaches."""
    load()
    missing = [
        f"{name} v{version} -> v{version + 1}"
        for name, cls in _types.items()
        for version in range(1, cls.schema_version)
        if (name, version) not in _upcasts
    ]
    if missing:
        raise ValueError("no upcast for " + ", ".join(missing))


def decode_event(envelope: Envelope) -> Event:
    """The event inside `envelope`, lifted to its present version.

    Raises UnknownEvent for an unknown type or a version from the future, msgspec.ValidationError for
    data that does not fit."""
    cls = _types.get(envelope.type)
    if cls is None:
        raise UnknownEvent(f"unknown event type {envelope.type}; upgrade this service, then replay")
    if envelope.schemaversion > cls.schema_version:
        raise UnknownEvent(
            f"{envelope.type} v{envelope.schemaversion} is newer than v{cls.schema_version}, "
            "the newest this service reads; upgrade it, then replay"
        )
    if envelope.schemaversion == cls.schema_version:
        decoded: Event = _decoders[envelope.type].decode(envelope.data)
        return decoded
    data = msgspec.json.decode(envelope.data)
    for version in range(envelope.schemaversion, cls.schema_version):
        data = _lifted(envelope.type, version, data)
    return msgspec.convert(data, cls)


def _lifted(name: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
    # An upcast takes for granted what its version required. Data that lack it do not fit; the name told is ours.
    try:
        return _upcasts[name, version](data)
    except KeyError as error:
        raise msgspec.ValidationError(f"Object missing required field `{error.args[0]}` of v{version}") from None
    except (TypeError, AttributeError):
        raise msgspec.ValidationError(f"data do not fit {name} v{version}") from None
