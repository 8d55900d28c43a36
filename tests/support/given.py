"""Words for tests: given these events, when this command, then those events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from doorstep.events.registry import Event
from doorstep.kernel.decider import Decider


@dataclass(frozen=True)
class Given:
    """A decider with a past."""

    decider: Decider
    state: Any

    def when(self, command: Any, now: datetime) -> "Happened":
        """Decide, and fold what came of it. Raises what `decide` raises."""
        events = tuple(self.decider.decide(self.state, command, now))
        return Happened(self.decider, self.decider.fold(events, self.state), events)


@dataclass(frozen=True)
class Happened(Given):
    """What a command led to; another may follow."""

    events: Sequence[Event]

    def then(self, *expected: Event) -> "Happened":
        """Exactly these events, in this order."""
        assert tuple(self.events) == expected
        return self

    def then_types(self, *expected: type[Event]) -> "Happened":
        """Events of exactly these types, in this order."""
        assert tuple(type(event) for event in self.events) == expected
        return self

    def then_nothing(self) -> "Happened":
        """The command changed nothing."""
        assert tuple(self.events) == ()
        return self

    @property
    def event(self) -> Any:
        """The only event."""
        (event,) = self.events
        return event


def given(decider: Decider, *events: Event) -> Given:
    """`decider` after `events`."""
    return Given(decider, decider.fold(events))
