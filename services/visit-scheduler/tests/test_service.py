"""From a permit on the bus to a report at the door, over a real database, the whole kernel and the API."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from doorstep.app.simulation import Simulation
from doorstep.bus.interface import Outgoing
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import Actor, Envelope, encode
from doorstep.events.escalation.permits import PermitCancelled, VisitPermitted
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.events.topics import ESCALATION, VISITS
from doorstep.events.values import ContactMethod, Decision, Inputs, Money, PackRef, Span
from doorstep.infra import database
from doorstep.infra.access import Access, Issuer
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.http import build
from doorstep.kernel.runtime import Running
from doorstep.messaging.channels import e164
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import for_every_channel
from doorstep.messaging.settings import MessagingSettings
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from visit_scheduler.main import service

from tests.support.visits import BORROWER, LIN, MEI, NOW, plan_of, terms
from tests.support.visits import appointment as appointment_with

NewDatabase = Callable[..., Awaitable[AsyncEngine]]
ISSUER = Issuer.generate()
DUE = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
SLOT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
DECISION = Decision(
    decision_id="d-1",
    step="visit",
    packs=(PackRef("cn", "1", "h"),),
    inputs=Inputs(
        dpd=45,
        bucket="31-60",
        amount_overdue=Money(Decimal("12500.00"), "CNY"),
        business_date=NOW.date(),
        local_time=NOW,
        episode=1,
        contacts_today=0,
        unanswered=2,
        willingness=40,
    ),
    verdicts=(),
)


class Office:
    """The service, running, with what surrounds it."""

    def __init__(self, running: Running, bus: PostgresBus, clock: SimulatedClock, phones: FileGateway) -> None:
        self.running, self.bus, self.clock, self.phones = running, bus, clock, phones
        self.simulation = Simulation([running], clock)
        app = build([running], Access(ISSUER.public_key), drive=False)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def hear(self, case_id: str, event: Event, tenant: str = "demo") -> None:
        envelope = Envelope(
            id=str(uuid4()),
            source="/doorstep/escalation",
            type=event.event_type,
            subject=case_id,
            time=self.clock.now(),
            recordedat=self.clock.now(),
            tenant=tenant,
            stream=f"case/{case_id}",
            streamversion=1,
            partitionkey=case_id,
            correlationid="c-1",
            schemaversion=event.schema_version,
            data=msgspec.Raw(msgspec.json.encode(event)),
            actor=Actor(id="doorstep"),
        )
        await self.bus.publish([Outgoing(ESCALATION, case_id, encode(envelope))])

    async def permit(self, number: int = 1, **changes: Any) -> None:
        case_id = f"case-{number}"
        (personal,) = await self.running.vault.seal([(case_id, msgspec.json.encode(BORROWER))])
        allowed = msgspec.structs.asdict(terms(personal=personal, **changes))
        await self.hear(
            case_id,
            VisitPermitted(permit_id=f"permit-{number}", decision=DECISION, loan_ids=("L-1",), **allowed),
        )

    async def call(
        self, method: str, path: str, role: Any, body: Any = None, *, by: str = "A-017", **headers: str
    ) -> httpx.Response:
        token = ISSUER.token(by if role == "agent" else "someone", role, datetime.now(UTC))
        named = {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self._client.request(method, path, json=body, headers=named)

    async def register(self, agent_id: str, tenant: str = "demo", **changes: Any) -> httpx.Response:
        particulars = {
            "tenant": tenant,
            "agency": "Harbour Collections",
            "certified_until": "2027-06-30",
            "languages": ["zh-CN"],
            **changes,
        }
        return await self.call("PUT", f"/agents/{agent_id}", "operator", particulars)

    async def visit(self, number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"/visits/permit-{number}", "viewer")).json()
        return found

    async def visits(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", "/visits", "viewer")).json()
        return found

    async def start(self, at: datetime = SLOT, **headers: str) -> httpx.Response:
        present = ["A-017", "A-032"]
        body = {"at": at.isoformat(), "agent_id": "A-017", "collectors_present": present}
        return await self.call("POST", "/visits/permit-1/start", "agent", body, **headers)

    async def report(self, **changes: Any) -> httpx.Response:
        body = {
            "at": self.clock.now().isoformat(),
            "agent_id": "A-017",
            "outcome": "completed",
            "attitude": "cooperative",
            "willingness": 70,
            "cause": "cash-flow",
            **changes,
        }
        return await self.call("POST", "/visits/permit-1/report", "agent", body)

    async def said(self) -> Sequence[str]:
        async with self.running.engine.connect() as connection:
            rows = await connection.execute(
                text("select type from events where stream not like 'artifact/%' order by stream, version")
            )
            return list(rows.scalars())


def who(visit: dict[str, Any]) -> list[str]:
    return [one["agent_id"] for one in visit["collectors"]]


@pytest.fixture
async def office(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Office]:
    own, vault = await new_database(database.KERNEL, service.migrations), await new_database(database.VAULT)
    bus = PostgresBus(await new_database(database.BUS))
    settings = MessagingSettings(
        database_url=own.url.render_as_string(hide_password=False),
        vault_url=vault.url.render_as_string(hide_password=False),
        vault_key="v" * 32,
        tenant_secret="t" * 32,
        jwt_public_key=ISSUER.public_key,
    )
    clock, phones = SimulatedClock(NOW), FileGateway(tmp_path / "phones")
    running = Running(service, settings, bus=bus, clock=clock, resources=for_every_channel(phones))
    await running.prepare()
    office = Office(running, bus, clock, phones)
    await office.register("A-017")
    await office.register("A-032")
    yield office
    await running.close()


async def test_a_permit_becomes_a_noticed_visit_and_a_report(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(DUE - timedelta(seconds=1))
    waiting = await office.visit()
    assert (waiting["status"], waiting["starts"], waiting["collectors"]) == ("requested", None, [])

    await office.simulation.advance(DUE + timedelta(seconds=1))
    noticed = await office.visit()
    assert (noticed["status"], noticed["starts"]) == ("noticed", "2026-11-24T04:00:00Z")
    assert who(noticed) == ["A-017", "A-032"]
    (message,) = office.phones.delivered()
    assert message.to.value == e164(BORROWER.phone, "CN")
    assert "2026年11月24日（星期二）12:00-13:00" in message.text

    await office.simulation.advance(SLOT)
    assert (await office.start()).json()["status"] == "started"
    assert (await office.report(notes="孩子住院，下月发薪后还", promise_due="2026-12-10")).json()[
        "status"
    ] == "completed"
    assert await office.said() == [
        "doorstep.agent.registered",
        "doorstep.agent.registered",
        "doorstep.visit.requested",
        "doorstep.visit.planned",
        "doorstep.visit.notice-started",
        "doorstep.visit.noticed",
        "doorstep.visit.started",
        "doorstep.visit.completed",
    ]


async def test_what_collectors_write_is_published_under_seal_alone(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    await office.start()
    await office.report(notes="孩子住院")
    await office.simulation.settle()
    subscription = await office.bus.subscribe("reader", [VISITS])
    published = b"".join(record.value for record in await subscription.fetch(100, 0))
    assert b"doorstep.visit.completed" in published
    for secret in ("孩子住院", BORROWER.name, e164(BORROWER.phone, "CN")):
        assert secret.encode() not in published


async def test_what_is_written_of_an_erased_borrower_is_not_kept(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    await office.start()
    await office.running.vault.destroy("case-1")
    answer = await office.report(notes="孩子住院")
    assert (answer.status_code, "without its text" in answer.text) == (410, True)
    assert (await office.report()).json()["status"] == "completed"


async def test_a_report_that_comes_again_changes_nothing(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    await office.start()
    await office.report()
    before = await office.said()
    assert (await office.start()).status_code == 200
    assert (await office.report()).json()["status"] == "completed"
    assert await office.said() == before


async def test_a_start_refused_says_what_to_do(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT - timedelta(hours=2))
    early = await office.start(SLOT - timedelta(hours=2))
    assert early.status_code == 409
    assert "the borrower expects you" in early.json()["detail"]
    unstarted = await office.report()
    assert "start it at the door" in unstarted.json()["detail"]


async def test_nobody_knocks_while_a_message_about_the_case_is_parked(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    async with office.running.engine.begin() as connection:
        await connection.execute(text("insert into suspended (case_id, by, key) values ('case-1', 'audit', 'k')"))
    refused = await office.start()
    assert (refused.status_code, (await office.visit())["status"]) == (409, "noticed")
    assert "do not knock" in refused.json()["detail"]


async def stop(office: Office, way: ContactMethod | None, tenant: str = "demo") -> None:
    await office.hear(f"tenant-{tenant}", SendingStopped(way=way, reason="an incident"), tenant)
    await office.simulation.settle()


@pytest.mark.parametrize("way", ["visit", "sms", None])
async def test_while_visits_or_their_notices_are_stopped_the_borrower_hears_nothing(
    office: Office, way: ContactMethod | None
) -> None:
    await office.permit()
    await stop(office, way)
    await office.simulation.advance(DUE + timedelta(minutes=1))
    found = await office.visit()
    assert (found["status"], found["reason"]) == ("cancelled", "stopped")
    assert not office.phones.delivered()


async def test_a_stop_of_another_way_or_another_tenant_does_not_matter(office: Office) -> None:
    await stop(office, "letter")
    await stop(office, None, tenant="other")
    await office.permit()
    await office.simulation.advance(DUE + timedelta(minutes=1))
    assert (await office.visit())["status"] == "noticed"


async def test_a_visit_stopped_after_its_notice_is_refused_at_the_door_until_it_is_allowed_again(
    office: Office,
) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    await stop(office, "visit")
    refused = await office.start()
    assert (refused.status_code, (await office.visit())["status"]) == (409, "noticed")
    assert "the lender has stopped visits" in refused.json()["detail"]
    await office.hear("tenant-demo", SendingAllowed(way="visit", reason="it is over"))
    await office.simulation.settle()
    assert (await office.start()).json()["status"] == "started"


async def test_a_permit_for_one_agency_in_its_own_hours_tells_collectors_what_to_do(office: Office) -> None:
    allowed = (Span(SLOT + timedelta(hours=2), SLOT + timedelta(hours=3)),)
    await office.permit(
        allowed=allowed, agency="Harbour Collections", duties=("show-identity", "record-throughout", "take-no-money")
    )
    await office.simulation.advance(DUE + timedelta(minutes=1))
    found = await office.visit()
    assert (found["starts"], found["agency"]) == ("2026-11-24T06:00:00Z", "Harbour Collections")
    assert [duty["code"] for duty in found["duties"]] == ["show-identity", "record-throughout", "take-no-money"]
    assert found["duties"][2]["zh"].startswith("不得收取现金")
    assert "official channels" in found["duties"][2]["en"]
    assert (await office.visits())[0]["duties"] == found["duties"]


async def test_a_permit_for_an_agency_that_is_not_here_sends_nobody(office: Office) -> None:
    await office.permit(agency="Riverside")
    await office.simulation.advance(DUE + timedelta(minutes=1))
    found = await office.visit()
    assert found["remark"] == "fewer than 2 active agents of Riverside speak zh-CN and cover the region"


async def test_a_consent_taken_back_cancels_like_a_payment(office: Office) -> None:
    await office.permit()
    await office.simulation.settle()
    await office.hear("case-1", PermitCancelled(permit_id="permit-1", kind="visit", reason="consent"))
    await office.simulation.settle()
    assert (await office.visit())["reason"] == "consent"


async def test_a_cancellation_that_overtakes_its_permit_leaves_the_borrower_in_peace(office: Office) -> None:
    await office.hear("case-1", PermitCancelled(permit_id="permit-1", kind="visit", reason="payment"))
    await office.permit()
    await office.simulation.advance(SLOT)
    found = await office.visit()
    assert (found["status"], found["reason"]) == ("cancelled", "payment")
    assert not office.phones.delivered()


async def test_a_payment_cancels_and_frees_the_slot(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(DUE + timedelta(minutes=1))
    await office.hear("case-1", PermitCancelled(permit_id="permit-1", kind="visit", reason="payment"))
    await office.permit(2)
    await office.simulation.advance(DUE + timedelta(hours=1))
    first, second = await office.visit(1), await office.visit(2)
    assert (first["status"], first["reason"]) == ("cancelled", "payment")
    assert (second["status"], who(second)) == ("noticed", ["A-017", "A-032"])


async def test_a_payment_before_the_plan_leaves_the_borrower_in_peace(office: Office) -> None:
    await office.permit()
    await office.simulation.settle()
    await office.hear("case-1", PermitCancelled(permit_id="permit-1", kind="visit", reason="cure"))
    await office.simulation.advance(SLOT)
    assert (await office.visit())["status"] == "cancelled"
    assert not office.phones.delivered()


async def test_a_visit_nobody_started_is_given_back_a_day_after(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT + timedelta(hours=25, seconds=1))
    found = await office.visit()
    assert (found["status"], found["reason"]) == ("cancelled", "not-started")


async def test_without_agents_the_planner_tries_again_every_morning_until_the_permit_runs_out(office: Office) -> None:
    for agent_id in ("A-017", "A-032"):
        await office.register(agent_id, active=False)
    await office.permit()
    await office.simulation.advance(NOW + timedelta(days=11))
    said = await office.said()
    assert said.count("doorstep.visit.unplanned") == 8
    found = await office.visit()
    assert (found["status"], found["reason"]) == ("cancelled", "no-plan")
    assert found["remark"] == "fewer than 2 active agents speak zh-CN and cover the region"


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_order_of_arrival_does_not_change_the_plans(office: Office, seed: int) -> None:
    numbers = list(range(1, 16))
    random.Random(seed).shuffle(numbers)
    for number in numbers:
        await office.permit(number)
        await office.simulation.settle()
    await office.simulation.advance(DUE + timedelta(seconds=1))
    by_name = sorted(await office.visits(), key=lambda one: str(one["visit_id"]))
    slots = [one["starts"] for one in by_name]
    assert slots == sorted(slots)
    assert len(set(slots)) == 15
    assert {one["status"] for one in by_name} == {"noticed"}


async def test_a_double_booking_fails_its_transaction(office: Office) -> None:
    for number in (1, 2):
        await office.permit(number)
    await office.simulation.settle()
    command = plan_of(appointment_with(collectors=(LIN, MEI)))
    await office.running.execute(Routed(StreamId("visit", "permit-1", "case-1", "demo"), command))
    with pytest.raises(IntegrityError):
        await office.running.execute(Routed(StreamId("visit", "permit-2", "case-2", "demo"), command))
    assert (await office.visit(2))["status"] == "requested"


async def test_agents_of_another_tenant_do_not_come(office: Office) -> None:
    await office.register("A-032", active=False)
    await office.register("Z-001", tenant="other-bank")
    await office.permit()
    await office.simulation.advance(DUE + timedelta(seconds=1))
    assert (await office.visit())["status"] == "requested"
    assert (await office.register("A-017", tenant="other-bank")).status_code == 409


async def test_the_same_agent_again_is_no_news(office: Office) -> None:
    before = await office.said()
    assert (await office.register("A-017")).status_code == 200
    assert await office.said() == before
    listed = (await office.call("GET", "/agents", "viewer")).json()
    assert [one["agent_id"] for one in listed] == ["A-017", "A-032"]
    assert listed[0]["regions"] == []


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("PUT", "/agents/A-1", "viewer"),
        ("PUT", "/agents/A-1", "agent"),
        ("POST", "/visits/permit-1/start", "operator"),
        ("POST", "/visits/permit-1/report", "viewer"),
        ("GET", "/visits", "provider"),
        ("GET", "/agents", "agent"),
    ],
)
async def test_each_route_is_for_its_role_alone(office: Office, method: str, path: str, role: str) -> None:
    assert (await office.call(method, path, role)).status_code == 403


@pytest.mark.parametrize("what", ["start", "report"])
async def test_a_collector_speaks_for_nobody_else(office: Office, what: str) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    said = {"at": SLOT.isoformat(), "agent_id": "A-017"}
    more: dict[str, dict[str, Any]] = {
        "start": {"collectors_present": ["A-017", "A-032"]},
        "report": {"outcome": "failed", "reason": "nobody-home"},
    }
    answer = await office.call("POST", f"/visits/permit-1/{what}", "agent", said | more[what], by="A-032")
    assert (answer.status_code, "reports as itself" in answer.json()["detail"]) == (403, True)
    assert (await office.visit())["status"] == "noticed"
    assert (await office.call("POST", f"/visits/permit-1/{what}", "admin", said | more[what])).status_code in (200, 409)


async def test_what_makes_no_sense_is_refused_at_the_edge(office: Office) -> None:
    await office.permit()
    await office.simulation.advance(SLOT)
    assert (await office.report(willingness=101)).status_code == 422
    assert (await office.report(attitude=None)).status_code == 422
    assert (await office.report(promise_amount="1e3")).status_code == 422
    assert (await office.call("GET", "/visits/nothing", "viewer")).status_code == 404
    assert (await office.visits())[0]["case_id"] == "case-1"
    assert (await office.call("GET", "/visits?case_id=case-2", "viewer")).json() == []
