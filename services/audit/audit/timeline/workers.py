"""Keeps an eye on missing numbers: an alarm while an event has not arrived although a later one of its stream has."""

from datetime import timedelta
from typing import Protocol

from doorstep.kernel.pacing import Pace
from doorstep.kernel.service import HasClock, HasDatabase, HasTelemetry, Worker

from audit.timeline import views

EVERY = timedelta(seconds=5)


class Counting(HasClock, HasDatabase, HasTelemetry, Protocol):
    """What counting takes."""


class Completeness(Worker):
    """Sets two gauges to what is missing: 0 is whole, and they go back to it when the events arrive."""

    name = "completeness"

    def __init__(self, runtime: Counting) -> None:
        self._pace = Pace(runtime.clock, EVERY)
        self._engine = runtime.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._events = runtime.telemetry.gauge(
            "missing_events", "events not here although later ones of their stream are"
        )
        self._streams = runtime.telemetry.gauge("incomplete_streams", "streams of which events are missing")

    async def turn(self, *, hurry: bool = False) -> int:
        """Look, every few seconds. There is never anything left to do."""
        if self._pace.due():
            async with self._engine.connect() as connection:
                found = await views.incomplete(connection)
            self._events.set(found.events)
            self._streams.set(found.streams)
            self._pace.rest()
        return 0
