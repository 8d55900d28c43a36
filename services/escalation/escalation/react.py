"""What escalation hears, as commands to the case."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from doorstep.events import kernel, reminder, visits
from doorstep.events.envelope import Envelope
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.registry import Event
from doorstep.kernel.decider import Routed, StreamId

from escalation.domain.case.case import Command
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.disputes import OpenDispute
from escalation.domain.case.holds import PlaceHold, ResumeSending, SuspendSending
from escalation.domain.case.promises import RecordPromise

HOLDS: dict[str, HoldKind] = {
    "complaint": "complaint",
    "hardship": "hardship",
    "opt-out": "cease-contact",
}


REACTS_TO = (
    kernel.MessageParked,
    kernel.MessageReleased,
    reminder.ContactSent,
    reminder.ContactNotSent,
    reminder.ContactFailed,
    reminder.ContactUnknown,
    reminder.ReceiptRecorded,
    reminder.ReplyReceived,
    visits.VisitNoticed,
    visits.NoticeFailed,
    visits.VisitStarted,
    visits.VisitCompleted,
    visits.VisitFailed,
    visits.VisitCancelled,
)


def case_stream(case_id: str, tenant: str) -> StreamId:
    """The stream of a case."""
    return StreamId("case", case_id, case_id, tenant)


def react(envelope: Envelope, event: Event) -> Iterable[Routed]:
    """The commands that follow from an executor's event, or from a message parked anywhere."""
    match event:
        case kernel.MessageParked(case_id=case_id) | kernel.MessageReleased(case_id=case_id):
            return [
                Routed(case_stream(case_id, envelope.tenant), command)
                for command in _parking(envelope, event)
                if case_id
            ]
        case _:
            stream = case_stream(envelope.subject, envelope.tenant)
            return [Routed(stream, command, envelope.actor) for command in _commands(envelope, event)]


def _parking(envelope: Envelope, event: kernel.MessageParked | kernel.MessageReleased) -> Iterable[Command]:
    service = envelope.source.rpartition("/")[2]
    if isinstance(event, kernel.MessageParked):
        return [SuspendSending(service, event.key)]
    return [ResumeSending(service, event.key)]


def _commands(envelope: Envelope, event: Event) -> Iterable[Command]:  # noqa: PLR0911, PLR0912
    match event:
        case reminder.ContactSent(permit_id=permit_id):
            return [RecordContactOutcome(permit_id, "sent", envelope.time)]
        case reminder.ContactNotSent(permit_id=permit_id):
            return [RecordContactOutcome(permit_id, "not-sent", envelope.time)]
        case reminder.ContactFailed(permit_id=permit_id):
            return [RecordContactOutcome(permit_id, "failed", envelope.time)]
        case reminder.ContactUnknown(permit_id=permit_id):
            return [RecordContactOutcome(permit_id, "unknown", envelope.time)]
        case reminder.ReceiptRecorded(permit_id=permit_id, status=status, at=at):
            return [RecordContactOutcome(permit_id, status, at)]
        case reminder.ReplyReceived():
            return _reply(event)
        case visits.VisitNoticed(visit_id=visit_id):
            return [RecordVisitOutcome(visit_id, "noticed", envelope.time)]
        case visits.NoticeFailed(visit_id=visit_id, unknown=True):
            # Nobody goes, and the borrower may have been told all the same: the permit is used up.
            return [RecordVisitOutcome(visit_id, "failed", envelope.time)]
        case visits.VisitStarted(visit_id=visit_id, at=at):
            return [RecordVisitOutcome(visit_id, "started", at)]
        case visits.VisitCompleted():
            done = RecordVisitOutcome(event.visit_id, "completed", event.at, event.willingness)
            return [done, *_promise(event.visit_id, event.promise_due, event.promise_amount, event.at)]
        case visits.VisitFailed(visit_id=visit_id, at=at):
            return [RecordVisitOutcome(visit_id, "failed", at)]
        case visits.VisitCancelled(visit_id=visit_id):
            return [RecordVisitOutcome(visit_id, "not-made", envelope.time)]
        case _:
            return []


def _reply(reply: reminder.ReplyReceived) -> Iterable[Command]:
    answered = RecordContactOutcome(reply.permit_id, "answered", reply.at)
    match reply.kind:
        case "promise":
            return [answered, *_promise(reply.reply_id, reply.promise_due, reply.promise_amount, reply.at)]
        case "dispute":
            return [answered, OpenDispute(reply.reply_id, "other", text=reply.text)]
        case "wrong-number":
            # Somebody answered, but not the borrower.
            return [PlaceHold(reply.reply_id, "wrong-number")]
        case "other":
            return [answered]
        case kind:
            return [answered, PlaceHold(reply.reply_id, HOLDS[kind])]


def _promise(promise_id: str, due: date | None, amount: Decimal | None, at: datetime) -> Iterable[Command]:
    return [RecordPromise(promise_id, due, amount, at)] if due is not None else []
