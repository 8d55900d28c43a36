"""What a visit sets off outside its own stream: being planned, and the notice to the borrower."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from doorstep.events.registry import Event
from doorstep.events.values import Borrower
from doorstep.events.visits import NoticeStarted, VisitRequested, VisitUnplanned
from doorstep.kernel.decider import StreamId
from doorstep.kernel.sending_controls import stops
from doorstep.kernel.service import Call, Carry, Effect, HasClock, HasDatabase, Later, answered
from doorstep.messaging.channels import CHANNELS, NoRecipient
from doorstep.messaging.delivery import NotTaken, deliver, opened
from doorstep.messaging.gateways import Gateway, Message, Receipt, Unreachable
from doorstep.messaging.settings import MessagingRuntime

from visit_scheduler import views
from visit_scheduler.domain import notices
from visit_scheduler.domain.appointment import Appointment
from visit_scheduler.domain.commands import MissNotice, Plan, RecordNoticed, RecordNoticeFailed, Unplan
from visit_scheduler.domain.hours import next_notice
from visit_scheduler.domain.notices import CHANNEL
from visit_scheduler.domain.planning import Diary, FieldAgent, plan
from visit_scheduler.domain.states import Noticing, Requested, State, pending

AGAIN = timedelta(minutes=5)
"""How long to leave a provider alone that could not be reached."""
WITHDRAWN = Unplan("no longer requested")

Ending = RecordNoticed | RecordNoticeFailed | MissNotice


def effects(stream: StreamId, event: Event, state: object) -> Iterable[Effect]:
    """A request is planned at its instant; the intent to notice is followed by the notice."""
    match event:
        case VisitRequested() | VisitUnplanned() if isinstance(state, Requested):
            due = state.plan_at.astimezone(UTC)
            yield Effect("plan", f"{stream.id}-plan-{due:%Y%m%dT%H%M}", due)
        case NoticeStarted():
            yield Effect("notice", f"{stream.id}-notice")
        case _:
            pass


class Planning(HasClock, HasDatabase, Protocol):
    """What planning takes."""


class Planner:
    """Plans what is due, one request after the other: the calls come in the order of due instant and key, so
    the result does not depend on the order in which the permits arrived."""

    exclusive = True

    def __init__(self, runtime: Planning) -> None:
        self._runtime = runtime

    def unwanted(self, state: State, now: datetime, stopped: frozenset[str]) -> Unplan | None:
        """A request that was withdrawn needs no plan. What is `stopped` is planned all the same: a plan reaches
        nobody."""
        return None if isinstance(state, Requested) else WITHDRAWN

    async def perform(self, calls: Sequence[Call[State]]) -> Sequence[Carry[State, Plan | Unplan]]:
        """One plan, or the reason why there is none, per call; each counts as booked for the next ones."""
        now = self._runtime.clock.now()
        async with self._runtime.engine.connect() as connection:
            roster = await views.roster(connection, (call.stream.tenant for call in calls))
            diary = await views.diary(connection, now)
        # A search through many agents is long: nothing else of the process may wait for it.
        return [answered(outcome) for outcome in await asyncio.to_thread(planned, calls, roster, diary, now)]


def planned(
    calls: Sequence[Call[State]], roster: Mapping[str, Sequence[FieldAgent]], diary: Diary, now: datetime
) -> Sequence[Plan | Unplan]:
    """What comes of each, one after the other; what one books is in the `diary` of the next."""
    outcomes: list[Plan | Unplan] = []
    for call in calls:
        agents = roster.get(call.stream.tenant, ())
        outcome = plan(call.state.terms, agents, diary, now) if isinstance(call.state, Requested) else WITHDRAWN
        if isinstance(outcome, Plan):
            for one in outcome.collectors:
                diary.book(one.agent_id, outcome.starts, outcome.ends)
        outcomes.append(outcome)
    return outcomes


class Notifier:
    """Sends the advance notice: inside the permitted hours, early enough, and never twice."""

    exclusive = False

    def __init__(self, runtime: MessagingRuntime) -> None:
        self._runtime = runtime

    def unwanted(self, state: State, now: datetime, stopped: frozenset[str]) -> MissNotice | None:
        """A visit that was cancelled needs no notice; one that is too near must not be made, and none is where the
        tenant has stopped visits, or the channel of the notice."""
        if not (isinstance(state, Noticing) and state.visit.lead_kept(now)):
            return MissNotice()
        return MissNotice("stopped") if stops(stopped, "visit", CHANNEL) else None

    async def perform(self, calls: Sequence[Call[State]]) -> Sequence[Carry[State, Ending]]:
        """Open all; then send each. Raises AnswerLost."""
        visits = {call.stream: visit for call in calls if (visit := pending(call.state)) is not None}
        sealed = [visit.terms.personal for visit in visits.values()]
        borrowers = dict(zip(visits, await opened(self._runtime.vault, sealed), strict=True))
        return [
            partial(self._carry_out, visits[call.stream], borrowers[call.stream])
            if call.stream in visits
            else answered(MissNotice())
            for call in calls
        ]

    async def _carry_out(
        self, visit: Appointment, borrower: Borrower | NoRecipient, call: Call[State]
    ) -> Ending | Later:
        runtime = self._runtime
        gateway, now = runtime.resources[CHANNEL], runtime.clock.now()
        if isinstance(borrower, NoRecipient):
            return _unknown(gateway) if call.repeated else RecordNoticeFailed(gateway.name, str(borrower))
        closed = _closed(visit, now)
        if closed is not None and not call.repeated:
            return closed
        wanted = closed is None and self.unwanted(call.state, now, call.stopped) is None
        message = _message(runtime, call, visit, borrower)
        try:
            answer = await deliver(gateway, message, repeated=call.repeated, wanted=wanted)
        except Unreachable as error:
            return Later(now + AGAIN, str(error))
        if isinstance(answer, NotTaken):
            return Later(now, f"{gateway.name} has not got it", clean=True)
        return _outcome(runtime, call, message, answer)


def _closed(visit: Appointment, now: datetime) -> MissNotice | Later | None:
    opens = next_notice(visit.terms, now)
    if opens is None:
        return MissNotice()
    return None if opens <= now else Later(opens, "outside the permitted hours")


def _message(runtime: MessagingRuntime, call: Call[State], visit: Appointment, borrower: Borrower) -> Message:
    language = visit.terms.language
    lender = notices.Lender(runtime.settings.lender_name, runtime.settings.complaints_phone)
    return Message(
        idempotency_key=call.effect.key,
        channel=CHANNEL,
        to=CHANNELS[CHANNEL].destination(borrower, visit.terms.region),
        text=notices.render(notices.template(language, CHANNEL), visit, borrower, lender),
        language=language,
        case_id=call.stream.key,
    )


def _outcome(runtime: MessagingRuntime, call: Call[State], message: Message, answer: Receipt | None) -> Ending:
    gateway = runtime.resources[CHANNEL]
    match answer:
        case None:
            return _unknown(gateway)
        case Receipt(status="refused", reason=reason):
            return RecordNoticeFailed(gateway.name, reason or "refused")
        case Receipt(provider_message_id=provider_message_id):
            mac = runtime.vault.tokens.text(call.stream.tenant, message.text)
            return RecordNoticed(gateway.name, provider_message_id, mac)


def _unknown(gateway: Gateway) -> RecordNoticeFailed:
    return RecordNoticeFailed(gateway.name, "nobody knows whether it went out", unknown=True)
