"""Months in seconds: drive the services by hand, and jump the clock once everything is quiet.

Services turn in a fixed order, one after the other, so a run is repeatable to the last event id."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from doorstep.infra.clock import SimulatedClock

PATIENCE = 100_000
"""Turns at one instant before we say that something sets itself off for ever."""


class Participant(Protocol):
    """A service, or the world around the services."""

    async def turn(self) -> int:
        """One step; how much there was to do."""
        ...

    async def next_due(self) -> datetime:
        """When it has something to do next, if nothing comes before; the end of time when it has not."""
        ...

    async def lag(self) -> int:
        """What it has not read yet."""
        ...


class Simulation:
    """Participants that share a simulated clock."""

    def __init__(self, participants: Sequence[Participant], clock: SimulatedClock) -> None:
        self._participants = participants
        self._clock = clock

    async def settle(self) -> None:
        """Turn everyone until nothing is left to do at this instant. Raises RuntimeError when it never ends."""
        for _ in range(PATIENCE):
            if not sum([await one.turn() for one in self._participants]) and not await self._lag():
                return
        raise RuntimeError(f"not quiet after {PATIENCE} turns at {self._clock.now()}: an event sets itself off")

    async def advance(self, until: datetime) -> None:
        """Jump from one due instant to the next, up to `until`."""
        while True:
            await self.settle()
            due = await self.next_due()
            if due >= until:
                break
            self._clock.jump(max(due, self._clock.now()))
        self._clock.jump(until)
        await self.settle()

    async def next_due(self) -> datetime:
        """When anyone has something to do next."""
        return min([await one.next_due() for one in self._participants])

    async def _lag(self) -> int:
        return sum([await one.lag() for one in self._participants])
