"""The monitor in the running audit: what is planted in the log is found, once, and nothing else is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from audit.monitor import views as monitored
from audit.monitor.domain import violations
from audit.monitor.workers import Monitor
from audit.store.react import absorb
from audit.store.settings import AuditSettings
from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.bus.postgres import PostgresBus
from doorstep.events.topics import AUDIT, ESCALATION
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Service
from prometheus_client import generate_latest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.conformance import RIGHT, WRONG, Dump

NewDatabase = Callable[..., Awaitable[AsyncEngine]]
LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)

# The audit without its pages and its log: what the monitor needs.
MONITORING = Service(
    name="audit",
    package="audit.store",
    topic=AUDIT,
    listens=(AUDIT,),
    settings=AuditSettings,
    deciders={violations.category: violations},
    absorb=absorb,
    workers=lambda runtime: [Monitor(runtime)],
)


@dataclass
class Audit:
    """A running audit that is turned by hand."""

    running: Running[AuditSettings]
    clock: SimulatedClock
    heard: int = field(default=0)

    async def hear(self, values: Sequence[bytes]) -> None:
        """`values` arrive now."""
        where = Partition(ESCALATION, 0)
        records = [Record(where, offset, "k", value) for offset, value in enumerate(values, self.heard)]
        self.heard += len(values)
        async with self.running.engine.begin() as connection:
            await absorb(connection, records, self.clock)

    async def settle(self, until: datetime | None = None) -> None:
        """Everything turns until nothing is left to do, a minute and more later."""
        self.clock.jump(max(until or self.clock.now(), self.clock.now()) + 2 * MINUTE)
        while await self.running.turn():
            continue

    async def found(self) -> Sequence[monitored.RecordedViolation]:
        """The violations on record, the oldest first."""
        async with self.running.engine.connect() as connection:
            return list(reversed(await monitored.violations(connection)))

    async def rules(self) -> Sequence[str]:
        """Which rules were broken."""
        return [one.rule for one in await self.found()]

    def metric(self, name: str) -> float:
        """As /metrics shows it."""
        lines = generate_latest(self.running.telemetry.registry).decode().splitlines()
        (line,) = [line for line in lines if line.startswith(f"doorstep_{name}{{")]
        return float(line.split()[1])


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


async def settings(new_database: NewDatabase, folder: Path, **more: object) -> AuditSettings:
    engines = [await new_database(database.KERNEL, MONITORING.migrations), await new_database(database.VAULT)]
    urls = [one.url.render_as_string(hide_password=False) for one in engines]
    values: dict[str, Any] = {
        "database_url": urls[0],
        "vault_url": urls[1],
        "vault_key": "k" * 32,
        "tenant_secret": "s" * 32,
        "jwt_public_key": "-----BEGIN PUBLIC KEY-----",
        "gateway_folder": folder,
    }
    return AuditSettings(**(values | more))


async def started(chosen: AuditSettings, bus: AsyncEngine, at: datetime, heard: int = 0) -> Audit:
    clock = SimulatedClock(at)
    audit = Audit(Running(MONITORING, chosen, bus=PostgresBus(bus), clock=clock), clock, heard)
    await audit.running.prepare()
    return audit


Start = Callable[..., Awaitable[Audit]]


@pytest.fixture
async def start(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a process of the audit, in place of the one before, on the same database."""
    bus = await new_database(database.BUS)
    running: list[Running[AuditSettings]] = []
    made: list[AuditSettings] = []

    async def make(at: str = "2026-03-02 06:00", *, heard: int = 0, **more: object) -> Audit:
        while running:
            await running.pop().close()
        made.extend([] if made else [await settings(new_database, tmp_path, **more)])
        audit = await started(made[0], bus, london(at), heard)
        running.append(audit.running)
        return audit

    yield make
    while running:
        await running.pop().close()


# -- what is planted is found


async def test_each_wrong_raises_one_event_and_what_is_right_none(start: Start) -> None:
    """All that the checker knows, at once, each in a case and with a tenant of its own."""
    audit = await start("2031-06-01 00:00")
    wrong: dict[str, str] = {}
    for number, (_, home, tell, rule) in enumerate(WRONG):
        dump = Dump(home, f"wrong-{number}", tenant=f"tenant-{number}").overdue()
        tell(dump)
        wrong[dump.case] = rule
        await audit.hear(dump.values())
    for number, (_, home, tell) in enumerate(RIGHT):
        dump = Dump(home, f"right-{number}", tenant=f"other-{number}").overdue()
        tell(dump)
        await audit.hear(dump.values())
    await audit.settle()

    found = await audit.found()
    assert {one.case_id for one in found} == {case for case, _ in wrong.items()}
    for case, rule in wrong.items():
        assert [one.rule for one in found if one.case_id == case].count(rule) == 1, (case, rule)
    assert len({(one.event_id, one.rule) for one in found}) == len(found)
    assert audit.metric("violations") == len(found)
    assert audit.metric("unjudged") <= len(found)


def night(case: str = "case-1") -> Dump:
    """Somebody got a message at 23:00."""
    return Dump("uk", case).overdue().contact("2026-03-02 23:00")


async def test_whoever_reads_again_from_the_start_adds_nothing(start: Start) -> None:
    audit = await start("2026-03-03 01:00")
    await audit.hear(night().values())
    await audit.settle()
    assert await audit.rules() == ["house hours"]

    again = await start("2026-03-03 02:00", heard=audit.heard)
    async with again.running.engine.begin() as connection:
        await connection.exec_driver_sql("update conformance set judged = 0")
    await again.settle()

    assert await again.rules() == ["house hours"]


async def test_a_restart_goes_on_from_where_it_was(start: Start) -> None:
    audit = await start("2026-03-03 01:00")
    await audit.hear(night("one").values())
    await audit.settle()

    later = await start("2026-03-03 05:00", heard=audit.heard)
    async with later.running.engine.connect() as connection:
        assert await monitored.judged(connection) == audit.heard
    await later.hear(night("two").values())
    await later.settle()

    assert [one.case_id for one in await later.found()] == ["one", "two"]


# -- what is under way


async def test_what_is_under_way_raises_no_false_alarm(start: Start) -> None:
    """The permit travels on another topic than what was done with it."""
    audit = await start("2026-03-02 10:00")
    dump = Dump("uk").overdue().contact("2026-03-02 10:00")
    permit = next(place for place, line in enumerate(dump.lines) if line["type"] == "doorstep.contact.permitted")
    values = dump.values()
    await audit.hear([value for place, value in enumerate(values) if place != permit])
    audit.clock.jump(london("2026-03-02 10:00") + timedelta(seconds=50))
    await audit.running.turn()
    await audit.hear([values[permit]])
    await audit.settle()

    assert await audit.found() == []
    assert audit.metric("unjudged") == 0


async def test_nothing_is_judged_while_more_waits_than_one_batch_takes(start: Start) -> None:
    audit = await start("2026-03-03 01:00", batch=1)
    await audit.running.turn()
    await audit.hear(night().values())
    audit.clock.jump(audit.clock.now() + 2 * MINUTE)
    others = Dump("uk", "other").overdue().values()[:2]
    await audit.running.bus.publish([Outgoing(AUDIT, "other", value) for value in others])
    (monitor,) = [one for one in audit.running.workers if isinstance(one, Monitor)]

    assert await monitor.turn() == 0
    await audit.settle()

    assert await audit.rules() == ["house hours"]


async def test_a_case_is_judged_again_when_something_older_arrives(start: Start) -> None:
    audit = await start("2026-03-02 10:00")
    dump = Dump("uk").overdue().contact("2026-03-02 10:00")
    await audit.hear(dump.values())
    await audit.settle()
    assert await audit.found() == []

    hold = Dump("uk", lines=[]).tell("2026-03-02 09:00", "hold.placed", hold_id="h", kind="dispute")
    hold.lines[0]["id"] = "late"
    await audit.hear(hold.values())
    await audit.settle()

    assert await audit.rules() == ["hold"]


async def test_a_switch_that_arrives_late_is_held_against_every_case_of_its_tenant(start: Start) -> None:
    audit = await start("2026-03-02 10:00")
    for case in ("one", "two"):
        await audit.hear(Dump("uk", case).overdue().contact("2026-03-02 10:00").values())
    await audit.hear(Dump("uk", "three", tenant="another").overdue().contact("2026-03-02 10:00").values())
    await audit.settle()

    await audit.hear(Dump("uk", "switch").tell("2026-03-02 09:00", "tenant.sending-stopped", way="sms").values())
    await audit.settle()

    assert sorted((one.case_id, one.rule) for one in await audit.found()) == [
        ("one", "kill switch"),
        ("two", "kill switch"),
    ]


# -- what counts across cases


async def test_a_number_that_cases_share_counts_for_all_of_them(start: Start) -> None:
    audit = await start("2026-03-02 13:00")
    one, two = Dump("cn", "one").overdue(), Dump("cn", "two").overdue()
    for hour in (9, 10, 11, 12):
        one.call(f"2026-03-02 {hour:02}:00")
        two.call(f"2026-03-02 {hour:02}:30")
    await audit.hear(one.values())
    await audit.settle(london("2026-03-02 14:00"))
    assert "guideline: 6 unanswered dials a day" not in await audit.rules()

    await audit.hear(two.values())
    await audit.settle()

    assert "guideline: 6 unanswered dials a day" in await audit.rules()


async def test_the_ramp_counts_the_first_contacts_of_all_cases(start: Start) -> None:
    audit = await start("2026-03-02 10:00")
    reins = Dump("uk", "reins").tell("2026-03-02 07:00", "tenant.ramp-set", first_contacts_a_day=2)
    await audit.hear(reins.values())
    for case in ("one", "two", "three"):
        await audit.hear(Dump("uk", case).overdue().contact("2026-03-02 10:00", first=True).values())
        await audit.settle()

    assert [(one.case_id, one.rule) for one in await audit.found()] == [("three", "ramp")]


# -- what is kept


async def test_what_is_kept_beyond_the_retention_is_found_though_nothing_happens(start: Start) -> None:
    audit = await start("2026-03-02 10:00", retention_days=365)
    await audit.hear(Dump("uk").overdue().end("2026-03-02 06:15").values())
    await audit.settle()
    await audit.settle(london("2027-03-03 06:00"))
    assert await audit.found() == []

    await audit.settle(london("2027-03-05 06:00"))
    await audit.settle(london("2027-03-07 06:00"))

    assert await audit.rules() == ["retention"]


async def test_an_event_of_no_known_shape_stops_nothing(start: Start) -> None:
    audit = await start("2026-03-03 01:00")
    odd = Dump("uk", "odd").tell("2026-03-02 10:00", "contact.started").tell("2026-03-02 10:00", "contact.permitted")
    for line in odd.lines:
        line["data"] = ["what", "is", "this"]
    await audit.hear([*odd.values(), *night().values()])
    await audit.settle()

    assert sorted(await audit.rules()) == ["house hours", "unreadable", "unreadable"]
    assert audit.metric("unjudged") <= 3


async def test_one_entry_that_is_no_text_is_said_to_be_unreadable_and_stops_nothing(start: Start) -> None:
    audit = await start("2026-03-03 01:00")
    started = Dump("uk", "odd").tell("2026-03-02 10:00", "contact.started", permit_id="p1", note="caf_").values()
    number = Dump("uk", "large").tell("2026-03-02 10:00", "contact.started", permit_id="p2", note="caf_").values()
    odd = [*(one.replace(b"caf_", b"caf\xe9") for one in started), *_with_a_number_of_digits(5000, number)]
    await audit.hear([*odd, *night().values()])
    await audit.settle()

    assert sorted(await audit.rules()) == ["house hours", "unreadable", "unreadable"]
    assert {one.why for one in await audit.found() if one.rule == "unreadable"} == {"UnicodeDecodeError", "ValueError"}
    assert audit.metric("unjudged") <= 3


def _with_a_number_of_digits(count: int, values: Sequence[bytes]) -> list[bytes]:
    return [one.replace(b'"caf_"', b"9" * count) for one in values]


async def test_a_hold_until_the_end_of_the_calendar_is_a_hold(start: Start) -> None:
    audit = await start("2026-03-02 10:00")
    held = Dump("uk").overdue()
    held.tell("2026-03-01 10:00", "hold.placed", hold_id="h1", kind="hardship", until="9999-12-31T23:59:59-05:00")
    await audit.hear(held.contact("2026-03-02 10:00").values())
    await audit.settle()

    assert await audit.rules() == ["hold"]
