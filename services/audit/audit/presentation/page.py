"""Rendering of the two pages. They need no script and nothing from outside, and say so in their policy."""

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from doorstep.locales.languages import DEFAULT, Language, matching
from doorstep.locales.text import LOCALES
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.presentation.formatting import instant
from audit.presentation.present import ShownTimeline, days, kinds, who
from audit.presentation.sentences import label
from audit.timeline.disputes import DisputeList
from audit.timeline.domain import zone_named
from audit.timeline.views import CaseList, Incomplete

_FOLDER = importlib.resources.files("audit.presentation") / "pages"
_STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # Its forms are to say where they come from.
    "Referrer-Policy": "same-origin",
}
_templates = Environment(
    loader=FileSystemLoader(str(_FOLDER)),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class View:
    """Who looks, in which language. Without a choice, the browser's."""

    request: Request
    chosen: Language | None

    @cached_property
    def language(self) -> Language:
        """What the browser asks for first, where there is that language."""
        wanted = self.request.headers.get("accept-language", "")
        return self.chosen or matching(wanted.partition(",")[0]) or DEFAULT

    def link(self, name: str, path: Mapping[str, str] | None = None, **query: object) -> str:
        """A path within this site that keeps the language; empty parameters are left out."""
        url = self.request.url_for(name, **(path or {}))
        kept = {key: value for key, value in query.items() if value not in (None, "")}
        with_query = url.include_query_params(**({"lang": self.language} | kept))
        return f"{with_query.path}?{with_query.query}"


def case_list(
    view: View,
    found: CaseList,
    *,
    q: str,
    before: int | None,
    undecodable: int,
    missing: Incomplete,
    violations: int,
) -> HTMLResponse:
    """The list of cases; `before`: where this page of it begins, None for the first."""
    return _render(
        view,
        "cases.html",
        found=found,
        q=q,
        before=before,
        undecodable=undecodable,
        missing=missing,
        violations=violations,
    )


def dispute_list(view: View, found: DisputeList) -> HTMLResponse:
    """The disputes of all cases, with their deadlines."""
    return _render(view, "disputes.html", found=found)


def case(
    view: View,
    shown: ShownTimeline,
    *,
    kind: str = "",
    may_open: bool,
    may_export: bool = False,
    borrower: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One case's timeline. `borrower` is given where personal data were opened."""
    told = shown.merged()
    counts = kinds(told.lines)
    chosen = kind if kind in counts else ""
    return _render(
        view,
        "case.html",
        shown=shown,
        days=days((told.only(chosen) if chosen else told).lines),
        counts=counts,
        kind=chosen,
        may_open=may_open,
        may_export=may_export,
        borrower=borrower,
        opened=borrower is not None,
        as_of=shown.as_of and shown.as_of.isoformat(),
        zone=zone_named(shown.zone),
    )


def _render(view: View, template: str, **values: object) -> HTMLResponse:
    language = view.language
    html = _templates.get_template(template).render(
        view=view,
        lang=language,
        languages={one: locale.text("language", "name") for one, locale in LOCALES.items()},
        t=lambda name, **fields: label(name, language, **fields),
        word=LOCALES[language].word,
        instant=instant,
        who=who,
        style=Markup(_STYLE),  # noqa: S704
        **values,
    )
    return HTMLResponse(html, headers=_HEADERS)
