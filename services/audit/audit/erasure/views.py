"""The SQL of erasing: which cases have ended, and who was erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.store.views import PAGE


@dataclass(frozen=True)
class Ended:
    """A case that was cured and has not opened since, and whose erasure nobody has ordered yet."""

    case_id: str
    tenant: str


_ENDED = text(
    """
    select case_id, tenant from (
        select distinct on (case_id) case_id, tenant, type, recorded_at from entry
        where type in ('doorstep.case.opened', 'doorstep.case.cured', 'doorstep.erasure.ordered') and case_id > :after
        order by case_id, recorded_at desc, position desc) last
    where type = 'doorstep.case.cured' and recorded_at <= :before order by case_id limit :limit
    """
)


async def ended(connection: AsyncConnection, before: datetime, after: str = "") -> Sequence[Ended]:
    """One page of the cases that had ended by `before`, by case id, those greater than `after`."""
    rows = await connection.execute(_ENDED, {"before": before, "after": after, "limit": PAGE})
    return [Ended(row.case_id, row.tenant) for row in rows]


_ERASED = text("select case_id from entry where type = 'doorstep.erasure.ordered' order by case_id")


async def erased(connection: AsyncConnection) -> Sequence[str]:
    """Every case whose borrower was ever ordered to be erased."""
    return list((await connection.execute(_ERASED)).scalars())
