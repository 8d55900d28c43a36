"""Disputes: what the borrower contests, from its opening to what came of it. Contact is frozen all the while."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

import msgspec
from doorstep.events.escalation.disputes import (
    Contested,
    Deadline,
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    DisputeOverdue,
)
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced, ReviewRequested
from doorstep.events.escalation.permits import PermitCancelled
from doorstep.events.values import Sealed
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

from escalation.domain.case.contacts import Contacts
from escalation.domain.case.holds import Holds, placing
from escalation.domain.case.loans import Loans

ANSWERED_WITHIN = timedelta(days=15)
CLOSED_WITHIN = timedelta(days=60)
"""The usual deadlines, from the opening: our own policy, called no law."""

Event = DisputeOpened | DisputeAttached | DisputeAnswered | DisputeOverdue | DisputeClosed
Concluded = Event | HoldPlaced | HoldLifted | ReviewRequested | PermitCancelled


@dataclass(frozen=True)
class OpenDispute:
    """The borrower contests something about `loans` (empty: all). Contact about them freezes. Without deadlines of its
    own it has the usual ones."""

    dispute_id: str
    about: Contested
    opened_by: str | None = None
    answer_by: datetime | None = None
    close_by: datetime | None = None
    loans: tuple[str, ...] = ()
    text: Sealed | None = None


@dataclass(frozen=True)
class AttachToDispute:
    """Something that bears on a dispute, as the event keeps it. Refused once the dispute is closed."""

    attached: DisputeAttached


@dataclass(frozen=True)
class AnswerDispute:
    """The borrower was answered. Refused once the dispute is closed."""

    dispute_id: str
    answer_id: str
    by: str
    text: Sealed | None = None


@dataclass(frozen=True)
class CloseDispute:
    """A person says what came of a dispute; contact may go on, so what the bank's record had wrong is put right before.
    Refused before the borrower was answered, unless they took it back."""

    dispute_id: str
    outcome: DisputeOutcome
    by: str
    reason: str
    said: Sealed | None = None


Command = OpenDispute | AttachToDispute | AnswerDispute | CloseDispute


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """What the borrower contests, about `loans` (empty: all). `answers` and `attachments` by their ids; `missed` are
    the deadlines of which it was said that they passed; `outcome` is None while it is open."""

    answer_by: datetime
    close_by: datetime
    loans: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    missed: tuple[Deadline, ...] = ()
    outcome: DisputeOutcome | None = None

    def due(self) -> dict[Deadline, datetime]:
        """The deadlines that are still to be kept, or to be missed."""
        waits: dict[Deadline, datetime] = {} if self.answers else {"answer": self.answer_by}
        waits["close"] = self.close_by
        return {} if self.outcome else {name: at for name, at in waits.items() if name not in self.missed}


class Disputes(msgspec.Struct, frozen=True):
    """All disputes of a case, by id."""

    by_id: dict[str, Dispute] = msgspec.field(default_factory=dict, name="disputes")

    def open(self) -> dict[str, Dispute]:
        """Those nobody has closed; each has a hold of its name."""
        return {name: dispute for name, dispute in self.by_id.items() if dispute.outcome is None}


def decide(
    disputes: Disputes, command: Command, loans: Loans, holds: Holds, contacts: Contacts, now: datetime
) -> Sequence[Concluded]:
    """What follows. Raises Refused for a dispute that is not there, or not open any more."""
    match command:
        case OpenDispute(dispute_id):
            return [] if dispute_id in disputes.by_id else _open(command, loans, holds, contacts, now)
        case AttachToDispute(attached):
            known = attached.attachment_id in _dispute(disputes, attached.dispute_id).attachments
            return [] if known else [*_still_open(disputes, attached.dispute_id, now), attached]
        case AnswerDispute(dispute_id, answer_id):
            known = answer_id in _dispute(disputes, dispute_id).answers
            return [] if known else [*_still_open(disputes, dispute_id, now), _answered(disputes, command, now)]
        case CloseDispute(dispute_id, outcome):
            known = _dispute(disputes, dispute_id).outcome == outcome
            return [] if known else [*_still_open(disputes, dispute_id, now), *_closed(disputes, command, now)]
    assert_never(command)


def refuse_while_open(disputes: Disputes, hold_id: str) -> None:
    """Raises Refused for ending or renewing a hold that lasts as long as its dispute."""
    if hold_id in disputes.open():
        raise Refused(f"hold {hold_id} lasts as long as its dispute: close dispute {hold_id} and say what came of it")


def missed_deadlines(disputes: Disputes, now: datetime) -> Iterator[DisputeOverdue]:
    """Those that have passed without anybody having said so."""
    for dispute_id in sorted(disputes.by_id):
        yield from _missed(disputes, dispute_id, now)


def evolve(disputes: Disputes, event: Event) -> Disputes:
    """The disputes after `event`."""
    return Disputes({**disputes.by_id, event.dispute_id: _evolved(disputes, event)})


def _evolved(disputes: Disputes, event: Event) -> Dispute:
    if isinstance(event, DisputeOpened):
        return Dispute(answer_by=event.answer_by, close_by=event.close_by, loans=event.loans)
    dispute = disputes.by_id[event.dispute_id]
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


def _missed(disputes: Disputes, dispute_id: str, now: datetime) -> Iterator[DisputeOverdue]:
    for deadline, at in disputes.by_id[dispute_id].due().items():
        if at <= now:
            yield DisputeOverdue(dispute_id=dispute_id, deadline=deadline, was_due=at)


def _open(command: OpenDispute, loans: Loans, holds: Holds, contacts: Contacts, now: datetime) -> Sequence[Concluded]:
    if command.dispute_id in holds.by_id:
        raise Refused(f"the case has a hold {command.dispute_id} already: give the dispute another id")
    if unknown := set(command.loans) - loans.by_id.keys():
        raise Refused(f"the case has no loan {', '.join(sorted(unknown))}; it has {', '.join(sorted(loans.by_id))}")
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
    hold = HoldPlaced(hold_id=command.dispute_id, kind="dispute", loans=command.loans)
    return [opened, *placing(hold, contacts)]


def _answered(disputes: Disputes, command: AnswerDispute, now: datetime) -> DisputeAnswered:
    dispute = disputes.by_id[command.dispute_id]
    return DisputeAnswered(
        dispute_id=command.dispute_id,
        answer_id=command.answer_id,
        by=command.by,
        text=command.text,
        late=not dispute.answers and dispute.answer_by <= now,
    )


def _closed(disputes: Disputes, command: CloseDispute, now: datetime) -> Sequence[DisputeClosed | HoldLifted]:
    dispute_id, dispute = command.dispute_id, disputes.by_id[command.dispute_id]
    if not dispute.answers and command.outcome != "withdrawn":
        raise Refused(f"the borrower has not been answered: answer dispute {dispute_id}, then close it")
    closed = DisputeClosed(
        dispute_id=dispute_id,
        outcome=command.outcome,
        by=command.by,
        reason=command.reason,
        late=dispute.close_by <= now,
        said=command.said,
    )
    reason = f"dispute: {command.outcome}"
    return [closed, HoldLifted(hold_id=dispute_id, reason=reason, assess_at=next_quarter(now))]


def _dispute(disputes: Disputes, dispute_id: str) -> Dispute:
    if dispute_id not in disputes.by_id:
        names = ", ".join(disputes.by_id) or "none"
        raise Refused(f"the case has no dispute {dispute_id}; its disputes: {names}")
    return disputes.by_id[dispute_id]


def _still_open(disputes: Disputes, dispute_id: str, now: datetime) -> Iterator[DisputeOverdue]:
    """Nothing but the deadlines missed so far: whoever is late does not get ahead of the timer that says so."""
    if outcome := disputes.by_id[dispute_id].outcome:
        raise Refused(f"dispute {dispute_id} was closed as {outcome}: open another one")
    yield from _missed(disputes, dispute_id, now)
