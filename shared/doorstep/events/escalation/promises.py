"""Promises to pay."""

from datetime import date
from decimal import Decimal

import msgspec

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Instant, Money


@event("doorstep.promise.recorded", topic=ESCALATION)
class PromiseRecorded(Event, frozen=True):
    """The borrower promised to pay `amount` (None: all that is overdue) by `due`, a business date. After
    `check_at`, the end of its grace, it is broken if the bank's facts, once they reach that far, still show
    the case as overdue. It was given on the day `given`, at `given_at`, when by the books of `owed_on` `owed` was
    overdue; the books of `judged_on` tell."""

    promise_id: str
    due: date
    check_at: Instant
    amount: Decimal | None = None
    given: date | None = None
    owed: Money | None = None
    judged_on: date | None = None
    given_at: Instant | None = None
    owed_on: date | None = None


class Use(msgspec.Struct, frozen=True):
    """`amount` of a `payment`, by its source and fact id, keeps a promise and no other one any more. None: the bank's
    books fell by it, and no payment it told of says why."""

    payment: str | None
    amount: Decimal


@event("doorstep.promise.broken", topic=ESCALATION)
class PromiseBroken(Event, frozen=True):
    """The promised day, with its grace, passed and by the bank's facts the case is still overdue."""

    promise_id: str


@event("doorstep.promise.kept", topic=ESCALATION)
class PromiseKept(Event, frozen=True):
    """The case was cured while the promise ran, or what was promised came in: `uses` say by what."""

    promise_id: str
    uses: tuple[Use, ...] = ()


@event("doorstep.promise.partly-kept", topic=ESCALATION)
class PromisePartlyKept(Event, frozen=True):
    """The promised day, with its grace, passed, and less came in than was promised: `paid`, by `uses`."""

    promise_id: str
    paid: Money
    uses: tuple[Use, ...] = ()
