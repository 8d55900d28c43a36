"""The SQL of the monitor: what it has not judged yet, what it judges by, what it found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from doorstep.events.audit import ViolationFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.store.entry import read_envelope, read_event
from audit.store.views import PAGE


@dataclass(frozen=True)
class Unjudged:
    """Entries the conformance monitor has not judged: the first `count` of those it may, up to `end`; `waiting` in all.
    `cases` have to be judged. `late_tenants` said something that came late, recorded then. `violations`: some are."""

    end: int
    count: int
    waiting: int
    cases: Sequence[str]
    late_tenants: Mapping[str, datetime]
    violations: bool


_JUDGED = text("select judged from conformance")
_MOVE_ON = text("update conformance set judged = greatest(judged, :judged)")
_UNJUDGED = text(
    """
    with fresh as (
        select case_id, tenant, type, recorded_at, absorbed_at - recorded_at > :leeway as late
        from entry where position >= :judged and absorbed_at <= :until order by position limit :limit)
    select count(*) as taken, coalesce((select max(position) + 1 from entry), 0) - :judged as waiting,
           array_agg(distinct case_id) filter (where type = any(:telling) or late and type = any(:relevant)) as cases,
           jsonb_agg(jsonb_build_array(tenant, recorded_at)) filter (where late and type like 'doorstep.tenant.%')
               as late_tenants,
           coalesce(bool_or(type = 'doorstep.violation.found'), false) as violations
    from fresh
    """
)


async def judged(connection: AsyncConnection) -> int:
    """How many entries the conformance monitor has judged."""
    return int((await connection.execute(_JUDGED)).scalar_one())


async def move_on(connection: AsyncConnection, judged: int) -> None:
    """The first `judged` entries are judged. Never back."""
    await connection.execute(_MOVE_ON, {"judged": judged})


async def unjudged(
    connection: AsyncConnection,
    judged: int,
    until: datetime,
    leeway: timedelta,
    telling: Sequence[str],
    relevant: Sequence[str],
    limit: int,
) -> Unjudged:
    """The entries after the first `judged` that were taken in by `until`, `limit` at most. A case has to be judged for
    an entry of a `telling` type, and for a `relevant` one that was under way for longer than `leeway`."""
    wanted = {"judged": judged, "until": until, "leeway": leeway, "limit": limit}
    row = (await connection.execute(_UNJUDGED, {**wanted, "telling": list(telling), "relevant": list(relevant)})).one()
    late: dict[str, datetime] = {}
    for tenant, told in row.late_tenants or ():
        recorded = datetime.fromisoformat(told)
        late[tenant] = min(late.get(tenant, recorded), recorded)
    return Unjudged(judged + row.taken, row.taken, row.waiting, row.cases or (), late, row.violations)


# What a tenant says is filed under `tenant-` and its name.
_FILED = text(
    """
    with own as (
        select position, event_id, case_id, tenant, type, recorded_at, value
        from entry where case_id = any(:cases) and type = any(:types))
    select * from own
    union
    select position, event_id, case_id, tenant, type, recorded_at, value from entry
    where case_id in (select distinct 'tenant-' || tenant from own) and type = any(:types)
    """
)


class Filed(NamedTuple):
    """An entry with what it is filed under."""

    position: int
    id: str
    case_id: str
    tenant: str
    type: str
    at: datetime
    value: bytes


async def filed(connection: AsyncConnection, cases: Iterable[str], types: Sequence[str]) -> Sequence[Filed]:
    """The entries of these types about these cases, and about their tenants; in no order."""
    rows = await connection.execute(_FILED, {"cases": sorted(set(cases)), "types": list(types)})
    return [Filed(*row) for row in rows]


_SHARE = text(
    """
    insert into conformance_number (token, case_id)
    select * from unnest(cast(:tokens as text[]), cast(:cases as text[])) on conflict do nothing
    """
)
_SHARING = text("select distinct case_id from conformance_number where token = any(:tokens) limit 1000")


async def sharing(connection: AsyncConnection, numbers: Iterable[tuple[str, str]]) -> set[str]:
    """Keeps which number goes with which case, and names the cases that any of these numbers goes with: 1,000 at most,
    for a number that more people give is nobody's."""
    pairs = sorted(numbers)
    tokens = [token for token, _ in pairs]
    await connection.execute(_SHARE, {"tokens": tokens, "cases": [case for _, case in pairs]})
    return set((await connection.execute(_SHARING, {"tokens": tokens})).scalars())


_PERMITTED = """
    select distinct case_id from entry
    where type in ('doorstep.contact.permitted', 'doorstep.visit.permitted') and tenant = :tenant
      and recorded_at >= :since
"""
_FIRST_CONTACTS = (
    _PERMITTED
    + """
      and recorded_at <= :until and position(cast(:first as bytea) in value) > 0
"""
)


async def permitted(connection: AsyncConnection, tenant: str, since: datetime) -> set[str]:
    """The tenant's cases with a permit of `since` or later."""
    return set((await connection.execute(text(_PERMITTED), {"tenant": tenant, "since": since})).scalars())


async def first_contacts(connection: AsyncConnection, tenant: str, since: datetime, until: datetime) -> set[str]:
    """The tenant's cases whose first contact of an episode was permitted on any day from `since` to `until`."""
    day = timedelta(days=1)
    wanted = {"tenant": tenant, "since": since - day, "until": until + day, "first": b'"first":true'}
    return set((await connection.execute(text(_FIRST_CONTACTS), wanted)).scalars())


_KEPT = text(
    """
    select cured.position, cured.case_id, cured.recorded_at <= :before and (
        select e.position from entry e where e.case_id = cured.case_id and e.type = 'doorstep.erasure.completed'
        limit 1) is null as kept
    from (select position, case_id, recorded_at from entry
          where type = 'doorstep.case.cured' and position > :after order by position limit :limit) cured
    order by cured.position
    """
)


class KeptPage(NamedTuple):
    """`cases` that were not erased; `after` is the position of the last entry looked at, None where no more follow."""

    cases: Sequence[str]
    after: int | None


async def kept(connection: AsyncConnection, before: datetime, after: int = -1) -> KeptPage:
    """The cases that were cured by `before` once and were never erased, among those cured by the next entries `after`
    that position."""
    rows = (await connection.execute(_KEPT, {"before": before, "after": after, "limit": PAGE})).all()
    return KeptPage([row.case_id for row in rows if row.kept], rows[-1].position if len(rows) == PAGE else None)


@dataclass(frozen=True)
class RecordedViolation:
    """A breach of the rules on record: `event_id` broke `rule`; found at `found_at`."""

    case_id: str
    tenant: str
    event_id: str
    rule: str
    at: datetime
    found_at: datetime
    why: str
    why_zh: str


_VIOLATIONS = text(
    "select case_id, tenant, recorded_at, value from entry where type = 'doorstep.violation.found'"
    " and (cast(:only as text[]) is null or tenant = any(:only)) order by position desc limit :limit"
)
_VIOLATION_COUNT = text(
    "select count(*) from entry where type = 'doorstep.violation.found'"
    " and (cast(:only as text[]) is null or tenant = any(:only))"
)


async def violation_count(connection: AsyncConnection, *, only: Sequence[str] | None = None) -> int:
    """How many there are, of the tenants in `only` (None: of all)."""
    return int((await connection.execute(_VIOLATION_COUNT, {"only": only})).scalar_one())


async def violations(
    connection: AsyncConnection, limit: int = 1000, *, only: Sequence[str] | None = None
) -> Sequence[RecordedViolation]:
    """The newest ones first, of the tenants in `only` (None: of all)."""
    rows = await connection.execute(_VIOLATIONS, {"limit": limit, "only": only})
    found = [(row, read_event(envelope)) for row in rows if (envelope := read_envelope(bytes(row.value)))]
    return [
        RecordedViolation(r.case_id, r.tenant, e.event_id, e.rule, e.at, r.recorded_at, e.why, e.why_zh)
        for r, e in found
        if isinstance(e, ViolationFound)
    ]
