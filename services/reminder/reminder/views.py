"""The one table of reminder: where each contact stands, for the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, assert_never

from doorstep.events.reminder import ContactSent
from doorstep.events.values import Channel
from doorstep.kernel.service import Committed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reminder.domain import Done, Sending, State, Unscheduled, Waiting, WithdrawnEarly

PAGE = 500
"""The most contacts listed at once, the latest."""


class Contact(NamedTuple):
    """A row. `due`: when it may begin. `sent_at`: when the provider had taken it. `status`: see below."""

    permit_id: str
    case_id: str
    tenant: str
    channel: Channel
    status: str
    due: datetime
    sent_at: datetime | None


async def project(connection: AsyncConnection, committed: Sequence[Committed]) -> None:
    """Bring the rows of `committed` up to date, in one statement."""
    rows: dict[str, Contact] = {}
    for one in committed:
        row = _row(one, rows.get(one.stream.id))
        if row is not None:
            rows[row.permit_id] = row
    if rows:
        columns = zip(*rows.values(), strict=True)
        await connection.execute(_UPSERT, dict(zip(Contact._fields, map(list, columns), strict=True)))


async def find(connection: AsyncConnection, permit_id: str) -> Contact | None:
    """The contact of a permit."""
    row = (await connection.execute(_FIND, {"permit_id": permit_id})).one_or_none()
    return None if row is None else Contact(*row)


async def of_case(connection: AsyncConnection, case_id: str) -> Sequence[Contact]:
    """The contacts of a case, the latest first, at most PAGE."""
    rows = await connection.execute(_OF_CASE, {"case_id": case_id, "limit": PAGE})
    return [Contact(*row) for row in rows]


def _row(one: Committed, before: Contact | None) -> Contact | None:
    state = one.state
    assert isinstance(state, State)
    if isinstance(state, Unscheduled | WithdrawnEarly):
        return None
    sent_at = one.envelope.time if isinstance(one.event, ContactSent) else before and before.sent_at
    stream = one.stream
    return Contact(stream.id, stream.key, stream.tenant, state.channel, status(state), state.due, sent_at)


def status(state: Waiting | Sending | Done) -> str:
    """Where the contact stands, in one word."""
    if not isinstance(state, Waiting) and state.receipts:
        return state.receipts[-1]
    match state:
        case Waiting():
            return "scheduled"
        case Sending(withdrawn=withdrawn):
            return "started" if withdrawn is None else "withdrawn"
        case Done(outcome=outcome):
            return outcome
        case _:
            assert_never(state)


_UPSERT = text(
    "insert into contact (permit_id, case_id, tenant, channel, status, due, sent_at)"
    " select * from unnest(cast(:permit_id as text[]), cast(:case_id as text[]), cast(:tenant as text[]),"
    " cast(:channel as text[]), cast(:status as text[]), cast(:due as timestamptz[]),"
    " cast(:sent_at as timestamptz[]))"
    " on conflict (permit_id) do update set status = excluded.status, due = excluded.due,"
    " sent_at = coalesce(excluded.sent_at, contact.sent_at)"
)
_COLUMNS = "select permit_id, case_id, tenant, channel, status, due, sent_at from contact"
_FIND = text(f"{_COLUMNS} where permit_id = :permit_id")
_OF_CASE = text(f"{_COLUMNS} where case_id = :case_id order by due desc, permit_id limit :limit")
