"""What happens to a few borrowers whatever the bank does, and what it must then respect: holds, consents, blocked
hours, complaints, payments that bounce. Pure, and drawn by borrower alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Literal

from doorstep_demo import routes
from doorstep_demo.portfolio import Person, Portfolio
from doorstep_demo.routes import Route
from doorstep_demo.words import WORDS


@dataclass(frozen=True)
class Told:
    """The borrower, or somebody for them, tells the lender's people, who enter it: `body` goes to `route` of the
    case, `after` the first contact. A hold is lifted `lifted_after` that, if at all."""

    route: Route
    body: dict[str, Any] = field(hash=False)
    after: timedelta
    lifted_after: timedelta | None = None


@dataclass(frozen=True)
class Answered:
    """The borrower answers the second contact like that, `after` it."""

    kind: Literal["complaint", "opt-out"]
    text: str
    after: timedelta


def circumstance(portfolio: Portfolio, person: Person) -> Told | Answered | None:
    """What happens to `person`, if anything does."""
    draw = portfolio.draw(person.borrower_id, "circumstance")
    what = draw.choices((_hold, _consent, _block, _answer, None), _SHARES)[0]
    return what(draw, person) if what is not None and portfolio.eventful else None


def bounces_after(portfolio: Portfolio, person: Person, payment: str) -> timedelta | None:
    """When the bank learns that `payment` did not stand; None when it stands."""
    draw = portfolio.draw(person.borrower_id, f"bounce/{payment}")
    return timedelta(days=draw.randint(2, 6)) if portfolio.eventful and draw.random() < _BOUNCES else None


def settles_on(portfolio: Portfolio, person: Person) -> date | None:
    """The day on which `person` pays everything that is overdue by then, whatever came before: most people find a way
    within half a year. None: never."""
    draw = portfolio.draw(person.borrower_id, "settles")
    behind = min(loan.overdue_since for loan in portfolio.loans_by_borrower[person.borrower_id])
    day = max(behind, portfolio.start) + timedelta(days=draw.randint(40, 130))
    return day if portfolio.eventful and draw.random() < _SETTLE else None


def _hold(draw: Random, person: Person) -> Told:
    body = {"hold_id": f"{person.borrower_id}-hold", "kind": draw.choice(_HOLDS)}
    lifted = timedelta(days=draw.randint(10, 60)) if draw.random() < 0.6 else None
    return Told(routes.HOLD, body, _some_days(draw), lifted)


def _consent(draw: Random, person: Person) -> Told:
    body: dict[str, Any] = {"consent_id": f"{person.borrower_id}-consent", "kind": "hours", "ways": [], "until": None}
    return Told(routes.CONSENT, body, _some_days(draw))


def _block(draw: Random, person: Person) -> Told:
    weekdays, opens, closes, ways = draw.choice(_BLOCKS)
    hours = {"weekdays": list(weekdays), "opens": opens, "closes": closes, "ways": list(ways)}
    return Told(routes.BLOCK, {"block_id": f"{person.borrower_id}-block", **hours}, _some_days(draw))


def _answer(draw: Random, person: Person) -> Answered:
    kind: Literal["complaint", "opt-out"] = draw.choice(("complaint", "opt-out"))
    text = draw.choice(WORDS[kind][person.language])
    return Answered(kind, text, timedelta(minutes=draw.randint(5, 600)))


def _some_days(draw: Random) -> timedelta:
    return timedelta(days=draw.randint(1, 25), hours=draw.randint(1, 8))


_SHARES = (5, 4, 6, 4, 81)
"""Percent of the borrowers: a hold, a consent, blocked hours, a complaint or opt-out, nothing."""
_BOUNCES = 0.03
_SETTLE = 0.8
_HOLDS = ("attorney", "bereavement", "complaint", "disaster", "family-event", "hardship", "vulnerability")
_BLOCKS: Sequence[tuple[Sequence[int], str | None, str | None, Sequence[str]]] = (
    ((1, 2, 3, 4, 5, 6, 7), "12:00", "14:00", ()),
    ((1, 2, 3, 4, 5), "08:00", "18:00", ("voice",)),
    ((6, 7), "00:00", "23:59", ()),
    ((), None, None, ("visit",)),
    ((7,), None, None, ()),
)
