"""What a service is: a value that names its pure functions and its few points of contact.

The kernel does the rest. A service's main.py holds one `service = Service(...)`, which the entry point
group `doorstep.services` names; that is all the registration there is.
"""

import importlib.resources
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from doorstep.events.envelope import Envelope
from doorstep.events.registry import Event
from doorstep.kernel.decider import Decider, Routed, StreamId

if TYPE_CHECKING:
    from fastapi import APIRouter
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from typer import Typer

    from doorstep.bus.interface import Record
    from doorstep.infra.clock import Clock
    from doorstep.infra.settings import Settings
    from doorstep.infra.telemetry import Telemetry
    from doorstep.infra.vault import Vault
    from doorstep.kernel.artifacts import Publish
    from doorstep.messaging.gateway import Gateway


class Runtime(Protocol):
    """What a running service offers to its own effects, API and translators."""

    @property
    def settings(self) -> "Settings": ...
    @property
    def clock(self) -> "Clock": ...
    @property
    def engine(self) -> "AsyncEngine": ...
    @property
    def vault(self) -> "Vault": ...
    @property
    def gateway(self) -> "Gateway": ...
    @property
    def counsel(self) -> "Mapping[str, Counsel]": ...
    @property
    def telemetry(self) -> "Telemetry": ...
    @property
    def workers(self) -> "Sequence[Worker]": ...

    async def execute(self, *routed: Routed, request_id: str | None = None) -> Sequence[Event]:
        """Decide and commit in one transaction; the events that came of it. With a `request_id` a repeated
        call does nothing and returns nothing. Raises Refused."""
        ...

    async def state(self, stream: StreamId) -> Any:
        """The present state of `stream`."""
        ...

    async def lag(self) -> int:
        """Messages that this process has not read yet."""
        ...


class Committed(msgspec.Struct, frozen=True):
    """An event as written, with its stream and the state after it."""

    stream: StreamId
    envelope: Envelope
    event: Event
    state: Any
    value: bytes


class Effect(msgspec.Struct, frozen=True):
    """Something to be done outside, because an event was committed: not before `due` (None: at once).
    `key` is its idempotency key: the same key is never carried out twice where the outcome is known."""

    kind: str
    key: str
    due: datetime | None = None


class Call(msgspec.Struct, frozen=True):
    """An effect whose turn has come. `repeated`: an earlier attempt may have reached the outside world. `stopped` are
    the ways on which nothing of its tenant may leave any more ("*": all)."""

    effect: Effect
    stream: StreamId
    state: Any
    repeated: bool
    stopped: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Later:
    """Instead of an outcome: nothing has happened outside, try again at `at`."""

    at: datetime
    reason: str


class Performer(Protocol):
    """Carries out the effects of one kind."""

    def unwanted(self, state: Any, now: datetime, stopped: frozenset[str]) -> Any | None:
        """Checked at the last moment: the command that records why the effect is not carried out any
        more, or None to go ahead. `stopped` are the ways on which nothing of its tenant may leave ("*": all)."""
        ...

    async def perform(self, runtime: Runtime, calls: Sequence[Call]) -> Sequence[Any]:
        """One command (or Later) per call, in order. An exception fails them all; they are repeated."""
        ...


class Halt(Exception):
    """A worker cannot go on before a person has acted. The message says what to do, and quotes no personal data."""


class Worker(Protocol):
    """A loop of a service's own, beside those of the kernel."""

    name: str

    async def turn(self, *, hurry: bool = False) -> int:
        """One step, if its time has come, or with `hurry` whether or not; how much was done. What it raises is tried
        again."""
        ...

    async def close(self) -> None:
        """Let go of what it holds, a lock for example. Most hold nothing."""
        return


class Counsel(Protocol):
    """What the deciders of one category are told beside the state of their stream: settings that no event holds, and
    tallies, which count across streams. A tally is a fold over the events of many streams under one name. It is
    locked from the reading to the commit, so that a cap across streams is as strict as one within a stream; the order
    in which streams are folded must play no part."""

    tally_type: Any
    initial: Any

    def reads(self, stream: StreamId, state: Any, command: Any) -> Sequence[str]:
        """The names of the tallies that deciding on `command` wants."""
        ...

    def advise(self, stream: StreamId, state: Any, command: Any, tallies: Mapping[str, Any]) -> Any:
        """The command to decide on, with what it has to know."""
        ...

    def counts(self, stream: StreamId, event: Event) -> Sequence[str]:
        """The names of the tallies that `event` changes."""
        ...

    def tally(self, name: str, tally: Any, stream: StreamId, event: Event) -> Any:
        """The tally called `name` after `event`."""
        ...


class Translated(msgspec.Struct, frozen=True):
    """A foreign message in our terms: its identity, the case it belongs to, the commands it asks for."""

    message_id: str
    case_id: str
    correlation_id: str
    routed: Sequence[Routed]
    traceparent: str | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A message nobody can handle as it is: parked with `reason`. `case_id` where it could be told."""

    reason: str
    case_id: str | None = None


Translator = Callable[[Runtime, "Sequence[Record]"], Awaitable[Sequence[Translated | Unreadable]]]


def _nothing(*_: Any) -> tuple[()]:
    return ()


async def _no_projection(*_: Any) -> None:
    return None


def _no_counsel(_: "Settings") -> Mapping[str, Counsel]:
    return {}


@dataclass(frozen=True)
class Service:
    """`react` turns an event heard into commands (pure). `effects` names what a committed event of
    `deciders` sets off. `project` keeps the service's views, in the transaction of those events. `absorb`, instead of
    `react`, takes records as they came, unread: that is how the audit keeps what it does not understand. `workers` are
    loops of the service's own, made once it can reach its database. `artifacts` are what it decides or speaks by now:
    asked for again and again, and each content published once.
    `translators` read topics that do not carry our envelope. `counsel`, by category, is built from the settings when
    the service starts."""

    name: str
    package: str
    topic: str
    listens: Sequence[str]
    deciders: Mapping[str, Decider[Any, Any]]
    react: Callable[[Envelope, Event], Iterable[Routed]] = _nothing
    effects: Callable[[StreamId, Event, Any], Iterable[Effect]] = _nothing
    performers: Mapping[str, Performer] = field(default_factory=dict)
    project: "Callable[[AsyncConnection, Sequence[Committed]], Awaitable[None]]" = _no_projection
    absorb: "Callable[[AsyncConnection, Sequence[Record], Clock], Awaitable[None]] | None" = None
    workers: "Callable[[Runtime], Sequence[Worker]]" = _nothing
    artifacts: "Callable[[Runtime], Sequence[Publish]]" = _nothing
    translators: Mapping[str, Translator] = field(default_factory=dict)
    counsel: "Callable[[Settings], Mapping[str, Counsel]]" = _no_counsel
    api: "Callable[[Runtime], APIRouter] | None" = None
    commands: "Typer | None" = None

    @property
    def migrations(self) -> Path:
        """Where the service's own alembic versions lie."""
        return Path(str(importlib.resources.files(self.package))) / "migrations" / "versions"
