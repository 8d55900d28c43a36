"""The world around Doorstep, simulated: the bank's nightly file, borrowers who answer, collectors who visit.

It reaches Doorstep only as the real world does: files through the importer, payments on intake.v1, receipts,
replies and visit reports through the HTTP API. An agenda holds what happens when; everything on it is drawn
from a seed, never from the order of things."""

import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from doorstep.app.embedded import Embedded
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import derived_id
from doorstep.events.intake import Fact, encode_fact, loan_key
from doorstep.events.topics import INTAKE
from doorstep.events.values import Language
from doorstep.infra.access import Role
from doorstep.infra.clock import SimulatedClock
from doorstep.intake.rows import parse
from doorstep.intake.snapshot import collect
from doorstep.kernel import http
from doorstep.kernel.runtime import NEVER
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import Gateway, Message, Receipt

from doorstep_demo import routes
from doorstep_demo.routes import Route

ROUND = timedelta(minutes=30)
Action = Callable[[], Awaitable[object]]
Asgi = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Ears(Gateway, Protocol):
    """A gateway with the borrowers' ears at it: what was `heard` since somebody last took it away."""

    heard: list[Message]


class ListeningGateway(FileGateway):
    """The file gateway, with ears."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        self.heard: list[Message] = []

    async def send(self, message: Message) -> Receipt:
        """As the file gateway."""
        receipt = await super().send(message)
        self.heard.append(message)
        return receipt


class MemoryGateway:
    """Keeps nothing but the keys, for runs of so many messages that files would take most of the time."""

    name = "memory"
    dedupes = True
    can_find = True

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._taken: set[str] = set()

    async def send(self, message: Message) -> Receipt:
        """Takes everything; what it had before is not heard again."""
        if message.idempotency_key not in self._taken:
            self._taken.add(message.idempotency_key)
            self.heard.append(message)
        return self._receipt(message.idempotency_key)

    async def find(self, idempotency_key: str) -> Receipt | None:
        """The receipt, if it had the message."""
        return self._receipt(idempotency_key) if idempotency_key in self._taken else None

    def _receipt(self, idempotency_key: str) -> Receipt:
        return Receipt(status="accepted", provider_message_id=f"memory-{idempotency_key}")


class World:
    """Subclass it with what a message, and a visit, leads to. Providers, and the bank's core, pass on what they have
    `every` so often."""

    def __init__(
        self, doorstep: Embedded, gateway: Ears, clock: SimulatedClock, tenant: str, every: timedelta = ROUND
    ) -> None:
        self.doorstep = doorstep
        self.clock = clock
        self.tenant = tenant
        self.counts: Counter[str] = Counter()
        self._gateway = gateway
        self._every = every
        self._agenda: list[tuple[datetime, int, Action]] = []
        self._order = itertools.count()
        self._app = http.build(doorstep.services, doorstep.access, drive=False)
        self._tokens: dict[tuple[str, Role], str] = {}

    def told(self, when: datetime, action: Action) -> None:
        """Put the news of what happens at `when` on the agenda."""
        since = (when - datetime.min.replace(tzinfo=UTC)) % self._every
        self.at(when + (self._every - since) % self._every, action)

    def at(self, when: datetime, action: Action) -> None:
        """Put `action` on the agenda; what lies in the past happens now."""
        heapq.heappush(self._agenda, (max(when, self.clock.now()), next(self._order), action))

    async def turn(self) -> int:
        """Hear what was sent, then do what is due."""
        done = 0
        heard, self._gateway.heard = self._gateway.heard, []
        for message in heard:
            await self._hear(message)
        while self._agenda and self._agenda[0][0] <= self.clock.now():
            await heapq.heappop(self._agenda)[2]()
            done += 1
        return done + len(heard)

    async def next_due(self) -> datetime:
        """The first thing on the agenda."""
        return self._agenda[0][0] if self._agenda else NEVER

    async def lag(self) -> int:
        """The world reads nothing."""
        return 0

    async def heard_contact(self, message: Message) -> None:
        """A message reached a borrower's phone."""

    async def visited(self, visit: dict[str, Any], at: datetime) -> None:
        """The collectors have rung the bell."""

    async def register_agents(
        self,
        count: int,
        agencies: Sequence[str],
        certified_until: date,
        *,
        languages: Sequence[Language] = ("zh-CN", "en"),
        regions: Sequence[str] = (),
    ) -> None:
        """`count` collectors, evenly over `agencies`. Those of the first go everywhere, the others to `regions` (none:
        everywhere too)."""
        for number in range(count):
            body = {
                "tenant": self.tenant,
                "agency": agencies[number % len(agencies)],
                "certified_until": certified_until.isoformat(),
                "languages": list(languages),
                **({"regions": list(regions)} if number % len(agencies) and regions else {}),
            }
            await self.call(routes.AGENT, body, agent_id=f"agent-{number:03d}")

    async def snapshot(self, rows: Sequence[dict[str, str]], day: date) -> None:
        """The bank's end-of-day file, as `doorstep import` takes it."""
        content = collect(parse(number, row) for number, row in enumerate(rows, 2))
        if content.errors:
            raise ValueError(f"the demo's own file is malformed: {content.errors[0]}")
        reports = await self.doorstep.desk.importer.take(content.snapshots, confirm=True)
        self.counts["facts_overdue"] += sum(report.overdue for report in reports)
        self.counts["facts_cured"] += sum(report.cured for report in reports)
        self.counts["snapshots"] += 1
        await self.doorstep.desk.publish()

    async def publish(self, fact: Fact) -> None:
        """A fact straight from the bank's core system."""
        key = loan_key(fact.tenant, fact.data.loan_id)
        await self.doorstep.bus.publish([Outgoing(INTAKE, key, encode_fact(fact))])

    async def call(self, route: Route, body: dict[str, Any] | None = None, **names: str) -> Any:
        """One API call, with what the path and the query name. A refusal (409) is an answer, other errors are ours."""
        # A collector speaks for himself.
        who = body["agent_id"] if body and route.role == "agent" else f"demo-{route.role}"
        status, answer = await _request(self._app, route, self._token(who, route.role), body, names)
        if status == 409:
            self.counts["refused"] += 1
            return None
        if status >= 400:
            raise RuntimeError(f"{route}: {status} {answer.decode(errors='replace')}")
        return msgspec.json.decode(answer) if answer else None

    def _token(self, who: str, role: Role) -> str:
        if (who, role) not in self._tokens:
            self._tokens[who, role] = self.doorstep.token(who, role)
        return self._tokens[who, role]

    async def _hear(self, message: Message) -> None:
        visit_id, notice, _ = message.idempotency_key.partition("-notice")
        if not notice:
            await self.heard_contact(message)
            return
        visit = await self.call(routes.VISIT, visit_id=visit_id)
        starts = datetime.fromisoformat(visit["starts"])

        async def ring() -> None:
            await self._ring(visit_id, starts)

        self.at(starts, ring)

    async def _ring(self, visit_id: str, at: datetime) -> None:
        visit = await self.call(routes.VISIT, visit_id=visit_id)
        collectors = [one["agent_id"] for one in visit["collectors"]]
        body = {"at": at.isoformat(), "agent_id": collectors[0], "collectors_present": collectors}
        if await self.call(routes.START_VISIT, body, visit_id=visit_id):
            await self.visited(visit, at)

    async def report(self, visit: dict[str, Any], at: datetime, **findings: Any) -> None:
        """What the collectors write down, half an hour later."""
        after = at + timedelta(minutes=30)
        body = {"at": after.isoformat(), "agent_id": visit["collectors"][0]["agent_id"], **findings}

        async def send() -> None:
            await self.call(routes.REPORT_VISIT, body, visit_id=visit["visit_id"])

        self.told(after, send)

    def fact_id(self, *parts: object) -> str:
        """A stable id for a fact of this world."""
        return derived_id("fact", self.tenant, *(str(part) for part in parts))


async def _request(
    api: Asgi, route: Route, token: str, json: dict[str, Any] | None, names: dict[str, str]
) -> tuple[int, bytes]:
    """The status and body of an answer. A client library would spend more time on a call than the API does, and a year
    has tens of thousands."""
    path, query = route.target(names)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": route.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")],
    }
    status, parts = 500, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"" if json is None else msgspec.json.encode(json)}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await api(scope, receive, send)
    return status, b"".join(parts)
