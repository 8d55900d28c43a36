"""The notice: never outside permitted hours, never too late, never twice. Gateway and vault are fakes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from doorstep.events.values import Borrower, Sealed, Span
from doorstep.events.visits import NoticeStarted, VisitRequested, VisitUnplanned
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import Erased, Tokens
from doorstep.kernel.decider import StreamId
from doorstep.kernel.service import Call, Effect, Later
from doorstep.messaging.channels import e164
from doorstep.messaging.delivery import AnswerLost
from doorstep.messaging.gateways import Message, Receipt, Unreachable, for_every_channel
from visit_scheduler.domain.commands import MissNotice, RecordNoticed, RecordNoticeFailed, Unplan
from visit_scheduler.domain.states import Closed, Noticing, Requested, State
from visit_scheduler.effects import Notifier, Planner, effects

from tests.support.visits import BORROWER, NOW, STARTS, VISIT_ID, appointment, terms

STREAM = StreamId("visit", VISIT_ID, "case-1", "demo")
KEY = f"{VISIT_ID}-notice"
NOTICING = Noticing(visit=appointment())
CANCELLED = Closed(visit_id=VISIT_ID, ending="cancelled", noticing=appointment())
TOO_LATE = STARTS - timedelta(hours=23)
EVENING = NOW + timedelta(hours=11)
FAR = Noticing(visit=appointment(starts=STARTS + timedelta(days=3), ends=STARTS + timedelta(days=3, hours=1)))


class Lost(Exception):
    """The provider took the message, and its answer was lost."""


@dataclass
class Phones:
    """A provider that keeps what it took. `faults` happen on the next calls, one each."""

    name: str = "phones"
    dedupes: bool = True
    can_find: bool = True
    taken: dict[str, list[Message]] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)
    refuses: bool = False

    async def send(self, message: Message) -> Receipt:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Unreachable):
            raise fault
        if self.refuses:
            return Receipt(status="refused", provider_message_id="", reason="no such number")
        took = self.taken.setdefault(message.idempotency_key, [])
        if not (took and self.dedupes):
            took.append(message)
        if fault:
            raise fault
        return Receipt(status="accepted", provider_message_id=f"m-{message.idempotency_key}")

    async def find(self, idempotency_key: str) -> Receipt | None:
        assert self.can_find
        found = idempotency_key in self.taken
        return Receipt(status="accepted", provider_message_id=f"m-{idempotency_key}") if found else None


@dataclass
class OpenVault:
    """A vault whose seals hold nothing; the keys named in `erased` are gone."""

    erased: set[str] = field(default_factory=set)
    openings: int = 0
    tokens: Tokens = field(default_factory=lambda: Tokens(b"a secret of at least thirty-two bytes"))

    async def borrowers(self, sealed: Sequence[Sealed]) -> Sequence[Borrower]:
        self.openings += 1
        if any(one.key_id in self.erased for one in sealed):
            raise Erased("gone")
        return [BORROWER for _ in sealed]


def runtime(phones: Phones, vault: OpenVault | None = None, now: datetime = NOW) -> Any:
    settings = SimpleNamespace(lender_name="示例银行", complaints_phone="400-000-0000")
    return SimpleNamespace(
        clock=SimulatedClock(now), settings=settings, resources=for_every_channel(phones), vault=vault or OpenVault()
    )


def call(
    state: State = NOTICING, *, repeated: bool = False, stream: StreamId = STREAM, stopped: Sequence[str] = ()
) -> Call[State]:
    return Call(Effect("notice", f"{stream.id}-notice"), stream, state, repeated, frozenset(stopped))


def notify(phones: Phones, *calls: Call[State], now: datetime = NOW, vault: OpenVault | None = None) -> Sequence[Any]:
    """As the effect loop does it: what no earlier call has reached is a first call again, looked at again. Raises the
    first fault, once all calls have ended."""
    return asyncio.run(_carried_out(Notifier(runtime(phones, vault, now)), calls or [call()], now))


async def _carried_out(notifier: Notifier, calls: Sequence[Call[State]], now: datetime) -> Sequence[Any]:
    carries = await notifier.perform(calls)
    works = (carry(call) for carry, call in zip(carries, calls, strict=True))
    answers: list[Any] = await asyncio.gather(*works, return_exceptions=True)
    for nth, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Later) and answer.clean:
            first = msgspec.structs.replace(call, repeated=False)
            unwanted = notifier.unwanted(call.state, now, call.stopped)
            answers[nth] = unwanted or (await _carried_out(notifier, [first], now))[0]
    return answers


class TestPlanner:
    def test_while_it_searches_everything_else_goes_on(self) -> None:
        gone_on = threading.Event()
        seen: list[bool] = []

        class Region(str):
            """Takes as long to look at as until something else has had its turn."""

            __slots__ = ()

            def __format__(self, spec: str) -> str:
                seen.append(gone_on.wait(2))
                return super().__format__(spec)

        async def planned() -> None:
            lin = SimpleNamespace(
                agent_id="A-017",
                tenant="demo",
                agency="Harbour",
                certified_until=date(2027, 6, 30),
                languages=["zh-CN"],
                regions=[Region("CN")],
            )
            there: Any = SimpleNamespace(clock=SimulatedClock(NOW), engine=Database([[lin], []]))
            request = Requested(visit_id=VISIT_ID, terms=terms(), plan_at=NOW)
            performing = asyncio.create_task(Planner(there).perform([call(request)]))
            await asyncio.sleep(0)
            gone_on.set()
            await performing

        asyncio.run(planned())
        assert seen == [True]


@dataclass
class Database:
    """Answers each query with the next rows."""

    rows: list[list[Any]]

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Database"]:
        yield self

    async def execute(self, *_: Any) -> list[Any]:
        return self.rows.pop(0)


class TestEffects:
    def test_a_request_is_planned_at_its_instant(self) -> None:
        due = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
        state = Requested(visit_id=VISIT_ID, terms=terms(), plan_at=due)
        event = VisitRequested(visit_id=VISIT_ID, terms=terms(), plan_at=due)
        assert list(effects(STREAM, event, state)) == [Effect("plan", f"{VISIT_ID}-plan-20261123T0215", due)]

    def test_another_try_is_an_effect_of_its_own(self) -> None:
        due = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
        state = Requested(visit_id=VISIT_ID, terms=terms(), plan_at=due)
        event = VisitUnplanned(visit_id=VISIT_ID, reason="nobody is free", retry_at=due)
        assert list(effects(STREAM, event, state)) == [Effect("plan", f"{VISIT_ID}-plan-20261124T0100", due)]

    def test_giving_up_sets_off_nothing(self) -> None:
        event = VisitUnplanned(visit_id=VISIT_ID, reason="no slot")
        assert list(effects(STREAM, event, Closed(visit_id=VISIT_ID, ending="cancelled"))) == []

    def test_the_intent_is_followed_by_the_notice(self) -> None:
        event = NoticeStarted(
            visit_id=VISIT_ID, channel="sms", template_id="t", template_version=1, template_hash="h", opened=()
        )
        assert list(effects(STREAM, event, NOTICING)) == [Effect("notice", KEY)]


class TestUnwanted:
    def test_a_cancelled_request_needs_no_plan(self) -> None:
        assert isinstance(Planner(runtime(Phones())).unwanted(CANCELLED, NOW, frozenset()), Unplan)

    def test_a_cancelled_visit_needs_no_notice(self) -> None:
        assert Notifier(runtime(Phones())).unwanted(CANCELLED, NOW, frozenset()) == MissNotice()

    def test_a_visit_too_near_is_not_noticed_any_more(self) -> None:
        assert Notifier(runtime(Phones())).unwanted(NOTICING, TOO_LATE, frozenset()) == MissNotice()

    def test_a_visit_in_good_time_is_noticed(self) -> None:
        assert Notifier(runtime(Phones())).unwanted(NOTICING, NOW, frozenset()) is None

    @pytest.mark.parametrize("stopped", ["visit", "sms", "*"])
    def test_where_visits_or_their_notices_are_stopped_none_goes_out(self, stopped: str) -> None:
        assert Notifier(runtime(Phones())).unwanted(NOTICING, NOW, frozenset({stopped})) == MissNotice("stopped")

    def test_other_ways_that_are_stopped_do_not_matter(self) -> None:
        assert Notifier(runtime(Phones())).unwanted(NOTICING, NOW, frozenset({"voice", "letter"})) is None

    def test_a_plan_reaches_nobody_and_is_made_where_visits_are_stopped(self) -> None:
        state = Requested(visit_id=VISIT_ID, terms=terms(), plan_at=NOW)
        assert Planner(runtime(Phones())).unwanted(state, NOW, frozenset({"*"})) is None


class TestNotice:
    def test_goes_to_the_borrower_and_leaves_a_proof_of_its_text(self) -> None:
        phones = Phones()
        (outcome,) = notify(phones)
        (message,) = phones.taken[KEY]
        mac = OpenVault().tokens.text("demo", message.text)
        assert (message.to.value, message.channel, message.case_id) == (e164(BORROWER.phone, "CN"), "sms", "case-1")
        assert outcome == RecordNoticed("phones", f"m-{KEY}", mac)

    def test_outside_permitted_hours_waits_for_the_next_opening(self) -> None:
        phones = Phones()
        (outcome,) = notify(phones, call(FAR), now=EVENING)
        assert outcome == Later(datetime(2026, 11, 24, 0, 0, tzinfo=UTC), "outside the permitted hours")
        assert not phones.taken

    def test_where_the_permit_names_spans_waits_for_the_next_one(self) -> None:
        opens = NOW + timedelta(hours=2)
        spans = (Span(NOW - timedelta(days=1), NOW), Span(opens, opens + timedelta(hours=1)))
        state = Noticing(visit=msgspec.structs.replace(FAR.visit, terms=terms(notice_allowed=spans)))
        phones = Phones()
        assert notify(phones, call(state)) == [Later(opens, "outside the permitted hours")]
        assert isinstance(notify(phones, call(state), now=opens)[0], RecordNoticed)

    def test_after_the_last_span_does_not_go_out_any_more(self) -> None:
        phones = Phones()
        state = Noticing(
            visit=msgspec.structs.replace(FAR.visit, terms=terms(notice_allowed=(Span(EVENING, EVENING),)))
        )
        assert notify(phones, call(state), now=EVENING) == [MissNotice()]
        assert not phones.taken

    def test_waits_while_the_provider_cannot_be_reached(self) -> None:
        (outcome,) = notify(Phones(faults=[Unreachable("no line")]))
        assert outcome == Later(NOW + timedelta(minutes=5), "no line")

    def test_refused_by_the_provider_fails(self) -> None:
        assert notify(Phones(refuses=True)) == [RecordNoticeFailed("phones", "no such number")]

    def test_all_borrowers_of_a_batch_are_opened_at_once(self) -> None:
        vault = OpenVault()
        others = [call(stream=StreamId("visit", f"permit-{n}", f"case-{n}", "demo")) for n in range(20)]
        assert len(notify(Phones(), *others, vault=vault)) == 20
        assert vault.openings == 1

    def test_an_erased_borrower_is_not_noticed_and_costs_nobody_else_the_notice(self) -> None:
        erased = Noticing(visit=appointment(terms=terms(personal=Sealed("gone", b"", b""))))
        other = StreamId("visit", "permit-2", "case-2", "demo")
        first, second = notify(Phones(), call(erased), call(stream=other), vault=OpenVault(erased={"gone"}))
        assert first == RecordNoticeFailed("phones", "erased")
        assert isinstance(second, RecordNoticed)


KINDS = [(True, True), (True, False), (False, True), (False, False)]


class TestLostAnswer:
    @pytest.mark.parametrize(("dedupes", "can_find"), KINDS[:3])
    def test_of_a_provider_that_knows_our_key_is_found_and_nothing_goes_out_twice(
        self, dedupes: bool, can_find: bool
    ) -> None:
        phones = Phones(dedupes=dedupes, can_find=can_find, faults=[Lost()])
        with pytest.raises(AnswerLost):
            notify(phones)
        (outcome,) = notify(phones, call(repeated=True))
        assert isinstance(outcome, RecordNoticed)
        assert len(phones.taken[KEY]) == 1

    def test_of_any_other_provider_means_that_nobody_knows(self) -> None:
        phones = Phones(dedupes=False, can_find=False, faults=[Lost()])
        (outcome,) = notify(phones)
        assert outcome == RecordNoticeFailed("phones", "nobody knows whether it went out", unknown=True)

    def test_after_a_crash_any_other_provider_is_not_called_again(self) -> None:
        phones = Phones(dedupes=False, can_find=False)
        (outcome,) = notify(phones, call(repeated=True))
        assert outcome.unknown
        assert not phones.taken

    @pytest.mark.parametrize(("dedupes", "can_find"), KINDS)
    @pytest.mark.parametrize(("state", "now"), [(CANCELLED, NOW), (NOTICING, TOO_LATE), (FAR, EVENING)])
    def test_nothing_is_sent_again_once_it_may_not_be(
        self, dedupes: bool, can_find: bool, state: State, now: datetime
    ) -> None:
        phones = Phones(dedupes=dedupes, can_find=can_find)
        (outcome,) = notify(phones, call(state, repeated=True), now=now)
        assert not phones.taken
        assert isinstance(outcome, MissNotice | Later) if can_find else outcome.unknown

    @pytest.mark.parametrize(("dedupes", "can_find"), KINDS)
    def test_nothing_is_sent_again_once_visits_are_stopped(self, dedupes: bool, can_find: bool) -> None:
        phones = Phones(dedupes=dedupes, can_find=can_find)
        (outcome,) = notify(phones, call(repeated=True, stopped=["visit"]))
        assert not phones.taken
        assert outcome == MissNotice("stopped") if can_find else outcome.unknown

    def test_of_a_visit_cancelled_since_is_still_recorded(self) -> None:
        phones = Phones(faults=[Lost()])
        with pytest.raises(AnswerLost):
            notify(phones)
        (outcome,) = notify(phones, call(CANCELLED, repeated=True))
        assert isinstance(outcome, RecordNoticed)

    def test_of_one_message_does_not_make_the_others_of_its_batch_go_out_twice(self) -> None:
        phones = Phones(dedupes=False, faults=[Lost()])
        both = [StreamId("visit", f"permit-{n}", f"case-{n}", "demo") for n in (1, 2)]
        with pytest.raises(AnswerLost):
            notify(phones, *(call(stream=one) for one in both))
        notify(phones, *(call(stream=one, repeated=True) for one in both))
        assert [len(took) for took in phones.taken.values()] == [1, 1]
