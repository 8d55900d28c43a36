"""An audit with many cases, written by one statement."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


async def filled(engine: AsyncEngine, cases: int, start: datetime) -> None:
    """So many cases side by side, each with four entries: opened, a loan, a contact denied; every tenth is cured."""
    async with engine.begin() as connection:
        await connection.execute(_FILL, {"many": cases, "start": start})
        await connection.execute(text("analyze entry"))


_FILL = text(
    """
    insert into entry
    select nth * :many + n, 'doorstep.escalation.v1', 0, nth * :many + n, 'e' || nth || '-' || n,
        md5(n::text), 'demo-bank', kind, 'case/' || md5(n::text), nth + 1, cast(:start as timestamptz),
        cast(:start as timestamptz) + nth * interval '1 day', cast(:start as timestamptz),
        convert_to('{"data":{"loan_id":"L-' || n || '"}}', 'UTF8')
    from generate_series(0, :many - 1) n, unnest(array['doorstep.case.opened',
        'doorstep.loan.overdue-recorded', 'doorstep.contact.denied',
        case when n % 10 = 0 then 'doorstep.case.cured' else 'doorstep.contact.denied' end])
        with ordinality as t(kind, place), lateral (select place - 1 as nth) p
    """
)
