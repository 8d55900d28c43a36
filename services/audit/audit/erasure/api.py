"""Erasing borrowers, and the legal holds that forbid it, over HTTP. For compliance alone."""

from typing import Annotated

from doorstep.infra.access import Compliance
from doorstep.kernel.service import Runtime
from fastapi import APIRouter, Body

from audit.erasure import effects

Id = Annotated[str, Body(min_length=1, max_length=200)]
Why = Annotated[str, Body(max_length=500, description="why; it is kept")]


def routes(router: APIRouter, runtime: Runtime) -> None:
    """Each may be repeated: it is done once. A rule that says no is a 409 with a sentence that says what to do."""

    @router.post("/erasures")
    async def erase(
        principal: Compliance,
        tenant: Id,
        borrower_id: Annotated[str, Body(min_length=1, max_length=200, description="as the bank names the borrower")],
        reason: Why,
        early: Annotated[bool, Body(description="before the rule packs would have it")] = False,
    ) -> dict[str, str]:
        return {"case_id": await effects.erase(runtime, tenant, borrower_id, principal, reason, early=early)}

    @router.post("/cases/{case_id}/legal-holds")
    async def place(case_id: str, principal: Compliance, hold_id: Id, reason: Why) -> dict[str, str]:
        await effects.place_hold(runtime, case_id, hold_id, principal, reason)
        return {"placed": hold_id}

    @router.post("/cases/{case_id}/legal-holds/{hold_id}/lift")
    async def lift(
        case_id: str,
        hold_id: str,
        principal: Compliance,
        reason: Annotated[str, Body(max_length=500, embed=True, description="why; it is kept")],
    ) -> dict[str, str]:
        await effects.lift_hold(runtime, case_id, hold_id, principal, reason)
        return {"lifted": hold_id}
