"""A case's life: opened, assessed, seen otherwise, cured, given to somebody.

`assess_at` is the instant at which the case is next assessed unless something new is recorded before: no
decision falls when a message happens to arrive, only then.
"""

from datetime import date
from typing import Literal

import msgspec

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Instant, Money, Sealed


@event("doorstep.case.opened", topic=ESCALATION)
class CaseOpened(Event, frozen=True):
    """The borrower has an overdue loan. Episode 1 opens a case, later ones open it again. `after_reversal`: because
    a payment did not stand."""

    episode: int
    business_date: date
    after_reversal: bool = False


Aspect = Literal["overdue", "dpd", "amount", "payment-pending"]


Cause = Literal["late-fact", "backdated-payment", "reversal"]


class Change(msgspec.Struct, frozen=True):
    """`what` was `was` and is `now`, in plain figures."""

    what: Aspect
    was: str
    now: str


@event("doorstep.case.reevaluated", topic=ESCALATION)
class CaseReevaluated(Event, frozen=True):
    """Something the bank said late, or took back, changed what is known of a day in the past. `changes` say what is
    seen otherwise now; `decisions` were made from `effective` on, without knowing it, and stand as they were."""

    fact_id: str
    cause: Cause
    effective: date
    changes: tuple[Change, ...] = ()
    decisions: tuple[str, ...] = ()


@event("doorstep.case.cured", topic=ESCALATION)
class CaseCured(Event, frozen=True):
    """No loan of the case is overdue any more; what has not gone out yet is cancelled."""

    episode: int
    business_date: date


@event("doorstep.case.assessed", topic=ESCALATION)
class CaseAssessed(Event, frozen=True):
    """The case was looked at and nothing was to be done, or nothing other than was already said. `amount_overdue` is
    that of the books of `business_date`, in the currency whose turn it is, `other_amounts` what is overdue in
    others."""

    dpd: int
    amount_overdue: Money | None
    reason: Literal["not-due", "same-denial", "nothing-owed", "closed", "no-step"]
    assess_at: Instant | None = None
    business_date: date | None = None
    other_amounts: tuple[Money, ...] = ()


@event("doorstep.case.assigned", topic=ESCALATION)
class CaseAssigned(Event, frozen=True):
    """Who works on the case from now on: an agency, or the lender's own people (None). `said`: why, in a person's
    words."""

    agency: str | None
    reason: str
    said: Sealed | None = None
