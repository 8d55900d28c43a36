"""The SQL of the lists across cases: cases, disputes, what is missing, what nobody could read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.store.entry import Entry
from audit.store.views import PAGE, read
from audit.timeline.disputes import TELLING

_OF_NO_CASE = [
    "doorstep.agent.registered",
    "doorstep.artifact.published",
    "doorstep.message-parked",
    "doorstep.message-released",
    "doorstep.tenant.shadow-set",
    "doorstep.tenant.ramp-set",
    "doorstep.tenant.sending-stopped",
    "doorstep.tenant.sending-allowed",
]


@dataclass(frozen=True)
class CaseRow:
    """A case in the list: `status` as last known, None before its opening has arrived."""

    case_id: str
    tenant: str
    status: Literal["open", "cured"] | None
    entries: int
    last_recorded: datetime
    violations: int


@dataclass(frozen=True)
class CaseList:
    """One page of cases; the next one is found `before` the position `next`, None when there is none."""

    next: int | None
    cases: list[CaseRow]


@dataclass(frozen=True)
class Missing:
    """Events `first` to `last` of `stream` have not been absorbed, although later ones have."""

    stream: str
    case_id: str
    tenant: str
    first: int
    last: int


@dataclass(frozen=True)
class Incomplete:
    """How many `events` of how many `streams` are missing."""

    streams: int
    events: int


@dataclass(frozen=True)
class Undecodable:
    """A value that could not be read, by where it came from."""

    position: int
    topic: str
    partition: int
    offset: int
    absorbed_at: datetime
    size: int
    sha256: str


# Conditions as scalar queries, which PostgreSQL answers row by row from an index, as far as the page reaches: as joins,
# or compared with a value, it may answer them for all cases first.
_CASES = """
    select last.position, last.case_id, last.tenant, summed.entries, summed.last_recorded, summed.violations, known.type
    from ({latest}) last
    cross join lateral (select count(*) as entries, max(recorded_at) as last_recorded,
                               count(*) filter (where type = 'doorstep.violation.found') as violations
                        from entry e where e.case_id = last.case_id) summed
    left join lateral (select e.type from entry e
                       where e.case_id = last.case_id
                         and e.type in ('doorstep.case.opened', 'doorstep.case.cured')
                       order by e.recorded_at desc, e.stream_version desc limit 1) known on true
    where last.position < :before
      and (select true from entry e where e.case_id = last.case_id and e.type <> all(:of_no_case) limit 1)
      and (cast(:only as text[]) is null or (
          select true from entry e where e.case_id = last.case_id and e.tenant = any(:only) limit 1))
    order by last.position desc
    limit :limit
"""
# Walks back from the newest entry and keeps those no later one of their case follows.
_ALL = """
    select position, case_id, tenant from entry l
    where case_id is not null and (select max(position) = l.position from entry e where e.case_id = l.case_id)
"""
_FOUND = """
    select newest.* from (
        select cast(:q as text) as case_id
        union
        (select case_id from entry where type = 'doorstep.case.opened'
            and case_id collate "C" >= :q and case_id collate "C" < :q || chr(1114111)
            order by case_id collate "C" limit :most)
        union
        (select case_id from entry where type = 'doorstep.loan.overdue-recorded'
            and {loan} = {wanted} and position(cast(:loan as bytea) in value) > 0 limit :most)) named
    cross join lateral (
        select position, case_id, tenant from entry e where e.case_id = named.case_id
        order by position desc limit 1) newest
"""
# As the index entry_loan has it.
_LOAN = """split_part(split_part(encode({0}, 'escape'), '"loan_id":"', 2), '"', 1)"""
_MATCHING = _FOUND.format(loan=_LOAN.format("value"), wanted=_LOAN.format("cast(:loan as bytea)"))
MOST = 1_000
"""So many cases are looked at for one search; a longer beginning of the id finds the others."""
_BEYOND = 2**63 - 1
_STATUS: dict[str | None, Literal["open", "cured"] | None] = {
    "doorstep.case.opened": "open",
    "doorstep.case.cured": "cured",
    None: None,
}


async def cases(
    connection: AsyncConnection, q: str = "", before: int | None = None, *, only: Sequence[str] | None = None
) -> CaseList:
    """One page of cases, latest activity first, of the tenants in `only` (None: of all): those with none `before` that
    position or later. `q` is the beginning of the id of a case that was opened, a whole id, or a whole loan id."""
    wanted: dict[str, object] = {"of_no_case": _OF_NO_CASE, "only": only, "limit": PAGE + 1}
    wanted |= {"before": _BEYOND if before is None else before}
    if q:
        told = q.replace("\0", "")
        wanted |= {"q": told, "loan": b'"loan_id":' + msgspec.json.encode(q), "most": MOST}
    rows = (await connection.execute(text(_CASES.format(latest=_MATCHING if q else _ALL)), wanted)).all()
    found = [CaseRow(r.case_id, r.tenant, _STATUS[r.type], r.entries, r.last_recorded, r.violations) for r in rows]
    return CaseList(rows[PAGE - 1].position if len(rows) > PAGE else None, found[:PAGE])


async def undecodable(connection: AsyncConnection, limit: int = 1000) -> Sequence[Undecodable]:
    """The newest values nobody could read; they belong to no case that we know of."""
    rows = await connection.execute(
        text(
            'select position, topic, partition, "offset" as at, absorbed_at, length(value) as size,'
            " encode(sha256(value), 'hex') as hash"
            " from entry where event_id is null order by position desc limit :limit"
        ),
        {"limit": limit},
    )
    return [Undecodable(r.position, r.topic, r.partition, r.at, r.absorbed_at, r.size, r.hash) for r in rows]


_DISPUTES = text(
    'select position, topic, partition, "offset", absorbed_at, value from entry'
    " where type like 'doorstep.dispute.%' and type = any(cast(:types as text[]))"
    " and (cast(:only as text[]) is null or tenant = any(:only)) order by position"
)


async def disputes(connection: AsyncConnection, *, only: Sequence[str] | None = None) -> Sequence[Entry]:
    """The entries that tell of disputes, of every case of the tenants in `only` (None: of all), in the order of the
    log."""
    return await read(connection, _DISPUTES, types=[one.event_type for one in TELLING], only=only)


_INCOMPLETE = text(
    "select count(*) as streams, coalesce(sum(highest - known), 0) as events from stream_seen where known < highest"
    " and (cast(:only as text[]) is null or tenant = any(:only))"
)
_MISSING = text(
    """
    select s.stream, s.case_id, s.tenant, gap.first, gap.last
    from stream_seen s
    cross join lateral (
        select before + 1 as first, version - 1 as last
        from (select stream_version as version, lag(stream_version, 1, 0) over (order by stream_version) as before
              from entry where stream = s.stream and stream_version > 0) steps
        where version > before + 1) gap
    where s.known < s.highest and (cast(:only as text[]) is null or s.tenant = any(:only))
    order by s.stream, gap.first
    limit :limit
    """
)


async def incomplete(connection: AsyncConnection, *, only: Sequence[str] | None = None) -> Incomplete:
    """What is missing now, all streams of the tenants in `only` (None: of all) together; it costs the same however much
    is there."""
    row = (await connection.execute(_INCOMPLETE, {"only": only})).one()
    return Incomplete(row.streams, int(row.events))


async def gaps(
    connection: AsyncConnection, limit: int = 1000, *, only: Sequence[str] | None = None
) -> Sequence[Missing]:
    """Which numbers of which streams are missing, of the tenants in `only` (None: of all)."""
    return [Missing(*row) for row in await connection.execute(_MISSING, {"limit": limit, "only": only})]
