"""The conformance monitor: reads the log in its order and raises an event for each thing that should not have happened.

Entries come from five topics with no order between them. So an entry is judged a minute after it was taken in, and only
while no more waits to be read than one batch takes; its case is then read whole, what came meanwhile included. An entry
that was under way for longer than that minute has its case judged again when it comes. Where it may speak for more than
its own case (a telephone number that others share, a tenant's ramp or switch) those cases are read too.

The place in the log moves on after the events are committed. To read something twice adds nothing: a violation found
again is the same one, so that several processes may do this at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from conformance import scope
from conformance.checker import RELEVANT, TELLING, check
from conformance.record import LogEntry, event_of
from conformance.report import Assumptions, Violation
from doorstep.kernel.decider import Routed
from doorstep.kernel.pacing import Pace
from doorstep.kernel.service import Worker

from audit.monitor import views
from audit.monitor.domain import RaiseViolations, stream
from audit.store.settings import AuditRuntime

DAILY = timedelta(days=1)
LEEWAY = timedelta(minutes=1)
"""How long an event may be under way, and how far two clocks may differ. What leaves later than this after a hold was
placed is a violation, however slowly the hold travelled."""
LONGEST_PERMIT = timedelta(days=8)
STALE_AFTER = 366
"""Days. How old facts may be is the lender's own policy, which no event tells: this is the most it can say."""
BATCH = 5_000
"""Entries at a turn."""
TOGETHER = 50
"""Cases judged at once: nothing else gets a turn meanwhile."""
Entries = Mapping[int, LogEntry]
"""What was read, by position in the log."""


class Monitor(Worker):
    """A batch of new entries at each turn, and once a day the cases that are kept too long."""

    name = "monitor"

    def __init__(self, runtime: AuditRuntime) -> None:
        self._runtime = runtime
        self._pace = Pace(runtime.clock, timedelta(seconds=runtime.settings.monitor_every))
        self._sweep = Pace(runtime.clock, DAILY)
        self._judged: int | None = None
        self._violations = runtime.telemetry.gauge("violations", "breaches of the rules on record; 0 is the aim")
        self._unjudged = runtime.telemetry.gauge("unjudged", "entries that the conformance monitor has not judged yet")

    async def turn(self, *, hurry: bool = False) -> int:
        """How many violations were found; where more entries wait, how many were judged. `hurry`: nothing is under way
        any more."""
        now = self._runtime.clock.now()
        if not hurry and (not self._pace.due() or await self._runtime.lag() > self._runtime.settings.batch):
            return 0
        fresh = await self._fresh(now if hurry else now - LEEWAY)
        found = await self._kept_too_long(now) + (await self._judge(fresh, now) if fresh.count else 0)
        if fresh.count == BATCH:
            return fresh.count
        self._pace.rest()
        return found

    async def _fresh(self, until: datetime) -> views.Unjudged:
        async with self._runtime.engine.connect() as connection:
            first = self._judged is None
            if self._judged is None:
                self._judged = await views.judged(connection)
            fresh = await views.unjudged(connection, self._judged, until, LEEWAY, TELLING, RELEVANT, BATCH)
            if first or fresh.violations:
                self._violations.set(await views.violation_count(connection))
        self._unjudged.set(fresh.waiting)
        return fresh

    async def _judge(self, fresh: views.Unjudged, now: datetime) -> int:
        cases = sorted({*fresh.cases, *await self._permitted_since(fresh.late_tenants)})
        some = [cases[first : first + TOGETHER] for first in range(0, len(cases), TOGETHER)]
        found = sum([await self._report(one, fresh.end, now) for one in some])
        async with self._runtime.engine.begin() as connection:
            await views.move_on(connection, fresh.end)
        self._judged = fresh.end
        self._unjudged.set(fresh.waiting - fresh.count)
        return found

    async def _kept_too_long(self, now: datetime) -> int:
        """Nothing happens when something is kept too long, so it has to be looked for."""
        days = self._runtime.settings.retention_days
        if days is None or not self._sweep.due():
            return 0
        self._sweep.rest()
        found, after = 0, -1
        while True:
            page = await self._kept(now - timedelta(days=days), after)
            if page.cases:
                found += await self._report(page.cases, self._judged or 0, now)
            if page.after is None:
                return found
            after = page.after

    async def _kept(self, before: datetime, after: int) -> views.KeptPage:
        async with self._runtime.engine.connect() as connection:
            return await views.kept(connection, before, after)

    async def _permitted_since(self, late: Mapping[str, datetime]) -> Collection[str]:
        """The cases that something a tenant said, and that came late, may bear on."""
        if not late:
            return ()
        async with self._runtime.engine.connect() as connection:
            found = [
                await views.permitted(connection, tenant, since - LONGEST_PERMIT) for tenant, since in late.items()
            ]
        return set().union(*found)

    async def _report(self, cases: Collection[str], end: int, now: datetime) -> int:
        """Read these cases, judge them, and put on record what is found in the first `end` entries."""
        known = await self._read(cases)
        if peers := await self._peers(known, cases):
            known = {**known, **await self._read(peers)}
        events = [known[position] for position in sorted(known, key=lambda position: (known[position].at, position))]
        assumed = Assumptions(None, STALE_AFTER, LEEWAY, self._runtime.settings.retention_days, now)
        settled = {event.id for position, event in known.items() if position < end}
        found = [one for one in check(events, assumed).violations if one.event in settled]
        return await self._raise(found, {event.case: event.tenant for event in events})

    async def _read(self, cases: Iterable[str]) -> Entries:
        async with self._runtime.engine.connect() as connection:
            return {one.position: _event(one) for one in await views.filed(connection, cases, RELEVANT)}

    async def _peers(self, known: Entries, read: Collection[str]) -> Collection[str]:
        numbers, ramped = scope.numbers(known.values()), scope.ramped(known.values())
        if not numbers and not ramped:
            return ()
        async with self._runtime.engine.begin() as connection:
            found = [await views.sharing(connection, numbers)]
            found += [await views.first_contacts(connection, tenant, *span) for tenant, span in ramped.items()]
        return set().union(*found) - set(read)

    async def _raise(self, found: Iterable[Violation], tenants: Mapping[str, str]) -> int:
        by_case: dict[str, list[Violation]] = defaultdict(list)
        for one in found:
            by_case[one.case].append(one)
        told = [
            Routed(stream(case, tenants[case]), RaiseViolations(case, tuple(all_))) for case, all_ in by_case.items()
        ]
        raised = sum([len(await self._runtime.execute(one)) for one in told])
        self._violations.inc(raised)
        return raised


def _event(filed: views.Filed) -> LogEntry:
    """Where even the names in it cannot be read any more, by what it is filed under."""
    try:
        return event_of(filed.value)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        kind = filed.type.removeprefix("doorstep.")
        return LogEntry(filed.at, filed.id, kind, filed.case_id, filed.tenant, {}, type(error).__name__)
