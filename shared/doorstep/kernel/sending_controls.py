"""What may not be sent: in cases of which a message is parked somewhere, and on ways a tenant has stopped.

Escalation says so to everyone (SendingSuspended, SendingResumed; SendingStopped, SendingAllowed); each service notes
it when it says or hears it. While a case is suspended its timers and effects rest. A stopped way is the tenant's kill
switch: every effect asks for it at the moment of sending.

Whether a case is suspended is asked anew of each row that is due (`suspended`). One that is found so is laid aside (its
`held`), so that no loop comes by it again, and taken up when something of its case is released. The flag only spares
work: where it is missing, a row is asked once more. It must never outlive its reason, and this is what orders the two:
who lays aside holds a share of the row that suspends (of `suspended` or `parked`) until its commit, and passes over
what is just being released; who releases changes that row first and looks for what was laid aside afterwards. Laying
aside comes last in its transaction and waits for nobody, so the two cannot wait for each other."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.events.envelope import Envelope
from doorstep.events.kernel import SendingAllowed, SendingResumed, SendingStopped, SendingSuspended
from doorstep.events.registry import Event

EVERY_WAY = "*"
"""In place of a way: all of them are stopped."""


NOTED: tuple[type[Event], ...] = (SendingSuspended, SendingResumed, SendingStopped, SendingAllowed)
"""The events that say so; every service reads them."""


async def note(connection: AsyncConnection, happened: Sequence[tuple[Envelope, Event]]) -> int:
    """Remember what is suspended or stopped, and what is free again, in the transaction of the events; how many."""
    noted, resumed = 0, set()
    for envelope, event in happened:
        match event:
            case SendingSuspended(by=by, key=key):
                await connection.execute(_SUSPEND, {"case_id": envelope.subject, "by": by, "key": key})
            case SendingResumed(by=by, key=key):
                await connection.execute(_RESUME, {"case_id": envelope.subject, "by": by, "key": key})
                resumed.add(envelope.subject)
            case SendingStopped(way=way):
                await connection.execute(_STOP, {"tenant": envelope.tenant, "way": way or EVERY_WAY})
            case SendingAllowed(way=way):
                await connection.execute(_ALLOW, {"tenant": envelope.tenant, "way": way or EVERY_WAY})
            case _:
                continue
        noted += 1
    await take_up(connection, resumed)
    return noted


async def suspended(connection: AsyncConnection, cases: Iterable[str]) -> frozenset[str]:
    """Those of `cases` in which sending is suspended now."""
    wanted = sorted(set(cases))
    return frozenset((await connection.execute(_SUSPENDED, {"cases": wanted})).scalars()) if wanted else frozenset()


async def lay_aside_streams(connection: AsyncConnection, streams: Sequence[str], cases: Collection[str]) -> int:
    """Let the timers of `streams`, which are locked, rest as long as their `cases` are suspended; how many do. The last
    statement of its transaction."""
    return await _lay_aside(connection, _STREAMS_REST, streams, cases)


async def lay_aside_effects(connection: AsyncConnection, effects: Sequence[str], cases: Collection[str]) -> int:
    """The same for effects, by their keys."""
    return await _lay_aside(connection, _EFFECTS_REST, effects, cases)


async def take_up(connection: AsyncConnection, cases: Iterable[str]) -> None:
    """Something of `cases` was released, in this transaction and by an earlier statement: look at their timers and
    effects again."""
    if wanted := sorted(set(cases)):
        for statement in (_STREAMS_GO_ON, _EFFECTS_GO_ON):
            await connection.execute(statement, {"cases": wanted})


async def take_up_what_is_free(connection: AsyncConnection) -> None:
    """A process of a release that lays nothing aside may have released a case."""
    for statement in (_FREE_STREAMS_GO_ON, _FREE_EFFECTS_GO_ON):
        await connection.execute(statement)


async def _lay_aside(
    connection: AsyncConnection, statement: TextClause, names: Sequence[str], cases: Collection[str]
) -> int:
    if not names:
        return 0
    return (await connection.execute(statement, {"names": list(names), "cases": sorted(set(cases))})).rowcount


async def stopped(connection: AsyncConnection, tenants: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The ways each of `tenants` has stopped, EVERY_WAY among them."""
    wanted = sorted(set(tenants))
    found = (await connection.execute(_STOPPED, {"tenants": wanted})).all() if wanted else ()
    return {tenant: frozenset(row.way for row in found if row.tenant == tenant) for tenant in wanted}


def stops(stopped: frozenset[str], *ways: str) -> bool:
    """Whether nothing may leave on one of `ways`, where `stopped` are."""
    return not stopped.isdisjoint((EVERY_WAY, *ways))


_SUSPEND = text("insert into suspended (case_id, by, key) values (:case_id, :by, :key) on conflict do nothing")
_RESUME = text("delete from suspended where case_id = :case_id and by = :by and key = :key")
_STOP = text("insert into stopped (tenant, way) values (:tenant, :way) on conflict do nothing")
_ALLOW = text("delete from stopped where tenant = :tenant and way = :way")
_STOPPED = text("select tenant, way from stopped where tenant = any(cast(:tenants as text[]))")
_SUSPENDED = text(
    "select case_id from suspended where case_id = any(cast(:cases as text[]))"
    " union select key from parked where status = 'waiting' and key = any(cast(:cases as text[]))"
    " union select case_id from parked where status = 'waiting' and case_id = any(cast(:cases as text[]))"
)
_REST = """with suspending as (
        select case_id from suspended where case_id = any(cast(:cases as text[])) for share skip locked),
    waiting as (
        select key, case_id from parked where status = 'waiting'
            and (key = any(cast(:cases as text[])) or case_id = any(cast(:cases as text[]))) for share skip locked)
    update {0} set held = true where {1} = any(cast(:names as text[]))
        and key in (select case_id from suspending union select key from waiting union select case_id from waiting)"""
_STREAMS_REST = text(_REST.format("streams", "stream"))
_EFFECTS_REST = text(_REST.format("effects", "effect_key"))
# In the order in which everybody locks them.
_GO_ON = """update {0} set held = false where {1} in (
        select {1} from {0} where held and key = any(cast(:cases as text[])) order by {1} for update)"""
_STREAMS_GO_ON = text(_GO_ON.format("streams", "stream"))
_EFFECTS_GO_ON = text(_GO_ON.format("effects", "effect_key"))
_FREE = """update {0} t set held = false where held
    and not exists (select from suspended s where s.case_id = t.key)
    and not exists (select from parked p where p.status = 'waiting' and p.key = t.key)
    and not exists (select from parked p where p.status = 'waiting' and p.case_id = t.key)"""
_FREE_STREAMS_GO_ON = text(_FREE.format("streams"))
_FREE_EFFECTS_GO_ON = text(_FREE.format("effects"))
