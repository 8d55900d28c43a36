"""Which case a loan belongs to."""

from collections.abc import Sequence

from doorstep.events.escalation import LoanOverdueRecorded
from doorstep.service import Committed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def project(connection: AsyncConnection, committed: Sequence[Committed]) -> None:
    """Remember each loan's case, in the transaction of its fact."""
    facts = [one for one in committed if isinstance(one.event, LoanOverdueRecorded)]
    if facts:
        await connection.execute(
            _LOANS,
            {
                "tenant": [one.stream.tenant for one in facts],
                "loan_id": [one.event.loan_id for one in facts],  # type: ignore[attr-defined]
                "case_id": [one.stream.id for one in facts],
            },
        )


_LOANS = text(
    "insert into loan (tenant, loan_id, case_id)"
    " select distinct on (t, l) t, l, c"
    " from unnest(cast(:tenant as text[]), cast(:loan_id as text[]), cast(:case_id as text[])) as n(t, l, c)"
    " on conflict (tenant, loan_id) do update set case_id = excluded.case_id where loan.case_id <> excluded.case_id"
)
