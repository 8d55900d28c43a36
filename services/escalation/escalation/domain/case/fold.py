"""How each event changes what is known of a case. Whatever changes the meaning of a fold has to stand here, or in the
shape of the state: both are how a state that older code has folded is recognised."""

from datetime import UTC, datetime, timedelta
from typing import TypeVar, assert_never

import msgspec
from doorstep.events.escalation.cases import CaseAssessed, CaseAssigned, CaseCured, CaseOpened, CaseReevaluated
from doorstep.events.escalation.disputes import (
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOverdue,
)
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced, HoldRenewed, ReviewClosed, ReviewRequested
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import (
    ContactDenied,
    ContactPermitted,
    PermitCancelled,
    VisitDenied,
    VisitPermitted,
)
from doorstep.events.escalation.preferences import BlockRecorded, BlockRemoved, ConsentRecorded, ConsentWithdrawn
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, PromiseRecorded
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.values import Decision
from msgspec.structs import replace

from escalation.domain.case.state import (
    CONTACT_FINALITY,
    NEVER,
    STAGES,
    VISIT_FINALITY,
    WENT,
    Block,
    Case,
    Consent,
    Denial,
    Dispute,
    Event,
    Fact,
    Hold,
    Loan,
    Order,
    Paid,
    Permit,
    Promise,
    RequestedOverride,
    name_of,
    permit_of,
)

Thing = TypeVar("Thing")
LEDGER_KEEPS = timedelta(days=60)
"""Longer than any counter of a rule looks back."""
PAYMENTS_KEPT = timedelta(days=90)
"""Longer than a promise can reach."""
FACTS_REMEMBERED = 64
"""A fact that comes again within so many is recognised here; before that, the inbox does it."""


def evolve(case: Case, event: Event) -> Case:  # noqa: PLR0911, PLR0912, PLR0915
    """The case after `event`."""
    match event:
        case LoanOverdueRecorded():
            return _loan_overdue(case, event)
        case LoanCureRecorded():
            loan = replace(_loan(case, event.loan_id), order=order(event), overdue=False)
            return _with_fact(case, event, None if event.late else loan)
        case PaymentRecorded() | PaymentReversalRecorded():
            return _with_fact(case, event, _payment(_loan(case, event.loan_id), event))
        case CaseReevaluated():
            return case
        case CaseOpened(episode=episode):
            return replace(_settled(case), open=True, episode=episode, episode_at=None, stage=0, denial=None)
        case CaseCured():
            return replace(
                case, open=False, promise_broken=False, reversed=False, overrides={}, denial=None, assess_at=None
            )
        case CaseAssessed(assess_at=at, dpd=dpd, amount_overdue=amount):
            return replace(case, assess_at=at, stage=min(case.stage, stage_of(dpd)), assessed=amount)
        case CaseAssigned(agency=agency):
            return replace(case, agency=agency)
        case ContactPermitted():
            # The message about the broken promise is said once.
            said = event.purpose == "promise-broken"
            return replace(_permitted(case, event), promise_broken=case.promise_broken and not said)
        case VisitPermitted():
            return _permitted(case, event)
        case ContactDenied() | VisitDenied():
            case = _decided(case, event.decision)
            return replace(case, denial=denial(event.decision), assess_at=event.assess_at)
        case PermitCancelled(permit_id=permit_id):
            return _with_permit(case, permit_id, cancelled=True)
        case ContactOutcomeRecorded():
            return _contact_outcome(case, event)
        case VisitOutcomeRecorded():
            return _visit_outcome(case, event)
        case PromiseRecorded(promise_id=promise_id):
            judged_on, given = event.judged_on or event.due + timedelta(days=1), event.given or event.due
            promise = Promise(event.due, event.check_at, judged_on, given, event.amount, event.owed)
            heard = (*case.promises_heard, promise_id)
            promises = {**case.promises, promise_id: promise}
            return replace(case, promises=promises, promises_heard=heard, promise_broken=False)
        case PromiseBroken(promise_id=promise_id):
            case = replace(case, promises=_but(case.promises, promise_id))
            return replace(case, promise_broken=True, broken=case.broken + 1)
        case PromisePartlyKept(promise_id=promise_id):
            case = replace(case, promises=_but(case.promises, promise_id))
            return replace(case, promise_broken=True, partly_kept=case.partly_kept + 1)
        case PromiseKept(promise_id=promise_id):
            return replace(case, promises=_but(case.promises, promise_id), kept=case.kept + 1)
        case HoldPlaced(hold_id=hold_id):
            hold = Hold(event.kind, event.until, event.starts, event.loans, event.ways)
            return _assess_by(replace(case, holds={**case.holds, hold_id: hold}), event.starts)
        case HoldRenewed(hold_id=hold_id, until=until):
            return replace(
                case, holds={**case.holds, hold_id: msgspec.structs.replace(case.holds[hold_id], until=until)}
            )
        case HoldLifted(hold_id=hold_id):
            return _assess_by(replace(case, holds=_but(case.holds, hold_id)), event.assess_at)
        case ReviewRequested(review_id=review_id, about=about):
            return replace(case, reviews={**case.reviews, review_id: about})
        case ReviewClosed(review_id=review_id):
            return replace(case, reviews=_but(case.reviews, review_id))
        case DisputeOpened(dispute_id=dispute_id, answer_by=answer_by, close_by=close_by):
            dispute = Dispute(answer_by=answer_by, close_by=close_by, loans=event.loans)
            return replace(case, disputes={**case.disputes, dispute_id: dispute})
        case DisputeAttached() | DisputeAnswered() | DisputeOverdue() | DisputeClosed():
            dispute = _disputed(case.disputes[event.dispute_id], event)
            return replace(case, disputes={**case.disputes, event.dispute_id: dispute})
        case ConsentRecorded(consent_id=consent_id):
            consent = Consent(event.kind, event.ways, event.until)
            return _assess_by(replace(case, consents={**case.consents, consent_id: consent}), event.assess_at)
        case ConsentWithdrawn(consent_id=consent_id):
            return _assess_by(replace(case, consents=_but(case.consents, consent_id)), event.assess_at)
        case BlockRecorded(block_id=block_id):
            block = Block(event.ways, event.weekdays, event.opens, event.closes)
            return replace(case, blocks={**case.blocks, block_id: block})
        case BlockRemoved(block_id=block_id):
            return _assess_by(replace(case, blocks=_but(case.blocks, block_id)), event.assess_at)
        case OverrideRequested(override_id=override_id):
            wanted = RequestedOverride(event.way, event.purpose, event.reason, event.by)
            heard = (*case.overrides_heard, override_id)
            return replace(case, overrides={**case.overrides, override_id: wanted}, overrides_heard=heard)
        case OverrideApproved(override_id=override_id, by=by):
            wanted = replace(case.overrides[override_id], approved_by=by)
            return _assess_by(replace(case, overrides={**case.overrides, override_id: wanted}), event.assess_at)
        case OverrideRejected(override_id=override_id):
            return replace(case, overrides=_but(case.overrides, override_id))
        case SendingSuspended(by=by, key=key):
            return replace(case, suspended=(*case.suspended, (by, key)))
        case SendingResumed(by=by, key=key):
            left = tuple(one for one in case.suspended if one != (by, key))
            return _assess_by(replace(case, suspended=left), event.assess_at)
    assert_never(event)


def _disputed(dispute: Dispute, event: DisputeAttached | DisputeAnswered | DisputeOverdue | DisputeClosed) -> Dispute:
    match event:
        case DisputeAttached(attachment_id=attachment_id):
            return replace(dispute, attachments=(*dispute.attachments, attachment_id))
        case DisputeAnswered(answer_id=answer_id):
            return replace(dispute, answers=(*dispute.answers, answer_id))
        case DisputeOverdue(deadline=deadline):
            return replace(dispute, missed=(*dispute.missed, deadline))
        case DisputeClosed(outcome=outcome):
            return replace(dispute, outcome=outcome)
    assert_never(event)


def order(fact: LoanOverdueRecorded | LoanCureRecorded) -> Order:
    """Which of two facts about a loan is the later one, whichever came first: by business date, then by when
    the bank said it (a correction of the same date), then by name, so that every permutation ends alike."""
    return (fact.business_date, fact.said_at.astimezone(UTC) if fact.said_at else NEVER[1], name_of(fact))


def denial(decision: Decision) -> Denial:
    """What makes two refusals the same."""
    refusing = tuple(f"{one.pack}/{one.rule}" if one.pack else one.rule for one in decision.verdicts if one.refuses())
    return Denial(decision.step, refusing, decision.earliest_next)


def stage_of(dpd: int) -> int:
    """The stage that `dpd` days past due allow at most, as a place in STAGES."""
    return 0 if dpd <= 0 else min(3, (dpd - 1) // 30 + 1)


def _loan(case: Case, loan_id: str) -> Loan:
    return case.loans.get(loan_id, Loan())


def _loan_overdue(case: Case, fact: LoanOverdueRecorded) -> Case:
    loan = replace(
        _loan(case, fact.loan_id),
        order=order(fact),
        overdue=True,
        amount=fact.amount_overdue,
        overdue_since=fact.overdue_since,
        product=fact.product,
        segment=fact.segment,
    )
    case = _with_fact(case, fact, None if fact.late else loan)
    # Late for its loan may still be the latest that tells of the borrower.
    if order(fact) < case.known_as_of:
        return case
    return replace(
        case,
        known_as_of=order(fact),
        personal=fact.personal,
        language=fact.language,
        region=fact.region,
        time_zone=fact.time_zone,
        phone_token=fact.phone_token,
        address_token=fact.address_token,
        contact_points=fact.contact_points or (("phone", "address") if fact.address_token else ("phone",)),
    )


def _payment(loan: Loan, fact: PaymentRecorded | PaymentReversalRecorded) -> Loan:
    if isinstance(fact, PaymentRecorded):
        name, paid_on = name_of(fact), fact.paid_on
        taken_back = name in loan.payments and loan.payments[name].reversed
        paid = Paid(paid_on, fact.amount, taken_back)
    else:
        name, paid_on = f"{fact.source} {fact.payment_id}", fact.reversed_on
        known = loan.payments.get(name, Paid(paid_on, None))
        paid = replace(known, reversed=True)
    kept = {n: p for n, p in loan.payments.items() if n != name and p.paid_on >= paid_on - PAYMENTS_KEPT}
    return replace(loan, payments={**kept, name: paid})


def _with_fact(case: Case, fact: Fact, loan: Loan | None) -> Case:
    loans = case.loans if loan is None else {**case.loans, fact.loan_id: loan}
    facts = (*case.recent_facts, name_of(fact))[-FACTS_REMEMBERED:]
    taken_back = case.reversed or isinstance(fact, PaymentReversalRecorded)
    return _assess_by(replace(case, loans=loans, recent_facts=facts, reversed=taken_back), fact.assess_at)


def _assess_by(case: Case, at: datetime | None) -> Case:
    """Never later than what was planned already."""
    if at is None or (case.assess_at is not None and case.assess_at <= at):
        return case
    return replace(case, assess_at=at)


def _decided(case: Case, decision: Decision) -> Case:
    at = decision.inputs.local_time.astimezone(UTC)
    return replace(
        case,
        decisions=case.decisions + 1,
        stage=min(case.stage, stage_of(decision.inputs.dpd)),
        assessed=decision.inputs.amount_overdue,
        episode_at=case.episode_at or at,
    )


def _permitted(case: Case, event: ContactPermitted | VisitPermitted) -> Case:
    contact = event if isinstance(event, ContactPermitted) else None
    case = _decided(case, event.decision)
    permit = Permit(
        permit_id=event.permit_id,
        way=contact.channel if contact else "visit",
        purpose=contact.purpose if contact else None,
        # In UTC: arithmetic on a clock with summer time would depend on whether the state was stored in between.
        at=event.decision.inputs.local_time.astimezone(UTC),
        valid_until=event.valid_until.astimezone(UTC),
        loans=event.loan_ids,
        decision_id=event.decision.decision_id,
        stage=STAGES.index(event.decision.inputs.stage or "none"),
        episode=case.episode,
        phone_token=event.phone_token,
        address_token=event.address_token,
    )
    kept = tuple(old for old in case.ledger if old.at > permit.at - LEDGER_KEEPS)
    used = event.decision.override.override_id if event.decision.override else None
    overrides = case.overrides if used is None else _but(case.overrides, used)
    return replace(case, ledger=(*kept, permit), overrides=overrides, denial=None, assess_at=event.assess_at)


def _with_permit(case: Case, permit_id: str, **changes: bool | str | datetime | None) -> Case:
    ledger = tuple(replace(one, **changes) if one.permit_id == permit_id else one for one in case.ledger)
    return replace(case, ledger=ledger)


def _given_back(case: Case, permit: Permit, outcome: str) -> Case:
    # What was not said is still to be said.
    unsaid = permit.purpose == "promise-broken" and case.open and not case.promises
    case = _with_permit(case, permit.permit_id, outcome=outcome)
    return replace(case, promise_broken=case.promise_broken or unsaid)


def _settled(case: Case) -> Case:
    return replace(case, ledger=tuple(replace(permit, settled=True) for permit in case.ledger))


def _contact_outcome(case: Case, event: ContactOutcomeRecorded) -> Case:
    case = _assess_by(case, event.assess_at)
    permit = permit_of(case, event.permit_id)
    if permit is None:
        return case
    if event.outcome == "not-sent":
        return _given_back(case, permit, event.outcome)
    if event.outcome in WENT:
        case = _with_permit(case, event.permit_id, went_at=event.at.astimezone(UTC))
    if CONTACT_FINALITY[event.outcome] <= CONTACT_FINALITY[permit.outcome]:
        return case
    case = _with_permit(case, event.permit_id, outcome=event.outcome)
    if event.outcome == "answered":
        case = _with_permit(case, event.permit_id, answered_at=event.at.astimezone(UTC))
        case = replace(_settled(case), answers=case.answers + 1)
    stage = permit.stage if permit.episode == case.episode and event.outcome != "failed" else 0
    return replace(case, stage=max(case.stage, stage))


def _visit_outcome(case: Case, event: VisitOutcomeRecorded) -> Case:
    case = _assess_by(case, event.assess_at)
    permit = permit_of(case, event.permit_id)
    if permit is None:
        return case
    if event.outcome == "not-made":
        return replace(_given_back(case, permit, event.outcome), visit_unmade=event.at)
    if event.outcome == "started":
        case = _with_permit(case, event.permit_id, went_at=event.at.astimezone(UTC))
    if event.outcome == "noticed":
        case = replace(case, ledger=(*case.ledger, notice_of(permit, event.at)))
    if VISIT_FINALITY[event.outcome] <= VISIT_FINALITY[permit.outcome]:
        return case
    case = _with_permit(case, event.permit_id, outcome=event.outcome)
    if event.outcome == "completed":
        case = _with_permit(case, event.permit_id, answered_at=event.at.astimezone(UTC))
        met = case.attitude if event.willingness is None else event.willingness
        return replace(_settled(case), last_visit=event.at, attitude=met)
    return replace(case, last_visit=event.at) if event.outcome == "failed" else case


def notice_of(permit: Permit, at: datetime) -> Permit:
    """The notice of a visit is a message to the borrower too. It waits for no answer."""
    name, went = f"{permit.permit_id}/notice", at.astimezone(UTC)
    return replace(
        permit, permit_id=name, way="sms", outcome="sent", at=went, went_at=went, settled=True, cancelled=False
    )


def _but(things: dict[str, Thing], name: str) -> dict[str, Thing]:
    return {other: thing for other, thing in things.items() if other != name}
