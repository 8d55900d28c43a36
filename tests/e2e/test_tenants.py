"""A token of one tenant finds nothing of another: at no door of a running system, and by each of two walls alone."""

import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from doorstep.app.access_docs import RouteAccess, doors
from doorstep.app.embedded import installed
from doorstep.app.openapi import unconnected
from doorstep.infra.access import EVERY_TENANT, Principal
from doorstep.infra.database import reading
from doorstep.kernel import http
from sqlalchemy import text

from tests.support.story import Story, played

OWN = frozenset({"acme"})
OTHER = frozenset({"other-bank"})
SERVICES = tuple(service.name for service in installed())
WALLED = {
    "escalation": ("streams", "events", "loan", "review", "lapsed_permit", "decision"),
    "reminder": ("streams", "events", "contact"),
    "visit-scheduler": ("streams", "events", "visit", "agent"),
    "audit": ("entry", "stream_seen"),
}
"""The tables that routes read, by service."""
NOBODYS = {"events": "stream in (select stream from streams where tenant = '-')", "decision": "false"}
"""What is of no tenant, rule packs and templates for example, by table."""
WHY = {"reason": "to see what is there"}
AT = "2026-01-20T03:00:00+00:00"
BODIES: Mapping[str, dict[str, Any]] = {
    "assignment": {"agency": "a", **WHY},
    "holds": {"hold_id": "h", "kind": "hardship"},
    "close": {"outcome": "upheld", **WHY},
    "disputes": {"dispute_id": "d", "about": "amount"},
    "attachments": {"attachment_id": "a", "media_type": "text/plain", "content": "YQ=="},
    "answers": {"answer_id": "a", "text": "no"},
    "consents": {"consent_id": "c", "kind": "hours"},
    "blocks": {"block_id": "b"},
    "overrides": {"override_id": "o", "way": "sms", **WHY},
    "shadow": {"on": False, **WHY},
    "ramp": {"first_contacts_a_day": 5, **WHY},
    "receipts": {"status": "delivered", "at": AT},
    "replies": {"reply_id": "r", "kind": "other", "at": AT},
    "start": {"at": AT, "agent_id": "agent-000", "collectors_present": ["agent-000"]},
    "report": {"at": AT, "agent_id": "agent-000", "outcome": "failed", "reason": "nobody-home"},
    "{agent_id}": {"tenant": "acme", "agency": "a", "certified_until": "2030-01-01", "languages": ["en"]},
    "erasures": {"tenant": "acme", "borrower_id": "nobody", **WHY},
    "legal-holds": {"hold_id": "h", **WHY},
}
"""What is sent, by the end of the path; WHY where nothing else is."""


@dataclass(frozen=True)
class Bank:
    """A system in which everything is of one tenant. `names`: what paths ask for; nobody else may read `secrets`."""

    story: Story
    names: Mapping[str, str]
    secrets: Sequence[str]

    async def knock(self, service: str, door: RouteAccess, tenants: frozenset[str]) -> httpx.Response:
        """An answer to an admin for `tenants`, who knows the name of everything."""
        doorstep = self.story.doorstep
        transport = httpx.ASGITransport(http.build([doorstep.running(service)], doorstep.access, drive=False))
        token = doorstep.secrets.issuer.token("mallory", "admin", datetime.now(UTC), tenants=tenants)
        path = re.sub(r"{(\w+)(:path)?}", lambda found: self.names.get(found[1], "1"), door.path)
        body = None if door.method == "GET" else BODIES.get(door.path.rsplit("/", 1)[-1], WHY)
        headers = {"authorization": f"Bearer {token}"}
        params = {"reason": WHY["reason"]} | ({"case_id": self.names["case_id"]} if path == "/contacts" else {})
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            return await client.request(door.method, path, json=body, params=params)

    async def count(self, service: str, table: str, tenants: frozenset[str] | None, so: str = "true") -> int:
        """The rows of which `so` holds that are there for `tenants`; None: for the service's own loops."""
        engine = self.story.doorstep.running(service).engine
        connecting = engine.connect() if tenants is None else reading(engine, tenants)
        async with connecting as connection:
            return int((await connection.execute(text(f"select count(*) from {table} where {so}"))).scalar_one())


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bank() -> AsyncIterator[Bank]:
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="doorstep-tenants-"))
    async with played(folder, borrowers=8, days=30, seed=647) as story:
        doorstep = story.doorstep
        async with doorstep.running("visit-scheduler").engine.connect() as connection:
            visit = (await connection.execute(text("select visit_id, case_id from visit limit 1"))).one()
        async with doorstep.running("escalation").engine.connect() as connection:
            decision = (await connection.execute(text("select decision_id from decision limit 1"))).scalar_one()
        async with doorstep.running("reminder").engine.connect() as connection:
            permit = (await connection.execute(text("select permit_id, case_id from contact limit 1"))).one()
        assert {story.town.tenant} == OWN
        names = {
            "tenant_id": story.town.tenant,
            "case_id": permit.case_id,
            "visit_id": visit.visit_id,
            "permit_id": permit.permit_id,
            "decision_id": decision,
            "agent_id": "agent-000",
        }
        cases = sorted(story.town._who)
        yield Bank(story, names, [*names.values(), *cases])
    shutil.rmtree(folder, ignore_errors=True)


def doors_of(service: str) -> Sequence[RouteAccess]:
    return [one for one in doors(unconnected(service)) if one.roles and one.path != "/openapi.json"]


DOORS = [(service, door) for service in SERVICES for door in doors_of(service)]
LISTS = [(service, door) for service, door in DOORS if door.method == "GET" and not door.of_all]


async def knock_everywhere(bank: Bank, tenants: frozenset[str], *skipped: str) -> None:
    """Nothing of the bank's is in any answer. A refusal repeats what was asked for, and nothing else."""
    for service, door in DOORS:
        if door.path in skipped:
            continue
        answer = await bank.knock(service, door, tenants)
        if answer.status_code in (403, 404):
            continue
        assert answer.status_code == 200, f"{door} {answer.status_code} {answer.text}"
        assert not [one for one in bank.secrets if one in answer.text], f"{door} {answer.text[:500]}"


async def test_a_token_of_another_tenant_finds_nothing_at_any_door(bank: Bank) -> None:
    await knock_everywhere(bank, OTHER)


@pytest.mark.parametrize("tenants", [EVERY_TENANT, OWN], ids=["all", "its own"])
async def test_what_is_hidden_from_others_is_there_for_its_own_tenant(bank: Bank, tenants: frozenset[str]) -> None:
    found = {}
    for service, door in LISTS:
        answer = await bank.knock(service, door, tenants)
        found[f"{service} {door.path}"] = any(one in answer.text for one in bank.secrets) or "%PDF" in answer.text[:9]
        assert answer.status_code == 200, f"{door} {answer.text}"
    empty = {"audit /gaps", "audit /violations", "audit /disputes", "audit /pages/disputes"}
    empty |= {"escalation /reviews", "escalation /permits/lapsed"}
    assert {name for name, there in found.items() if not there} <= empty


@pytest.mark.parametrize(("service", "table"), [(one, table) for one, tables in WALLED.items() for table in tables])
async def test_the_database_itself_keeps_to_the_tenants_that_are_named(bank: Bank, service: str, table: str) -> None:
    whole = await bank.count(service, table, None)
    of_nobody = await bank.count(service, table, None, NOBODYS.get(table, "tenant = '-'"))
    assert whole > of_nobody or table in ("review", "lapsed_permit")
    assert await bank.count(service, table, EVERY_TENANT) == whole
    assert await bank.count(service, table, OWN) == whole
    for others in (OTHER, frozenset[str]()):
        assert await bank.count(service, table, others) == of_nobody


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_measured_names_nobody(bank: Bank, service: str) -> None:
    answer = await bank.knock(service, RouteAccess("GET", "/metrics", frozenset(), of_all=False), OTHER)
    assert answer.status_code == 200
    assert not [one for one in bank.secrets if one in answer.text]


async def test_the_queries_alone_find_nothing_either(bank: Bank) -> None:
    """Without the wall in the database: its owner passes it, unless it is forced upon him."""
    await force(bank, "no force")
    try:
        await knock_everywhere(bank, OTHER)
    finally:
        await force(bank, "force")


async def test_the_database_alone_lets_nothing_be_read_either(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wall in the code: as if every query had forgotten whom it serves."""
    monkeypatch.setattr(Principal, "serves", lambda *_: True)
    monkeypatch.setattr(Principal, "only", None)
    # Registering an agent reads nothing.
    await knock_everywhere(bank, OTHER, "/agents/{agent_id}")


async def force(bank: Bank, how: str) -> None:
    for service, tables in WALLED.items():
        async with bank.story.doorstep.running(service).engine.begin() as connection:
            for table in tables:
                await connection.execute(text(f"alter table {table} {how} row level security"))
