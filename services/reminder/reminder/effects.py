"""Sending: from the committed intent to the provider, and back with what came of it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from doorstep.events.registry import Event
from doorstep.events.reminder import ContactFailed, ContactSent, ContactStarted, ContactUnknown
from doorstep.events.values import Borrower
from doorstep.kernel.decider import StreamId
from doorstep.kernel.sending_controls import stops
from doorstep.kernel.service import Call, Carry, Effect, Later
from doorstep.messaging.channels import CHANNELS, NoRecipient
from doorstep.messaging.delivery import NotTaken, deliver, opened
from doorstep.messaging.gateways import Gateway, Message, Receipt, Unreachable
from doorstep.messaging.settings import MessagingRuntime
from doorstep.messaging.templates import plain

from reminder.domain import Objection, Outcome, Sending, Settle, State, not_sent, objection
from reminder.templates import template_for

SEND = "send"
SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)


def effects(stream: StreamId, event: Event, state: object) -> Iterable[Effect]:
    """A committed intent is sent."""
    if isinstance(event, ContactStarted):
        yield Effect(SEND, event.permit_id)


class Send:
    """Carries out the effects of kind `send`."""

    exclusive = False

    def __init__(self, runtime: MessagingRuntime) -> None:
        self._runtime = runtime

    def unwanted(self, state: State, now: datetime, stopped: frozenset[str]) -> Settle | None:
        """The last look: not when withdrawn, expired, out of its window, when its text was changed, or on a way that
        the tenant has stopped."""
        assert isinstance(state, Sending)
        reason = _last_look(state, now, stopped)
        return None if reason is None else Settle(not_sent(state, reason))

    async def perform(self, calls: Sequence[Call[Sending]]) -> Sequence[Carry[Sending, Settle]]:
        """Open all; then render and send each. Raises AnswerLost."""
        borrowers = await opened(self._runtime.vault, [call.state.terms.personal for call in calls])
        return [partial(_carry_out, self._runtime, borrower) for borrower in borrowers]


def _last_look(state: Sending, now: datetime, stopped: frozenset[str]) -> Objection | None:
    return objection(state, now) or ("stopped" if stops(stopped, state.channel) else None)


async def _carry_out(
    runtime: MessagingRuntime, borrower: Borrower | NoRecipient, call: Call[Sending]
) -> Settle | Later:
    state, gateway, now = call.state, runtime.resources[call.state.channel], runtime.clock.now()
    try:
        message = _message(runtime, call, borrower)
        wanted = _last_look(state, now, call.stopped) is None
        answer = await deliver(gateway, message, repeated=call.repeated, wanted=wanted)
    except NoRecipient as error:
        return Settle(_unknown(gateway, state) if call.repeated else _failed(gateway, state, str(error)))
    except Unreachable as error:
        return Later(now + wait(state, now), str(error))
    if isinstance(answer, NotTaken):
        return Later(now, f"{gateway.name} has not got it", clean=True)
    return Settle(_outcome(runtime, call, message, answer))


def wait(state: Sending, now: datetime) -> timedelta:
    """How long to leave an unreachable provider alone: as long as it has been so far, within limits."""
    return min(max(now - state.due, SHORTEST_WAIT), LONGEST_WAIT)


def _message(runtime: MessagingRuntime, call: Call[Sending], borrower: Borrower | NoRecipient) -> Message:
    if isinstance(borrower, NoRecipient):
        raise borrower
    state = call.state
    return Message(
        idempotency_key=state.permit_id,
        channel=state.channel,
        to=CHANNELS[state.channel].destination(borrower, state.terms.region),
        text=text_of(state, borrower, runtime.settings.lender_name, runtime.settings.complaints_phone),
        language=state.terms.language,
        case_id=call.stream.key,
    )


def text_of(state: Sending, borrower: Borrower, lender: str, phone: str) -> str:
    """The message as the borrower gets it."""
    template = template_for(state.channel, state.terms.purpose, state.terms.language)
    return template.render(
        name=plain(borrower.name),
        amount=state.terms.amount.text(state.terms.language),
        lender=lender,
        phone=phone,
    )


def _outcome(runtime: MessagingRuntime, call: Call[Sending], message: Message, answer: Receipt | None) -> Outcome:
    state, gateway = call.state, runtime.resources[call.state.channel]
    match answer:
        case None:
            return _unknown(gateway, state)
        case Receipt(status="refused"):
            return _failed(gateway, state, answer.reason or "refused")
        case _:
            return ContactSent(
                permit_id=state.permit_id,
                channel=state.channel,
                provider=gateway.name,
                provider_message_id=answer.provider_message_id,
                rendered_mac=runtime.vault.tokens.text(call.stream.tenant, message.text),
                sent_at=_sent_at(call, answer, runtime.clock.now()),
            )


def _sent_at(call: Call[Sending], receipt: Receipt, now: datetime) -> datetime | None:
    """When it left, where that is not `now`: by the provider's clock, but neither before it was meant to nor after now;
    else when the call was made that may have got through."""
    if receipt.at is not None:
        return min(max(receipt.at, call.state.due), now).astimezone(UTC)
    return call.called_at.astimezone(UTC) if call.repeated and call.called_at not in (None, now) else None


def _failed(gateway: Gateway, state: Sending, reason: str) -> ContactFailed:
    return ContactFailed(permit_id=state.permit_id, channel=state.channel, provider=gateway.name, reason=reason)


def _unknown(gateway: Gateway, state: Sending) -> ContactUnknown:
    return ContactUnknown(permit_id=state.permit_id, channel=state.channel, provider=gateway.name)
