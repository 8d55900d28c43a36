"""What the audit shows over HTTP: JSON for programs, pages for people. Everything needs a token."""

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from doorstep.access import Compliance, Principal, Viewer
from doorstep.events.common import Language
from doorstep.service import Runtime
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from audit import page as pages
from audit import views
from audit.domain import Timeline, timeline
from audit.opening import borrower_of, open_personal
from audit.page import View
from audit.present import Opened, ShownTimeline, present
from audit.views import CaseList, Undecodable

MAY_OPEN = ("compliance", "admin")
NO_STORE = {"Cache-Control": "no-store"}
Lang = Annotated[Language, Query(description="language of the sentences")]
Text = Annotated[str, Query(max_length=200)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]
AsOf = Annotated[str | None, Query(description="what had been absorbed by then; ISO 8601 with an offset")]


def api(runtime: Runtime) -> APIRouter:
    """The routes; every one names who may use it."""
    router = APIRouter(tags=["audit"])
    _json_routes(router, runtime)
    _page_routes(router, runtime)
    return router


def _json_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/cases")
    async def cases(_: Viewer, q: Text = "", page: PageNumber = 1) -> CaseList:
        async with runtime.engine.connect() as connection:
            return await views.cases(connection, q.strip(), page)

    @router.get("/cases/{case_id}/timeline")
    async def case_timeline(
        case_id: str,
        principal: Viewer,
        response: Response,
        lang: Lang = "zh-CN",
        as_of: AsOf = None,
        open: bool = False,
        reason: Text = "",
    ) -> ShownTimeline:
        moment = instant_of(as_of)
        known = await _timeline(runtime, case_id, moment)
        response.headers.update(NO_STORE)
        opened = await _opened(runtime, known, principal, reason) if open else None
        return present(known, lang, as_of=moment, opened=opened)

    @router.get("/undecodable")
    async def undecodable(_: Viewer) -> list[Undecodable]:
        async with runtime.engine.connect() as connection:
            return list(await views.undecodable(connection))


def _page_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/", response_class=HTMLResponse, name="audit_cases")
    async def case_list(
        request: Request, _: Viewer, lang: Language | None = None, q: Text = "", page: PageNumber = 1
    ) -> HTMLResponse:
        async with runtime.engine.connect() as connection:
            found = await views.cases(connection, q.strip(), page)
            unreadable = await views.undecodable(connection)
        return pages.case_list(View(request, lang), found, q=q, undecodable=len(unreadable))

    @router.get("/pages/cases/{case_id}", response_class=HTMLResponse, name="audit_case")
    async def case_page(
        request: Request,
        case_id: str,
        principal: Viewer,
        lang: Language | None = None,
        as_of: AsOf = None,
        zone: Text = "UTC",
        kind: Text = "",
    ) -> HTMLResponse:
        moment = instant_of(as_of, zone)
        view = View(request, lang)
        shown = present(await _timeline(runtime, case_id, moment), view.language, as_of=moment)
        return pages.case(view, shown, kind=kind, may_open=principal.role in MAY_OPEN)

    @router.post("/pages/cases/{case_id}", response_class=HTMLResponse, name="audit_open")
    async def opened_page(
        request: Request,
        case_id: str,
        principal: Compliance,
        lang: Language | None = None,
        as_of: AsOf = None,
    ) -> HTMLResponse:
        form = parse_qs((await request.body()).decode(errors="replace"))
        moment = instant_of(as_of)
        known = await _timeline(runtime, case_id, moment)
        opened = await _opened(runtime, known, principal, form.get("reason", [""])[0][:200])
        view = View(request, lang)
        shown = present(known, view.language, as_of=moment, opened=opened)
        return pages.case(view, shown, may_open=True, borrower=borrower_of(opened))


async def _timeline(runtime: Runtime, case_id: str, as_of: datetime | None) -> Timeline:
    async with runtime.engine.connect() as connection:
        entries = await views.entries(connection, case_id, as_of)
    if not entries:
        raise HTTPException(404, "no entries of this case" + (" by then" if as_of else ""))
    return timeline(case_id, entries)


async def _opened(runtime: Runtime, known: Timeline, principal: Principal, reason: str) -> Opened:
    if principal.role not in MAY_OPEN:
        raise HTTPException(403, f"personal data are opened by compliance; the token says {principal.role}")
    return await open_personal(runtime, known, principal, reason)


def instant_of(told: str | None, zone: str | None = None) -> datetime | None:
    """The instant in a query. One without an offset is read in `zone`, or refused where none is given.

    Raises HTTPException 422."""
    if not told:
        return None
    try:
        # In a query an unescaped plus sign arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", told))
        if moment.tzinfo is None and zone is not None:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return moment.astimezone(UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        raise HTTPException(422, "as_of: want an instant such as 2026-03-01T10:00:00+08:00") from None
