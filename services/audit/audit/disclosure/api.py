"""What is shown of a case over HTTP, and to whom: JSON and PDF for programs, pages for people."""

import asyncio
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs, quote

import msgspec
from doorstep.infra.access import Compliance, Principal, Viewer
from doorstep.infra.database import reading
from doorstep.kernel.service import Runtime
from doorstep.locales.languages import DEFAULT, Language
from fastapi import APIRouter, Body, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from audit.disclosure.evidence.export import MAY_EXPORT, MAY_OPEN
from audit.disclosure.opening import borrower_of, open_personal
from audit.monitor import views as monitored
from audit.presentation import page as pages
from audit.presentation import pdf
from audit.presentation.page import View
from audit.presentation.present import ShownTimeline, present
from audit.timeline import views
from audit.timeline.api import Before, Text, disputes_of_all
from audit.timeline.as_of import NotYet, timeline_as_of
from audit.timeline.domain import Timeline
from audit.timeline.instants import NoInstant, instant

# A browser shows it by an element of its own.
PRINTED = {"Content-Security-Policy": "default-src 'none'; object-src 'self'; frame-ancestors 'none'"}
Lang = Annotated[Language, Query(description="language of the sentences")]
Why = Annotated[str, Body(embed=True, max_length=200, description="why; it is kept")]
Opens = Annotated[bool, Query(description="no more: POST opens personal data", deprecated=True)]
AsOf = Annotated[str | None, Query(description="what had been absorbed by then; ISO 8601 with an offset")]


def routes(router: APIRouter, runtime: Runtime) -> None:
    """For programs, then for people."""
    _case_routes(router, runtime)
    _page_routes(router, runtime)


def _case_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/cases/{case_id}/timeline")
    async def case_timeline(
        case_id: str, principal: Viewer, lang: Lang = DEFAULT, as_of: AsOf = None, open: Opens = False
    ) -> Response:
        _demand_post(open)
        moment = instant_of(as_of)
        return _json(present(await _timeline(runtime, case_id, moment, principal), lang, as_of=moment))

    @router.post("/cases/{case_id}/timeline")
    async def opened_timeline(
        case_id: str, principal: Compliance, reason: Why, lang: Lang = DEFAULT, as_of: AsOf = None
    ) -> Response:
        return _json(await _opened(runtime, case_id, lang, as_of, principal, reason))

    @router.get("/cases/{case_id}/timeline.pdf")
    async def case_pdf(
        case_id: str, principal: Viewer, lang: Lang = DEFAULT, as_of: AsOf = None, open: Opens = False
    ) -> Response:
        _demand_post(open)
        moment = instant_of(as_of)
        return await _pdf(present(await _timeline(runtime, case_id, moment, principal), lang, as_of=moment))

    @router.post("/cases/{case_id}/timeline.pdf")
    async def opened_pdf(
        case_id: str, principal: Compliance, reason: Why, lang: Lang = DEFAULT, as_of: AsOf = None
    ) -> Response:
        return await _pdf(await _opened(runtime, case_id, lang, as_of, principal, reason), opened=True)


def _page_routes(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/", response_class=HTMLResponse, name="audit_cases")
    async def case_list(
        request: Request, who: Viewer, lang: Language | None = None, q: Text = "", before: Before = None
    ) -> HTMLResponse:
        async with reading(runtime.engine, who.tenants) as connection:
            found = await views.cases(connection, q.strip(), before, only=who.only)
            unreadable = await views.undecodable(connection) if who.of_all else ()
            missing = await views.incomplete(connection, only=who.only)
            breaches = await monitored.violation_count(connection, only=who.only)
        view = View(request, lang)
        return pages.case_list(
            view, found, q=q, before=before, undecodable=len(unreadable), missing=missing, violations=breaches
        )

    @router.get("/pages/disputes", response_class=HTMLResponse, name="audit_disputes")
    async def dispute_page(request: Request, who: Viewer, lang: Language | None = None) -> HTMLResponse:
        return pages.dispute_list(View(request, lang), await disputes_of_all(runtime, who))

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
        shown = present(await _timeline(runtime, case_id, moment, principal), view.language, as_of=moment)
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
        known = await _timeline(runtime, case_id, moment, principal)
        opened = await open_personal(runtime, known, principal, form.get("reason", [""])[0][:200])
        view = View(request, lang)
        shown = present(known, view.language, as_of=moment, opened=opened)
        return pages.case(view, shown, may_open=True, borrower=borrower_of(opened))


async def _timeline(runtime: Runtime, case_id: str, as_of: datetime | None, who: Principal) -> Timeline:
    try:
        known = await timeline_as_of(runtime.engine, case_id, runtime.clock.now(), as_of, tenants=who.tenants)
    except NotYet as error:
        raise HTTPException(422, f"as_of: {error}") from None
    if not known.lines:
        raise HTTPException(404, "no entries of this case" + (" by then" if as_of else ""))
    return known


async def _opened(
    runtime: Runtime, case_id: str, language: Language, as_of: str | None, opener: Principal, reason: str
) -> ShownTimeline:
    moment = instant_of(as_of)
    known = await _timeline(runtime, case_id, moment, opener)
    return present(known, language, as_of=moment, opened=await open_personal(runtime, known, opener, reason))


def _demand_post(opens: bool) -> None:
    """A GET is kept in logs and histories, and repeated by whoever finds it there: it opens nothing. Raises
    HTTPException 405."""
    if opens:
        raise HTTPException(405, "personal data are opened by POST to this path, with a reason", {"Allow": "POST"})


def _json(shown: ShownTimeline) -> Response:
    return Response(msgspec.json.encode(shown.merged()), media_type="application/json")


async def _pdf(shown: ShownTimeline, *, opened: bool = False) -> Response:
    try:
        printed = await asyncio.to_thread(pdf.pdf, shown, opened=opened)
    except pdf.NoFont as error:
        raise HTTPException(501, str(error)) from None
    headers = {"Content-Disposition": f'inline; filename="timeline-{quote(shown.case_id)}.pdf"', **PRINTED}
    return Response(printed, media_type="application/pdf", headers=headers)


def instant_of(told: str | None, zone: str | None = None) -> datetime | None:
    """The instant in a query. One without an offset is read in `zone`, or refused where none is given.

    Raises HTTPException 422."""
    try:
        return instant(told, zone)
    except NoInstant as error:
        raise HTTPException(422, f"as_of: {error}") from None
