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


@dataclass(frozen=True)
class EndedPage:
    """Of so many entries that a case was cured, `cases` have ended; `after` is the position of the last entry looked
    at, None where no more follow."""

    cases: Sequence[Ended]
    after: int | None


# The entries are taken first and judged then, so that a page costs the same however few of its cases have ended.
_ENDED = text(
    """
    select cured.position, cured.case_id, cured.tenant, cured.recorded_at <= :before and cured.position = (
        select e.position from entry e where e.case_id = cured.case_id
            and type in ('doorstep.case.opened', 'doorstep.case.cured', 'doorstep.erasure.ordered')
        order by e.recorded_at desc, e.position desc limit 1) as ended
    from (select position, case_id, tenant, recorded_at from entry
          where type = 'doorstep.case.cured' and position > :after order by position limit :limit) cured
    order by cured.position
    """
)


async def ended(connection: AsyncConnection, before: datetime, after: int = -1) -> EndedPage:
    """The cases that had ended by `before`, among those cured by the next entries `after` that position."""
    rows = (await connection.execute(_ENDED, {"before": before, "after": after, "limit": PAGE})).all()
    cases = [Ended(row.case_id, row.tenant) for row in rows if row.ended]
    return EndedPage(cases, rows[-1].position if len(rows) == PAGE else None)


_ERASED = text("select case_id from entry where type = 'doorstep.erasure.ordered' order by case_id")


async def erased(connection: AsyncConnection) -> Sequence[str]:
    """Every case whose borrower was ever ordered to be erased."""
    return list((await connection.execute(_ERASED)).scalars())
