"""What counts across cases: numbers and addresses that are shared, and a tenant's first contacts of a day."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from doorstep.app.embedded import Secrets
from doorstep.bus.postgres import PostgresBus
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, Outcome, VisitOutcomeRecorded
from doorstep.events.escalation.permits import ContactPermitted, VisitPermitted
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.values import Sealed
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Routed, StreamId, Wake
from doorstep.kernel.runtime import Running
from escalation.domain import tenant
from escalation.domain.assessment.decision_context import DecisionContexts, InContext, PointCounter, TenantCounter
from escalation.domain.case.case import Case
from escalation.domain.case.contacts import LedgerEntry, RecordContactOutcome
from escalation.domain.case.holds import LiftHold
from escalation.domain.case.loans import RecordFact
from escalation.domain.decider import DECIDER
from escalation.domain.policy import Policies
from escalation.main import EscalationSettings, service
from escalation.react import case_stream
from sqlalchemy import text

from tests.support.escalation import at, overdue, told, woken

COUNSEL = DecisionContexts(Policies())
CASE_1 = StreamId("case", "case-1", "case-1", "acme")
TENANT = tenant.tenant_stream("acme")


def permitted() -> ContactPermitted:
    """The first contact of a case, by SMS at 10:15 of day 2."""
    event = woken(told(overdue(1), now=at(2))).events[-1]
    assert isinstance(event, ContactPermitted)
    return event


def outcome(said: Outcome, clock: str = "11:00") -> ContactOutcomeRecorded:
    """What became of it."""
    return ContactOutcomeRecorded(
        permit_id=permitted().permit_id,
        channel="sms",
        outcome=said,
        at=at(2, clock),
        phone_token="phone",
        first_at=at(2, "10:15") if said == "not-sent" else None,
    )


def tallied(name: str, *events: Any, stream: StreamId = CASE_1) -> Any:
    """The tally after `events`."""
    tally: Any = None
    for event in events:
        tally = COUNSEL.count(name, tally, stream, event)
    return tally


# -- pure


def test_only_an_assessment_reads_counters_and_only_those_it_can_name() -> None:
    known = told(overdue(1), now=at(2)).state
    assert COUNSEL.reads(CASE_1, known, Wake(at(2))) == ["tenant/acme", "number/acme/phone", "address/acme/address"]
    assert COUNSEL.reads(CASE_1, Case(), Wake(at(2))) == ["tenant/acme"]
    assert COUNSEL.reads(CASE_1, known, RecordFact(overdue(2))) == ()
    assert COUNSEL.reads(TENANT, None, Wake(at(2))) == ()


def test_every_command_of_a_case_comes_with_the_tenant_s_policy_and_a_tenant_s_as_it_is() -> None:
    command = LiftHold("h1", "settled")
    informed = COUNSEL.with_context(CASE_1, Case(), command, {})
    assert isinstance(informed, InContext)
    assert (informed.command, informed.context.policy) == (command, COUNSEL.policies.of("acme"))
    assert COUNSEL.with_context(TENANT, None, command, {}) is command


def test_a_permitted_contact_is_counted_at_its_number_its_address_and_as_a_first_one() -> None:
    event = permitted()
    assert COUNSEL.counts(CASE_1, event) == ["tenant/acme", "number/acme/phone", "address/acme/address"]
    reach = tallied("number/acme/phone", event).reached[event.permit_id]
    assert (reach.way, reach.at, reach.outcome) == ("sms", at(2, "10:15"), "open")
    assert tallied("tenant/acme", event).firsts == {at(2, "10:15"): 1}


def test_of_a_day_of_many_first_contacts_a_counter_holds_no_more_than_of_a_few() -> None:
    first, counter = permitted(), None
    inputs = first.decision.inputs
    for minute in range(3 * 24 * 60):
        moment = msgspec.structs.replace(inputs, local_time=at(2, "00:00") + timedelta(minutes=minute))
        event = msgspec.structs.replace(first, decision=msgspec.structs.replace(first.decision, inputs=moment))
        counter = COUNSEL.count("tenant/acme", counter, CASE_1, event)
    assert isinstance(counter, TenantCounter)
    assert len(counter.firsts) <= 2 * 96
    assert counter.firsts_between(at(4, "00:00"), at(5, "00:00")) == 24 * 60
    assert msgspec.json.decode(msgspec.json.encode(counter), type=TenantCounter) == counter


def test_what_is_given_back_makes_room_on_the_day_it_was_permitted() -> None:
    case = woken(told(overdue(1), now=at(2)))
    given_back = RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "not-sent", at(3))
    event = case.when(given_back, at(3)).event
    assert event.first_at == at(2, "10:15")
    assert "tenant/acme" in COUNSEL.counts(CASE_1, event)


def test_a_half_hour_zone_s_day_begins_where_a_quarter_does() -> None:
    midnight = at(2, "00:00", ZoneInfo("Asia/Kathmandu"))
    counter = TenantCounter(firsts={midnight - timedelta(minutes=15): 3, midnight: 5})
    assert counter.firsts_between(midnight, midnight + timedelta(days=1)) == 5


def test_one_that_was_sent_counts_from_when_it_was_and_an_answer_is_remembered() -> None:
    place = tallied("number/acme/phone", permitted(), outcome("sent"), outcome("answered", "12:00"))
    assert place.reached[permitted().permit_id] == LedgerEntry(
        "sms", at(2, "11:00"), "answered", ("L1",), "reminder", at(2, "12:00")
    )


def test_outcomes_in_any_order_end_alike() -> None:
    forth = tallied("number/acme/phone", permitted(), outcome("sent"), outcome("answered", "12:00"))
    back = tallied("number/acme/phone", permitted(), outcome("answered", "12:00"), outcome("sent"))
    assert forth == back


def test_one_that_was_given_back_counts_nowhere() -> None:
    assert tallied("number/acme/phone", permitted(), outcome("not-sent")) == PointCounter()
    assert tallied("tenant/acme", permitted(), outcome("not-sent")) == TenantCounter()


def test_the_notice_of_a_visit_counts_as_a_message() -> None:
    visit = msgspec.structs.replace(permitted_visit(), phone_token="phone")
    noticed = VisitOutcomeRecorded(permit_id=visit.permit_id, outcome="noticed", at=at(20), phone_token="phone")
    place = tallied("number/acme/phone", visit, noticed)
    assert [reach.way for reach in place.reached.values()] == ["visit", "sms"]


def permitted_visit() -> VisitPermitted:
    """Of a case far overdue."""
    from tests.support.escalation import until

    case = until(told(overdue(1, dpd=90), now=at(2)), at(40))
    found = [permit for permit in case.state.contacts.ledger if permit.way == "visit"]
    assert found
    decision: Any = permitted().decision
    return VisitPermitted(
        permit_id=found[0].permit_id, decision=decision, loan_ids=("L1",), amount=permitted().amount, language="zh-CN",
        windows=permitted().windows, valid_until=at(30), minimum_staff=2, notice_hours=24,
        personal=Sealed("case-1", b"c", b"b"),
    )  # fmt: skip


def test_a_tenant_s_reins_are_what_it_set_last() -> None:
    controls = tallied(
        "tenant/acme",
        ShadowSet(on=True, reason="trial"),
        RampSet(first_contacts_a_day=9, reason="slowly"),
        SendingStopped(way="sms", reason="wrong text"),
        SendingStopped(way=None, reason="everything"),
        SendingAllowed(way="sms", reason="mended"),
        stream=TENANT,
    )
    assert controls == TenantCounter(shadow=True, ramp=9, stopped=("*",))


# -- on PostgreSQL, by two processes at once

Office = Callable[..., Any]


@pytest.fixture
async def office(new_database: Any, tmp_path: Path) -> Office:
    """Starts processes of escalation on one database, at ten in the morning of day 2, under a policy."""
    engine = await new_database(database.KERNEL, service.migrations)
    vault, bus = await new_database(database.VAULT), await new_database(database.BUS)
    keys = Secrets.from_seed(1)

    @asynccontextmanager
    async def started(policy: Path | None = None) -> AsyncIterator[Running]:
        settings = EscalationSettings(
            database_url=engine.url.render_as_string(hide_password=False),
            vault_url=vault.url.render_as_string(hide_password=False),
            vault_key=keys.vault_key,
            tenant_secret=keys.tenant_secret,
            jwt_public_key=keys.issuer.public_key,
            policy_folder=policy,
            batch=2,
        )
        clock = SimulatedClock(at(2))
        made = Running(service, settings, bus=PostgresBus(bus), clock=clock, epoch="test")
        await made.prepare()
        yield made
        await made.close()

    return started


async def borrowers(running: Running, count: int, **shared: Any) -> None:
    """So many cases with an overdue loan; they share a telephone number."""
    for number in range(count):
        fact = overdue(1, fact_id=f"f{number}", **shared)
        await running.execute(Routed(case_stream(f"case-{number}", "acme"), RecordFact(own_key(fact, number))))


def own_key(fact: LoanOverdueRecorded, number: int) -> LoanOverdueRecorded:
    """Sealed under the key of its own case."""
    return msgspec.structs.replace(fact, personal=Sealed(f"case-{number}", b"commitment", b"box"))


async def run_timers(*processes: Running) -> None:
    """All timers due at 10:15, in all processes at once."""
    for process in processes:
        assert isinstance(process.clock, SimulatedClock)
        process.clock.jump(at(2, "10:15"))

    async def one(process: Running) -> None:
        while await process.timers.turn():
            pass

    async with asyncio.TaskGroup() as group:
        for process in processes:
            group.create_task(one(process))


async def count(running: Running, event_type: str) -> int:
    """Events of that type."""
    async with running.engine.connect() as connection:
        found = await connection.execute(text("select count(*) from events where type = :type"), {"type": event_type})
        return int(found.scalar_one())


ONE_A_DAY = """
id: once
version: "1"
title: {en: Once, zh: 每日一次}
countries: []
holidays: {calendar: holidays, country: CN}
rules:
  - id: number-once-a-day
    kind: counter
    text: {en: At most one contact a day to one number., zh: 同一号码每日最多联系一次。}
    source: tenant policy
    status: policy
    legal: policy
    confidence: own
    effective: {}
    scope: number
    unit: attempt
    window: {calendar: day}
    limit: 1
"""


@pytest.fixture
def once_a_day(tmp_path: Path) -> Path:
    """A policy under which a number is reached once a day, whoever shares it."""
    (tmp_path / "policy" / "packs").mkdir(parents=True)
    (tmp_path / "policy" / "packs" / "once.yaml").write_text(ONE_A_DAY, encoding="utf-8")
    (tmp_path / "policy" / "tenants.yaml").write_text("acme: {packs: [house, once]}\n", encoding="utf-8")
    return tmp_path / "policy"


async def test_of_many_who_share_a_number_two_processes_permit_one(office: Office, once_a_day: Path) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(office(once_a_day)) for _ in range(2)]
        await borrowers(first, 12)
        await run_timers(first, second)
        assert await count(first, "doorstep.contact.permitted") == 1
        assert await count(first, "doorstep.contact.denied") == 11


async def test_two_processes_keep_a_tenant_s_ramp_limit(office: Office) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(office()) for _ in range(2)]
        await first.execute(Routed(tenant.tenant_stream("acme"), tenant.SetRamp(3, "the first week")))
        await borrowers(first, 12)
        await run_timers(first, second)
        assert await count(first, "doorstep.contact.permitted") == 3


async def test_a_permit_that_was_not_used_is_another_s(office: Office, once_a_day: Path) -> None:
    async with office(once_a_day) as running:
        await borrowers(running, 2)
        await run_timers(running)
        stream = await permitted_stream(running)
        permit = (await running.state(DECIDER, stream)).contacts.ledger[-1]
        given_back = RecordContactOutcome(permit.permit_id, "not-sent", datetime.now(UTC))
        await running.execute(Routed(stream, given_back))
        tally = await tally_of(running, "number/acme/phone")
        assert tally == PointCounter()


async def permitted_stream(running: Running) -> StreamId:
    """The case that got the permit."""
    async with running.engine.connect() as connection:
        found = await connection.execute(text("select stream from events where type = 'doorstep.contact.permitted'"))
        return case_stream(str(found.scalar_one()).removeprefix("case/"), "acme")


async def tally_of(running: Running, name: str) -> Any:
    """As it is stored."""
    async with running.engine.connect() as connection:
        found = await connection.execute(text("select state from tally where name = :name"), {"name": name})
        return msgspec.json.decode(bytes(found.scalar_one()), type=DecisionContexts.counter_type)


async def test_counters_are_folded_again_from_all_events_when_their_code_has_changed(office: Office) -> None:
    async with office() as running:
        await borrowers(running, 3)
        await run_timers(running)
        before = await tally_of(running, "number/acme/phone"), await tally_of(running, "tenant/acme")
        async with running.engine.begin() as connection:
            await connection.execute(text("update tally set state = '{\"type\":\"place\"}' where name <> ''"))
            await connection.execute(text("update tally set state = 'older' where name = ''"))
    async with office() as again:
        assert len(before[0].reached) == 3
        assert (await tally_of(again, "number/acme/phone"), await tally_of(again, "tenant/acme")) == before
