"""A borrower's collection case: loans, holds, promises, and the ledger of all contacts and visits.

Facts change what is known (case.py); decisions fall only when the case is assessed (assess.py), at an
instant fixed beforehand. So a decision depends on the set of facts recorded before its instant, not on the
order they came in. What has not gone out yet is cancelled at once. The commands are in commands.py; each comes with
the advice it is decided with (counsel.py).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import assert_never

from doorstep.events.escalation.cases import CaseAssigned
from doorstep.events.escalation.loans import PaymentRecorded, PaymentReversalRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.permits import CancelReason
from doorstep.events.escalation.promises import PromiseRecorded
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.kernel.decider import Decider, Wake
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

from escalation.domain.assessment.assess import assess
from escalation.domain.assessment.decision_context import DecisionContext, InContext
from escalation.domain.case.commands import (
    AnswerDispute,
    ApproveOverride,
    Assign,
    AttachToDispute,
    CloseDispute,
    CloseReview,
    Command,
    LiftHold,
    OpenDispute,
    PlaceHold,
    RecordBlock,
    RecordConsent,
    RecordContactOutcome,
    RecordFact,
    RecordPromise,
    RecordVisitOutcome,
    RejectOverride,
    RemoveBlock,
    RenewHold,
    RequestOverride,
    ResumeSending,
    SuspendSending,
    WithdrawConsent,
)
from escalation.domain.case.disputes import decide_dispute, missed_deadlines
from escalation.domain.case.fold import evolve, order
from escalation.domain.case.holds import decide_hold
from escalation.domain.case.preferences import decide_override, decide_wish
from escalation.domain.case.reevaluate import reevaluated
from escalation.domain.case.state import (
    CONTACT_FINALITY,
    VISIT_FINALITY,
    WENT,
    Case,
    Event,
    Fact,
    Loan,
    cancellations,
    name_of,
    permit_of,
)
from escalation.domain.rules import rules

PROMISE_REACHES = timedelta(days=60)
"""A day further off is no promise: it would stop contact for as long as the borrower likes."""
JUDGED_AT = time(8)
"""The borrower's clock, on the morning after the grace."""


def decide(case: Case, informed: InContext, now: datetime) -> Sequence[Event]:  # noqa: PLR0911
    """What follows from the command. Raises Refused where a person asks for what cannot be."""
    command: Command = informed.command
    match command:
        case RecordFact(fact):
            return _record(case, fact, now)
        case RecordContactOutcome():
            return _contact_outcome(case, command, now)
        case RecordVisitOutcome():
            return _visit_outcome(case, command, now)
        case Wake():
            # That a deadline has passed is said at its instant, and is no reason to decide on contact.
            due = _assessment(case)
            looked = assess(case, informed.context, now) if due is not None and due <= now else ()
            return [*missed_deadlines(case, now), *looked]
        case RecordPromise():
            return _promise(case, command, informed.context, now)
        case SuspendSending(by, key):
            suspended = SendingSuspended(by=by, key=key)
            return [] if (by, key) in case.suspended else [suspended, *cancellations(case.ledger, "suspended")]
        case ResumeSending(by, key):
            resumed = SendingResumed(by=by, key=key, assess_at=next_quarter(now))
            return [resumed] if (by, key) in case.suspended else []
        case PlaceHold() | RenewHold() | LiftHold() | CloseReview():
            return decide_hold(case, command, informed.context, now)
        case OpenDispute() | AttachToDispute() | AnswerDispute() | CloseDispute():
            return decide_dispute(case, command, now)
        case RecordConsent() | WithdrawConsent() | RecordBlock() | RemoveBlock():
            return decide_wish(case, command, informed.context, now)
        case RequestOverride() | ApproveOverride() | RejectOverride():
            return decide_override(case, command, now)
        case Assign(agency, reason):
            return [] if agency == case.agency else [CaseAssigned(agency=agency, reason=reason)]
    assert_never(command)


def wake_at(case: Case) -> datetime | None:
    """The next assessment, or a deadline of a dispute: whichever is first."""
    deadlines = [at for dispute in case.disputes.values() for at in dispute.due().values()]
    return min((at for at in (_assessment(case), *deadlines) if at is not None), default=None)


def _assessment(case: Case) -> datetime | None:
    """As it was planned, at the end of a hold or of a promise's grace: whichever is first. A promise that the bank's
    facts cannot tell of yet waits for the next of them."""
    wanted = [case.assess_at, *(hold.until for hold in case.holds.values())]
    wanted += [promise.check_at for promise in case.promises.values() if case.tells(promise)]
    return min((at for at in wanted if at is not None), default=None)


def _record(case: Case, fact: Fact, now: datetime) -> Sequence[Event]:
    if name_of(fact) in case.recent_facts:
        return []
    recorded = _dated(case, fact, now)
    after = evolve(case, recorded)
    reason = _in_the_way(case, after)
    return [recorded, *reevaluated(case, after, recorded), *(cancellations(case.ledger, reason) if reason else [])]


def _dated(case: Case, fact: Fact, now: datetime) -> Fact:
    if isinstance(fact, PaymentReversalRecorded):
        return replace(fact, assess_at=next_quarter(now))
    loan = case.loans.get(fact.loan_id, Loan())
    late = fact.paid_on < loan.order[0] if isinstance(fact, PaymentRecorded) else order(fact) < loan.order
    return replace(fact, late=late, assess_at=next_quarter(now))


def _in_the_way(before: Case, after: Case) -> CancelReason | None:
    """Why a permit that was given `before` must not be used `after`; its amount may have changed, too."""
    if before.owed().keys() - after.owed().keys():
        return "cure"
    return "payment" if after.payment_pending() else None


def _contact_outcome(case: Case, command: RecordContactOutcome, now: datetime) -> Sequence[Event]:
    permit = permit_of(case, command.permit_id)
    if permit is None or permit.way == "visit":
        return []
    when = command.outcome in WENT and permit.went_at is None and permit.counts()
    if CONTACT_FINALITY[command.outcome] <= CONTACT_FINALITY.get(permit.outcome, 0) and not when:
        return []
    return [
        ContactOutcomeRecorded(
            permit_id=permit.permit_id,
            channel=permit.way,
            outcome=command.outcome,
            at=command.at,
            # Given back: the step is still to be done.
            assess_at=next_quarter(now) if command.outcome == "not-sent" else None,
            phone_token=permit.phone_token,
            address_token=permit.address_token,
        )
    ]


def _visit_outcome(case: Case, command: RecordVisitOutcome, now: datetime) -> Sequence[Event]:
    permit = permit_of(case, command.permit_id)
    if permit is None or permit.way != "visit":
        return []
    when = command.outcome in WENT and permit.went_at is None and permit.counts()
    notice = command.outcome == "noticed" and permit_of(case, f"{permit.permit_id}/notice") is None
    if VISIT_FINALITY[command.outcome] <= VISIT_FINALITY.get(permit.outcome, 0) and not (when or notice):
        return []
    ended = command.outcome in ("completed", "failed", "not-made")
    return [
        VisitOutcomeRecorded(
            permit_id=permit.permit_id,
            outcome=command.outcome,
            at=command.at,
            willingness=command.willingness,
            assess_at=next_quarter(now) if ended else None,
            phone_token=permit.phone_token,
            address_token=permit.address_token,
        )
    ]


def _promise(case: Case, command: RecordPromise, context: DecisionContext, now: datetime) -> Sequence[Event]:
    heard, far = command.promise_id in case.promises_heard, command.due - now.date() > PROMISE_REACHES
    if heard or far or not case.loans:
        return []
    terms = context.policy.terms
    zone = rules.zones_of(case.time_zone, case.region, terms.home)[0]
    judged_on = command.due + timedelta(days=terms.promise_grace_days)
    morning = datetime.combine(judged_on + timedelta(days=1), JUDGED_AT, zone).astimezone(UTC)
    return [
        PromiseRecorded(
            promise_id=command.promise_id,
            due=command.due,
            check_at=morning,
            amount=command.amount,
            given=now.astimezone(zone).date(),
            owed=case.assessed,
            judged_on=judged_on,
        )
    ]


DECIDER: Decider[Case, InContext] = Decider("case", Case(), Case, decide, evolve, wake_at)
