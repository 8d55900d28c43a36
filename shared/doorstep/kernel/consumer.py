"""The consumer loop: fetch, handle, commit the offset. In this order, so that nothing is lost."""

from doorstep.bus.interface import Bus, Subscription
from doorstep.infra import failpoints
from doorstep.infra.telemetry import Telemetry
from doorstep.kernel.handle import Handler
from doorstep.kernel.service import Service


class Consumer:
    """One per service and process."""

    def __init__(self, service: Service, bus: Bus, handler: Handler, telemetry: Telemetry, batch: int) -> None:
        self._service = service
        self._bus = bus
        self._handler = handler
        self._telemetry = telemetry
        self._batch = batch
        self._subscription: Subscription | None = None

    async def turn(self, timeout: float = 0.0) -> int:
        """One batch; how many messages it had. Raises ConnectionError and PostgreSQL's errors; then the
        subscription starts again at the last committed offset."""
        if self._subscription is None:
            self._subscription = await self._bus.subscribe(self._service.name, self._service.listens)
        try:
            records = await self._subscription.fetch(self._batch, timeout)
            if records:
                failpoints.hit("consumer.after-poll")
                with self._telemetry.batch_seconds.time():
                    await self._handler.handle(records)
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
