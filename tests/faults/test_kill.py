"""kill -9 of any service, at any step, changes nothing in the final timelines.

Covered: every failpoint of the consumer, the handler, the store, the relay, the timers and the effects, in
every service that passes it (STEPS), each by a SIGKILL of its own while there is work in hand. One run per
service: the process dies at the first step, is started again, dies at the next one, and so on, while the other
three live on; some sixty deaths. Then one run in which all four die all the time. Each run is compared with one
in which nobody dies: every event of every case to its last id, the timelines line by line, and the messages
that reached the borrowers. The whole takes two to three minutes.

Not covered here: PostgreSQL or Kafka dying, a process that hangs (SIGSTOP), a message that kills for ever
(it is parked: shared/tests/kernel)."""

import heapq
import itertools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from audit.store import views
from doorstep.app.embedded import installed
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import decode
from doorstep.infra import database, failpoints
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import Message
from sqlalchemy.ext.asyncio import AsyncEngine
from tlog.folder import Folder
from tlog.paths import KEY
from tlog.verifier import VerifierKey
from tlog.verify import verify

from tests.support.audit_log import entries_of
from tests.support.bank import OPENED, Account, Told, moment, told
from tests.support.cluster import Cluster, running
from tests.support.story import stored

DAYS = 16

# A death counts against the message that was tried alone, and one that killed three times is parked, as it should be:
# so no more than two such deaths follow each other.
STEPS = {
    "escalation": (
        *("consumer.after-poll", "handle.before-transaction", "handle.after-inbox"),
        *("relay.before-send", "timers.before-commit", "timers.after-commit"),
        *("store.after-events", "store.after-write", "relay.before-delete"),
        *("handle.before-commit", "handle.after-commit", "relay.after-delete", "consumer.before-offset"),
    ),
    "reminder": (
        *("consumer.after-poll", "handle.before-transaction", "handle.after-inbox", "relay.before-send"),
        *("store.after-events", "timers.before-commit", "timers.after-commit"),
        *("effects.before-begin", "effects.before-call", "effects.after-call"),
        *("effects.before-done", "effects.after-done", "relay.before-delete"),
        *("handle.before-commit", "handle.after-commit", "relay.after-delete"),
        *("store.after-write", "consumer.before-offset"),
    ),
    # Its effects twice: once for the plan, once for the notice.
    "visit-scheduler": (
        *("store.after-events", "store.after-write", "relay.before-send", "relay.before-delete", "relay.after-delete"),
        *("consumer.after-poll", "handle.before-transaction", "handle.after-inbox", "consumer.before-offset"),
        *("handle.before-commit", "handle.after-commit"),
        *("effects.before-begin", "effects.before-call", "effects.after-call"),
        *("effects.before-done", "effects.after-done"),
        *("timers.before-commit", "timers.after-commit"),
        *("effects.before-begin", "effects.before-call", "effects.after-call"),
        *("effects.before-done", "effects.after-done"),
    ),
    "audit": (
        *("consumer.after-poll", "handle.before-transaction", "handle.before-commit"),
        *("store.after-events", "store.after-write"),
        *("relay.before-send", "relay.before-delete", "relay.after-delete"),
        *("handle.after-commit", "consumer.before-offset"),
        *("log.before-tiles", "log.before-rename", "log.after-tiles"),
        *("log.before-commit", "log.after-commit", "log.after-publish"),
    ),
}


PROMISE = {"kind": "promise", "promise_due": "2026-01-08", "promise_amount": "3000.00", "text": "周四一定还"}
DISPUTE = {"kind": "dispute", "text": "我早就还过了"}
SILENT, PROMISING, DISPUTING = (
    Account(1, 51, 20_000),
    Account(2, 5, 3_000, (PROMISE,)),
    Account(3, 12, 4_000, (DISPUTE,)),
)


@dataclass
class Driver:
    """The world around the services: the bank, the provider, the borrowers, the collectors. What happens
    lies off the quarters of an hour at which cases are assessed, so that it is never a race."""

    cluster: Cluster
    _agenda: list[tuple[datetime, int, Callable[[], Awaitable[object]]]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)
    _heard: set[str] = field(default_factory=set)
    _contacts: dict[str, int] = field(default_factory=dict)

    async def run(self) -> Told:
        """To the end of the story."""
        await self._open()
        end = moment(DAYS, 23, 0)
        while True:
            look = await self.cluster.quiet()
            self._hear()
            now = self.cluster.clock.now()
            due = min([look.next_due, *(at for at, _, _ in self._agenda[:1])])
            if due > end:
                return await told(self.cluster)
            if due > now:
                self.cluster.clock.jump(due)
            while self._agenda and self._agenda[0][0] <= max(due, now):
                await heapq.heappop(self._agenda)[2]()

    async def _open(self) -> None:
        for number in range(4):
            body = {"tenant": "acme", "agency": "安信调解", "certified_until": "2027-01-01", "languages": ["zh-CN"]}
            await self.cluster.call("visit-scheduler", "PUT", f"/agents/agent-{number}", "operator", json=body)
        for account in (SILENT, PROMISING, DISPUTING):
            self._bank(0, account.overdue)
        self._bank(3, PROMISING.paid)
        self._bank(4, PROMISING.cured)
        # Silence of the bank for longer than a week would be a reason not to go on.
        self._bank(6, SILENT.overdue)
        self._bank(11, SILENT.overdue)
        self._at(moment(5, 15, 7), self._open_personal_data)

    def _bank(self, days: int, fact: Callable[[date, datetime], Outgoing]) -> None:
        at = moment(days, 6, 7)

        async def publish() -> None:
            await self.cluster.publish([fact(at.date(), at)])

        self._at(at, publish)

    def _at(self, at: datetime, action: Callable[[], Awaitable[object]]) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), action))

    def _hear(self) -> None:
        for message in FileGateway(self.cluster.gateway_folder).delivered():
            if message.idempotency_key in self._heard:
                continue
            self._heard.add(message.idempotency_key)
            visit_id, notice, _ = message.idempotency_key.partition("-notice")
            if notice:
                self._at(self.cluster.clock.now() + timedelta(minutes=1), partial(self._prepare, visit_id))
            else:
                self._react(message)

    def _react(self, message: Message) -> None:
        now, path = self.cluster.clock.now(), f"/contacts/{message.idempotency_key}"
        phone = message.to.value
        nth = self._contacts[phone] = self._contacts.get(phone, -1) + 1
        account = next(one for one in (SILENT, PROMISING, DISPUTING) if phone.endswith(str(one.number)))
        status = "no-answer" if message.channel == "voice" else "delivered"

        async def receipt() -> None:
            body = {"status": status, "at": self.cluster.clock.now().isoformat()}
            await self.cluster.call("reminder", "POST", f"{path}/receipts", "provider", json=body)

        async def reply() -> None:
            said = {"reply_id": f"reply-{account.number}-{nth}", "at": self.cluster.clock.now().isoformat()}
            body = {**account.replies[nth], **said}
            await self.cluster.call("reminder", "POST", f"{path}/replies", "provider", json=body)

        self._at(now + timedelta(seconds=40 + account.number), receipt)
        if nth < len(account.replies):
            self._at(now + timedelta(hours=1, minutes=account.number), reply)

    async def _prepare(self, visit_id: str) -> None:
        visit = await self.cluster.call("visit-scheduler", "GET", f"/visits/{visit_id}", "viewer")
        starts = datetime.fromisoformat(visit["starts"]) + timedelta(minutes=2)
        collectors = [one["agent_id"] for one in visit["collectors"]]

        async def ring() -> None:
            body = {"at": starts.isoformat(), "agent_id": collectors[0], "collectors_present": collectors}
            await self.cluster.call("visit-scheduler", "POST", f"/visits/{visit_id}/start", "agent", json=body)

        async def report() -> None:
            talked = {"outcome": "completed", "attitude": "neutral", "willingness": 40, "cause": "cash-flow"}
            at = (starts + timedelta(minutes=31)).isoformat()
            body = {**talked, "at": at, "agent_id": collectors[0], "notes": "小店周转不开"}
            await self.cluster.call("visit-scheduler", "POST", f"/visits/{visit_id}/report", "agent", json=body)

        self._at(starts, ring)
        self._at(starts + timedelta(minutes=31), report)

    async def _open_personal_data(self) -> None:
        cases = (await self.cluster.call("audit", "GET", "/cases", "viewer"))["cases"]
        case_id = min(case["case_id"] for case in cases)
        why = {"reason": "test of the record"}

        async def done() -> bool:
            values = await stored(self.cluster.databases["audit"])
            return any(decode(value).type == OPENED for value in values)

        path = f"/cases/{case_id}/timeline"
        await self.cluster.call("audit", "POST", path, "compliance", done=done, json=why)


@pytest.fixture
async def run(
    new_database: Any, tmp_path: Path, kafka_address: str, kafka_bus_prefix: str
) -> Callable[[str, Mapping[str, Sequence[str]]], Awaitable[tuple[Told, Cluster]]]:
    """Plays the story in fresh databases and topics, with the given deaths."""

    async def play(name: str, deaths: Mapping[str, Sequence[str]]) -> tuple[Told, Cluster]:
        folder = tmp_path / name
        folder.mkdir()
        databases = {one.name: await new_database(database.KERNEL, one.migrations) for one in installed()}
        vault: AsyncEngine = await new_database(database.VAULT)
        prefix = f"{kafka_bus_prefix}{name}."
        async with running(
            Cluster(folder, databases, vault, kafka_address, prefix, moment(0, 6, 0), deaths)
        ) as cluster:
            return await Driver(cluster).run(), cluster

    return play


_baseline: list[Told] = []


@pytest.mark.kafka
@pytest.mark.timeout(290)
@pytest.mark.parametrize("dying", [*((one,) for one in STEPS), tuple(STEPS)], ids=" ".join)
async def test_kill_9_at_each_step_changes_nothing_in_the_final_timelines(dying: tuple[str, ...], run: Any) -> None:
    if not _baseline:
        told, _ = await run("baseline", {})
        _assert_eventful(told)
        _baseline.append(told)
    expected = _baseline[0]
    told, cluster = await run("killed", {one: STEPS[one] for one in dying})
    for service in dying:
        died_at = [step for name, step in cluster.deaths if name == service]
        assert died_at == list(STEPS[service]), f"not reached: {cluster.left()}"
    assert told.messages == expected.messages
    assert told.events.keys() == expected.events.keys()
    for case_id, events in expected.events.items():
        assert told.events[case_id] == events
    assert told.timelines == expected.timelines
    await _assert_the_log_is_whole(cluster)


def test_every_failpoint_of_the_kernel_is_among_the_steps() -> None:
    sources = Path(failpoints.__file__).parents[1].rglob("*.py")
    marked = {step for source in sources for step in re.findall(r'failpoints\.hit\("([^"]+)"\)', source.read_text())}
    assert marked == {step for steps in STEPS.values() for step in steps if not step.startswith("log.")}


async def _assert_the_log_is_whole(cluster: Cluster) -> None:
    log = Folder(cluster.log_folder)
    size = verify(log, VerifierKey.parse((cluster.log_folder / KEY).read_text())).checkpoint.size
    async with cluster.databases["audit"].connect() as connection:
        rows = [row.entry for row in await views.logged(connection, 0, size)]
    assert rows == entries_of(log, size)
    assert size > 100


def _assert_eventful(told: Told) -> None:
    said = {event["type"].removeprefix("doorstep.") for events in told.events.values() for event in events}
    assert said >= {"visit.completed", "contact.denied", "promise.kept", "case.cured", "hold.placed"}
