"""A case as it was known at a moment: everything absorbed by then, and nothing else, whenever it is asked."""

from datetime import datetime
from typing import TYPE_CHECKING

from doorstep.infra.access import EVERY_TENANT
from doorstep.infra.database import reading
from doorstep.kernel.decider import NO_TENANT

from audit.store import views
from audit.timeline.domain import Timeline, timeline

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class NotYet(ValueError):
    """The moment has not passed: what is absorbed until then would be missing. The message says what to do."""


async def timeline_as_of(
    engine: "AsyncEngine", case_id: str, now: datetime, as_of: datetime | None = None, *, tenants: frozenset[str]
) -> Timeline:
    """The timeline as of `as_of`, or as it is `now`; without lines when there was none by then, or the case is of none
    of `tenants`.

    Raises NotYet for a moment that has not passed."""
    if as_of is not None:
        await _wait(engine, now, as_of)
    async with engine.connect() as connection:
        size = await views.size(connection, as_of)
    return await timeline_of(engine, case_id, size, tenants)


async def timeline_of(engine: "AsyncEngine", case_id: str, size: int, tenants: frozenset[str]) -> Timeline:
    """What the first `size` entries of the log tell; without lines when the case is of none of `tenants`."""
    async with reading(engine, tenants) as connection:
        found = await views.entries(connection, case_id, within=size)
    whose = {entry.envelope.tenant for entry in found} - {NO_TENANT}
    theirs = tenants == EVERY_TENANT or (whose and whose <= tenants)
    return timeline(case_id, found if theirs else (), size)


async def _wait(engine: "AsyncEngine", now: datetime, as_of: datetime) -> None:
    """Until nothing more can be stamped `as_of` or earlier: what is absorbed after this is stamped at least `now`, or
    with the newest stamp."""
    async with engine.connect() as connection:
        await views.settled(connection)
        newest = await views.last_absorbed(connection)
    if as_of >= max(now, newest or now):
        raise NotYet("that moment has not passed; leave it out to see what is known now")
