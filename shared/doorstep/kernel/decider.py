"""The decider: a whole aggregate as one value of pure functions.

`decide(state, command, now) -> events` and `evolve(state, event) -> state` do no I/O, read no clock and
make no random ids. A command handled twice yields no second event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic

import msgspec
from typing_extensions import TypeVar

from doorstep.events.envelope import Actor
from doorstep.events.registry import Event
from doorstep.kernel.folds import fold_id

S = TypeVar("S", default=Any)
C = TypeVar("C", default=Any)
E = TypeVar("E", bound=Event, default=Any)

NO_TENANT = "-"
"""In place of a tenant that nobody could tell yet."""
SYSTEM = Actor(id="doorstep")
SHORTEST_REASON = 4
"""Characters: shorter ones say nothing to whoever reads them years later."""


class Refused(Exception):
    """A domain rule says no to a person's command: a 409 with this message. Not a bug."""


class Unknown(Exception):
    """There is nothing of that name: a 404 with this message, which says where to look."""


def reason_given(told: str) -> str:
    """The reason a person gives for what they do, spaces tidied. Raises Refused for one too short to say anything."""
    reason = " ".join(told.split())
    if len(reason) < SHORTEST_REASON:
        raise Refused(f"say why, in at least {SHORTEST_REASON} characters: it is kept for whoever asks later")
    return reason


@dataclass(frozen=True)
class Wake:
    """The command a stream gets when the instant it asked for (`wake_at`) has come. After downtime it
    comes once, late: `due` is the instant asked for, `now` the present one."""

    due: datetime


@dataclass(frozen=True)
class Decider(Generic[S, C, E]):
    """`wake_at(state)` is the stream's timer: kept with the state, in the same transaction, so a timer can
    neither be lost nor outlive its reason. Each Wake must yield an event that moves it."""

    category: str
    initial: S
    state_type: object
    decide: Callable[[S, C, datetime], Sequence[E]]
    evolve: Callable[[S, E], S]
    wake_at: Callable[[S], datetime | None] = lambda _: None

    def fold(self, events: Sequence[E], state: S | None = None) -> S:
        """`state` (or the initial one) after `events`."""
        folded = self.initial if state is None else state
        for event in events:
            folded = self.evolve(folded, event)
        return folded

    @cached_property
    def fold_id(self) -> str:
        """Changes whenever a module that `evolve` reaches does, or the shape of the state, so that a cached state of
        older code is recognised and rebuilt from its events."""
        return fold_id([self.evolve.__module__], self.state_type)

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[S]:
        return msgspec.json.Decoder(self.state_type)

    def load(self, cached: bytes) -> S:
        """The state from its cached bytes."""
        return self._decoder.decode(cached)

    def dump(self, state: S) -> bytes:
        """The bytes to cache."""
        return msgspec.json.encode(state)


class StreamId(msgspec.Struct, frozen=True):
    """`category/id`: which decider, which instance. `key` is the case it belongs to (or, for agents and
    the like, the id itself): events of one key stay in order."""

    category: str
    id: str
    key: str
    tenant: str

    def __str__(self) -> str:
        return f"{self.category}/{self.id}"


class Routed(msgspec.Struct, frozen=True):
    """A command on its way to a stream."""

    stream: StreamId
    command: object
    actor: Actor = SYSTEM
