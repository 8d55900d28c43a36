"""What people may ask of a case, and tell it."""

from typing import Annotated, Any

import msgspec
from doorstep.access import Compliance, Operator, Viewer
from doorstep.decider import Routed, Unknown
from doorstep.events.escalation import HoldKind
from doorstep.service import Runtime
from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from escalation.case import Case
from escalation.domain import LiftHold, PlaceHold
from escalation.react import case_stream

Repeatable = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]


class NewHold(BaseModel):
    """A person places a hold."""

    hold_id: str = Field(min_length=1, max_length=100)
    kind: HoldKind


class Reason(BaseModel):
    """Why; it is kept."""

    reason: str = Field(min_length=3, max_length=500)


def api(runtime: Runtime) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["escalation"])

    async def known(tenant: str, case_id: str) -> Case:
        found: Case = await runtime.state(case_stream(case_id, tenant))
        if not found.loans:
            raise Unknown(f"tenant {tenant} has no case {case_id}; GET /cases of audit lists them")
        return found

    @router.get("/cases/{tenant}/{case_id}")
    async def case(tenant: str, case_id: str, _: Viewer) -> dict[str, Any]:
        found = await known(tenant, case_id)
        shown: dict[str, Any] = msgspec.to_builtins(found)
        del shown["personal"]
        derived = {"dpd": found.dpd(), "unanswered": found.unanswered(), "willingness": found.willingness()}
        return {"case_id": case_id, **derived, **shown}

    @router.post("/cases/{tenant}/{case_id}/holds", status_code=201)
    async def place(tenant: str, case_id: str, hold: NewHold, who: Operator, key: Repeatable = None) -> dict[str, int]:
        await known(tenant, case_id)
        command = PlaceHold(hold.hold_id, hold.kind)
        routed = Routed(case_stream(case_id, tenant), command, who.actor())
        request_id = None if key is None else f"{who.id}/{case_id}/{key}"
        return {"events": len(await runtime.execute(routed, request_id=request_id))}

    @router.post("/cases/{tenant}/{case_id}/holds/{hold_id}/lift")
    async def lift(tenant: str, case_id: str, hold_id: str, why: Reason, who: Compliance) -> dict[str, int]:
        routed = Routed(case_stream(case_id, tenant), LiftHold(hold_id, why.reason), who.actor())
        return {"events": len(await runtime.execute(routed))}

    return router
