"""When a visit may be made and its notice sent: inside the spans of its permit, or, where the permit names none,
inside its daily windows."""

from collections.abc import Sequence
from datetime import datetime

from doorstep.events.values import Span
from doorstep.events.visits import VisitTerms
from doorstep.messaging.windows import contains, is_open, local, next_opening


def may_visit(terms: VisitTerms, instant: datetime) -> bool:
    """Whether collectors may begin at `instant`."""
    if not terms.allowed:
        return is_open(terms.windows, instant)
    return any(span.starts <= instant < span.ends for span in terms.allowed)


def holds_visit(terms: VisitTerms, starts: datetime, ends: datetime) -> bool:
    """Whether a visit from `starts` right up to `ends` lies inside one permitted span. Both are less than a day
    apart."""
    if not terms.allowed:
        return contains(terms.windows, starts, ends)
    return any(span.starts <= starts and ends <= span.ends for span in terms.allowed)


def next_notice(terms: VisitTerms, instant: datetime) -> datetime | None:
    """The first instant from `instant` on at which the notice may be sent; None when there is none any more."""
    if not terms.notice_allowed:
        return next_opening(terms.windows, instant)
    return _first(terms.notice_allowed, instant)


def said(terms: VisitTerms, instant: datetime) -> str:
    """The permitted hours as collectors at the door are told them, on the borrower's clock."""
    if not terms.allowed:
        return f"visits are permitted from {terms.windows.opens} to {terms.windows.closes} local time only"
    begins = _first(terms.allowed, instant)
    if begins is None:
        return "no permitted hours are left: do not go"
    return f"visits are not permitted at this hour; the next may begin at {local(terms.windows, begins):%Y-%m-%d %H:%M}"


def _first(spans: Sequence[Span], instant: datetime) -> datetime | None:
    return min((max(span.starts, instant) for span in spans if instant < span.ends), default=None)
