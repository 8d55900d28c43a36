"""Receipts, replies and the view, over a real database and the whole kernel."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events.envelope import Actor, Envelope, encode
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.events.reminder import ContactTerms, ReplyReceived
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Borrower, Channel, Money, Windows
from doorstep.infra.access import Access, Issuer
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.database import EmbeddedPostgres
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.http import build
from doorstep.kernel.runtime import Running
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import for_every_channel
from doorstep.messaging.settings import MessagingSettings
from pydantic import ValidationError
from reminder.api import ReplyIn
from reminder.domain import Schedule, Withdraw
from reminder.main import service

MORNING = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
ISSUER = Issuer.generate()
AT = "2026-03-03T10:05:00+08:00"


class QuietBus:
    """Nothing comes; what goes out is kept."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.published += messages

    async def subscribe(self, group: str, topics: Sequence[str]) -> "QuietBus":
        return self

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        return []

    async def commit(self, records: Sequence[Record]) -> None:
        pass

    async def lag(self) -> int:
        return 0

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass


class House:
    """Reminder, running, and a client of its API."""

    def __init__(self, running: Running, clock: SimulatedClock, phones: FileGateway) -> None:
        self.running, self.clock, self.phones = running, clock, phones
        self.heard = 0
        app = build([running], Access(ISSUER.public_key), drive=False)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def permit(
        self,
        permit_id: str,
        case_id: str = "case-1",
        opens: int = 8,
        channel: Channel = "sms",
        tenant: str = "bank",
    ) -> None:
        borrower = Borrower(borrower_id="B1", name="王小明", phone="13800138000")
        (personal,) = await self.running.vault.seal([(case_id, msgspec.json.encode(borrower))])
        terms = ContactTerms(
            purpose="reminder",
            language="zh-CN",
            loan_ids=("L1",),
            amount=Money(Decimal("1200.50"), "CNY"),
            windows=Windows(opens=time(opens), closes=time(20), time_zone="Asia/Shanghai"),
            valid_until=MORNING + timedelta(hours=9),
            personal=personal,
        )
        await self.running.execute(
            Routed(_stream(permit_id, case_id, tenant), Schedule(permit_id, channel, terms)), request_id=permit_id
        )

    async def hear(self, event: Event, tenant: str = "bank") -> None:
        self.heard += 1
        envelope = Envelope(
            id=f"e{self.heard}",
            source="/doorstep/escalation",
            type=event.event_type,
            subject=f"tenant-{tenant}",
            time=MORNING,
            recordedat=MORNING,
            tenant=tenant,
            stream=f"tenant/{tenant}",
            streamversion=self.heard,
            partitionkey=f"tenant-{tenant}",
            correlationid="c1",
            schemaversion=event.schema_version,
            data=msgspec.Raw(msgspec.json.encode(event)),
            actor=Actor(id="olga", role="operator"),
        )
        record = Record(Partition(ESCALATION, 0), self.heard, envelope.partitionkey, encode(envelope))
        await self.running.handler.handle([record])

    async def status(self, permit_id: str) -> str:
        found: str = (await self.call("GET", f"/contacts/{permit_id}", "viewer")).json()["status"]
        return found

    async def settle(self) -> None:
        while await self.running.turn():
            pass

    async def call(self, method: str, path: str, role: Any, body: Any = None, **headers: str) -> httpx.Response:
        token = ISSUER.token("someone", role, datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self._client.request(method, path, json=body, headers=headers)

    async def post(self, path: str, role: Any, body: str) -> httpx.Response:
        token = ISSUER.token("someone", role, datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._client.post(path, content=body, headers=headers)


@pytest.fixture
async def house(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[House]:
    name = f"reminder_{uuid4().hex[:12]}"
    await postgres.create(name, f"{name}_vault")
    settings = MessagingSettings(
        database_url=postgres.url(name),
        vault_url=postgres.url(f"{name}_vault"),
        vault_key="v" * 32,
        tenant_secret="t" * 32,
        jwt_public_key=ISSUER.public_key,
    )
    clock, phones = SimulatedClock(MORNING), FileGateway(tmp_path / "phones")
    running = Running(service, settings, bus=QuietBus(), clock=clock, resources=for_every_channel(phones))
    await running.prepare()
    made = House(running, clock, phones)
    # Its texts are on record before the story begins.
    await made.settle()
    yield made
    await running.close()


async def test_a_permit_ends_as_a_message_a_receipt_and_a_view(house: House) -> None:
    await house.permit("p1")
    await house.settle()
    assert [message.to.value for message in house.phones.delivered()] == ["+8613800138000"]
    seen = (await house.call("GET", "/contacts/p1", "viewer")).json()
    assert (seen["status"], seen["case_id"], seen["sent_at"]) == ("sent", "case-1", "2026-03-03T02:00:00Z")

    receipt = {"status": "delivered", "at": AT}
    assert (await house.call("POST", "/contacts/p1/receipts", "provider", receipt)).json() == {"recorded": True}
    assert (await house.call("POST", "/contacts/p1/receipts", "provider", receipt)).json() == {"recorded": False}
    seen = (await house.call("GET", "/contacts/p1", "viewer")).json()
    assert (seen["status"], seen["sent_at"]) == ("delivered", "2026-03-03T02:00:00Z")


async def test_a_repeated_request_does_nothing(house: House) -> None:
    await house.permit("p1")
    await house.settle()
    for status, expected in (("delivered", True), ("undeliverable", False)):
        body = {"status": status, "at": AT}
        answer = await house.call("POST", "/contacts/p1/receipts", "provider", body, Idempotency_Key="k1")
        assert answer.json() == {"recorded": expected}


async def test_a_reply_is_recorded_once_and_its_words_are_sealed(house: House) -> None:
    await house.permit("p1")
    await house.settle()
    body = {
        "reply_id": "r1",
        "kind": "promise",
        "at": AT,
        "promise_amount": "300.10",
        "promise_due": "2026-03-10",
        "text": "发了工资就还",
    }
    assert (await house.call("POST", "/contacts/p1/replies", "provider", body)).json() == {"recorded": True}
    assert (await house.call("POST", "/contacts/p1/replies", "provider", body)).json() == {"recorded": False}
    await house.settle()
    bus = house.running.bus
    assert isinstance(bus, QuietBus)
    envelope = msgspec.json.decode(bus.published[-1].value)
    reply = msgspec.convert(envelope["data"], ReplyReceived)
    assert (reply.promise_amount, str(reply.promise_due)) == (Decimal("300.10"), "2026-03-10")
    assert reply.text is not None
    assert await house.running.vault.open([reply.text]) == ["发了工资就还".encode()]
    assert envelope["actor"]["role"] == "provider"


async def test_the_words_of_an_erased_borrower_are_not_kept(house: House) -> None:
    await house.permit("p1")
    await house.settle()
    await house.running.vault.destroy("case-1")
    body = {"reply_id": "r1", "kind": "opt-out", "at": AT, "text": "stop"}
    answer = await house.call("POST", "/contacts/p1/replies", "provider", body)
    assert (answer.status_code, "without its text" in answer.text) == (410, True)
    del body["text"]
    assert (await house.call("POST", "/contacts/p1/replies", "provider", body)).json() == {"recorded": True}


async def test_what_was_cancelled_in_time_reaches_nobody(house: House) -> None:
    await house.permit("p1", opens=12)
    await house.settle()
    await house.running.execute(Routed(_stream("p1"), Withdraw("p1", "cancelled")))
    house.clock.jump(MORNING + timedelta(hours=5))
    await house.settle()
    assert house.phones.delivered() == []
    assert (await house.call("GET", "/contacts/p1", "viewer")).json()["status"] == "not-sent"
    answer = await house.call("POST", "/contacts/p1/receipts", "provider", {"status": "delivered", "at": AT})
    assert (answer.status_code, "nobody was reached" in answer.json()["detail"]) == (409, True)


async def test_what_was_cancelled_before_its_permit_came_reaches_nobody(house: House) -> None:
    await house.running.execute(Routed(_stream("p1"), Withdraw("p1", "cancelled")))
    await house.permit("p1")
    house.clock.jump(MORNING + timedelta(hours=5))
    await house.settle()
    assert house.phones.delivered() == []
    assert await house.status("p1") == "not-sent"


async def test_what_was_withdrawn_after_its_intent_reaches_nobody(house: House) -> None:
    await house.permit("p1")
    await house.running.timers.turn()
    await house.running.execute(Routed(_stream("p1"), Withdraw("p1", "suspended")))
    assert (await house.call("GET", "/contacts/p1", "viewer")).json()["status"] == "withdrawn"
    await house.settle()
    assert house.phones.delivered() == []
    assert (await house.call("GET", "/contacts/p1", "viewer")).json()["status"] == "not-sent"


async def test_on_a_stopped_way_nothing_is_sent_and_the_permit_goes_back(house: House) -> None:
    await house.permit("p1")
    await house.running.timers.turn()
    await house.hear(SendingStopped(way="sms", reason="wrong texts"))
    await house.settle()
    assert house.phones.delivered() == []
    assert await house.status("p1") == "not-sent"
    bus = house.running.bus
    assert isinstance(bus, QuietBus)
    assert msgspec.json.decode(bus.published[-1].value)["data"]["reason"] == "stopped"


async def test_other_ways_and_other_tenants_go_on(house: House) -> None:
    await house.hear(SendingStopped(way="sms", reason="wrong texts"))
    await house.hear(SendingStopped(way=None, reason="not ours"), tenant="third")
    await house.permit("p1", channel="voice")
    await house.permit("p2", case_id="case-2", tenant="other")
    await house.settle()
    assert [await house.status(one) for one in ("p1", "p2")] == ["sent", "sent"]


async def test_while_everything_is_stopped_nothing_is_sent_and_afterwards_it_is(house: House) -> None:
    await house.hear(SendingStopped(way=None, reason="an incident"))
    await house.permit("p1")
    await house.permit("p2", channel="email")
    await house.settle()
    await house.hear(SendingAllowed(way=None, reason="it is over"))
    await house.permit("p3")
    await house.settle()
    assert [await house.status(one) for one in ("p1", "p2", "p3")] == ["not-sent", "not-sent", "sent"]


async def test_the_contacts_of_a_case_are_listed_the_latest_first(house: House) -> None:
    await house.permit("p1")
    await house.permit("p2", opens=12)
    await house.permit("p3", case_id="case-2")
    listed = (await house.call("GET", "/contacts?case_id=case-1", "viewer")).json()
    assert [(one["permit_id"], one["status"]) for one in listed] == [("p2", "scheduled"), ("p1", "scheduled")]


async def test_an_unknown_permit_says_what_to_do(house: House) -> None:
    answer = await house.call("POST", "/contacts/p9/receipts", "provider", {"status": "delivered", "at": AT})
    assert answer.status_code == 404
    assert "send the idempotency key our message carried" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "promise"},
        {"kind": "hardship", "promise_due": "2026-03-10"},
        {"kind": "promise", "promise_due": "2026-03-10", "promise_amount": 300.1},
        {"kind": "promise", "promise_due": "2026-03-10", "promise_amount": "0.00"},
        {"kind": "promise", "promise_due": "2026-03-10", "promise_amount": "-1"},
        {"kind": "threat"},
        {"kind": "other", "at": "2026-03-03T10:05:00"},
        {"kind": "other", "reply_id": "a b"},
        {"kind": "other", "text": "x" * 5001},
    ],
)
def test_a_malformed_reply_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReplyIn.model_validate({"reply_id": "r1", "at": AT, **wrong})


async def test_roles_are_kept_apart(house: House) -> None:
    body = {"status": "delivered", "at": AT}
    assert (await house.call("POST", "/contacts/p1/receipts", "viewer", body)).status_code == 403
    assert (await house.call("GET", "/contacts/p1", "provider")).status_code == 403


def _stream(permit_id: str, case_id: str = "case-1", tenant: str = "bank") -> StreamId:
    return StreamId("contact", permit_id, case_id, tenant)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-04T10:05:00+08:00"])
async def test_what_a_provider_tells_has_happened_within_the_calendar(house: House, at: str) -> None:
    await house.permit("p1")
    await house.settle()
    bodies = {"receipts": {"status": "delivered"}, "replies": {"reply_id": "r1", "kind": "opt-out"}}
    for what, body in bodies.items():
        answer = await house.call("POST", f"/contacts/p1/{what}", "provider", {**body, "at": at})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "at"])


async def test_what_no_answer_could_repeat_is_refused_without_being_repeated(house: House) -> None:
    await house.permit("p1")
    await house.settle()
    for text in ('"\\ud800"', "NaN", "1e400"):
        body = f'{{"reply_id": "r1", "kind": "other", "at": "{AT}", "text": {text}}}'
        answer = await house.post("/contacts/p1/replies", "provider", body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "text"]
        assert "input" not in answer.json()["detail"][0]
