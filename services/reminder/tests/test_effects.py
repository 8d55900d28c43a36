"""Sending: what reaches the provider, and what is recorded of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from doorstep.events.reminder import ContactFailed, ContactNotSent, ContactSent, ContactTerms, ContactUnknown
from doorstep.events.values import Borrower, Channel, Money, Sealed, Windows
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import Erased, Tokens
from doorstep.kernel.decider import StreamId, Wake
from doorstep.kernel.service import Call, Effect, Later
from doorstep.messaging.channels import Destination, e164
from doorstep.messaging.delivery import AnswerLost
from doorstep.messaging.gateways import Message, Receipt, Unreachable, for_every_channel
from reminder.domain import CONTACT, Schedule, Sending, Settle, Withdraw
from reminder.effects import Send, effects, wait

MORNING = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
EVENING = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
WANG = Borrower(borrower_id="B1", name="王小明", phone="13800138000", address="上海市某路1号")


@dataclass
class Provider:
    """A gateway that can be told how to behave, and remembers what reached it."""

    dedupes: bool = False
    can_find: bool = False
    refuses: str | None = None
    unreachable: bool = False
    silent: bool = False
    """It takes the message, and the answer is lost."""
    says_when: datetime | None = None
    name: str = "fake"
    taken: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> Receipt:
        if self.unreachable:
            raise Unreachable("no route")
        if not (self.dedupes and message in self.taken):
            self.taken.append(message)
        if self.silent:
            raise TimeoutError
        if self.refuses:
            return Receipt(status="refused", provider_message_id="", reason=self.refuses)
        return Receipt(status="accepted", provider_message_id=f"m-{message.idempotency_key}")

    async def find(self, idempotency_key: str) -> Receipt | None:
        assert self.can_find
        found = [message for message in self.taken if message.idempotency_key == idempotency_key]
        receipt = Receipt(status="accepted", provider_message_id=f"m-{idempotency_key}", at=self.says_when)
        return receipt if found else None


@dataclass
class OpenVault:
    """Seals nothing; the borrowers of `erased` keys are gone."""

    erased: Sequence[str] = ()
    tokens: Tokens = field(default_factory=lambda: Tokens(b"secret"))
    openings: int = 0

    async def borrowers(self, sealed: Sequence[Sealed]) -> Sequence[Borrower]:
        self.openings += 1
        if any(one.key_id in self.erased for one in sealed):
            raise Erased("gone")
        return [msgspec.json.decode(one.box, type=Borrower) for one in sealed]


class House:
    """A runtime around a provider, and the contacts that have started."""

    def __init__(self, provider: Provider, now: datetime = MORNING, erased: Sequence[str] = ()) -> None:
        self.settings: Any = SimpleNamespace(lender_name="示例银行", complaints_phone="400-000-0000")
        self.clock = SimulatedClock(now)
        self.engine: Any = None
        self.vault: Any = OpenVault(erased)
        self.provider, self.resources = provider, for_every_channel(provider)
        self.telemetry: Any = None
        self.workers: Any = ()

    async def execute(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a performer calls out and persists nothing")

    async def state(self, *_: Any) -> Any:
        raise AssertionError("a performer works with the state it was given")

    async def lag(self) -> int:
        raise AssertionError("a performer does not wait for others")

    async def outcomes(self, *calls: Call[Sending]) -> list[Any]:
        carries = await Send(self).perform(calls)
        answers = [await carry(call) for carry, call in zip(carries, calls, strict=True)]
        return [answer.outcome if isinstance(answer, Settle) else answer for answer in answers]

    async def outcome(self, call: Call[Sending]) -> Any:
        """As the effect loop gets it: what no earlier call has reached is a first call again, looked at again."""
        (only,) = await self.outcomes(call)
        if not (isinstance(only, Later) and only.clean):
            return only
        unwanted = Send(self).unwanted(call.state, self.clock.now(), call.stopped)
        return unwanted.outcome if unwanted else await self.outcome(msgspec.structs.replace(call, repeated=False))


def started(
    permit_id: str = "p1", borrower: Borrower = WANG, channel: Channel = "sms", region: str | None = None
) -> Sending:
    terms = ContactTerms(
        purpose="reminder",
        language="zh-CN",
        loan_ids=("L1",),
        amount=Money(Decimal("1200.50"), "CNY"),
        windows=Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai"),
        valid_until=EVENING,
        personal=Sealed(f"case-{permit_id}", b"", msgspec.json.encode(borrower)),
        region=region,
    )
    state = CONTACT.fold(CONTACT.decide(CONTACT.initial, Schedule(permit_id, channel, terms), MORNING))
    state = CONTACT.fold(CONTACT.decide(state, Wake(MORNING), MORNING), state)
    assert isinstance(state, Sending)
    return state


def call(state: Sending, *, repeated: bool = False, stopped: Sequence[str] = ()) -> Call[Sending]:
    stream = StreamId("contact", state.permit_id, f"case-{state.permit_id}", "bank")
    return Call(Effect("send", state.permit_id), stream, state, repeated, frozenset(stopped))


def withdrawn() -> Sending:
    state = started()
    withdrawn = CONTACT.fold(CONTACT.decide(state, Withdraw("p1", "cancelled"), MORNING), state)
    assert isinstance(withdrawn, Sending)
    return withdrawn


class TestWhenItWasSent:
    """A worker died after the call; an hour later its answer is asked for."""

    @pytest.mark.parametrize(
        ("says", "known"),
        [
            (None, MORNING),
            (MORNING + timedelta(seconds=2), MORNING + timedelta(seconds=2)),
            (MORNING - timedelta(days=1), MORNING),
            (MORNING + timedelta(days=1), MORNING + timedelta(hours=1)),
        ],
    )
    async def test_it_is_known_by_the_provider_or_by_the_call_and_lies_between_intent_and_now(
        self, says: datetime | None, known: datetime
    ) -> None:
        house = House(Provider(can_find=True, says_when=says))
        await house.outcome(call(started()))
        house.clock.jump(MORNING + timedelta(hours=1))
        again = msgspec.structs.replace(call(started(), repeated=True), called_at=MORNING)
        assert (await house.outcome(again)).sent_at == known

    async def test_what_is_sent_just_now_needs_no_instant_of_its_own(self) -> None:
        assert (await House(Provider()).outcome(call(started()))).sent_at is None


class TestTheFirstTime:
    async def test_the_message_reaches_the_borrower(self) -> None:
        provider = Provider()
        await House(provider).outcome(call(started()))
        (message,) = provider.taken
        assert (message.to.value, message.idempotency_key, message.case_id) == ("+8613800138000", "p1", "case-p1")
        assert "王小明" in message.text
        assert "¥1,200.50" in message.text

    async def test_the_text_is_recorded_as_a_mac_only(self) -> None:
        house = House(Provider())
        sent = await house.outcome(call(started()))
        assert sent == ContactSent(
            permit_id="p1",
            channel="sms",
            provider="fake",
            provider_message_id="m-p1",
            rendered_mac=house.vault.tokens.text("bank", house.provider.taken[0].text),
        )

    async def test_a_refusal_is_a_failure(self) -> None:
        failed = await House(Provider(refuses="no such number")).outcome(call(started()))
        assert failed == ContactFailed(permit_id="p1", channel="sms", provider="fake", reason="no such number")

    async def test_an_unreachable_provider_is_tried_again_in_a_minute(self) -> None:
        later = await House(Provider(unreachable=True)).outcome(call(started()))
        assert later == Later(MORNING + timedelta(minutes=1), "no route")

    async def test_a_letter_goes_to_the_address(self) -> None:
        provider = Provider()
        await House(provider).outcome(call(started(channel="letter")))
        assert provider.taken[0].to == Destination("address", "上海市某路1号")

    @pytest.mark.parametrize(
        ("channel", "to"),
        [
            ("voice", Destination("phone", "+8613800138000")),
            ("email", Destination("email", "wang@example.com")),
            ("push", Destination("push_token", "token")),
        ],
    )
    async def test_each_channel_uses_its_own_contact_point(self, channel: Channel, to: Destination) -> None:
        provider = Provider()
        everywhere = msgspec.structs.replace(WANG, email="wang@example.com", push_token="token")
        await House(provider).outcome(call(started(borrower=everywhere, channel=channel)))
        assert provider.taken[0].to == to

    @pytest.mark.parametrize(("channel", "reason"), [("email", "no email"), ("push", "no push token")])
    async def test_nothing_goes_out_where_the_contact_point_is_unknown(self, channel: Channel, reason: str) -> None:
        provider = Provider()
        failed = await House(provider).outcome(call(started(channel=channel)))
        assert (failed.reason, provider.taken) == (reason, [])

    async def test_a_letter_without_an_address_fails(self) -> None:
        homeless = Borrower(borrower_id="B2", name="李雷", phone="13800138001")
        failed = await House(Provider()).outcome(call(started(borrower=homeless, channel="letter")))
        assert failed.reason == "no address"

    async def test_a_name_cannot_forge_a_line_of_ours(self) -> None:
        provider = Provider()
        await House(provider).outcome(call(started(borrower=msgspec.structs.replace(WANG, name="王\n【别的银行】"))))
        assert "王 【别的银行】" in provider.taken[0].text


class TestABatch:
    async def test_all_are_opened_together_and_answered_in_order(self) -> None:
        house = House(Provider())
        sent = await house.outcomes(*(call(started(f"p{n}")) for n in range(50)))
        assert [one.permit_id for one in sent] == [f"p{n}" for n in range(50)]
        assert house.vault.openings == 1

    async def test_who_was_erased_is_not_written_to_and_the_others_are(self) -> None:
        house = House(Provider(), erased=["case-p1"])
        outcomes = await house.outcomes(*(call(started(f"p{n}")) for n in range(3)))
        assert [type(one) for one in outcomes] == [ContactSent, ContactFailed, ContactSent]
        assert outcomes[1].reason == "erased"
        assert [message.idempotency_key for message in house.provider.taken] == ["p0", "p2"]


class TestAfterACrash:
    async def test_a_provider_that_dedupes_is_called_again(self) -> None:
        house = House(Provider(dedupes=True))
        await house.outcome(call(started()))
        assert type(await house.outcome(call(started(), repeated=True))) is ContactSent
        assert len(house.provider.taken) == 1

    async def test_a_provider_that_knows_the_message_is_not_called_again(self) -> None:
        house = House(Provider(can_find=True))
        await house.outcome(call(started()))
        assert type(await house.outcome(call(started(), repeated=True))) is ContactSent
        assert len(house.provider.taken) == 1

    async def test_a_provider_that_does_not_know_it_gets_it(self) -> None:
        house = House(Provider(can_find=True))
        assert type(await house.outcome(call(started(), repeated=True))) is ContactSent
        assert len(house.provider.taken) == 1

    async def test_a_provider_that_can_do_neither_leaves_it_unknown(self) -> None:
        house = House(Provider())
        unknown = await house.outcome(call(started(), repeated=True))
        assert unknown == ContactUnknown(permit_id="p1", channel="sms", provider="fake")
        assert house.provider.taken == []

    async def test_who_was_erased_meanwhile_may_have_been_reached(self) -> None:
        house = House(Provider(dedupes=True), erased=["case-p1"])
        assert type(await house.outcome(call(started(), repeated=True))) is ContactUnknown


class TestWithdrawnAfterACrash:
    """The first call may have gone through, so we may neither send now nor claim that nothing was sent."""

    async def test_what_the_provider_knows_was_sent(self) -> None:
        house = House(Provider(dedupes=True, can_find=True))
        await house.outcome(call(started()))
        assert type(await house.outcome(call(withdrawn(), repeated=True))) is ContactSent

    async def test_what_the_provider_does_not_know_is_not_sent(self) -> None:
        house = House(Provider(dedupes=True, can_find=True))
        outcome = await house.outcome(call(withdrawn(), repeated=True))
        assert outcome == ContactNotSent(permit_id="p1", channel="sms", reason="cancelled")
        assert house.provider.taken == []

    async def test_with_a_provider_that_cannot_be_asked_it_is_unknown(self) -> None:
        house = House(Provider(dedupes=True))
        assert type(await house.outcome(call(withdrawn(), repeated=True))) is ContactUnknown
        assert house.provider.taken == []

    async def test_the_same_goes_for_what_has_expired(self) -> None:
        house = House(Provider(can_find=True), now=EVENING)
        assert (await house.outcome(call(started(), repeated=True))).reason == "expired"


class TestStoppedAfterACrash:
    """The tenant's kill switch is looked at again, and does not undo what went out."""

    async def test_what_the_provider_does_not_know_is_not_sent(self) -> None:
        house = House(Provider(can_find=True))
        outcome = await house.outcome(call(started(), repeated=True, stopped=["sms"]))
        assert outcome == ContactNotSent(permit_id="p1", channel="sms", reason="stopped")
        assert house.provider.taken == []

    async def test_what_the_provider_knows_was_sent(self) -> None:
        house = House(Provider(can_find=True))
        await house.outcome(call(started()))
        assert type(await house.outcome(call(started(), repeated=True, stopped=["*"]))) is ContactSent

    async def test_with_a_provider_that_cannot_be_asked_it_is_unknown(self) -> None:
        house = House(Provider(dedupes=True))
        assert type(await house.outcome(call(started(), repeated=True, stopped=["*"]))) is ContactUnknown
        assert house.provider.taken == []

    async def test_another_way_goes_on(self) -> None:
        house = House(Provider(can_find=True))
        assert type(await house.outcome(call(started(), repeated=True, stopped=["voice"]))) is ContactSent


class TestAnswerLost:
    async def test_a_provider_that_can_do_neither_leaves_it_unknown(self) -> None:
        assert type(await House(Provider(silent=True)).outcome(call(started()))) is ContactUnknown

    @pytest.mark.parametrize("provider", [Provider(dedupes=True, silent=True), Provider(can_find=True, silent=True)])
    async def test_any_other_is_asked_again_by_a_repeated_call(self, provider: Provider) -> None:
        house = House(provider)
        with pytest.raises(AnswerLost):
            await house.outcome(call(started()))
        provider.silent = False
        assert type(await house.outcome(call(started(), repeated=True))) is ContactSent
        assert len(provider.taken) == 1


class TestTheLastLook:
    def test_what_is_wanted_goes_ahead(self) -> None:
        assert Send(House(Provider())).unwanted(started(), MORNING, frozenset()) is None

    def test_what_was_withdrawn_is_given_back(self) -> None:
        not_sent = ContactNotSent(permit_id="p1", channel="sms", reason="cancelled")
        assert Send(House(Provider())).unwanted(withdrawn(), MORNING, frozenset()) == Settle(not_sent)

    def test_outside_the_window_it_is_given_back(self) -> None:
        not_sent = ContactNotSent(permit_id="p1", channel="sms", reason="expired")
        assert Send(House(Provider())).unwanted(started(), EVENING, frozenset()) == Settle(not_sent)

    @pytest.mark.parametrize("stopped", ["sms", "*"])
    def test_on_a_stopped_way_it_is_given_back(self, stopped: str) -> None:
        not_sent = ContactNotSent(permit_id="p1", channel="sms", reason="stopped")
        assert Send(House(Provider())).unwanted(started(), MORNING, frozenset({stopped})) == Settle(not_sent)

    def test_other_ways_go_on(self) -> None:
        assert Send(House(Provider())).unwanted(started(), MORNING, frozenset({"voice", "visit"})) is None

    def test_what_was_withdrawn_says_so_on_a_stopped_way_too(self) -> None:
        not_sent = ContactNotSent(permit_id="p1", channel="sms", reason="cancelled")
        assert Send(House(Provider())).unwanted(withdrawn(), MORNING, frozenset({"*"})) == Settle(not_sent)


def test_only_the_intent_has_an_effect() -> None:
    stream = call(started()).stream
    events = [*CONTACT.decide(CONTACT.initial, Schedule("p1", "sms", started().terms), MORNING)]
    assert [list(effects(stream, event, None)) for event in events] == [[]]
    waiting = CONTACT.fold(events)
    (intent,) = CONTACT.decide(waiting, Wake(MORNING), MORNING)
    assert list(effects(stream, intent, None)) == [Effect("send", "p1")]


@pytest.mark.parametrize(
    ("phone", "region", "expected"),
    [
        ("138 0013 8000", None, "+8613800138000"),
        ("+86 138-0013-8000", "US-CA", "+8613800138000"),
        ("(415) 555-2671", "US-CA", "+14155552671"),
        ("021-62345678", "CN-SH", "+862162345678"),
        ("ask for Wang", None, "ask for Wang"),
        ("123", None, "123"),
        ("13800138000", "XX-1", "13800138000"),
    ],
)
def test_phones_become_e164_where_they_can(phone: str, region: str | None, expected: str) -> None:
    assert e164(phone, region) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(0, 1), (1, 1), (4, 4), (40, 15)])
def test_the_wait_doubles_within_limits(minutes: int, expected: int) -> None:
    assert wait(started(), MORNING + timedelta(minutes=minutes)) == timedelta(minutes=expected)
