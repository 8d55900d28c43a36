"""Keeps an eye on missing numbers: an alarm while an event has not arrived although a later one of its stream has."""

from datetime import UTC, datetime, timedelta

from doorstep.kernel.service import Runtime

from audit.store import views

EVERY = timedelta(seconds=5)


class Completeness:
    """Sets two gauges to what is missing: 0 is whole, and they go back to it when the events arrive."""

    name = "completeness"

    def __init__(self, runtime: Runtime) -> None:
        self._clock = runtime.clock
        self._engine = runtime.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._next = datetime.min.replace(tzinfo=UTC)
        self._events = runtime.telemetry.gauge(
            "missing_events", "events not here although later ones of their stream are"
        )
        self._streams = runtime.telemetry.gauge("incomplete_streams", "streams of which events are missing")

    async def turn(self, *, hurry: bool = False) -> int:
        """Look, every few seconds. There is never anything left to do."""
        now = self._clock.now()
        if now >= self._next:
            async with self._engine.connect() as connection:
                found = await views.incomplete(connection)
            self._events.set(found.events)
            self._streams.set(found.streams)
            self._next = now + EVERY
        return 0

    async def close(self) -> None:
        """It holds nothing."""
