"""What goes across cases over HTTP: the list of cases, disputes, what is missing, what nobody could read."""

from typing import Annotated

from doorstep.infra.access import Viewer
from doorstep.kernel.service import Runtime
from fastapi import APIRouter, Query

from audit.timeline import views
from audit.timeline.disputes import DisputeList, disputes, listed
from audit.timeline.order import causal_order
from audit.timeline.views import CaseList, Missing, Undecodable

Text = Annotated[str, Query(max_length=200)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]


def routes(router: APIRouter, runtime: Runtime) -> None:
    """As JSON."""

    @router.get("/cases")
    async def cases(_: Viewer, q: Text = "", page: PageNumber = 1) -> CaseList:
        async with runtime.engine.connect() as connection:
            return await views.cases(connection, q.strip(), page)

    @router.get("/gaps", name="audit_gaps")
    async def gaps(_: Viewer) -> list[Missing]:
        async with runtime.engine.connect() as connection:
            return list(await views.gaps(connection))

    @router.get("/disputes")
    async def dispute_list(_: Viewer) -> DisputeList:
        return await disputes_of_all(runtime)

    @router.get("/undecodable")
    async def undecodable(_: Viewer) -> list[Undecodable]:
        async with runtime.engine.connect() as connection:
            return list(await views.undecodable(connection))


async def disputes_of_all(runtime: Runtime) -> DisputeList:
    """How the disputes of every case stand now."""
    async with runtime.engine.connect() as connection:
        found = await views.disputes(connection)
    return listed(disputes(causal_order(found)), runtime.clock.now())
