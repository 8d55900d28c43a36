"""The SQL of the audit: absorbing entries, listing cases, reading one case back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from doorstep.bus.interface import Record
from doorstep.events.audit import CheckpointSigned
from doorstep.events.kernel import ArtifactPublished
from doorstep.infra.clock import Clock
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tlog.wrapper import UNDECODABLE, Logged
from tlog.wrapper import logged as as_logged

from audit.store.entry import Entry, read_envelope, read_event
from audit.timeline.disputes import TELLING

PAGE = 50
CHECKPOINT = CheckpointSigned.event_type
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
    """One page of cases; `more` says whether another follows."""

    page: int
    more: bool
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


# Taken by whoever absorbs, until its commit, so that positions are given without a gap and in the order of commits.
_LOCK = text("select pg_advisory_xact_lock(hashtext('doorstep entries'))")
_SETTLED = text("select pg_advisory_xact_lock_shared(hashtext('doorstep entries'))")
_LAST = text("select position, absorbed_at from entry order by position desc limit 1")
_ABSORB = text(
    """
    with heard as (
        select * from unnest(
            cast(:topic as text[]), cast(:partition as int[]), cast(:offset as bigint[]), cast(:event_id as text[]),
            cast(:case_id as text[]), cast(:tenant as text[]), cast(:type as text[]), cast(:stream as text[]),
            cast(:stream_version as int[]), cast(:occurred_at as timestamptz[]), cast(:recorded_at as timestamptz[]),
            cast(:value as bytea[]))
        with ordinality as h (topic, partition, "offset", event_id, case_id, tenant, type, stream, stream_version,
                              occurred_at, recorded_at, value, place)),
    fresh as (
        select * from heard h where not exists (
            select from entry e where h.event_id is not null and e.event_id = h.event_id
                                  and sha256(e.value) = sha256(h.value))
        and not exists (
            select from entry e where h.event_id is null and e.event_id is null and e.topic = h.topic
                                  and e.partition = h.partition and e."offset" = h."offset")),
    kept as (
        insert into entry (position, topic, partition, "offset", event_id, case_id, tenant, type, stream,
                           stream_version, occurred_at, recorded_at, absorbed_at, value)
        select :position + row_number() over (order by place), topic, partition, "offset", event_id, case_id, tenant,
               type, stream, stream_version, occurred_at, recorded_at, :now, value
        from fresh)
    insert into stream_seen (stream, case_id, tenant, highest, known)
    select stream, min(case_id), min(tenant), max(stream_version), count(distinct stream_version)
    from fresh f
    where stream_version > 0 and not exists (
        select from entry e where e.stream = f.stream and e.stream_version = f.stream_version)
    group by stream
    on conflict (stream) do update set highest = greatest(stream_seen.highest, excluded.highest),
                                       known = stream_seen.known + excluded.known
    """
)


async def absorb(connection: AsyncConnection, records: Sequence[Record], clock: Clock) -> None:
    """Keep each record's bytes as they came, numbered in the order in which they are committed. Harmless when
    repeated; what cannot be read is kept too. The log's own checkpoints are no entries."""
    rows = list({_identity(row): row for record in records if (row := _columns(record))["type"] != CHECKPOINT}.values())
    if not rows:
        return
    await connection.execute(_LOCK)
    last = (await connection.execute(_LAST)).first()
    now = clock.now()
    # Under the lock, and never back: "as of t" is a prefix of the log.
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns |= {"position": last.position if last else -1, "now": max(now, last.absorbed_at) if last else now}
    await connection.execute(_ABSORB, columns)


async def settled(connection: AsyncConnection) -> None:
    """Returns once everything that was being absorbed is committed: whatever is absorbed afterwards is stamped
    later than this call began. To be called outside of a longer transaction."""
    await connection.execute(_SETTLED)


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if row["event_id"] is None:
        return (row["topic"], row["partition"], row["offset"])
    return (row["event_id"], row["value"])


def _columns(record: Record) -> dict[str, Any]:
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


async def logged(connection: AsyncConnection, first: int, end: int) -> Sequence[Logged]:
    """The entries from `first` up to `end`, as they stand in the log."""
    rows = await connection.execute(
        text(
            'select topic, partition, "offset" as at, value, event_id is not null as readable from entry'
            " where position >= :first and position < :end order by position"
        ),
        {"first": first, "end": end},
    )
    return [as_logged(r.topic, r.partition, r.at, bytes(r.value), readable=r.readable) for r in rows]


# Walks back from the newest entry and keeps those no later one of their case follows, so that the first
# page costs the same however many entries there are.
_CASES = """
    select last.case_id, last.tenant, summed.entries, summed.last_recorded, summed.violations, known.type
    from entry last
    cross join lateral (select count(*) as entries, max(recorded_at) as last_recorded,
                               count(*) filter (where type = 'doorstep.violation.found') as violations
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
    found = [CaseRow(r.case_id, r.tenant, _STATUS[r.type], r.entries, r.last_recorded, r.violations) for r in rows]
    return CaseList(page, len(found) > PAGE, found[:PAGE])


# Stamps never decrease along the log, so that the place where `as_of` falls is found by halving.
_SIZE = text(
    """
    with recursive search (low, high) as (
        select 0::bigint, (select coalesce(max(position) + 1, 0) from entry)
        union all
        select case when early then middle + 1 else low end, case when early then high else middle end
        from (select low, high, middle, (select absorbed_at <= :as_of from entry where position = middle) as early
              from (select low, high, (low + high) / 2 as middle from search where low < high) halved) looked)
    select low from search where low = high
    """
)
_WHOLE = text("select coalesce(max(position) + 1, 0) from entry")
_ENTRIES = text(
    'select position, topic, partition, "offset", absorbed_at, value from entry'
    " where case_id = :case_id and position < :size order by position"
)


async def size(connection: AsyncConnection, as_of: datetime | None = None) -> int:
    """How many entries the log held by `as_of`; holds now, without it."""
    found = await connection.execute(*((_WHOLE,) if as_of is None else (_SIZE, {"as_of": as_of})))
    return int(found.scalar_one())


async def last_absorbed(connection: AsyncConnection) -> datetime | None:
    """When the newest entry was taken in; nothing will ever be stamped earlier."""
    last = (await connection.execute(_LAST)).first()
    return last.absorbed_at if last else None


async def entries(connection: AsyncConnection, case_id: str, *, within: int | None = None) -> Sequence[Entry]:
    """The entries of a case, or those among the first `within` of the log."""
    until = await size(connection) if within is None else within
    rows = await connection.execute(_ENTRIES, {"case_id": case_id, "size": until})
    return [entry for row in rows if (entry := _entry(*row))]


def _entry(position: int, topic: str, partition: int, offset: int, absorbed_at: datetime, value: bytes) -> Entry | None:
    envelope = read_envelope(value)
    if envelope is None:
        return None
    return Entry(position, topic, partition, offset, absorbed_at, value, envelope, read_event(envelope))


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


# An artifact is filed under its hash, where an event of a case has its case.
_ARTIFACTS = text(
    'select position, topic, partition, "offset", absorbed_at, value from entry'
    " where case_id = any(cast(:hashes as text[])) and type = :type order by position"
)


async def artifacts(connection: AsyncConnection, hashes: Iterable[str]) -> Sequence[Entry]:
    """The entries that put on record what `hashes` are of, in the order of the log (`artifacts.cited`). Whoever
    relies on one hashes its content again."""
    wanted = {"hashes": sorted(set(hashes)), "type": ArtifactPublished.event_type}
    rows = await connection.execute(_ARTIFACTS, wanted)
    return [entry for row in rows if (entry := _entry(*row))]


_DISPUTES = text(
    'select position, topic, partition, "offset", absorbed_at, value from entry'
    " where type like 'doorstep.dispute.%' and type = any(cast(:types as text[])) order by position"
)


async def disputes(connection: AsyncConnection) -> Sequence[Entry]:
    """The entries that tell of disputes, of every case, in the order of the log."""
    rows = await connection.execute(_DISPUTES, {"types": [one.event_type for one in TELLING]})
    return [entry for row in rows if (entry := _entry(*row))]


_INCOMPLETE = text(
    "select count(*) as streams, coalesce(sum(highest - known), 0) as events from stream_seen where known < highest"
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
    where s.known < s.highest
    order by s.stream, gap.first
    limit :limit
    """
)


async def incomplete(connection: AsyncConnection) -> Incomplete:
    """What is missing now, all streams together; it costs the same however much is there."""
    row = (await connection.execute(_INCOMPLETE)).one()
    return Incomplete(row.streams, int(row.events))


async def gaps(connection: AsyncConnection, limit: int = 1000) -> Sequence[Missing]:
    """Which numbers of which streams are missing."""
    return [Missing(*row) for row in await connection.execute(_MISSING, {"limit": limit})]
