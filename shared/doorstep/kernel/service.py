"""What a service is: a value that names its pure functions and its few points of contact.

The kernel does the rest. A service's main.py holds one `service = Service(...)`, which the entry point
group `doorstep.services` names; that is all the registration there is.
"""

import importlib.resources
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol

import msgspec
from typing_extensions import TypeVar

from doorstep.events.envelope import Envelope
from doorstep.events.registry import Event
from doorstep.kernel.decider import C, Decider, E, Routed, S, StreamId

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

T = TypeVar("T", bound="Settings", default="Settings")
T_co = TypeVar("T_co", bound="Settings", covariant=True, default="Settings")
"""A service's settings."""
R = TypeVar("R", default=object)
R_co = TypeVar("R_co", covariant=True, default=object)
"""What a service holds of its own; see Service."""
S_co = TypeVar("S_co", covariant=True, default=object)
S_contra = TypeVar("S_contra", contravariant=True, default=Any)
C_co = TypeVar("C_co", covariant=True, default=object)
C_contra = TypeVar("C_contra", contravariant=True, default=Any)
N = TypeVar("N", default=Any)


class HasClock(Protocol):
    """Who reads the time."""

    @property
    def clock(self) -> "Clock": ...


class HasDatabase(Protocol):
    """Who has the service's database."""

    @property
    def engine(self) -> "AsyncEngine": ...


class HasVault(Protocol):
    """Who seals and opens personal data."""

    @property
    def vault(self) -> "Vault": ...


class HasSettings(Protocol[T_co]):
    """Who was set up."""

    @property
    def settings(self) -> T_co: ...


class HasTelemetry(Protocol):
    """Who measures."""

    @property
    def telemetry(self) -> "Telemetry": ...


class Executes(Protocol):
    """Who decides on commands."""

    async def execute(self, *routed: Routed, request_id: str | None = None) -> Sequence[Event]:
        """Decide and commit in one transaction; the events that came of it. With a `request_id` a repeated
        call does nothing and returns nothing. Raises Refused."""
        ...

    async def state(self, decider: Decider[S, C, E], stream: StreamId) -> S:
        """The present state of `stream`, which is of the decider's category."""
        ...


class Runtime(HasClock, HasDatabase, HasVault, HasSettings[T_co], HasTelemetry, Executes, Protocol[T_co, R_co]):
    """All that a running service offers to its own parts; each asks for the little it needs."""

    @property
    def resources(self) -> R_co: ...
    @property
    def workers(self) -> "Sequence[Worker]": ...

    async def lag(self) -> int:
        """Messages that this process has not read yet."""
        ...


class Committed(msgspec.Struct, frozen=True):
    """An event as written, with its stream and the state after it."""

    stream: StreamId
    envelope: Envelope
    event: Event
    state: object
    value: bytes


class Effect(msgspec.Struct, frozen=True):
    """Something to be done outside, because an event was committed: not before `due` (None: at once).
    `key` is its idempotency key: the same key is never carried out twice where the outcome is known."""

    kind: str
    key: str
    due: datetime | None = None


class Call(msgspec.Struct, Generic[S_co], frozen=True):
    """An effect whose turn has come. `repeated`: an earlier attempt, at `called_at`, may have reached the outside
    world. `stopped` are the ways on which nothing of its tenant may leave any more ("*": all)."""

    effect: Effect
    stream: StreamId
    state: S_co
    repeated: bool
    stopped: frozenset[str] = frozenset()
    called_at: datetime | None = None


@dataclass(frozen=True)
class Later:
    """Instead of an outcome: this attempt has reached nothing outside, try again at `at`. `clean`: no earlier one has
    either, so that the next is a first call again."""

    at: datetime
    reason: str
    clean: bool = False


Carry = Callable[[Call[S]], Awaitable[C | Later]]
"""Carries out one call, as it was last looked at, and answers with a command."""


class Performer(Protocol[S_contra, C_co]):
    """Carries out the effects of one kind, which belong to streams with states S, and answers by commands C.

    `exclusive`: one batch after the other, in one process, each begun after the outcomes of the last are on record; for
    work that has to see them. All others are called at the same time, and each is bounded by the call time-out."""

    exclusive: bool

    def unwanted(self, state: S_contra, now: datetime, stopped: frozenset[str]) -> C_co | None:
        """Checked right before each first call: the command that records why the effect is not carried out any more, or
        None to go ahead. `stopped` are the ways on which nothing of its tenant may leave ("*": all)."""
        ...

    async def perform(self, calls: Sequence[Call[S_contra]]) -> Sequence[Carry[S_contra, C_co]]:
        """For each call, in order, what carries it out. What all of them need is read here, at once. An exception
        fails its call, which is repeated."""
        ...


def answered(answer: C | Later) -> Carry[object, C]:
    """An answer that is there already, as Performer.perform gives it."""

    async def at_once(_: Call[object]) -> C | Later:
        return answer

    return at_once


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


class ContextSource(Protocol[S_contra, C_contra, N]):
    """Where the decisions of one category get their context: what they are told beside the state of their stream,
    which is settings that no event holds, and counters across streams. A counter is a fold over the events of many
    streams under one name. It is locked from the reading to the commit, so that a cap across streams is as strict as
    one within a stream; the order in which streams are folded must play no part."""

    counter_type: object
    initial: N

    def reads(self, stream: StreamId, state: S_contra, command: C_contra) -> Sequence[str]:
        """The names of the counters that deciding on `command` wants."""
        ...

    def with_context(self, stream: StreamId, state: S_contra, command: C_contra, counters: Mapping[str, N]) -> object:
        """The command to decide on, with what it has to know."""
        ...

    def counts(self, stream: StreamId, event: Event) -> Sequence[str]:
        """The names of the counters that `event` changes."""
        ...

    def count(self, name: str, counter: N, stream: StreamId, event: Event) -> N:
        """The counter called `name` after `event`."""
        ...


class Translated(msgspec.Struct, frozen=True):
    """A foreign message in our terms: its identity, the case it belongs to, the commands it asks for. `key` is what it
    waits under if it must; None: the key it came with, which where tenants share a topic may be another's too."""

    message_id: str
    case_id: str
    correlation_id: str
    routed: Sequence[Routed]
    traceparent: str | None = None
    key: str | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A message nobody can handle as it is: parked with `reason`. `case_id` where it could be told, `key` as in
    Translated."""

    reason: str
    case_id: str | None = None
    key: str | None = None


Translator = Callable[[Runtime[T, R], "Sequence[Record]"], Awaitable[Sequence[Translated | Unreadable]]]


def _nothing(*_: object) -> tuple[()]:
    return ()


def _none(_: object) -> Mapping[str, Any]:
    return {}


def _no_resources(_: object) -> Any:
    return None


async def _no_projection(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Service(Generic[T, R]):
    """`package` is where its migrations lie. `settings` is what it reads from its environment, and `resources` what
    it holds of its own and makes from them when it starts: gateways, policies. `react` turns an event heard into
    commands (pure), if it is one of `reacts_to`; all others are passed over unread (ADR 0026). `effects` names what a
    committed event of `deciders` sets off, `performers` who carries it out, by kind. `project` keeps the service's
    views, in the transaction of those events. `absorb`, instead of `react`, takes records as they came, unread: that
    is how the audit keeps what it does not understand. `workers` are loops of the service's own, made once it can
    reach its database. `artifacts` are what it decides or speaks by now: asked for again and again, and each content
    published once. `translators` read topics that do not carry our envelope. `contexts`, by category, are what is
    decided with."""

    name: str
    package: str
    topic: str
    listens: Sequence[str]
    settings: type[T]
    deciders: Mapping[str, Decider]
    resources: Callable[[T], R] = _no_resources
    react: Callable[[Envelope, Event], Iterable[Routed]] = _nothing
    reacts_to: Collection[type[Event]] = ()
    effects: Callable[[StreamId, Event, object], Iterable[Effect]] = _nothing
    performers: Callable[[Runtime[T, R]], Mapping[str, Performer]] = _none
    project: "Callable[[AsyncConnection, Sequence[Committed]], Awaitable[None]]" = _no_projection
    absorb: "Callable[[AsyncConnection, Sequence[Record], Clock], Awaitable[None]] | None" = None
    workers: Callable[[Runtime[T, R]], Sequence[Worker]] = _nothing
    artifacts: "Callable[[R], Sequence[Publish]]" = _nothing
    translators: "Mapping[str, Translator[T, R]]" = field(default_factory=dict)
    contexts: Callable[[R], Mapping[str, ContextSource]] = _none
    api: "Callable[[Runtime[T, R]], APIRouter] | None" = None
    commands: "Typer | None" = None

    @property
    def migrations(self) -> Path:
        """Where the service's own alembic versions lie."""
        return Path(str(importlib.resources.files(self.package))) / "migrations" / "versions"
