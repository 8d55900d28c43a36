"""The consumer loop: fetch, handle, commit the offset. In this order, so that nothing is lost."""

from collections.abc import Awaitable, Callable, Sequence

from doorstep.bus.interface import Bus, DeletedUnread, Record, Subscription
from doorstep.infra import failpoints
from doorstep.infra.telemetry import Telemetry
from doorstep.kernel.losses import Unaccepted

Handle = Callable[[Sequence[Record]], Awaitable[None]]
Accepted = Callable[[DeletedUnread], Awaitable[bool]]


class Consumer:
    """One per service and process. `accepted` says whether a person has said to go on without what was lost."""

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        bus: Bus,
        handle: Handle,
        telemetry: Telemetry,
        batch: int,
        accepted: Accepted,
    ) -> None:
        self._name = name
        self._topics = topics
        self._bus = bus
        self._handle = handle
        self._telemetry = telemetry
        self._batch = batch
        self._accepted = accepted
        self._subscription: Subscription | None = None
        self.lost: DeletedUnread | None = None
        """What this process stands before, and may not pass."""

    async def turn(self, timeout: float = 0.0) -> int:
        """One batch; how many messages it had. Raises ConnectionError, PostgreSQL's errors and Unaccepted; then the
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
        except DeletedUnread as lost:
            await self._pass(self._subscription, lost)
            return 0
        except Exception:
            await self.close()
            raise
        self.lost = None
        return len(records)

    async def _pass(self, subscription: Subscription, lost: DeletedUnread) -> None:
        self.lost = lost
        try:
            if not await self._accepted(lost):
                raise Unaccepted(lost)
            # Nobody has dealt with them; but everything before the first that is left is done with.
            gone = [Record(partition, first - 1, "", b"") for partition, (_, first) in lost.gaps.items()]
            await subscription.commit(gone)
        finally:
            await self.close()

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
