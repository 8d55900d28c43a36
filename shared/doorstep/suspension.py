"""Cases in which nothing may be sent, because a message about them is parked somewhere.

Escalation says so to everyone (SendingSuspended, SendingResumed); each service notes it when it says or
hears it. While it lasts, the timers and effects of the case rest."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.events.escalation import SendingResumed, SendingSuspended
from doorstep.events.registry import Event

FREE = """not exists (select from suspended s where s.case_id = {0}.key)
    and not exists (select from parked p where p.status = 'waiting' and (p.key = {0}.key or p.case_id = {0}.key))"""
"""SQL: the row of table {0} belongs to a case in which sending is not suspended."""


async def note(connection: AsyncConnection, happened: Sequence[tuple[str, Event]]) -> int:
    """Remember the suspensions among (case id, event), in the transaction of the events; how many."""
    noted = 0
    for case_id, event in happened:
        match event:
            case SendingSuspended(by=by, key=key):
                await connection.execute(_SUSPEND, {"case_id": case_id, "by": by, "key": key})
            case SendingResumed(by=by, key=key):
                await connection.execute(_RESUME, {"case_id": case_id, "by": by, "key": key})
            case _:
                continue
        noted += 1
    return noted


_SUSPEND = text("insert into suspended (case_id, by, key) values (:case_id, :by, :key) on conflict do nothing")
_RESUME = text("delete from suspended where case_id = :case_id and by = :by and key = :key")
