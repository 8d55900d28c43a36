"""The SQL of the entries: adding some, reading those of a case, of the log, and those that hold an artifact."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from doorstep.events.kernel import ArtifactPublished
from doorstep.infra.clock import Clock
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tlog.wrapper import Logged
from tlog.wrapper import logged as as_logged

from audit.store.entry import Entry, EntryRow, read_envelope, read_event

PAGE = 50


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


async def append(connection: AsyncConnection, rows: Sequence[EntryRow], clock: Clock) -> None:
    """Keep `rows`, numbered in the order in which they are committed; those that are here already stay as they are."""
    if not rows:
        return
    await connection.execute(_LOCK)
    last = (await connection.execute(_LAST)).first()
    now = clock.now()
    columns = dict[str, object](zip(EntryRow._fields, map(list, zip(*rows, strict=True)), strict=True))
    # Under the lock, and never back: "as of t" is a prefix of the log.
    columns |= {"position": last.position if last else -1, "now": max(now, last.absorbed_at) if last else now}
    await connection.execute(_ABSORB, columns)


async def settled(connection: AsyncConnection) -> None:
    """Returns once everything that was being absorbed is committed: whatever is absorbed afterwards is stamped
    later than this call began. To be called outside of a longer transaction."""
    await connection.execute(_SETTLED)


async def logged(connection: AsyncConnection, first: int, end: int) -> Sequence[Logged]:
    """The entries from `first` up to `end`, as they stand in the log."""
    return [in_log(row) for row in await rows(connection, first, end)]


def in_log(row: EntryRow) -> Logged:
    """An entry as it stands in the log."""
    return as_logged(row.topic, row.partition, row.offset, row.value, readable=row.event_id is not None)


async def rows(connection: AsyncConnection, first: int, end: int) -> Sequence[EntryRow]:
    """The entries from `first` up to `end`, with what they are filed under."""
    found = await connection.execute(_ROWS, {"first": first, "end": end})
    return [EntryRow(*row) for row in found]


_ROWS = text(
    'select topic, partition, "offset", value, type, event_id, case_id, tenant, stream, stream_version, occurred_at,'
    " recorded_at from entry where position >= :first and position < :end order by position"
)

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
# What an earlier release could not read is filed under no case; there is little of it.
_ENTRIES = text(
    """
    select position, topic, partition, "offset", absorbed_at, value, true from entry
    where case_id = :case_id and position < :size
    union all
    select position, topic, partition, "offset", absorbed_at, value, false from entry
    where event_id is null and position(cast(:named as bytea) in value) > 0 and position < :size
    order by position
    """
)
_MISFILED = text(
    """
    select topic, partition, "offset", value from entry
    where position < :size and case_id is distinct from :case_id and event_id is not null
      and position(cast(:named as bytea) in value) > 0
    """
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
    found = await read(connection, _ENTRIES, case_id=case_id, size=until, named=_named(case_id))
    return [entry for entry in found if entry.envelope.subject == case_id]


async def misfiled(connection: AsyncConnection, case_id: str, within: int) -> int:
    """How many of the first `within` entries say that they are of this case, and are filed under another: there are
    none unless somebody wrote rows by hand. Reads every value: seconds for a million of them."""
    found = await connection.execute(_MISFILED, {"case_id": case_id, "size": within, "named": _named(case_id)})
    return sum(EntryRow(*row).derived().case_id == case_id for row in found)


def _named(case_id: str) -> bytes:
    """What stands in the bytes of every entry of a case, and in some of others."""
    return msgspec.json.encode(case_id)[1:-1]


async def read(connection: AsyncConnection, select: TextClause, **wanted: object) -> Sequence[Entry]:
    """The entries that `select` finds, which names six columns or seven (`_ENTRIES`), those that can be read."""
    return [entry for row in await connection.execute(select, wanted) if (entry := _entry(*row))]


def _entry(
    position: int, topic: str, partition: int, offset: int, absorbed_at: datetime, value: bytes, filed: bool = True
) -> Entry | None:
    envelope = read_envelope(value)
    if envelope is None:
        return None
    event = read_event(envelope)
    return Entry(position, topic, partition, offset, absorbed_at, value, envelope, event, filed)


# An artifact is filed under its hash, where an event of a case has its case.
_ARTIFACTS = text(
    'select position, topic, partition, "offset", absorbed_at, value from entry'
    " where case_id = any(cast(:hashes as text[])) and type = :type order by position"
)


async def artifacts(connection: AsyncConnection, hashes: Iterable[str]) -> Sequence[Entry]:
    """The entries that put on record what `hashes` are of, in the order of the log (`artifacts.cited`). Whoever
    relies on one hashes its content again."""
    return await read(connection, _ARTIFACTS, hashes=sorted(set(hashes)), type=ArtifactPublished.event_type)
