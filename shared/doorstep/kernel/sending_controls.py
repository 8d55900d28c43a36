"""What may not be sent: in cases of which a message is parked somewhere, and on ways a tenant has stopped.

Escalation says so to everyone (SendingSuspended, SendingResumed; SendingStopped, SendingAllowed); each service notes
it when it says or hears it. While a case is suspended its timers and effects rest. A stopped way is the tenant's kill
switch: every effect asks for it at the moment of sending."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.events.envelope import Envelope
from doorstep.events.kernel import SendingAllowed, SendingResumed, SendingStopped, SendingSuspended
from doorstep.events.registry import Event

FREE = """not exists (select from suspended s where s.case_id = {0}.key)
    and not exists (select from parked p where p.status = 'waiting' and (p.key = {0}.key or p.case_id = {0}.key))"""
"""SQL: the row of table {0} belongs to a case in which sending is not suspended."""

EVERY_WAY = "*"
"""In place of a way: all of them are stopped."""


NOTED: tuple[type[Event], ...] = (SendingSuspended, SendingResumed, SendingStopped, SendingAllowed)
"""The events that say so; every service reads them."""


async def note(connection: AsyncConnection, happened: Sequence[tuple[Envelope, Event]]) -> int:
    """Remember what is suspended or stopped, and what is free again, in the transaction of the events; how many."""
    noted = 0
    for envelope, event in happened:
        match event:
            case SendingSuspended(by=by, key=key):
                await connection.execute(_SUSPEND, {"case_id": envelope.subject, "by": by, "key": key})
            case SendingResumed(by=by, key=key):
                await connection.execute(_RESUME, {"case_id": envelope.subject, "by": by, "key": key})
            case SendingStopped(way=way):
                await connection.execute(_STOP, {"tenant": envelope.tenant, "way": way or EVERY_WAY})
            case SendingAllowed(way=way):
                await connection.execute(_ALLOW, {"tenant": envelope.tenant, "way": way or EVERY_WAY})
            case _:
                continue
        noted += 1
    return noted


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
