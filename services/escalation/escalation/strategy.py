"""The tenant's default strategy: the mildest means first, a visit last."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from doorstep.events.common import Channel, Money
from doorstep.events.escalation import Purpose

VISIT_FROM_DPD = 61
VISIT_UNANSWERED = 3
VISIT_FROM_AMOUNT = {"CNY": Decimal(5_000), "TWD": Decimal(20_000), "USD": Decimal(700)}
"""A currency that is not listed has no visits: nobody has said what is worth one."""
VISIT_AGAIN = timedelta(days=7)
"""After a visit that was not made, the next one waits: whatever was in the way may still be, and the borrower
may have had the notice."""


@dataclass(frozen=True)
class Step:
    """What to do next, and how long to wait after the contact before it."""

    name: str
    channel: Channel
    purpose: Purpose
    every: timedelta


EARLY = Step("early-sms", "sms", "reminder", timedelta(days=7))
MIDDLE = Step("middle-call", "voice", "firm-reminder", timedelta(days=5))
LATE = Step("late-call", "voice", "firm-reminder", timedelta(days=7))
BROKEN = Step("promise-broken-sms", "sms", "promise-broken", timedelta(days=1))
VISIT = "visit"


def bucket(dpd: int) -> str:
    """The delinquency bucket of `dpd` days past due."""
    for limit in (30, 60, 90):
        if dpd <= limit:
            return f"{limit - 29}-{limit}"
    return "91+"


def contact_step(dpd: int, *, promise_broken: bool) -> Step:
    """The contact the strategy wants at `dpd`."""
    if promise_broken:
        return BROKEN
    if dpd <= 30:
        return EARLY
    return MIDDLE if dpd <= 60 else LATE


def visit_wanted(dpd: int, amount: Money, unanswered: int) -> bool:
    """Late enough, enough at stake, and the milder means went unanswered."""
    threshold = VISIT_FROM_AMOUNT.get(amount.currency)
    return (
        dpd >= VISIT_FROM_DPD
        and threshold is not None
        and amount.amount >= threshold
        and unanswered >= VISIT_UNANSWERED
    )
