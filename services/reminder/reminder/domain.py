"""A contact: one permitted attempt to reach the borrower, from the permit to the borrower's reply.

It waits for its window, commits the intent, and only then calls out; what came of the call is recorded once.
A cancelled or expired permit is given back as not sent while nothing can have left the house.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

import msgspec
from doorstep.events.reminder import (
    ContactCancelledEarly,
    ContactFailed,
    ContactNotSent,
    ContactScheduled,
    ContactSent,
    ContactStarted,
    ContactTerms,
    ContactUnknown,
    ContactWithdrawn,
    ReceiptRecorded,
    ReplyReceived,
)
from doorstep.events.values import Channel, Instant
from doorstep.kernel.decider import Decider, Refused, Wake
from doorstep.messaging.channels import CHANNELS
from doorstep.messaging.windows import is_open, next_opening

from reminder.templates import template_for

CATEGORY = "contact"
Withdrawal = Literal["cancelled", "suspended"]
Objection = Literal["cancelled", "suspended", "expired", "stopped"]
Ending = Literal["sent", "not-sent", "failed", "unknown"]
Outcome = ContactSent | ContactNotSent | ContactFailed | ContactUnknown
_ENDINGS: Mapping[type[Outcome], Ending] = {
    ContactSent: "sent", ContactNotSent: "not-sent", ContactFailed: "failed", ContactUnknown: "unknown",
}  # fmt: skip
Heard = ReceiptRecorded | ReplyReceived
ContactEvent = ContactScheduled | ContactCancelledEarly | ContactStarted | ContactWithdrawn | Outcome | Heard


@dataclass(frozen=True)
class Schedule:
    """A permit has arrived: carry it out inside its window."""

    permit_id: str
    channel: Channel
    terms: ContactTerms


@dataclass(frozen=True)
class Withdraw:
    """The permit is withdrawn: what has not left the house does not leave it."""

    permit_id: str
    reason: Withdrawal


@dataclass(frozen=True)
class Settle:
    """The call is over, or was not made: this came of it."""

    outcome: Outcome


@dataclass(frozen=True)
class Hear:
    """The provider's receipt, or the borrower's reply."""

    message: Heard


Command = Schedule | Withdraw | Wake | Settle | Hear


class Unscheduled(msgspec.Struct, frozen=True, tag="absent"):
    """No permit has arrived."""


class WithdrawnEarly(msgspec.Struct, frozen=True, tag="cancelled-early"):
    """The permit was withdrawn before it arrived."""

    reason: Withdrawal


class Waiting(msgspec.Struct, frozen=True, kw_only=True, tag="waiting"):
    """Starts at `due`."""

    permit_id: str
    channel: Channel
    due: Instant
    terms: ContactTerms


class Sending(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The intent is committed and the message may be on its way. A provider can be quicker with a receipt
    than with its answer, so receipts and replies (by id) are heard from here on."""

    permit_id: str
    channel: Channel
    due: Instant
    terms: ContactTerms
    template_hash: str
    withdrawn: Withdrawal | None = None
    receipts: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """What became of it is known, or known to be unknown."""

    permit_id: str
    channel: Channel
    due: Instant
    outcome: Ending
    receipts: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()


State = Unscheduled | WithdrawnEarly | Waiting | Sending | Done


def decide(state: State, command: Command, now: datetime) -> Sequence[ContactEvent]:
    """Raises Refused for a receipt of, or a reply to, something that was not sent."""
    match command:
        case Schedule():
            return _schedule(state, command, now)
        case Withdraw():
            return _withdraw(state, command)
        case Wake():
            return _wake(state, now) if isinstance(state, Waiting) and state.due <= now else ()
        case Settle(outcome=outcome):
            return (outcome,) if isinstance(state, Sending) else ()
        case Hear(message=message):
            return () if _heard(_reached(state), message) else (message,)
        case _:
            assert_never(command)


def not_sent(contact: Schedule | Waiting | Sending, reason: Objection) -> ContactNotSent:
    """Nothing left the house; the permit goes back."""
    return ContactNotSent(permit_id=contact.permit_id, channel=contact.channel, reason=reason)


def objection(state: Sending, now: datetime) -> Objection | None:
    """Why the message may not leave the house any more, or None. A text that was changed since the intent
    is not the text that was meant: that intent is out of date too."""
    if state.withdrawn is not None:
        return state.withdrawn
    template = template_for(state.channel, state.terms.purpose, state.terms.language)
    timely = now <= state.terms.valid_until and is_open(state.terms.windows, now)
    return None if timely and template.hash == state.template_hash else "expired"


def _schedule(state: State, permit: Schedule, now: datetime) -> Sequence[ContactEvent]:
    if not isinstance(state, Unscheduled | WithdrawnEarly):
        return ()
    due = next_opening(permit.terms.windows, now)
    scheduled = ContactScheduled(permit_id=permit.permit_id, channel=permit.channel, due=due, terms=permit.terms)
    if isinstance(state, WithdrawnEarly):
        return scheduled, not_sent(permit, state.reason)
    if due > permit.terms.valid_until:
        return scheduled, not_sent(permit, "expired")
    return (scheduled,)


def _withdraw(state: State, cancel: Withdraw) -> Sequence[ContactEvent]:
    match state:
        case Unscheduled():
            return (ContactCancelledEarly(permit_id=cancel.permit_id, reason=cancel.reason),)
        case Waiting():
            return (not_sent(state, cancel.reason),)
        case Sending(withdrawn=None):
            return (ContactWithdrawn(permit_id=state.permit_id, channel=state.channel, reason=cancel.reason),)
        case _:
            return ()


def _wake(contact: Waiting, now: datetime) -> Sequence[ContactEvent]:
    due = next_opening(contact.terms.windows, now)
    if due > contact.terms.valid_until:
        return (not_sent(contact, "expired"),)
    if due > now:
        return (ContactScheduled(permit_id=contact.permit_id, channel=contact.channel, due=due),)
    return (_start(contact),)


def _start(contact: Waiting) -> ContactStarted:
    template = template_for(contact.channel, contact.terms.purpose, contact.terms.language)
    return ContactStarted(
        permit_id=contact.permit_id,
        channel=contact.channel,
        template_id=template.id,
        template_version=template.version,
        template_hash=template.hash,
        opened=("name", CHANNELS[contact.channel].point),
    )


def _reached(state: State) -> Sending | Done:
    match state:
        case Sending() | Done(outcome="sent" | "unknown"):
            return state
        case Unscheduled() | WithdrawnEarly() | Waiting():
            raise Refused("nothing has been sent under this permit yet; check the permit id")
        case Done(outcome=outcome):
            raise Refused(f"this contact ended as {outcome}, so nobody was reached; check the permit id")


def _heard(contact: Sending | Done, message: Heard) -> bool:
    if isinstance(message, ReceiptRecorded):
        return message.status in contact.receipts
    return message.reply_id in contact.replies


def evolve(state: State, event: ContactEvent) -> State:  # noqa: PLR0911
    """The contact after `event`."""
    match event:
        case ContactScheduled():
            terms = event.terms or _waiting(state).terms
            return Waiting(permit_id=event.permit_id, channel=event.channel, due=event.due, terms=terms)
        case ContactCancelledEarly(reason=reason):
            return WithdrawnEarly(reason)
        case ContactStarted():
            return Sending(**msgspec.structs.asdict(_waiting(state)), template_hash=event.template_hash)
        case ContactWithdrawn():
            assert isinstance(state, Sending)
            return msgspec.structs.replace(state, withdrawn=event.reason)
        case ContactSent() | ContactNotSent() | ContactFailed() | ContactUnknown():
            return _done(state, _ENDINGS[type(event)])
        case ReceiptRecorded():
            assert isinstance(state, Sending | Done)
            return msgspec.structs.replace(state, receipts=(*state.receipts, event.status))
        case ReplyReceived():
            assert isinstance(state, Sending | Done)
            return msgspec.structs.replace(state, replies=(*state.replies, event.reply_id))
        case _:
            assert_never(event)


def _waiting(state: State) -> Waiting:
    assert isinstance(state, Waiting)
    return state


def _done(state: State, outcome: Ending) -> Done:
    assert isinstance(state, Waiting | Sending)
    done = Done(permit_id=state.permit_id, channel=state.channel, due=state.due, outcome=outcome)
    if isinstance(state, Waiting):
        return done
    return msgspec.structs.replace(done, receipts=state.receipts, replies=state.replies)


CONTACT: Decider[State, Command, ContactEvent] = Decider(
    CATEGORY, Unscheduled(), State, decide, evolve, lambda state: state.due if isinstance(state, Waiting) else None
)
