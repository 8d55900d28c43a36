"""Calls to a provider that forgives nothing: one that does not dedupe, is slow, loses answers, and can be asked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doorstep.bus.interface import Outgoing
from doorstep.events.kernel import SendingStopped
from doorstep.kernel.leader import Leader
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Call, Carry, Later
from doorstep.messaging.channels import Destination
from doorstep.messaging.delivery import NotTaken, deliver
from doorstep.messaging.gateways import Message, Receipt, Unreachable
from sqlalchemy.exc import DBAPIError

from tests.support.counting import DECIDER, Announcer, Tell, World, asked, counter, told, world


@dataclass
class Provider:
    """Keeps what it took, as often as it took it. The first calls of each kind go as their plans say, a plan a call."""

    dedupes: bool = False
    can_find: bool = True
    name: str = "fake"
    seconds: float = 0.0
    taken: list[str] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    sending: list[str] = field(default_factory=list)
    """Each of: lost (taken, and no answer), hangs (taken, and no end), unreachable."""
    finding: list[str] = field(default_factory=list)
    """Each of: lost, unreachable."""

    async def send(self, message: Message) -> Receipt:
        plan = self.sending.pop(0) if self.sending else ""
        if plan == "unreachable":
            raise Unreachable("no line")
        if not (self.dedupes and message.idempotency_key in self.taken):
            self.taken.append(message.idempotency_key)
        self.called.set()
        await asyncio.sleep(3600 if plan == "hangs" else self.seconds)
        if plan == "lost":
            raise ConnectionResetError
        return self._receipt(message.idempotency_key)

    async def find(self, idempotency_key: str) -> Receipt | None:
        plan = self.finding.pop(0) if self.finding else ""
        if plan == "unreachable":
            raise Unreachable("no line")
        if plan == "lost":
            raise ConnectionResetError
        return self._receipt(idempotency_key) if idempotency_key in self.taken else None

    def _receipt(self, key: str) -> Receipt:
        return Receipt(status="accepted", provider_message_id=key)


@dataclass
class Caller(Announcer):
    """Announces through a provider, as the services send."""

    provider: Provider = field(default_factory=Provider)
    opening: float = 0.0
    """Seconds that it takes to read what the next calls need."""

    async def perform(self, calls: Sequence[Call]) -> Sequence[Carry[Any, Tell]]:
        opening, self.opening = self.opening, 0.0
        await asyncio.sleep(opening)
        return [self._send for _ in calls]

    async def _send(self, call: Call) -> Tell | Later:
        key = call.effect.key
        assert call.effect.due is not None
        message = Message(
            idempotency_key=key, channel="sms", to=Destination("phone", "1"), text="", language="en", case_id="a"
        )
        try:
            answer = await deliver(self.provider, message, repeated=call.repeated, wanted=True)
        except Unreachable as error:
            return Later(call.effect.due + timedelta(minutes=1), str(error))
        if isinstance(answer, NotTaken):
            return Later(call.effect.due, "not taken", clean=True)
        return Tell(int(key.partition("-")[2]) if answer else 0)


@pytest.fixture
async def calling(new_database: Any, tmp_path: Path) -> AsyncIterator[World]:
    """A counter service that announces through a provider, with room for few calls."""
    made = await world(new_database, tmp_path, Caller())
    yield made
    await made.running.close()


def stop() -> Outgoing:
    return told("tenant-acme", SendingStopped(way=None, reason="wrong texts"), "stop")


def provider_of(made: World) -> Provider:
    assert isinstance(made.announcer, Caller)
    return made.announcer.provider


async def hours(made: World) -> None:
    """Everything settles, again and again, for eight hours: whatever was put off comes."""
    for _ in range(8):
        await made.settle()
        made.clock.jump(made.clock.now() + timedelta(hours=1))


async def process(made: World) -> Running:
    running = made.another()
    await running.prepare()
    return running


class TestSentTwiceNever:
    """With a provider that can be asked and does not dedupe; no crash is needed to lose an answer."""

    @pytest.mark.parametrize("finding", [[], ["unreachable"], ["unreachable", "lost", "unreachable"], ["lost"]])
    async def test_whatever_is_lost_on_the_way_a_message_is_sent_once(self, calling: World, finding: list[str]) -> None:
        provider_of(calling).sending = ["lost"]
        provider_of(calling).finding = finding
        await calling.ask(asked("a", 50))
        await hours(calling)
        assert provider_of(calling).taken == ["announce-50"]
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (50,)

    async def test_what_never_reached_the_provider_is_sent_in_the_end(self, calling: World) -> None:
        provider_of(calling).sending = ["unreachable", "unreachable"]
        await calling.ask(asked("a", 50))
        await hours(calling)
        assert provider_of(calling).taken == ["announce-50"]

    async def test_a_call_that_hangs_is_cut_off_and_its_message_is_found(self, calling: World) -> None:
        provider_of(calling).sending = ["hangs"]
        await calling.ask(asked("a", 50))
        await hours(calling)
        assert provider_of(calling).taken == ["announce-50"]
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (50,)

    async def test_a_provider_that_can_do_nothing_is_never_called_again(self, calling: World) -> None:
        provider_of(calling).can_find = False
        provider_of(calling).sending = ["hangs", "lost"]
        await calling.ask(asked("a", 50), asked("b", 51))
        await hours(calling)
        assert sorted(provider_of(calling).taken) == ["announce-50", "announce-51"]
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (0,)


class TestTwoProcesses:
    """They share the work, and neither judges what the other may be calling."""

    async def test_a_call_in_flight_is_nobody_elses_even_when_the_clock_jumps(self, calling: World) -> None:
        provider_of(calling).seconds = 0.2
        other = await process(calling)
        await calling.ask(asked("a", 50))
        await calling.running.consumer.turn()
        first = asyncio.create_task(calling.running.effects.turn())
        await provider_of(calling).called.wait()
        calling.clock.jump(calling.clock.now() + timedelta(days=1))
        assert await other.effects.flow(0.01) == 0
        assert await first == 1
        assert provider_of(calling).taken == ["announce-50"]
        await other.close()

    async def test_what_a_dead_process_had_called_is_asked_about_when_its_claim_has_run_out(
        self, calling: World
    ) -> None:
        provider_of(calling).sending = ["hangs"]
        other = await process(calling)
        await calling.ask(asked("a", 50))
        await calling.running.consumer.turn()
        dead = asyncio.create_task(calling.running.effects.flow(60))
        await provider_of(calling).called.wait()
        dead.cancel()
        assert await other.effects.flow(0.01) == 0
        assert await other.effects.turn() == 1
        assert provider_of(calling).taken == ["announce-50"]
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (50,)
        await other.close()

    async def test_both_work_and_nothing_is_called_twice(self, calling: World) -> None:
        other = await process(calling)
        await calling.ask(*(asked(f"k{n}", n) for n in range(50, 90)))
        await calling.running.consumer.turn()
        done = 0
        while done < 40:
            done += sum(await asyncio.gather(calling.running.effects.turn(), other.effects.turn()))
        assert Counter(provider_of(calling).taken) == Counter(f"announce-{n}" for n in range(50, 90))
        await other.close()

    async def test_what_came_of_a_claim_that_ran_out_is_left_to_who_has_it_now(self, calling: World) -> None:
        provider_of(calling).dedupes = True
        await calling.ask(asked("a", 50))
        await calling.running.consumer.turn()
        effects = calling.running.effects
        await effects._begin()
        await asyncio.wait(effects._calls)
        other = await process(calling)
        assert await other.effects.turn() == 1
        assert await effects._settle() == 1
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (50,)
        await other.close()


class TestAStopIsAStop:
    """What was committed before a call is seen by it."""

    async def test_a_stop_during_a_wave_is_kept_by_the_calls_after_it(self, new_database: Any, tmp_path: Path) -> None:
        made = await world(new_database, tmp_path, Caller(), calls_at_once=2)
        provider_of(made).seconds = 0.05
        await made.ask(*(asked(f"k{n}", n) for n in range(50, 70)))
        await made.running.consumer.turn()
        await made.running.effects.flow(1)
        await made.ask(stop())
        await made.running.consumer.turn()
        before = len(provider_of(made).taken)
        await made.settle()
        assert before <= 4
        assert len(provider_of(made).taken) == before
        await made.running.close()

    async def test_a_stop_while_the_data_for_a_call_are_read_is_kept(self, calling: World) -> None:
        assert isinstance(calling.announcer, Caller)
        calling.announcer.opening = 0.7
        await calling.ask(asked("a", 50))
        await calling.running.consumer.turn()
        turn = asyncio.create_task(calling.running.effects.turn())
        await asyncio.sleep(0.1)
        await calling.ask(stop())
        await calling.running.consumer.turn()
        await turn
        await calling.settle()
        assert provider_of(calling).taken == []
        assert (await calling.running.state(DECIDER, counter("a"))).announced == (-2,)

    async def test_after_a_pause_nothing_goes_out_under_an_old_claim(self, calling: World) -> None:
        assert isinstance(calling.announcer, Caller)
        calling.announcer.opening = 0.6
        await calling.ask(asked("a", 50))
        await calling.running.consumer.turn()
        assert await calling.running.effects.turn() == 1
        assert provider_of(calling).taken == []
        await calling.settle()
        assert provider_of(calling).taken == ["announce-50"]


class TestASlowProvider:
    """Costs its own calls only."""

    async def test_the_others_are_recorded_while_one_hangs(self, new_database: Any, tmp_path: Path) -> None:
        made = await world(new_database, tmp_path, Caller(), call_timeout=30)
        provider_of(made).sending = ["hangs"]
        await made.ask(*(asked(f"k{n}", n) for n in range(50, 60)))
        await made.running.consumer.turn()
        for _ in range(3):
            await made.running.effects.flow(0.2)
        open_ones = await made.rows("select effect_key from effects where done_at is null")
        assert len(open_ones) == 1
        made.running.effects._calls.popitem()[0].cancel()
        await made.running.close()


class TestALeaderThatStandsStill:
    """It keeps its connection, and with it the lock; so the connection is ended."""

    async def test_is_replaced_and_finds_out(self, counting: World) -> None:
        engine = counting.running.engine
        old, new = Leader(engine, "test"), Leader(engine, "test", term=0.2)
        assert await old.leads()
        assert not await new.leads()
        await asyncio.sleep(0.3)
        assert not await new.leads()
        assert await new.leads()
        with pytest.raises(DBAPIError):
            await old.leads()
        assert not await old.leads()
        await new.resign()

    async def test_keeps_the_role_while_it_works(self, counting: World) -> None:
        engine = counting.running.engine
        old, new = Leader(engine, "test"), Leader(engine, "test", term=30)
        assert await old.leads()
        assert not await new.leads()
        assert await old.leads()
        await old.resign()
        assert await new.leads()
        await new.resign()
