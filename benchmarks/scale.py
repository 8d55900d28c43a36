"""A day's assessments of so many open cases at once, and what the readings that every turn takes cost beside them.

The cases are written by SQL: their streams as they stand after twelve contacts, without the events before. Nothing is
relayed, so that what is measured is escalation and PostgreSQL."""

import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit.erasure import views as erasure_views
from audit.main import service as audit
from audit.timeline import views as timeline_views
from doorstep.app.embedded import Secrets
from doorstep.bus.postgres import PostgresBus
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.database import EmbeddedPostgres
from doorstep.kernel import parking
from doorstep.kernel.runtime import Running
from escalation.domain.case.lifecycle import planned
from escalation.domain.decider import DECIDER
from escalation.main import service as escalation
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from benchmarks import decisions
from tests.support.audit_archive import filled

NOW = datetime(2026, 3, 18, 15, 0, tzinfo=UTC)
PLACE = "@"
"""In a state that serves as a pattern: the number of its case."""


@dataclass(frozen=True)
class Size:
    """What was measured with so many `cases`: decisions a second, the longest of their batches in seconds, the memory
    of the process in MB, and how many seconds each reading took."""

    cases: int
    rate: float
    longest: float
    memory: float
    readings: dict[str, float]


async def measured(postgres: EmbeddedPostgres, cases: int) -> Size:
    """On databases of its own."""
    async with _escalation(postgres) as running:
        await _open(running.engine, cases, "case")
        batches = [seconds async for seconds in _turns(running)]
        decided = await _count(running.engine, "select count(*) from streams where version > 1")
        assert decided == cases, f"{cases - decided} cases were not assessed"
        rate, longest = cases / sum(batches), max(batches)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        readings = await _of_escalation(running, cases)
    return Size(cases, rate, longest, memory, readings | await _of_audit(postgres, cases))


async def _of_escalation(running: Running, cases: int) -> dict[str, float]:
    """Now the same number of cases again is due, and suspended."""
    engine = running.engine
    await _open(engine, cases, "held")
    async with engine.begin() as connection:
        await connection.execute(_SUSPEND)
        await connection.execute(_PARK, {"cases": cases})
        for table in ("streams", "suspended", "parked"):
            await connection.execute(text(f"analyze {table}"))
    aside = [seconds async for seconds in _turns(running)]

    async def turn(_: AsyncConnection) -> None:
        await running.timers.turn()

    return {
        "all suspended cases that are due, laid aside": sum(aside),
        "a turn of the timers afterwards": await _seconds(engine, turn),
        "when the next timer is due": await _seconds(engine, running.timers.next_due),
        "how many messages are parked, as many as cases": await _seconds(engine, parking.queue),
    }


async def _of_audit(postgres: EmbeddedPostgres, cases: int) -> dict[str, float]:
    engine = await _database(postgres, *(database.KERNEL, audit.migrations))
    await filled(engine, cases, NOW)
    case_id = await _count(engine, f"select ('x' || left(md5('{cases // 2}'), 8))::bit(32)::bigint")
    read: dict[str, Callable[[AsyncConnection], Awaitable[object]]] = {
        "audit's list of cases, the first page": timeline_views.cases,
        "a page in the middle": lambda connection: timeline_views.cases(connection, before=3 * cases + cases // 2),
        "a case by the beginning of its id": lambda connection: timeline_views.cases(connection, f"{case_id:08x}"),
        "a case by its loan": lambda connection: timeline_views.cases(connection, f"L-{cases // 2}"),
        "a page of the scan for the retention": lambda connection: erasure_views.ended(connection, NOW),
    }
    found = {name: await _seconds(engine, one) for name, one in read.items()}
    await engine.dispose()
    return found


async def _turns(running: Running) -> AsyncIterator[float]:
    while True:
        start = time.perf_counter()
        if not await running.timers.turn():
            return
        yield time.perf_counter() - start


async def _seconds(engine: AsyncEngine, do: Callable[[AsyncConnection], Awaitable[object]]) -> float:
    """The second time: the first one plans."""
    async with engine.connect() as connection:
        await do(connection)
        start = time.perf_counter()
        await do(connection)
        return time.perf_counter() - start


async def _open(engine: AsyncEngine, cases: int, name: str) -> None:
    """So many cases of four kinds, all to be assessed now."""
    async with engine.begin() as connection:
        for nth in range(4):
            case = decisions.case_of(nth * 2 + 1, NOW)
            case = replace(
                case,
                lifecycle=planned(case.lifecycle, NOW),
                borrower=replace(case.borrower, phone_token=f"phone-{PLACE}", address_token=f"address-{PLACE}"),
            )
            pattern = DECIDER.dump(case).decode()
            wanted = {"kind": nth, "cases": cases, "name": name, "pattern": pattern, "place": PLACE}
            await connection.execute(_OPEN, {**wanted, "fold": DECIDER.fold_id, "now": NOW})
        await connection.execute(text("analyze streams"))


async def _count(engine: AsyncEngine, sql: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(sql))).scalar_one())


async def _database(postgres: EmbeddedPostgres, *versions: object) -> AsyncEngine:
    engine = database.engine(postgres.url(await postgres.scratch(), owner="postgres"))
    await database.migrate(engine, *versions)  # type: ignore[arg-type]
    return engine


@asynccontextmanager
async def _escalation(postgres: EmbeddedPostgres) -> AsyncIterator[Running]:
    secrets = Secrets.from_seed(1)
    settings = escalation.settings(
        database_url=postgres.url(await postgres.scratch(), owner="postgres"),
        vault_url=postgres.url(await postgres.scratch(), owner="postgres"),
        vault_key=secrets.vault_key,
        tenant_secret=secrets.tenant_secret,
        jwt_public_key=secrets.issuer.public_key,
    )
    unused = PostgresBus(database.engine(postgres.url("postgres", owner="postgres")))
    clock = SimulatedClock(NOW + timedelta(minutes=1))
    running = Running(escalation, settings, bus=unused, clock=clock)
    await running.prepare()
    yield running
    await running.close()
    await unused.engine.dispose()


_OPEN = text(
    """
    insert into streams (stream, category, id, key, tenant, version, fold, state, wake_at, correlation_id)
    select 'case/' || id, 'case', id, id, 'acme', 1, :fold,
        convert_to(replace(:pattern, :place, id), 'UTF8'), :now, 'c'
    from generate_series(cast(:kind as int), cast(:cases as int) - 1, 4) n,
        lateral (select cast(:name as text) || '-' || n as id) named
    """
)
_SUSPEND = text("insert into suspended select key, 'bank', key from streams where key like 'held-%'")
_PARK = text(
    """
    insert into parked (topic, partition, "offset", key, sealed, reason, parked_at)
    select 't', 0, n, 'loan-' || n, convert_to(repeat('x', 1000), 'UTF8'), 'why', now()
    from generate_series(1, cast(:cases as int)) n
    """
)
