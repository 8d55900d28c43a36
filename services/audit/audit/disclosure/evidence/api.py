"""Evidence over HTTP, for auditors and compliance: a program posts JSON, the case's page a form."""

from typing import Annotated
from urllib.parse import parse_qs

from doorstep.infra.access import Auditor, Principal
from fastapi import APIRouter, Body, HTTPException, Request, Response

from audit.disclosure.evidence.export import MAY_OPEN, Wanted, export
from audit.store.settings import AuditRuntime
from audit.timeline.as_of import NotYet
from audit.timeline.instants import NoInstant, instant

Why = Annotated[str, Body(max_length=200, description="why; it is kept")]
When = Annotated[str | None, Body(description="what had been absorbed by then; ISO 8601 with an offset")]
Opened = Annotated[bool, Body(description="with the personal data in clear; compliance only")]


def routes(router: APIRouter, runtime: AuditRuntime) -> None:
    """Each answers with a ZIP, and what it hands out is on record."""

    @router.post("/cases/{case_id}/evidence", response_class=Response)
    async def evidence(
        case_id: str, principal: Auditor, reason: Why, as_of: When = None, opened: Opened = False
    ) -> Response:
        return await _zip(runtime, case_id, principal, reason, as_of, opened=opened)

    @router.post("/pages/cases/{case_id}/evidence", response_class=Response, name="audit_evidence")
    async def evidence_of_page(
        request: Request, case_id: str, principal: Auditor, as_of: str | None = None
    ) -> Response:
        form = parse_qs((await request.body()).decode(errors="replace"))
        reason = form.get("reason", [""])[0][:200]
        return await _zip(runtime, case_id, principal, reason, as_of, opened="opened" in form)


async def _zip(
    runtime: AuditRuntime, case_id: str, principal: Principal, reason: str, as_of: str | None, *, opened: bool
) -> Response:
    if opened and principal.role not in MAY_OPEN:
        raise HTTPException(403, f"personal data are opened by compliance; the token says {principal.role}")
    try:
        made = await export(runtime, Wanted(case_id, principal, reason, instant(as_of), opened))
    except (NotYet, NoInstant) as error:
        raise HTTPException(422, f"as_of: {error}") from None
    headers = {
        "Content-Disposition": f'attachment; filename="{made.name}"',
        "Cache-Control": "no-store",
        "X-Doorstep-Unsigned": str(made.unsigned),
    }
    return Response(made.data, media_type="application/zip", headers=headers)
