"""Holds: what a person, the borrower or a rule places in the way of contact, and how it ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from doorstep.events.escalation.holds import (
    HoldKind,
    HoldLifted,
    HoldPlaced,
    HoldRenewed,
    ReviewClosed,
    ReviewRequested,
)
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter

from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.case.commands import CloseReview, LiftHold, PlaceHold, RenewHold
from escalation.domain.case.state import Case, Event, Hold, cancellations
from escalation.domain.policy import country_of
from escalation.domain.rules import rules

REVIEWED: tuple[HoldKind, ...] = ("complaint",)
"""Holds that end only when a person has looked at the case."""


def decide_hold(
    case: Case, command: PlaceHold | RenewHold | LiftHold | CloseReview, context: DecisionContext, now: datetime
) -> Sequence[Event]:
    """What follows. Raises Refused for a hold or review that is not there, and for ending or renewing a hold that lasts
    as long as its dispute."""
    match command:
        case PlaceHold():
            return [] if command.hold_id in case.holds else _place(case, command, context, now)
        case RenewHold(hold_id, reason, until):
            kind = _ours(case, hold_id).kind
            new = until or _until(context, case, kind, now)
            if new == case.holds[hold_id].until:
                return []
            return [HoldRenewed(hold_id=hold_id, reason=reason, until=new)]
        case LiftHold(hold_id, reason):
            if _ours(case, hold_id) and hold_id in case.reviews:
                raise Refused(f"hold {hold_id} is under review: close review {hold_id} and say what came of it")
            return [HoldLifted(hold_id=hold_id, reason=reason, assess_at=next_quarter(now))]
        case CloseReview(review_id, outcome, reason):
            if review_id not in case.reviews:
                raise Refused(f"the case has no review {review_id}; its reviews: {', '.join(case.reviews) or 'none'}")
            closed = ReviewClosed(review_id=review_id, outcome=outcome, reason=reason)
            lifted = HoldLifted(hold_id=review_id, reason=f"review: {outcome}", assess_at=next_quarter(now))
            return [closed, lifted] if review_id in case.holds else [closed]
    assert_never(command)


def _place(case: Case, command: PlaceHold, context: DecisionContext, now: datetime) -> Sequence[Event]:
    terms = rules.hold_terms(context.policy.packs_at(country_of(case.region)), command.kind, now.date())
    starts = command.starts if command.starts is not None and command.starts > now else None
    placed = HoldPlaced(
        hold_id=command.hold_id,
        kind=command.kind,
        starts=starts,
        until=command.until or _until(context, case, command.kind, starts or now),
        loans=command.loans,
        ways=command.ways or terms.ways,
        rule=terms.rule,
        reason=command.reason,
    )
    return placing(case, placed)


def placing(case: Case, placed: HoldPlaced) -> Sequence[Event]:
    """`placed`, the review it asks for, and what it cancels: nothing yet if it begins later."""
    hold = Hold(placed.kind, placed.until, placed.starts, placed.loans, placed.ways)
    stopped = [permit for permit in case.ledger if hold.stops(permit)] if placed.starts is None else []
    review = [ReviewRequested(review_id=placed.hold_id, about=placed.kind)] if placed.kind in REVIEWED else []
    return [placed, *review, *cancellations(stopped, "hold")]


def _until(context: DecisionContext, case: Case, kind: HoldKind, starts: datetime) -> datetime | None:
    days = rules.hold_terms(context.policy.packs_at(country_of(case.region)), kind, starts.date()).days
    return None if days is None else starts + timedelta(days=days)


def _ours(case: Case, hold_id: str) -> Hold:
    """A hold that is not a dispute's."""
    if hold_id in case.open_disputes():
        raise Refused(f"hold {hold_id} lasts as long as its dispute: close dispute {hold_id} and say what came of it")
    if hold_id not in case.holds:
        raise Refused(f"the case has no hold {hold_id}; its holds are: {', '.join(case.holds) or 'none'}")
    return case.holds[hold_id]
