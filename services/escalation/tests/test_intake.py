"""The door for a bank's facts, before a real vault: what is good is sealed, what is not is explained."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from doorstep.bus.interface import FRAME, LARGEST_MESSAGE, Outgoing, Partition, Record
from doorstep.events.envelope import decode
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded, PaymentRecorded
from doorstep.events.intake import LARGEST_FACT
from doorstep.events.topics import INTAKE
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Translated, Unreadable
from doorstep.messaging.channels import e164
from escalation.domain.case.loans import Fact, RecordFact
from escalation.intake import translate
from escalation.migrations.versions import escalation_0003
from sqlalchemy import Connection, text

REF, NAME, PHONE, ADDRESS = "borrower-4711", "张三丰", "13800138000", "广州市天河区体育东路 1 号"


def message(kind: str = "loan-overdue", key: str = "acme:L1", offset: int = 0, **changes: Any) -> Record:
    """A bank's message. `changes` replace fields of its data (None removes one), of the borrower, or of the
    message itself."""
    borrower = {"borrower_id": REF, "name": NAME, "phone": PHONE, "address": ADDRESS}
    loan = {"product": "card", "currency": "CNY", "principal_outstanding": "9000", "amount_overdue": "120.50"}
    kinds: dict[str, dict[str, Any]] = {
        "loan-overdue": {"borrower": borrower, **loan, "overdue_since": "2026-02-01", "business_date": "2026-03-01"},
        "loan-cured": {"borrower_id": REF, "business_date": "2026-03-01"},
        "payment-received": {"borrower_id": REF, "amount": "10", "currency": "CNY", "paid_on": "2026-03-01"},
    }
    data = {"loan_id": "L1", **kinds[kind]}
    whole = {
        "id": f"f{offset}",
        "source": "/bank/acme",
        "time": "2026-03-02T01:00:00+08:00",
        "tenant": "acme",
        "type": f"doorstep.fact.{kind}",
        "data": data,
    }
    for name, value in changes.items():
        of_borrower = name in (*borrower, "email", "push_token")
        place = whole if name in whole or name == "schemaversion" else borrower if of_borrower else data
        place[name] = value
        if value is None:
            del place[name]
    return raw(msgspec.json.encode(whole), key, offset)


def raw(value: bytes, key: str = "acme:L1", offset: int = 0) -> Record:
    return Record(Partition(INTAKE, 0), offset, key, value)


@dataclass
class Door:
    """Escalation, running."""

    running: Running

    async def take(self, *records: Record) -> Any:
        return await translate(self.running, records)

    async def event(self, record: Record) -> Fact:
        """The event in the one command that `record` asks for."""
        (meaning,) = await self.take(record)
        assert isinstance(meaning, Translated), meaning
        (routed,) = meaning.routed
        assert isinstance(routed.command, RecordFact)
        return routed.command.fact

    async def refusal(self, record: Record) -> Unreadable:
        (meaning,) = await self.take(record)
        assert isinstance(meaning, Unreadable), meaning
        return meaning

    def case_id(self, borrower: str = REF, tenant: str = "acme") -> str:
        return self.running.vault.tokens.case_id(tenant, borrower)

    async def rows(self, sql: str) -> Any:
        async with self.running.engine.connect() as connection:
            return (await connection.execute(text(sql))).all()


@pytest.fixture
def door(running: Running) -> Door:
    return Door(running)


async def test_an_overdue_fact_travels_sealed(door: Door) -> None:
    record = message()
    event = await door.event(record)
    assert isinstance(event, LoanOverdueRecorded)
    assert (event.loan_id, event.dpd, str(event.amount_overdue.amount)) == ("L1", 29, "120.50")
    assert event.personal.key_id == event.original.key_id == door.case_id()
    plain = msgspec.json.encode(event)
    assert not [word for word in (NAME, PHONE, "8613800138000", ADDRESS, REF) if word.encode() in plain]
    (borrower,) = await door.running.vault.borrowers([event.personal])
    assert (borrower.name, borrower.phone) == (NAME, PHONE)
    assert await door.running.vault.open([event.original]) == [record.value]


async def test_an_event_tells_which_contact_points_there_are_and_not_what_they_are(door: Door) -> None:
    event = await door.event(message(email="zhang@example.com", push_token="token-of-an-app"))
    assert isinstance(event, LoanOverdueRecorded)
    assert event.contact_points == ("phone", "email", "push_token", "address")
    assert not [word for word in (b"example.com", b"token-of-an-app") if word in msgspec.json.encode(event)]
    (borrower,) = await door.running.vault.borrowers([event.personal])
    assert (borrower.email, borrower.push_token) == ("zhang@example.com", "token-of-an-app")
    fewer = await door.event(message(address=None))
    assert isinstance(fewer, LoanOverdueRecorded)
    assert fewer.contact_points == ("phone",)


@pytest.mark.parametrize("number", ["abc", "123", "+8613800138000138001380"])
async def test_what_cannot_be_a_telephone_number_is_no_contact_point(door: Door, number: str) -> None:
    event = await door.event(message(phone=number, email="zhang@example.com", address=None))
    assert isinstance(event, LoanOverdueRecorded)
    assert event.contact_points == ("email",)


async def test_a_fact_in_no_currency_is_refused(door: Door) -> None:
    assert "unknown currency" in (await door.refusal(message(currency="XXX"))).reason


async def test_a_cure_and_a_payment_travel_sealed_too(door: Door) -> None:
    for kind, cls in [("loan-cured", LoanCureRecorded), ("payment-received", PaymentRecorded)]:
        event = await door.event(message(kind))
        assert isinstance(event, cls)
        assert REF.encode() not in msgspec.json.encode(event)
        assert event.original.key_id == door.case_id()


async def test_a_batch_keeps_its_order_the_good_beside_the_bad(door: Door) -> None:
    records = [message(offset=0), raw(b"{", offset=1), message("loan-cured", offset=2)]
    good, bad, cure = await door.take(*records)
    assert isinstance(bad, Unreadable)
    assert [type(one.routed[0].command.fact) for one in (good, cure)] == [LoanOverdueRecorded, LoanCureRecorded]
    assert [one.message_id for one in (good, cure)] == ["acme /bank/acme f0", "acme /bank/acme f2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_overdue": "-1"}, "a decimal string, zero or more, such as 1520.50 - at `$.data.amount_overdue`"),
        ({"amount_overdue": 12.5}, "amount_overdue"),
        ({"amount_overdue": "1e3"}, "Expected a decimal string"),
        ({"currency": "XXQ"}, "unknown currency"),
        ({"loan_id": None}, "missing required field `loan_id`"),
        ({"phone": None}, "missing required field `phone`"),
        ({"time": "2026-03-02T01:00:00"}, "timezone"),
        ({"schemaversion": 2}, "schemaversion 2 is newer than 1, the newest this release reads: upgrade"),
        ({"overdue_since": "2026-03-02"}, "overdue_since is after business_date"),
        ({"time_zone": "Mars/Olympus"}, "unknown time zone"),
        ({"business_date": "2026-03-04"}, "business_date lies in the future"),
        ({"tenant": "ACME Bank"}, "a name of small letters, digits and hyphens"),
        ({"region": "Guangdong"}, "an ISO 3166-2 code, such as CN-GD"),
    ],
)
async def test_a_malformed_fact_is_refused_with_a_reason_and_its_case(
    door: Door, changes: dict[str, Any], reason: str
) -> None:
    refusal = await door.refusal(message(**changes))
    assert reason in refusal.reason
    assert NAME not in refusal.reason
    assert refusal.case_id == door.case_id(tenant=changes.get("tenant", "acme"))


async def test_a_payment_from_the_future_is_refused(door: Door) -> None:
    refusal = await door.refusal(message("payment-received", paid_on="2199-01-01"))
    assert refusal.reason == "paid_on lies in the future - at `$.data.paid_on`"
    await door.event(message("payment-received", paid_on="2026-03-02"))


@pytest.mark.parametrize("value", [b"", b"{", b'{"id":', b"\xff\xfe", b"[]", b'"B1"', b"null"])
async def test_broken_bytes_of_an_unknown_loan_name_no_case(door: Door, value: bytes) -> None:
    refusal = await door.refusal(raw(value))
    assert refusal.reason
    assert refusal.case_id is None


@pytest.mark.parametrize("key", ["acme:L1", "L1"])
async def test_broken_bytes_of_a_known_loan_name_its_case(door: Door, key: str) -> None:
    await door.running.execute(*(await door.take(message()))[0].routed)
    assert (await door.refusal(raw(b"{", key))).case_id == door.case_id()


async def test_a_loan_id_of_two_tenants_names_no_case_by_itself(door: Door) -> None:
    for tenant in ("acme", "other"):
        await door.running.execute(*(await door.take(message(tenant=tenant, key="L1")))[0].routed)
    assert (await door.refusal(raw(b"{", "L1"))).case_id is None
    assert (await door.refusal(raw(b"{", "other:L1"))).case_id == door.case_id(tenant="other")


async def test_a_fact_under_the_key_of_another_loan_is_refused(door: Door) -> None:
    for key in ("acme:L2", "other:L1", "", REF):
        refusal = await door.refusal(message(key=key))
        assert "the message key is not <tenant>:<loan_id>" in refusal.reason
        assert refusal.case_id == door.case_id()
    await door.event(message(key="L1"))


async def test_an_erased_borrower_does_not_come_back_and_costs_the_batch_nothing(door: Door) -> None:
    await door.running.vault.destroy(door.case_id())
    records = [message(offset=0), message(offset=1, borrower_id="B2"), message("loan-cured", offset=2)]
    erased, other, cure = await door.take(*records)
    assert isinstance(other, Translated)
    for one in (erased, cure):
        assert isinstance(one, Unreadable)
        assert ("was erased" in one.reason, one.case_id) == (True, door.case_id())


async def test_a_refused_fact_is_parked_and_suspends_its_case(door: Door) -> None:
    await door.running.execute(*(await door.take(message()))[0].routed)
    await door.running.bus.publish([Outgoing(INTAKE, "acme:L1", message(amount_overdue="-1").value)])
    while await door.running.turn():
        pass
    ((reason, case_id),) = await door.rows("select reason, case_id from parked")
    assert "amount_overdue" in reason
    assert case_id == door.case_id()
    assert await door.rows('select case_id, "by", key from suspended') == [(case_id, "escalation", "acme:L1")]


async def taken(door: Door, *records: Record) -> None:
    """The bank publishes `records`, and escalation takes them."""
    await door.running.bus.publish([Outgoing(INTAKE, record.key, record.value) for record in records])
    while await door.running.turn():
        pass


PAYMENTS = "select stream from events where type = 'doorstep.loan.payment-recorded' order by stream"


async def test_tenants_that_name_their_facts_alike_lose_none(door: Door) -> None:
    payments = [
        message("payment-received", key=f"{tenant}:L1", tenant=tenant, source="/core", id="p1")
        for tenant in ("acme", "other")
    ]
    await taken(door, *payments, *payments)
    paid = await door.rows(PAYMENTS)
    assert [stream for (stream,) in paid] == sorted(f"case/{door.case_id(tenant=name)}" for name in ("acme", "other"))


async def test_a_space_in_a_source_makes_no_two_facts_one(door: Door) -> None:
    names = [("/x", "a b c"), ("/x a", "b c"), ("/x a b", "c"), (" /x", "a b c"), ("4", " /x a b c")]
    await taken(door, *(message("payment-received", source=source, id=name) for source, name in names))
    assert len(await door.rows(PAYMENTS)) == len(names)


def renamed(connection: Connection) -> None:
    """What the upgrade to this release's third step does."""
    with Operations.context(MigrationContext.configure(connection)):
        escalation_0003.upgrade()


async def test_what_an_older_release_has_taken_is_known_by_its_new_name(door: Door) -> None:
    facts = [message("payment-received", source=source, id="p 1") for source in ("/core", "/a core")]
    await taken(door, *facts)
    async with door.running.engine.begin() as connection:
        await connection.execute(text("delete from inbox where consumer = 'escalation'"))
        await connection.execute(
            text("insert into inbox values ('escalation', '/core p 1'), ('escalation', '/a core p 1')")
        )
        await connection.run_sync(renamed)
    await taken(door, *facts)
    assert door.running.telemetry.duplicates._value.get() == len(facts)
    await taken(door, message("payment-received", key="other:L1", tenant="other", source="/core", id="p 1"))
    assert len(await door.rows(PAYMENTS)) == len(facts) + 1


def filled(size: int, **changes: Any) -> Record:
    """A fact of `size` bytes, all of it of the borrower."""
    empty = message(address="", **changes)
    return message(address="x" * (size - len(empty.value)), **changes)


async def test_the_largest_fact_fits_the_bus_once_it_is_sealed(door: Door) -> None:
    await taken(door, filled(LARGEST_FACT))
    ((published,),) = await door.rows("select length(value) from events where type = 'doorstep.loan.overdue-recorded'")
    assert LARGEST_MESSAGE / 2 < published < LARGEST_MESSAGE - FRAME


async def test_a_larger_fact_is_refused_and_the_cancellations_of_others_go_out(door: Door) -> None:
    await taken(door, filled(6_400_000), message("payment-received", key="acme:L2", loan_id="L2", borrower_id="B2"))
    ((reason, case_id),) = await door.rows("select reason, case_id from parked")
    assert (reason.startswith("is larger than 2,097,152 bytes"), case_id) == (True, door.case_id())
    assert len(await door.rows(PAYMENTS)) == 1
    assert await door.rows("select 1 from outbox") == []


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "value",
    [b'{"x":' + DEEP + b"}", b'{"type":"doorstep.fact.loan-cured","id":1,"x":' + DEEP + b"}"],
    ids=["deep", "ill, and deep"],
)
async def test_a_fact_too_deep_to_read_is_refused(door: Door, value: bytes) -> None:
    await taken(door, raw(value), message("payment-received", key="acme:L2", loan_id="L2"))
    assert [row.key for row in await door.rows("select key from parked")] == ["acme:L1"]
    assert len(await door.rows(PAYMENTS)) == 1


async def test_a_broken_fact_holds_up_no_other_tenant_under_the_same_key(door: Door) -> None:
    broken = message(key="L1", amount_overdue="-1")
    payments = [message("payment-received", key="L1", tenant=tenant, id=f"p-{tenant}") for tenant in ("acme", "other")]
    await taken(door, broken, *payments)
    assert [row.stream for row in await door.rows(PAYMENTS)] == [f"case/{door.case_id(tenant='other')}"]
    rows = await door.rows("select key, case_id, behind is null from parked order by id")
    assert [tuple(row) for row in rows] == [("acme:L1", door.case_id(), True), ("acme:L1", door.case_id(), False)]


async def test_bytes_of_nobody_hold_up_nobody_of_several_tenants(door: Door) -> None:
    facts = [message(tenant=tenant, key="L1") for tenant in ("acme", "other")]
    payments = [message("payment-received", key="L1", tenant=tenant, id=f"p-{tenant}") for tenant in ("acme", "other")]
    await taken(door, *facts, raw(b"{", "L1"), *payments)
    assert len(await door.rows(PAYMENTS)) == 2
    assert [tuple(row) for row in await door.rows("select key, case_id from parked")] == [("L1", None)]


async def test_bytes_of_a_loan_that_one_tenant_has_hold_up_that_tenant(door: Door) -> None:
    await taken(door, message(key="L1"))
    await taken(door, raw(b"{", "L1"), message("payment-received", key="L1", id="p"))
    assert await door.rows(PAYMENTS) == []
    assert {row.key for row in await door.rows("select key from parked")} == {"acme:L1"}


async def test_what_an_older_release_parked_under_a_bare_key_is_waited_for(door: Door) -> None:
    await taken(door, message(key="L1", amount_overdue="-1"))
    async with door.running.engine.begin() as connection:
        await connection.execute(text("update parked set key = 'L1'"))
    payments = [message("payment-received", key="L1", tenant=tenant, id=f"p-{tenant}") for tenant in ("acme", "other")]
    await taken(door, *payments)
    assert [row.stream for row in await door.rows(PAYMENTS)] == [f"case/{door.case_id(tenant='other')}"]
    rows = await door.rows("select key, behind from parked order by id")
    assert [tuple(row) for row in rows] == [("L1", None), ("L1", 1)]


async def test_no_plaintext_is_written_down(door: Door) -> None:
    await door.running.execute(*(await door.take(message()))[0].routed)
    for value, state in await door.rows("select value, state from events join streams using (stream)"):
        decode(value)
        for word in (REF, NAME, PHONE, ADDRESS):
            assert word.encode() not in value
            assert word.encode() not in state


async def test_the_same_phone_written_differently_is_the_same_token(door: Door) -> None:
    written = [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+86 138 0013 8000",
        "008613800138000",
        "１３８００１３８０００",
    ]
    events = [await door.event(message(phone=phone, region="CN-GD")) for phone in written]
    tokens = {event.phone_token for event in events if isinstance(event, LoanOverdueRecorded)}
    assert len(tokens) == 1
    other = await door.event(message(phone="13800138001"))
    assert isinstance(other, LoanOverdueRecorded)
    assert other.phone_token not in tokens


@pytest.mark.parametrize(
    ("number", "region", "canonical"),
    [
        ("138 0013 8000", None, "+8613800138000"),
        ("(202) 555-0143", "US-DC", "+12025550143"),
        ("0912 345 678", "TW", "+886912345678"),
        ("+1 202 555 0143", "CN", "+12025550143"),
        ("call my son", "CN", "call my son"),
    ],
)
def test_a_phone_is_known_by_its_international_form(number: str, region: str | None, canonical: str) -> None:
    assert e164(number, region) == canonical
