"""The consumer loop: fetch, handle, commit the offset. In this order, so that nothing is lost."""

from collections.abc import Awaitable, Callable, Sequence

from doorstep.bus.interface import Bus, Record, Subscription
from doorstep.infra import failpoints
from doorstep.infra.telemetry import Telemetry

Handle = Callable[[Sequence[Record]], Awaitable[None]]


class Consumer:
    """One per service and process."""

    def __init__(
        self, name: str, topics: Sequence[str], bus: Bus, handle: Handle, telemetry: Telemetry, batch: int
    ) -> None:
        self._name = name
        self._topics = topics
        self._bus = bus
        self._handle = handle
        self._telemetry = telemetry
        self._batch = batch
        self._subscription: Subscription | None = None

    async def turn(self, timeout: float = 0.0) -> int:
        """One batch; how many messages it had. Raises ConnectionError and PostgreSQL's errors; then the
        subscription starts again at the last committed offset."""
        if self._subscription is None:
            self._subscription = await self._bus.subscribe(self._name, self._topics)
        try:
            records = await self._subscription.fetch(self._batch, timeout)
            if records:
                failpoints.hit("consumer.after-poll")
                with self._telemetry.batch_seconds.time():
                    await self._handle(records)
                failpoints.hit("consumer.before-offset")
                await self._subscription.commit(records)
        except Exception:
            await self.close()
            raise
        return len(records)

    async def lag(self) -> int:
        """Messages not read yet."""
        lag = await self._subscription.lag() if self._subscription else 0
        self._telemetry.lag.set(lag)
        return lag

    async def close(self) -> None:
        """Leave the group."""
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            await subscription.close()
