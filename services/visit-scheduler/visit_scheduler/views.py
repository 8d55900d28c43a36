"""The SQL of visits: what the API lists, and the diary that keeps an agent from being in two places at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from doorstep.events.visits import (
    AgentRegistered,
    NoticeFailed,
    VisitCancelled,
    VisitCancelledEarly,
    VisitPlanned,
    VisitRequested,
    VisitUnplanned,
)
from doorstep.kernel.sending_controls import stopped, stops
from doorstep.kernel.service import Committed
from msgspec.json import encode
from sqlalchemy import Row, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from visit_scheduler.domain.planning import Booked, Diary, FieldAgent
from visit_scheduler.domain.states import State, status_of

PAGE = 200
REMEMBERED = timedelta(days=2)
"""A booking further back falls on no day that is still to be planned, in any time zone."""

Values = Mapping[str, object]


async def project(connection: AsyncConnection, committed: Sequence[Committed]) -> None:
    """Keep the views, in the transaction of the events. Raises IntegrityError when an agent would begin two
    visits at once."""
    visits = [one for one in committed if one.stream.category == "visit"]
    booked = [row for one in visits if isinstance(one.event, VisitPlanned) for row in _bookings(one.event)]
    freed = [{"visit_id": one.stream.id} for one in visits if isinstance(one.event, VisitCancelled | NoticeFailed)]
    await _write(connection, _AGENTS, _merged((one.stream.id, _agent(one)) for one in committed))
    await _write(connection, _VISITS, _merged((one.stream.id, _visit(one)) for one in visits))
    await _write(connection, _BOOK, booked)
    await _write(connection, _RELEASE, freed)


async def roster(connection: AsyncConnection, tenants: Iterable[str]) -> Mapping[str, Sequence[FieldAgent]]:
    """The active agents of each tenant."""
    found: dict[str, list[FieldAgent]] = defaultdict(list)
    for row in await connection.execute(_ROSTER, {"tenants": sorted(set(tenants))}):
        agent = FieldAgent(row.agent_id, row.agency, row.certified_until, frozenset(row.languages), tuple(row.regions))
        found[row.tenant].append(agent)
    return found


async def diary(connection: AsyncConnection, now: datetime) -> Diary:
    """Every booking that counts for a slot after `now`."""
    found: dict[str, list[Booked]] = defaultdict(list)
    for row in await connection.execute(_DIARY, {"since": now - REMEMBERED}):
        found[row.agent_id].append((row.starts, row.ends))
    return Diary(found)


async def visit(connection: AsyncConnection, visit_id: str) -> Row[Any] | None:
    """One visit, or None."""
    return (await connection.execute(_ONE_VISIT, {"visit_id": visit_id})).one_or_none()


async def visits(connection: AsyncConnection, case_id: str | None, only: Sequence[str] | None) -> Sequence[Row[Any]]:
    """The visits of a case, or of all, of the tenants in `only` (None: of all); at most PAGE, the latest planned
    first."""
    wanted = {"case_id": case_id, "only": only, "limit": PAGE}
    return (await connection.execute(_SOME_VISITS, wanted)).all()


async def agents(connection: AsyncConnection, only: Sequence[str] | None) -> Sequence[Row[Any]]:
    """Every agent of the tenants in `only` (None: of all), by id."""
    return (await connection.execute(_ALL_AGENTS, {"only": only})).all()


async def tenant_of_agent(connection: AsyncConnection, agent_id: str) -> str | None:
    """Whom the agent serves; None for an unknown one."""
    found = await connection.execute(text("select tenant from agent where agent_id = :id"), {"id": agent_id})
    return found.scalar_one_or_none()


async def suspended(connection: AsyncConnection, case_id: str) -> bool:
    """Whether a message about the case is parked, here or at another service."""
    return bool((await connection.execute(_SUSPENDED, {"case_id": case_id})).scalar_one())


async def visits_stopped(connection: AsyncConnection, tenant: str) -> bool:
    """Whether the tenant has stopped visits, or everything."""
    return stops((await stopped(connection, [tenant]))[tenant], "visit")


def _visit(one: Committed) -> Values:
    assert isinstance(one.state, State)
    row: dict[str, object] = {
        "visit_id": one.stream.id,
        "case_id": one.stream.key,
        "tenant": one.stream.tenant,
        "status": status_of(one.state),
    }
    match one.event:
        case VisitRequested(terms=terms):
            row |= {"duties": _joined(terms.duties), "agency": terms.agency}
        case VisitPlanned(starts=starts, ends=ends):
            row |= {"starts": starts, "ends": ends, "collectors": encode(one.event.collectors).decode()}
        case VisitCancelled(reason=reason) | VisitCancelledEarly(reason=reason):
            row |= {"reason": reason}
        case VisitUnplanned(reason=remark) | NoticeFailed(reason=remark):
            row |= {"remark": remark}
        case _:
            pass
    return row


def _agent(one: Committed) -> Values:
    if not isinstance(one.event, AgentRegistered):
        return {}
    return {
        "agent_id": one.event.agent_id,
        "tenant": one.stream.tenant,
        "agency": one.event.agency,
        "certified_until": one.event.certified_until,
        "languages": _joined(one.event.languages),
        "regions": _joined(one.event.regions),
        "active": one.event.active,
    }


def _bookings(event: VisitPlanned) -> Sequence[Values]:
    return [
        {"agent_id": one.agent_id, "starts": event.starts, "ends": event.ends, "visit_id": event.visit_id}
        for one in event.collectors
    ]


def _joined(values: Iterable[str]) -> str:
    # unnest would flatten an array of arrays.
    return "\n".join(values)


def _merged(rows: Iterable[tuple[str, Values]]) -> Sequence[Values]:
    merged: dict[str, dict[str, object]] = defaultdict(dict)
    for key, row in rows:
        merged[key] |= row
    return [row for row in merged.values() if row]


async def _write(connection: AsyncConnection, statement: TextClause, rows: Sequence[Values]) -> None:
    if rows:
        names = statement.compile().params
        await connection.execute(statement, {name: [row.get(name) for row in rows] for name in names})


_AGENTS = text(
    r"""insert into agent (agent_id, tenant, agency, certified_until, languages, regions, active)
        select a, t, g, c, string_to_array(l, E'\n'), string_to_array(r, E'\n'), v
        from unnest(cast(:agent_id as text[]), cast(:tenant as text[]), cast(:agency as text[]),
            cast(:certified_until as date[]), cast(:languages as text[]), cast(:regions as text[]),
            cast(:active as boolean[])) as fresh (a, t, g, c, l, r, v)
    on conflict (agent_id) do update set agency = excluded.agency, certified_until = excluded.certified_until,
        languages = excluded.languages, regions = excluded.regions, active = excluded.active"""
)
_VISITS = text(
    r"""insert into visit (visit_id, case_id, tenant, status, starts, ends, collectors, reason, remark, duties, agency)
        select v, c, t, s, b, e, cast(a as jsonb), r, m, coalesce(string_to_array(d, E'\n'), '{}'), g
        from unnest(cast(:visit_id as text[]), cast(:case_id as text[]), cast(:tenant as text[]),
            cast(:status as text[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]),
            cast(:collectors as text[]), cast(:reason as text[]), cast(:remark as text[]), cast(:duties as text[]),
            cast(:agency as text[])) as fresh (v, c, t, s, b, e, a, r, m, d, g)
    on conflict (visit_id) do update set status = excluded.status,
        starts = coalesce(excluded.starts, visit.starts), ends = coalesce(excluded.ends, visit.ends),
        collectors = coalesce(excluded.collectors, visit.collectors),
        reason = coalesce(excluded.reason, visit.reason), remark = coalesce(excluded.remark, visit.remark)"""
)
_BOOK = text(
    """insert into booking (agent_id, starts, ends, visit_id)
        select * from unnest(cast(:agent_id as text[]), cast(:starts as timestamptz[]),
            cast(:ends as timestamptz[]), cast(:visit_id as text[]))"""
)
_RELEASE = text("update booking set released = true where visit_id = any(cast(:visit_id as text[]))")
_ROSTER = text("select * from agent where active and tenant = any(cast(:tenants as text[])) order by agent_id")
_DIARY = text("select agent_id, starts, ends from booking where not released and starts > :since")
_ONE_VISIT = text("select * from visit where visit_id = :visit_id").columns(collectors=JSONB)
_SOME_VISITS = text(
    "select * from visit where (cast(:case_id as text) is null or case_id = :case_id)"
    " and (cast(:only as text[]) is null or tenant = any(:only))"
    " order by starts desc nulls first, visit_id limit :limit"
).columns(collectors=JSONB)
_ALL_AGENTS = text("select * from agent where cast(:only as text[]) is null or tenant = any(:only) order by agent_id")
_SUSPENDED = text(
    "select exists (select from suspended where case_id = :case_id) or exists"
    " (select from parked where status = 'waiting' and (key = :case_id or case_id = :case_id))"
)
