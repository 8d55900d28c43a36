"""A borrower's collection case: loans, holds, promises, and the ledger of all contacts and visits.

Facts change what is known (case.py); decisions fall only when the case is assessed (assess.py), at an
instant fixed beforehand. So a decision depends on the set of facts recorded before its instant, not on the
order they came in. What has not gone out yet is cancelled at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import assert_never

from doorstep.decider import Decider, Refused, Wake
from doorstep.events import escalation as e
from doorstep.windows import next_quarter
from msgspec.structs import replace

from escalation import rules
from escalation.assess import assess
from escalation.case import (
    CONTACT_FINALITY,
    PROMISE_GRACE,
    VISIT_FINALITY,
    Case,
    Event,
    Loan,
    Permit,
    evolve,
    name_of,
    order,
)

PROMISE_REACHES = timedelta(days=60)
"""A day further off is no promise: it would stop contact for as long as the borrower likes."""
HARDSHIP_HOLD = timedelta(days=30)

Fact = e.LoanOverdueRecorded | e.LoanCureRecorded | e.PaymentRecorded


@dataclass(frozen=True)
class RecordFact:
    """The bank says something of a loan. `fact` is the event to be; deciding adds when it will be assessed
    and whether it came late."""

    fact: Fact


@dataclass(frozen=True)
class RecordContactOutcome:
    """An executor says what became of a contact."""

    permit_id: str
    outcome: e.Outcome
    at: datetime


@dataclass(frozen=True)
class RecordVisitOutcome:
    """An executor says what became of a visit."""

    permit_id: str
    outcome: e.VisitOutcome
    at: datetime
    willingness: int | None = None


@dataclass(frozen=True)
class RecordPromise:
    """The borrower promised to pay."""

    promise_id: str
    due: date
    amount: Decimal | None


@dataclass(frozen=True)
class PlaceHold:
    """Something forbids going on for now."""

    hold_id: str
    kind: e.HoldKind


@dataclass(frozen=True)
class LiftHold:
    """A person ends a hold. Refused when there is none of that id."""

    hold_id: str
    reason: str


@dataclass(frozen=True)
class SuspendSending:
    """A message about this case is parked at `by` under `key`."""

    by: str
    key: str


@dataclass(frozen=True)
class ResumeSending:
    """It is released."""

    by: str
    key: str


Command = (
    RecordFact | RecordContactOutcome | RecordVisitOutcome | RecordPromise | PlaceHold | LiftHold | SuspendSending
    | ResumeSending | Wake
)  # fmt: skip


def decide(case: Case, command: Command, now: datetime) -> Sequence[Event]:  # noqa: PLR0911, PLR0912
    """What follows from `command`. Raises Refused for lifting a hold that is not there."""
    match command:
        case RecordFact(fact):
            return _record(case, fact, now)
        case RecordContactOutcome():
            return _contact_outcome(case, command, now)
        case RecordVisitOutcome():
            return _visit_outcome(case, command, now)
        case RecordPromise(promise_id, due, amount):
            if promise_id in case.promises_heard or not case.loans or due - now.date() > PROMISE_REACHES:
                return []
            check_at = _end_of_grace(case, due)
            return [e.PromiseRecorded(promise_id=promise_id, due=due, check_at=check_at, amount=amount)]
        case PlaceHold(hold_id, kind):
            if hold_id in case.holds:
                return []
            until = now + HARDSHIP_HOLD if kind == "hardship" else None
            return [e.HoldPlaced(hold_id=hold_id, kind=kind, until=until), *_cancel(case, "hold")]
        case LiftHold(hold_id, reason):
            if hold_id not in case.holds:
                raise Refused(f"the case has no hold {hold_id}; its holds are: {', '.join(case.holds) or 'none'}")
            return [e.HoldLifted(hold_id=hold_id, reason=reason, assess_at=next_quarter(now))]
        case SuspendSending(by, key):
            if (by, key) in case.suspended:
                return []
            return [e.SendingSuspended(by=by, key=key), *_cancel(case, "suspended")]
        case ResumeSending(by, key):
            if (by, key) not in case.suspended:
                return []
            return [e.SendingResumed(by=by, key=key, assess_at=next_quarter(now))]
        case Wake():
            wanted = wake_at(case)
            return assess(case, now) if wanted is not None and wanted <= now else []
    assert_never(command)


def wake_at(case: Case) -> datetime | None:
    """The next assessment, the end of a hold, the end of a promise's grace: whichever is first. A promise that
    the bank's facts cannot tell of yet waits for the next of them."""
    wanted = [case.assess_at, *(hold.until for hold in case.holds.values())]
    wanted += [promise.check_at for promise in case.promises.values() if case.tells(promise)]
    return min((at for at in wanted if at is not None), default=None)


def _record(case: Case, fact: Fact, now: datetime) -> Sequence[Event]:
    if name_of(fact) in case.recent_facts:
        return []
    loan = case.loans.get(fact.loan_id, Loan())
    late = fact.paid_on < loan.order[0] if isinstance(fact, e.PaymentRecorded) else order(fact) < loan.order
    recorded = replace(fact, late=late, assess_at=next_quarter(now))
    reason = _in_the_way(case, evolve(case, recorded))
    return [recorded, *(_cancel(case, reason) if reason else [])]


def _in_the_way(before: Case, after: Case) -> e.CancelReason | None:
    """Why a permit that was given `before` must not be used `after`; its amount may have changed, too."""
    if before.owed().keys() - after.owed().keys():
        return "cure"
    return "payment" if after.payment_pending() else None


def _cancel(case: Case, reason: e.CancelReason) -> list[Event]:
    return [
        e.PermitCancelled(permit_id=permit.permit_id, kind=permit.kind, reason=reason)
        for permit in case.ledger
        if permit.open() and not permit.cancelled and permit.outcome != "started"
    ]


def _contact_outcome(case: Case, command: RecordContactOutcome, now: datetime) -> Sequence[Event]:
    permit = _permit(case, command.permit_id)
    if permit is None or permit.channel is None:
        return []
    if CONTACT_FINALITY[command.outcome] <= CONTACT_FINALITY[permit.outcome]:
        return []
    return [
        e.ContactOutcomeRecorded(
            permit_id=permit.permit_id,
            channel=permit.channel,
            outcome=command.outcome,
            at=command.at,
            # Given back: the step is still to be done.
            assess_at=next_quarter(now) if command.outcome == "not-sent" else None,
        )
    ]


def _visit_outcome(case: Case, command: RecordVisitOutcome, now: datetime) -> Sequence[Event]:
    permit = _permit(case, command.permit_id)
    if permit is None or permit.kind != "visit" or VISIT_FINALITY[command.outcome] <= VISIT_FINALITY[permit.outcome]:
        return []
    ended = command.outcome in ("completed", "failed", "not-made")
    return [
        e.VisitOutcomeRecorded(
            permit_id=permit.permit_id,
            outcome=command.outcome,
            at=command.at,
            willingness=command.willingness,
            assess_at=next_quarter(now) if ended else None,
        )
    ]


def _permit(case: Case, permit_id: str) -> Permit | None:
    return next((permit for permit in case.ledger if permit.permit_id == permit_id), None)


def _end_of_grace(case: Case, due: date) -> datetime:
    zone = rules.zones_of(case.time_zone, case.region)[0]
    day = due + PROMISE_GRACE + timedelta(days=1)
    return datetime.combine(day, rules.OPENS, zone).astimezone(UTC)


DECIDER: Decider[Case, Command] = Decider("case", Case(), Case, decide, evolve, wake_at)
