"""What is shown of a case over HTTP, and to whom: JSON and PDF for programs, pages for people."""

import asyncio
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs, quote

import msgspec
from doorstep.infra.access import Compliance, Principal, Viewer
from doorstep.kernel.service import Runtime
from doorstep.locales.languages import DEFAULT, Language
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from audit.disclosure.evidence.export import MAY_EXPORT, MAY_OPEN
from audit.disclosure.opening import borrower_of, open_personal
from audit.monitor import views as monitored
from audit.presentation import page as pages
from audit.presentation import pdf
from audit.presentation.page import View
from audit.presentation.present import Opened, ShownTimeline, present
from audit.timeline import views
from audit.timeline.api import PageNumber, Text, disputes_of_all
from audit.timeline.as_of import NotYet, timeline_as_of
from audit.timeline.domain import Timeline
from audit.timeline.instants import NoInstant, instant

NO_STORE = {"Cache-Control": "no-store"}
Lang = Annotated[Language, Query(description="language of the sentences")]
AsOf = Annotated[str | None, Query(description="what had been absorbed by then; ISO 8601 with an offset")]


def routes(router: APIRouter, runtime: Runtime) -> None:
    """For programs, then for people."""
    _case_routes(router, runtime)
    _page_routes(router, runtime)


def _case_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/cases/{case_id}/timeline")
    async def case_timeline(
        case_id: str,
        principal: Viewer,
        lang: Lang = DEFAULT,
        as_of: AsOf = None,
        open: bool = False,
        reason: Text = "",
    ) -> Response:
        shown = await _shown(runtime, case_id, lang, as_of, principal if open else None, reason)
        return Response(msgspec.json.encode(shown.merged()), media_type="application/json", headers=NO_STORE)

    @router.get("/cases/{case_id}/timeline.pdf")
    async def case_pdf(
        case_id: str,
        principal: Viewer,
        lang: Lang = DEFAULT,
        as_of: AsOf = None,
        open: bool = False,
        reason: Text = "",
    ) -> Response:
        shown = await _shown(runtime, case_id, lang, as_of, principal if open else None, reason)
        try:
            printed = await asyncio.to_thread(pdf.pdf, shown, opened=open)
        except pdf.NoFont as error:
            raise HTTPException(501, str(error)) from None
        named = {"Content-Disposition": f'inline; filename="timeline-{quote(case_id)}.pdf"'}
        return Response(printed, media_type="application/pdf", headers=NO_STORE | named)


def _page_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/", response_class=HTMLResponse, name="audit_cases")
    async def case_list(
        request: Request, _: Viewer, lang: Language | None = None, q: Text = "", page: PageNumber = 1
    ) -> HTMLResponse:
        async with runtime.engine.connect() as connection:
            found = await views.cases(connection, q.strip(), page)
            unreadable = await views.undecodable(connection)
            missing = await views.incomplete(connection)
            breaches = await monitored.violation_count(connection)
        view = View(request, lang)
        return pages.case_list(view, found, q=q, undecodable=len(unreadable), missing=missing, violations=breaches)

    @router.get("/pages/disputes", response_class=HTMLResponse, name="audit_disputes")
    async def dispute_page(request: Request, _: Viewer, lang: Language | None = None) -> HTMLResponse:
        return pages.dispute_list(View(request, lang), await disputes_of_all(runtime))

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
        may_open, may_export = principal.role in MAY_OPEN, principal.role in MAY_EXPORT
        return pages.case(view, shown, kind=kind, may_open=may_open, may_export=may_export)

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
    try:
        known = await timeline_as_of(runtime.engine, case_id, runtime.clock.now(), as_of)
    except NotYet as error:
        raise HTTPException(422, f"as_of: {error}") from None
    if not known.lines:
        raise HTTPException(404, "no entries of this case" + (" by then" if as_of else ""))
    return known


async def _shown(
    runtime: Runtime, case_id: str, language: Language, as_of: str | None, opener: Principal | None, reason: str
) -> ShownTimeline:
    """With personal data where there is an `opener`."""
    moment = instant_of(as_of)
    known = await _timeline(runtime, case_id, moment)
    opened = await _opened(runtime, known, opener, reason) if opener else None
    return present(known, language, as_of=moment, opened=opened)


async def _opened(runtime: Runtime, known: Timeline, principal: Principal, reason: str) -> Opened:
    if principal.role not in MAY_OPEN:
        raise HTTPException(403, f"personal data are opened by compliance; the token says {principal.role}")
    return await open_personal(runtime, known, principal, reason)


def instant_of(told: str | None, zone: str | None = None) -> datetime | None:
    """The instant in a query. One without an offset is read in `zone`, or refused where none is given.

    Raises HTTPException 422."""
    try:
        return instant(told, zone)
    except NoInstant as error:
        raise HTTPException(422, f"as_of: {error}") from None
