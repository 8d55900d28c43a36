"""Promises to pay: given by the borrower, judged by the bank's books."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import assert_never
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.escalation.cases import CaseCured
from doorstep.events.escalation.permits import ContactPermitted, VisitPermitted
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, PromiseRecorded
from doorstep.events.values import Money
from msgspec.structs import replace

from escalation.domain.case.loans import Loans

REACHES = timedelta(days=60)
"""A day further off is no promise: it would stop contact for as long as the borrower likes."""
JUDGED_AT = time(8)
"""The borrower's clock, on the morning after the grace."""

Judged = PromiseBroken | PromisePartlyKept | PromiseKept
Event = PromiseRecorded | Judged


@dataclass(frozen=True)
class RecordPromise:
    """The borrower promised to pay."""

    promise_id: str
    due: date
    amount: Decimal | None


class Promise(msgspec.Struct, frozen=True):
    """A promise to pay that is neither kept nor broken yet. `owed` was overdue when it was given, on `given`; the
    bank's books of `judged_on` tell, at `check_at` or later."""

    due: date
    check_at: datetime
    judged_on: date
    given: date
    amount: Decimal | None = None
    owed: Money | None = None

    def told(self, loans: Loans) -> bool:
        """Whether the bank's facts can tell if it was kept: nothing is overdue any more, or they reach past its grace
        and no payment waits for a snapshot."""
        if not loans.overdue():
            return True
        return loans.business_date() >= self.judged_on and not loans.payment_pending()

    def paid(self, loans: Loans) -> Decimal:
        """What came in for it: payments from its day on or, where the bank tells of none, by how much less is overdue.
        In the promise's currency."""
        currency = self.owed.currency if self.owed else None
        payments = [paid for loan in loans.by_id.values() for paid in loan.payments.values() if not paid.reversed]
        told = [
            paid.amount.amount
            for paid in payments
            if paid.amount and paid.amount.currency == currency and paid.paid_on >= self.given
        ]
        still = sum((money.amount for money in loans.owed().values() if money.currency == currency), Decimal(0))
        less = self.owed.amount - still if self.owed else Decimal(0)
        return max(sum(told, Decimal(0)), less, Decimal(0))


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """The `running` promises by id, all that were `recorded`, and how many came out how. `broken_unsaid`: one was
    broken, or kept in part only, and the borrower has not been told."""

    running: dict[str, Promise] = msgspec.field(default_factory=dict, name="promises")
    recorded: tuple[str, ...] = msgspec.field(default=(), name="promises_heard")
    kept: int = 0
    partly_kept: int = 0
    broken: int = 0
    broken_unsaid: bool = msgspec.field(default=False, name="promise_broken")


def decide(
    promises: Promises,
    command: RecordPromise,
    loans: Loans,
    owed: Money | None,
    zone: ZoneInfo,
    grace_days: int,
    now: datetime,
) -> Sequence[PromiseRecorded]:
    """What follows: nothing for a day too far off. `owed` is what it is about, `zone` the borrower's clock."""
    known, far = command.promise_id in promises.recorded, command.due - now.date() > REACHES
    if known or far or not loans.by_id:
        return []
    judged_on = command.due + timedelta(days=grace_days)
    return [
        PromiseRecorded(
            promise_id=command.promise_id,
            due=command.due,
            check_at=datetime.combine(judged_on + timedelta(days=1), JUDGED_AT, zone).astimezone(UTC),
            amount=command.amount,
            given=now.astimezone(zone).date(),
            owed=owed,
            judged_on=judged_on,
        )
    ]


def judged(promises: Promises, loans: Loans, now: datetime) -> Iterator[Judged]:
    """What the bank's books tell now of the promises."""
    for promise_id, promise in sorted(promises.running.items()):
        if not loans.overdue():
            yield PromiseKept(promise_id=promise_id)
        elif promise.check_at <= now and promise.told(loans):
            paid = promise.paid(loans)
            if promise.amount is not None and paid >= promise.amount:
                yield PromiseKept(promise_id=promise_id)
            elif paid and promise.owed:
                yield PromisePartlyKept(promise_id=promise_id, paid=Money(paid, promise.owed.currency))
            else:
                yield PromiseBroken(promise_id=promise_id)


def unsaid(promises: Promises) -> Promises:
    """The message about a broken promise did not go out. What was not said is still to be said."""
    return promises if promises.running else replace(promises, broken_unsaid=True)


def evolve(promises: Promises, event: Event | ContactPermitted | VisitPermitted | CaseCured) -> Promises:  # noqa: PLR0911
    """The promises after `event`."""
    match event:
        case ContactPermitted(purpose="promise-broken"):
            # Said once.
            return replace(promises, broken_unsaid=False)
        case ContactPermitted() | VisitPermitted():
            return promises
        case PromiseRecorded(promise_id=promise_id):
            judged_on, given = event.judged_on or event.due + timedelta(days=1), event.given or event.due
            promise = Promise(event.due, event.check_at, judged_on, given, event.amount, event.owed)
            running = {**promises.running, promise_id: promise}
            return replace(promises, running=running, recorded=(*promises.recorded, promise_id), broken_unsaid=False)
        case PromiseKept():
            return replace(promises, running=_without(promises, event), kept=promises.kept + 1)
        case PromisePartlyKept():
            count = promises.partly_kept + 1
            return replace(promises, running=_without(promises, event), partly_kept=count, broken_unsaid=True)
        case PromiseBroken():
            count = promises.broken + 1
            return replace(promises, running=_without(promises, event), broken=count, broken_unsaid=True)
        case CaseCured():
            return replace(promises, broken_unsaid=False)
    assert_never(event)


def _without(promises: Promises, event: Judged) -> dict[str, Promise]:
    return {name: promise for name, promise in promises.running.items() if name != event.promise_id}
