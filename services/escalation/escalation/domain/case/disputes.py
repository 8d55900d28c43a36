"""Disputes: what the borrower contests, from its opening to what came of it. Contact is frozen all the while."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from doorstep.events.escalation.disputes import DisputeAnswered, DisputeClosed, DisputeOpened, DisputeOverdue
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter

from escalation.domain.case.commands import AnswerDispute, AttachToDispute, CloseDispute, OpenDispute
from escalation.domain.case.holds import placing
from escalation.domain.case.state import Case, Dispute, Event

ANSWERED_WITHIN = timedelta(days=15)
CLOSED_WITHIN = timedelta(days=60)
"""The usual deadlines, from the opening: our own policy, called no law."""


def decide_dispute(
    case: Case, command: OpenDispute | AttachToDispute | AnswerDispute | CloseDispute, now: datetime
) -> Sequence[Event]:
    """What follows. Raises Refused for a dispute that is not there, or not open any more."""
    match command:
        case OpenDispute(dispute_id):
            return [] if dispute_id in case.disputes else _open(case, command, now)
        case AttachToDispute(attached):
            known = attached.attachment_id in _dispute(case, attached.dispute_id).attachments
            return [] if known else [*_still_open(case, attached.dispute_id, now), attached]
        case AnswerDispute(dispute_id, answer_id):
            known = answer_id in _dispute(case, dispute_id).answers
            return [] if known else [*_still_open(case, dispute_id, now), _answered(case, command, now)]
        case CloseDispute(dispute_id, outcome):
            known = _dispute(case, dispute_id).outcome == outcome
            return [] if known else [*_still_open(case, dispute_id, now), *_closed(case, command, now)]
    assert_never(command)


def missed_deadlines(case: Case, now: datetime) -> Iterator[Event]:
    """Those that have passed without anybody having said so."""
    for dispute_id in sorted(case.disputes):
        yield from _missed(case, dispute_id, now)


def _missed(case: Case, dispute_id: str, now: datetime) -> Iterator[Event]:
    for deadline, at in case.disputes[dispute_id].due().items():
        if at <= now:
            yield DisputeOverdue(dispute_id=dispute_id, deadline=deadline, was_due=at)


def _open(case: Case, command: OpenDispute, now: datetime) -> Sequence[Event]:
    if command.dispute_id in case.holds:
        raise Refused(f"the case has a hold {command.dispute_id} already: give the dispute another id")
    if unknown := set(command.loans) - case.loans.keys():
        raise Refused(f"the case has no loan {', '.join(sorted(unknown))}; it has {', '.join(sorted(case.loans))}")
    opened = DisputeOpened(
        dispute_id=command.dispute_id,
        about=command.about,
        answer_by=command.answer_by or now + ANSWERED_WITHIN,
        close_by=command.close_by or now + CLOSED_WITHIN,
        opened_by=command.opened_by,
        loans=command.loans,
        text=command.text,
    )
    if not now < opened.answer_by <= opened.close_by:
        raise Refused("a dispute is answered in the future, and closed then or later: give answer_by and close_by so")
    # Neither a length nor ways of a pack: it lasts until the dispute is closed, and stops everything.
    return [opened, *placing(case, HoldPlaced(hold_id=command.dispute_id, kind="dispute", loans=command.loans))]


def _answered(case: Case, command: AnswerDispute, now: datetime) -> Event:
    dispute = case.disputes[command.dispute_id]
    return DisputeAnswered(
        dispute_id=command.dispute_id,
        answer_id=command.answer_id,
        by=command.by,
        text=command.text,
        late=not dispute.answers and dispute.answer_by <= now,
    )


def _closed(case: Case, command: CloseDispute, now: datetime) -> Sequence[Event]:
    dispute_id, dispute = command.dispute_id, case.disputes[command.dispute_id]
    if not dispute.answers and command.outcome != "withdrawn":
        raise Refused(f"the borrower has not been answered: answer dispute {dispute_id}, then close it")
    closed = DisputeClosed(
        dispute_id=dispute_id,
        outcome=command.outcome,
        by=command.by,
        reason=command.reason,
        late=dispute.close_by <= now,
    )
    reason = f"dispute: {command.outcome}"
    return [closed, HoldLifted(hold_id=dispute_id, reason=reason, assess_at=next_quarter(now))]


def _dispute(case: Case, dispute_id: str) -> Dispute:
    if dispute_id not in case.disputes:
        raise Refused(f"the case has no dispute {dispute_id}; its disputes: {', '.join(case.disputes) or 'none'}")
    return case.disputes[dispute_id]


def _still_open(case: Case, dispute_id: str, now: datetime) -> Iterator[Event]:
    """Nothing but the deadlines missed so far: whoever is late does not get ahead of the timer that says so."""
    if outcome := case.disputes[dispute_id].outcome:
        raise Refused(f"dispute {dispute_id} was closed as {outcome}: open another one")
    yield from _missed(case, dispute_id, now)
