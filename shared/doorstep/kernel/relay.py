"""The relay loop: outbox to bus. Published first, deleted after, so a crash in between publishes twice and
never not at all; the readers' inboxes make the second time harmless.

One relay per service (see leader). Rows are deleted, not skipped by "id > last seen", which would lose rows
committed late. A failed send stops the batch: going on would reorder a key. A message that no bus will ever take is set
aside, alone; the others go on, those of its key too, for what follows may be a cancellation (ADR 0023)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.bus.interface import Bus, Outgoing
from doorstep.infra import failpoints
from doorstep.infra.telemetry import Telemetry
from doorstep.kernel.leader import Leader

SetAside = Callable[[int, Outgoing, str], Awaitable[None]]
Uncover = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes | None]]]


class Relay:
    """One per service and process; only the leader publishes. `uncover` opens the values of an outbox that holds them
    under seal; what it answers None for goes no further. `set_aside` takes a message that cannot be published out of
    the outbox, by its place there, and says why; without it such a message is raised as ValueError."""

    def __init__(
        self,
        engine: AsyncEngine,
        bus: Bus,
        telemetry: Telemetry,
        batch: int,
        *,
        uncover: Uncover | None = None,
        set_aside: SetAside | None = None,
    ) -> None:
        self._set_aside = set_aside
        self._bus = bus
        self._uncover = uncover
        self._telemetry = telemetry
        self._batch = batch
        self._leader = Leader(engine, "relay")

    async def turn(self) -> int:
        """Publish one batch; how many messages. Raises ConnectionError while the bus is away."""
        connection = await self._leader.held()
        if connection is None:
            return 0
        try:
            return await self._publish(connection)
        except Exception:
            # The connection may be lost, and the lock with it.
            await self.close()
            raise

    async def close(self) -> None:
        """Let another process relay."""
        await self._leader.resign()

    async def _publish(self, connection: AsyncConnection) -> int:
        rows = (await connection.execute(_NEXT, {"limit": self._batch})).all()
        if not rows:
            return 0
        failpoints.hit("relay.before-send")
        values = await self._uncover([row.value for row in rows]) if self._uncover else [row.value for row in rows]
        told = zip(rows, values, strict=True)
        await self._send(
            {row.position: Outgoing(row.topic, row.key, value) for row, value in told if value is not None}
        )
        failpoints.hit("relay.before-delete")
        await connection.execute(_DELETE, {"positions": [row.position for row in rows]})
        failpoints.hit("relay.after-delete")
        self._telemetry.published.inc(len(rows))
        return len(rows)

    async def _send(self, messages: Mapping[int, Outgoing]) -> None:
        try:
            await self._bus.publish(list(messages.values()))
        except ValueError as error:
            if self._set_aside is None:
                raise
            places = list(messages)
            if len(places) == 1:
                await self._set_aside(places[0], messages[places[0]], str(error))
                return
            for half in (places[: len(places) // 2], places[len(places) // 2 :]):
                await self._send({place: messages[place] for place in half})


_NEXT = text("select position, topic, key, value from outbox order by position limit :limit")
_DELETE = text("delete from outbox where position = any(cast(:positions as bigint[]))")
