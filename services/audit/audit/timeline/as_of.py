"""A case as it was known at a moment: everything absorbed by then, and nothing else, whenever it is asked."""

from datetime import datetime
from typing import TYPE_CHECKING

from audit.store import views
from audit.timeline.domain import Timeline, timeline

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class NotYet(ValueError):
    """The moment has not passed: what is absorbed until then would be missing. The message says what to do."""


async def timeline_as_of(engine: "AsyncEngine", case_id: str, now: datetime, as_of: datetime | None = None) -> Timeline:
    """The timeline as of `as_of`, or as it is `now`; without lines when there was none by then.

    Raises NotYet for a moment that has not passed."""
    if as_of is not None:
        await _wait(engine, now, as_of)
    async with engine.connect() as connection:
        size = await views.size(connection, as_of)
        return timeline(case_id, await views.entries(connection, case_id, within=size), size)


async def _wait(engine: "AsyncEngine", now: datetime, as_of: datetime) -> None:
    """Until nothing more can be stamped `as_of` or earlier: what is absorbed after this is stamped at least `now`, or
    with the newest stamp."""
    async with engine.connect() as connection:
        await views.settled(connection)
        newest = await views.last_absorbed(connection)
    if as_of >= max(now, newest or now):
        raise NotYet("that moment has not passed; leave it out to see what is known now")
