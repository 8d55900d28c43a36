"""How often a worker takes a step, by the service's clock."""

from datetime import UTC, datetime, timedelta

from doorstep.infra.clock import Clock


class Pace:
    """The first step is due at once, each other `every` so often after the worker last began to rest."""

    def __init__(self, clock: Clock, every: timedelta) -> None:
        self._clock = clock
        self._every = every
        self._next = datetime.min.replace(tzinfo=UTC)

    def due(self) -> bool:
        """Whether the time for a step has come."""
        return self._clock.now() >= self._next

    def rest(self) -> None:
        """No step before `every` has passed."""
        self._next = self._clock.now() + self._every
