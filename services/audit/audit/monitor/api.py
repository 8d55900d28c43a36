"""What the conformance monitor found, over HTTP."""

from doorstep.infra.access import Viewer
from doorstep.infra.database import reading
from doorstep.kernel.service import Runtime
from fastapi import APIRouter

from audit.monitor import views
from audit.monitor.views import RecordedViolation


def routes(router: APIRouter, runtime: Runtime) -> None:
    """The newest first."""

    @router.get("/violations")
    async def violations(who: Viewer) -> list[RecordedViolation]:
        async with reading(runtime.engine, who.tenants) as connection:
            return list(await views.violations(connection, only=who.only))
