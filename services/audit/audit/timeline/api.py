"""What goes across cases over HTTP: the list of cases, disputes, what is missing, what nobody could read."""

from typing import Annotated

from doorstep.infra.access import Principal, Viewer, ViewerOfAll
from doorstep.infra.database import reading
from doorstep.kernel.service import Runtime
from fastapi import APIRouter, Query

from audit.timeline import views
from audit.timeline.disputes import DisputeList, disputes, listed
from audit.timeline.order import causal_order
from audit.timeline.views import CaseList, Missing, Undecodable

Text = Annotated[str, Query(max_length=200)]
Before = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="the position `next` of the page before")]


def routes(router: APIRouter, runtime: Runtime) -> None:
    """As JSON."""

    @router.get("/cases")
    async def cases(who: Viewer, q: Text = "", before: Before = None) -> CaseList:
        async with reading(runtime.engine, who.tenants) as connection:
            return await views.cases(connection, q.strip(), before, only=who.only)

    @router.get("/gaps", name="audit_gaps")
    async def gaps(who: Viewer) -> list[Missing]:
        async with reading(runtime.engine, who.tenants) as connection:
            return list(await views.gaps(connection, only=who.only))

    @router.get("/disputes")
    async def dispute_list(who: Viewer) -> DisputeList:
        return await disputes_of_all(runtime, who)

    @router.get("/undecodable")
    async def undecodable(who: ViewerOfAll) -> list[Undecodable]:
        async with reading(runtime.engine, who.tenants) as connection:
            return list(await views.undecodable(connection))


async def disputes_of_all(runtime: Runtime, who: Principal) -> DisputeList:
    """How the disputes of every case that `who` may see stand now."""
    async with reading(runtime.engine, who.tenants) as connection:
        found = await views.disputes(connection, only=who.only)
    return listed(disputes(causal_order(found)), runtime.clock.now())
