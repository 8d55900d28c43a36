"""Loops that see to it that nothing is kept too long: borrowers after the retention, keys after their destruction."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from doorstep.kernel import parking
from doorstep.kernel.decider import Refused, Routed
from doorstep.kernel.pacing import Pace
from doorstep.kernel.service import Worker

from audit.erasure import views as erasure_views
from audit.erasure.domain import Erase, known
from audit.erasure.effects import erasure_id, stream
from audit.erasure.retention import Expiry, expiry, packs
from audit.store import views
from audit.store.entry import Entry
from audit.store.settings import AuditRuntime

HOURLY, DAILY = timedelta(hours=1), timedelta(days=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
BY = "doorstep"
BATCH = 1000


class Retention(Worker):
    """Goes through the cases that have ended once an hour, a page at each turn. One whose time has not come is not read
    again before it has."""

    name = "retention"

    def __init__(self, runtime: AuditRuntime) -> None:
        self._runtime = runtime
        self._pace = Pace(runtime.clock, HOURLY)
        self._after = -1
        self._not_before: dict[str, datetime] = {}

    async def turn(self, *, hurry: bool = False) -> int:
        """One page; how many borrowers are to be erased, and how much it looked at if another page follows."""
        now, days = self._runtime.clock.now(), self._runtime.settings.retention_days
        if days is None or not (hurry or self._pace.due()):
            return 0
        async with self._runtime.engine.connect() as connection:
            page = await erasure_views.ended(connection, now - timedelta(days=days), self._after)
        ripe = [one for one in page.cases if self._not_before.get(one.case_id, EARLIEST) <= now]
        ordered = sum([await self._judge(one, days, now) for one in ripe])
        return ordered + self._turn_over(page)

    def _turn_over(self, page: erasure_views.EndedPage) -> int:
        self._after = -1 if page.after is None else page.after
        if page.after is not None:
            return views.PAGE
        self._pace.rest()
        return 0

    async def _judge(self, case: erasure_views.Ended, days: int, now: datetime) -> bool:
        async with self._runtime.engine.connect() as connection:
            entries = await views.entries(connection, case.case_id)
            published = await views.artifacts(connection, packs(entries))
        told = expiry(case.case_id, entries, published, days)
        if told is not None and told.at > now:
            self._not_before[case.case_id] = told.at
        return told is not None and told.at <= now and await self._order(case, entries, told)

    async def _order(self, case: erasure_views.Ended, entries: Sequence[Entry], told: Expiry) -> bool:
        command = Erase(
            erasure_id(case.tenant, case.case_id),
            by=BY,
            reason=f"{told.days} days after its end",
            known=known(entries),
            cause="retention",
            rule=told.rule,
            days=told.days,
        )
        try:
            return bool(await self._runtime.execute(Routed(stream(case.case_id, case.tenant), command)))
        except Refused:
            # A legal hold: whoever lifts it need not remember the retention.
            return False


class KeyRetention(Worker):
    """At the start and once a day: destroys again what a restored backup of the keys has brought back, and the keys of
    parked messages that nobody came for; then makes destroyed keys vanish from the files of their database."""

    name = "keys"

    def __init__(self, runtime: AuditRuntime) -> None:
        self._runtime = runtime
        self._pace = Pace(runtime.clock, DAILY)
        self._shredded: datetime | None = None

    async def turn(self, *, hurry: bool = False) -> int:
        """Always 0: nothing follows from it."""
        vault = self._runtime.vault
        if not (hurry or self._pace.due()):
            return 0
        await self._destroy_again()
        await vault.expire("intake", parking.KEPT_FOR)
        if (last := await vault.destroyed_since(self._shredded)) is not None:
            await vault.shred()
            self._shredded = last
        self._pace.rest()
        return 0

    async def _destroy_again(self) -> None:
        async with self._runtime.engine.connect() as connection:
            erased = await erasure_views.erased(connection)
        for start in range(0, len(erased), BATCH):
            await self._runtime.vault.destroy(*erased[start : start + BATCH])
