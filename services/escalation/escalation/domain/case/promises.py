"""Promises to pay: given by the borrower, judged by the bank's books.

A payment keeps one promise: what a promise is kept by is used up, the one that is due first taking first, and the
earliest payment first. Only what was paid after a promise was given keeps it (ADR 0021)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import assert_never
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.escalation.cases import CaseCured
from doorstep.events.escalation.permits import ContactPermitted, VisitPermitted
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, PromiseRecorded, Use
from doorstep.events.values import Money
from msgspec.structs import replace

from escalation.domain.case.loans import Loans, Payment

REACHES = timedelta(days=60)
"""A day further off is no promise: it would stop contact for as long as the borrower likes."""
JUDGED_AT = time(8)
"""The borrower's clock, on the morning after the grace."""

Judged = PromiseBroken | PromisePartlyKept | PromiseKept
Event = PromiseRecorded | Judged


@dataclass(frozen=True)
class RecordPromise:
    """The borrower promised to pay, at `at` (None: now)."""

    promise_id: str
    due: date
    amount: Decimal | None
    at: datetime | None = None


@dataclass(frozen=True)
class Books:
    """What was overdue at the last assessment, by the bank's books of that date."""

    owed: Money | None
    of: date | None


class Promise(msgspec.Struct, frozen=True):
    """A promise to pay that is neither kept nor broken yet. By the books of `owed_on`, `owed` was overdue when it was
    given, on `given`, at `given_at`; the bank's books of `judged_on` tell, at `check_at` or later. Of what these fell
    by since, other promises have used `spent`."""

    due: date
    check_at: datetime
    judged_on: date
    given: date
    amount: Decimal | None = None
    owed: Money | None = None
    given_at: datetime | None = None
    owed_on: date | None = None
    spent: Decimal = Decimal(0)

    def told(self, loans: Loans) -> bool:
        """Whether the bank's facts can tell if it was kept: nothing is overdue any more, or they reach past its grace
        and no payment waits for a snapshot."""
        if not loans.overdue():
            return True
        return loans.business_date() >= self.judged_on and not loans.payment_pending()

    def concerns(self, paid: Payment) -> bool:
        """Whether a payment was made after the promise was given. The bank tells a day: on the same one nobody knows,
        so it counts in the borrower's favour, unless the bank had told of it by then."""
        if paid.paid_on != self.given or paid.said_at is None or self.given_at is None:
            return paid.paid_on >= self.given
        return paid.said_at > self.given_at

    def available(self, loans: Loans, used: Mapping[str, Decimal]) -> Iterator[Use]:
        """What came in for it, and is not `used`: payments, then by how much less is overdue that no payment the bank
        told of explains. In the promise's currency."""
        if self.owed is None:
            return
        payments, since = loans.payments(self.owed.currency), self.owed_on or self.given - timedelta(days=1)
        for name, paid, amount in payments:
            if self.concerns(paid) and amount > used.get(name, 0):
                yield Use(name, amount - used.get(name, Decimal(0)))
        explained = [amount for _, paid, amount in payments if since < paid.paid_on <= loans.business_date()]
        still = [money.amount for money in loans.owed().values() if money.currency == self.owed.currency]
        fallen = self.owed.amount - sum(still) - sum(explained) - self.spent
        if fallen > 0:
            yield Use(None, fallen)


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """The `running` promises by id, all that were `recorded`, and how many came out how. `broken_unsaid`: one was
    broken, or kept in part only, and the borrower has not been told. `payments_used`, by name: how much of each has
    kept a promise, for as long as another one runs."""

    running: dict[str, Promise] = msgspec.field(default_factory=dict, name="promises")
    recorded: tuple[str, ...] = msgspec.field(default=(), name="promises_heard")
    kept: int = 0
    partly_kept: int = 0
    broken: int = 0
    broken_unsaid: bool = msgspec.field(default=False, name="promise_broken")
    payments_used: dict[str, Decimal] = {}


def decide(
    promises: Promises,
    command: RecordPromise,
    loans: Loans,
    books: Books,
    zone: ZoneInfo,
    grace_days: int,
    now: datetime,
) -> Sequence[PromiseRecorded]:
    """What follows: nothing for a day too far off, or gone by when it was given. `books` tell what it is about, `zone`
    is the borrower's clock."""
    known, far = command.promise_id in promises.recorded, command.due - now.date() > REACHES
    given_at = min(command.at or now, now).astimezone(UTC)
    given = given_at.astimezone(zone).date()
    if known or far or command.due < given or not loans.by_id:
        return []
    judged_on = command.due + timedelta(days=grace_days)
    return [
        PromiseRecorded(
            promise_id=command.promise_id,
            due=command.due,
            check_at=datetime.combine(judged_on + timedelta(days=1), JUDGED_AT, zone).astimezone(UTC),
            amount=command.amount,
            given=given,
            owed=books.owed,
            judged_on=judged_on,
            given_at=given_at,
            owed_on=books.of,
        )
    ]


def judged(promises: Promises, loans: Loans, now: datetime) -> Iterator[Judged]:
    """What the bank's books tell now of the promises, the one that is due first first."""
    for promise_id, promise in sorted(promises.running.items(), key=lambda one: (one[1].due, one[0])):
        if not loans.overdue():
            yield PromiseKept(promise_id=promise_id)
        elif promise.check_at <= now and promise.told(loans):
            told = _judged(promise_id, promise, tuple(promise.available(loans, promises.payments_used)))
            yield told
            promises = evolve(promises, told)


def _judged(promise_id: str, promise: Promise, available: Sequence[Use]) -> Judged:
    paid = sum((use.amount for use in available), Decimal(0))
    if promise.amount is not None and paid >= promise.amount:
        return PromiseKept(promise_id=promise_id, uses=tuple(_up_to(promise.amount, available)))
    if paid and promise.owed:
        return PromisePartlyKept(promise_id=promise_id, paid=Money(paid, promise.owed.currency), uses=tuple(available))
    return PromiseBroken(promise_id=promise_id)


def _up_to(amount: Decimal, available: Iterable[Use]) -> Iterator[Use]:
    for use in available:
        if amount > 0:
            yield Use(use.payment, min(use.amount, amount))
        amount -= use.amount


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
            promise = Promise(
                due=event.due,
                check_at=event.check_at,
                judged_on=event.judged_on or event.due + timedelta(days=1),
                given=event.given or event.due,
                amount=event.amount,
                owed=event.owed,
                given_at=event.given_at.astimezone(UTC) if event.given_at else None,
                owed_on=event.owed_on,
            )
            running = {**promises.running, promise_id: promise}
            return replace(promises, running=running, recorded=(*promises.recorded, promise_id), broken_unsaid=False)
        case PromiseKept():
            return replace(_spent(promises, event, event.uses), kept=promises.kept + 1)
        case PromisePartlyKept():
            count = promises.partly_kept + 1
            return replace(_spent(promises, event, event.uses), partly_kept=count, broken_unsaid=True)
        case PromiseBroken():
            count = promises.broken + 1
            return replace(_spent(promises, event, ()), broken=count, broken_unsaid=True)
        case CaseCured():
            return replace(promises, broken_unsaid=False)
    assert_never(event)


def _spent(promises: Promises, event: Judged, uses: Sequence[Use]) -> Promises:
    """Without the promise that was judged, and what it used."""
    judged_one = promises.running[event.promise_id]
    running = {name: promise for name, promise in promises.running.items() if name != event.promise_id}
    if not running:
        return replace(promises, running={}, payments_used={})
    used = dict(promises.payments_used)
    for use in uses:
        if use.payment is not None:
            used[use.payment] = used.get(use.payment, Decimal(0)) + use.amount
    fallen = sum((use.amount for use in uses if use.payment is None), Decimal(0))
    return replace(
        promises,
        running={name: _less(promise, judged_one, fallen) for name, promise in running.items()},
        payments_used=used,
    )


def _less(promise: Promise, other: Promise, fallen: Decimal) -> Promise:
    """`promise`, after the `other` has used what the books fell by: what they fell by before this one was given was
    never its own."""
    if not fallen or promise.owed is None or other.owed is None or promise.owed.currency != other.owed.currency:
        return promise
    before = max(other.owed.amount - promise.owed.amount, Decimal(0))
    return replace(promise, spent=promise.spent + max(fallen - before, Decimal(0)))
