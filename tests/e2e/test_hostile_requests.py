"""Whatever a request holds, it is answered: every route that changes something, every field of it, value by value.

The routes and their fields are those of docs/openapi. They are asked of a system that has lived for 24 days, with a
case, a contact and a visit that are really there, so that what passes the door meets what decides."""

import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from doorstep.app.embedded import Embedded, Secrets
from doorstep.app.simulation import Simulation
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.http import build
from sqlalchemy import text
from visit_scheduler.domain.commands import Request

from tests.support.visits import BORROWER, terms
from tests.upgrade.test_an_older_database import KEPT, restore

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVICES = ("audit", "escalation", "reminder", "visit-scheduler")
OPENAPI = Path(__file__).parents[2] / "docs" / "openapi"
Schema = Mapping[str, Any]

EDGES = (
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "9999-12-31", "0001-01-01"),
    *("2026-02-30", "24:00", "12:00+08:00", "1970-01-01T00:00:00Z", "2199-12-31T23:59:59Z", "-1", "NaN", "1e400"),
    *("", " ", "\0", "a\0b", "\r\n", "\u202e", "\U0010ffff", "x" * 10_000, "../../etc/passwd", "{name}", "%s", "'; --"),
)
HOSTILE: tuple[str, ...] = (
    *(json.dumps(one) for one in EDGES),
    *('"\\ud800"', '"\\udfff\\ud800"', "NaN", "-Infinity", "1e400", "-1e400", "1e-400", "9" * 400, "-1", "0", "1.5"),
    *(
        "null",
        "true",
        "[]",
        "{}",
        "[null]",
        '[""]',
        '["\\ud800"]',
        "[[[[]]]]",
        '{"a":{"b":{}}}',
        str(2**63),
        str(2**53),
    ),
)
"""As JSON: some of it no encoder would write."""
BODIES = ("", "{", "null", "[]", '"x"', "NaN", '{"a":' * 2000 + "1" + "}" * 2000, '{"\\ud800":1}', "\xff", "9" * 5000)
"""In place of a whole body."""


@dataclass(frozen=True)
class System:
    """Every service in one process, and the names of what is there."""

    client: httpx.AsyncClient
    simulation: Simulation
    clock: SimulatedClock
    names: Mapping[str, str]

    async def ask(self, method: str, path: str, body: str | None = None) -> httpx.Response:
        """As somebody who may do everything."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        content = None if body is None else body.encode(errors="surrogatepass")
        return await self.client.request(method, path, content=content, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="doorstep-hostile-"))
    folder.chmod(0o755)
    with tarfile.open(KEPT) as kept:
        kept.extractall(folder, filter="data")
    await restore(folder)
    clock = SimulatedClock(datetime.fromisoformat((folder / "at").read_text().strip()))
    doorstep = Embedded(folder, Secrets.kept_in(folder), durable=False)
    await doorstep.start(clock=clock, sole=True, log_every=0)
    app = build(doorstep.services, doorstep.access, drive=False)
    token = doorstep.secrets.issuer.token("olga", "admin", datetime.now(UTC))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        simulation = Simulation(doorstep.services, clock)
        names = await there(doorstep, clock.now())
        await simulation.settle()
        yield System(client, simulation, clock, names)
    await doorstep.close()
    shutil.rmtree(folder, ignore_errors=True)


async def there(doorstep: Embedded, now: datetime) -> Mapping[str, str]:
    """A contact, and a visit to the same borrower: their names."""
    services = {one.service.name: one for one in doorstep.services}
    async with services["reminder"].engine.connect() as connection:
        contact = (await connection.execute(text("select permit_id, case_id, tenant from contact limit 1"))).one()
    visits = services["visit-scheduler"]
    (personal,) = await visits.vault.seal([(contact.case_id, msgspec.json.encode(BORROWER))])
    wanted = Request("visit-1", terms(personal=personal, valid_until=now + timedelta(days=10)))
    await visits.execute(Routed(StreamId("visit", "visit-1", contact.case_id, contact.tenant), wanted))
    names = {"permit_id": contact.permit_id, "case_id": contact.case_id, "visit_id": "visit-1", "parked_id": "1"}
    return {**names, "tenant_id": contact.tenant, "tenant": contact.tenant, "agent_id": "a-1"}


@dataclass(frozen=True)
class Operation:
    """A route that changes something."""

    service: str
    method: str
    path: str
    schema: Schema | None
    known: Mapping[str, Schema]

    def target(self, names: Mapping[str, str]) -> str:
        """Its path, with `names` in it, or the name of the part itself."""
        path = re.sub(r"{(\w+)}", lambda part: names.get(part[1], part[1]), self.path)
        return f"/{self.service}{path}"

    def resolved(self, schema: Schema) -> Schema:
        """Where a schema names another one, that."""
        while reference := schema.get("$ref"):
            schema = self.known[reference.rpartition("/")[2]]
        return schema

    def body(self, names: Mapping[str, str]) -> dict[str, Any]:
        """One that fits, with every field there is."""
        fields = self.resolved(self.schema or {}).get("properties", {})
        return {name: names.get(name) or self.example(name, field) for name, field in fields.items()}

    def example(self, name: str, schema: Schema) -> Any:
        """A value that fits."""
        schema = self.resolved(schema)
        if options := schema.get("anyOf"):
            return self.example(name, options[0])
        if schema.get("enum"):
            return schema["enum"][0]
        match schema.get("type"), schema.get("format"):
            case "string", "date-time":
                return "2026-01-20T10:00:00+08:00"
            case "string", "date":
                return "2026-12-31"
            case "string", "time":
                return "10:00:00"
            case "integer", _:
                return max(1, schema.get("minimum", 1))
            case "boolean", _:
                return True
            case "array", _:
                return []
        return next((one for one in ("100.00", "CN-GD") if re.search(schema.get("pattern", "^$"), one)), f"{name}-1")


def operations(service: str) -> Iterator[Operation]:
    """Those of the checked-in OpenAPI."""
    told = json.loads((OPENAPI / f"{service}.json").read_text(encoding="utf-8"))
    for path, methods in told["paths"].items():
        for method in methods.keys() & {"post", "put", "delete", "patch"}:
            content = methods[method].get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            yield Operation(service, method.upper(), path, schema, told["components"]["schemas"])


def bodies(operation: Operation, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is sent, and what is odd about it."""
    fitting = operation.body(names)
    yield "nothing", json.dumps(fitting)
    for body in BODIES:
        yield f"the body {body[:20]!r}", body
    for field in fitting:
        rest = {name: value for name, value in fitting.items() if name != field}
        for value in HOSTILE:
            # Last, for JSON of no encoder: what is hostile stands as it is.
            yield f"{field} {value[:40]}", json.dumps(rest)[:-1] + f'{", " if rest else ""}"{field}": {value}}}'


@pytest.mark.parametrize("service", SERVICES)
async def test_no_request_whatever_is_answered_by_a_fault_of_ours(service: str, system: System) -> None:
    faults, asked = [], 0
    for operation in operations(service):
        for odd, body in bodies(operation, system.names) if operation.schema else [("nothing", "")]:
            asked += 1
            answer = await system.ask(operation.method, operation.target(system.names), body or None)
            if answer.status_code >= 500:
                faults.append(f"{operation.method} {operation.path}, {odd}: {answer.status_code} {answer.text[:100]}")
    assert faults == []
    assert asked > 100


@pytest.mark.parametrize("service", SERVICES)
async def test_no_name_in_a_path_is_answered_by_a_fault_of_ours(service: str, system: System) -> None:
    odd = ("%00", "%ff", "%F0%9F%92%A9", "x" * 3000, "-1", "9" * 30, "%0d%0a", "..%2f..", "%ed%a0%80")
    faults = []
    for operation in operations(service):
        for name in re.findall(r"{(\w+)}", operation.path):
            for value in odd:
                body = json.dumps(operation.body(system.names)) if operation.schema else None
                answer = await system.ask(operation.method, operation.target({**system.names, name: value}), body)
                if answer.status_code >= 500:
                    faults.append(f"{operation.method} {operation.path}, {name} {value[:20]}: {answer.status_code}")
    assert faults == []


async def test_what_was_let_in_breaks_no_page_and_no_evidence(system: System) -> None:
    """After all of the above: it is in the log now, and was judged."""
    await system.simulation.settle()
    await system.simulation.advance(system.clock.now() + timedelta(minutes=5))
    case = system.names["case_id"]
    for path in (
        *(f"/audit/cases/{case}/timeline?lang={language}" for language in ("zh-CN", "en")),
        *(f"/audit{path}" for path in ("/", "/cases", "/disputes", "/pages/disputes", "/violations", "/gaps")),
        *(f"/audit/pages/cases/{case}", f"/audit/cases/{case}/timeline.pdf", "/audit/undecodable"),
        *(f"/escalation/cases/{system.names['tenant']}/{case}", "/escalation/reviews", "/visit-scheduler/visits"),
        *("/visit-scheduler/agents", f"/reminder/contacts?case_id={case}"),
    ):
        answer = await system.ask("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.text[:200]}"
    evidence = await system.ask("POST", f"/audit/cases/{case}/evidence", '{"reason": "court 8 C 17/26"}')
    assert evidence.status_code == 200, evidence.text
