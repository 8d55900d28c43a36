"""The SQL of the audit: absorbing entries, listing cases, reading one case back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from doorstep.bus.interface import Record
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.entry import UNDECODABLE, Entry, read_envelope, read_event

PAGE = 50
_OF_NO_CASE = [
    "doorstep.agent.registered",
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


@dataclass(frozen=True)
class CaseList:
    """One page of cases; `more` says whether another follows."""

    page: int
    more: bool
    cases: list[CaseRow]


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


_ABSORB = text(
    """
    insert into entry (topic, partition, "offset", event_id, case_id, tenant, type, stream, stream_version,
                       occurred_at, recorded_at, absorbed_at, value)
    select t, p, o, e, c, n, y, s, v, occurred, recorded, :now, bytes
    from unnest(cast(:topic as text[]), cast(:partition as int[]), cast(:offset as bigint[]),
                cast(:event_id as text[]), cast(:case_id as text[]), cast(:tenant as text[]),
                cast(:type as text[]), cast(:stream as text[]), cast(:stream_version as int[]),
                cast(:occurred_at as timestamptz[]), cast(:recorded_at as timestamptz[]),
                cast(:value as bytea[]))
         with ordinality as heard (t, p, o, e, c, n, y, s, v, occurred, recorded, bytes, place)
    order by place
    on conflict do nothing
    """
)


async def absorb(connection: AsyncConnection, records: Sequence[Record], now: datetime) -> None:
    """Keep each record's bytes as they came, in one statement. Harmless when repeated; what cannot be
    read is kept too."""
    rows = [_columns(record) for record in records]
    if rows:
        await connection.execute(_ABSORB, {"now": now} | {name: [r[name] for r in rows] for name in rows[0]})


def _columns(record: Record) -> dict[str, object]:
    envelope = read_envelope(record.value)
    return {
        "topic": record.partition.topic,
        "partition": record.partition.number,
        "offset": record.offset,
        "event_id": envelope and envelope.id,
        "case_id": envelope and envelope.subject,
        "tenant": envelope and envelope.tenant,
        "type": envelope.type if envelope else UNDECODABLE,
        "stream": envelope and envelope.stream,
        "stream_version": envelope and envelope.streamversion,
        "occurred_at": envelope and envelope.time,
        "recorded_at": envelope and envelope.recordedat,
        "value": record.value,
    }


# Walks back from the newest entry and keeps those no later one of their case follows, so that the first
# page costs the same however many entries there are.
_CASES = """
    select last.case_id, last.tenant, summed.entries, summed.last_recorded, known.type
    from entry last
    cross join lateral (select count(*) as entries, max(recorded_at) as last_recorded
                        from entry e where e.case_id = last.case_id) summed
    left join lateral (select e.type from entry e
                       where e.case_id = last.case_id
                         and e.type in ('doorstep.case.opened', 'doorstep.case.cured')
                       order by e.recorded_at desc, e.stream_version desc limit 1) known on true
    where last.case_id is not null
      and not exists (select 1 from entry e where e.case_id = last.case_id and e.position > last.position)
      and exists (select 1 from entry e where e.case_id = last.case_id and e.type <> all(:of_no_case))
      {matching}
    order by last.position desc
    limit :limit offset :skip
"""
_MATCHING = """and (strpos(last.case_id, :q) > 0 or last.case_id in (
        select e.case_id from entry e
        where e.type = 'doorstep.loan.overdue-recorded' and position(cast(:loan as bytea) in e.value) > 0))"""
_STATUS: dict[str | None, Literal["open", "cured"] | None] = {
    "doorstep.case.opened": "open",
    "doorstep.case.cured": "cured",
    None: None,
}


async def cases(connection: AsyncConnection, q: str = "", page: int = 1) -> CaseList:
    """One page of cases, latest activity first. `q` is a part of a case id, or a
    whole loan id."""
    wanted: dict[str, object] = {"of_no_case": _OF_NO_CASE, "limit": PAGE + 1, "skip": (page - 1) * PAGE}
    if q:
        wanted |= {"q": q.replace("\0", ""), "loan": b'"loan_id":' + msgspec.json.encode(q)}
    rows = (await connection.execute(text(_CASES.format(matching=_MATCHING if q else "")), wanted)).all()
    found = [CaseRow(r.case_id, r.tenant, _STATUS[r.type], r.entries, r.last_recorded) for r in rows]
    return CaseList(page, len(found) > PAGE, found[:PAGE])


async def entries(connection: AsyncConnection, case_id: str, as_of: datetime | None = None) -> Sequence[Entry]:
    """The entries of a case that had been absorbed by `as_of`; all of them without it."""
    until = "" if as_of is None else "and absorbed_at <= :as_of"
    rows = await connection.execute(
        text(
            'select position, topic, partition, "offset" as at, absorbed_at, value from entry'
            f" where case_id = :case_id {until} order by position"
        ),
        {"case_id": case_id} | ({} if as_of is None else {"as_of": as_of}),
    )
    return [entry for row in rows if (entry := _entry(row))]


def _entry(row: Row[Any]) -> Entry | None:
    value = bytes(row.value)
    envelope = read_envelope(value)
    if envelope is None:
        return None
    return Entry(
        position=row.position,
        topic=row.topic,
        partition=row.partition,
        offset=row.at,
        absorbed_at=row.absorbed_at,
        value=value,
        envelope=envelope,
        event=read_event(envelope),
    )


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
