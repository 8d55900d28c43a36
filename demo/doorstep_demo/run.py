"""The demo: a synthetic portfolio through the whole system, months in a minute."""

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from doorstep.app.embedded import Embedded, Secrets
from doorstep.app.simulation import Simulation
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import Envelope, decode
from doorstep.events.topics import INTAKE
from doorstep.infra.clock import SimulatedClock
from doorstep.messaging.gateways import for_every_channel
from sqlalchemy import text

from doorstep_demo.country import Country
from doorstep_demo.places import COUNTRIES, Jurisdiction
from doorstep_demo.portfolio import Portfolio
from doorstep_demo.town import FILE_ARRIVES, Town
from doorstep_demo.world import ROUND, Ears, ListeningGateway

__all__ = ["FILE_ARRIVES", "START", "Progress", "RunSummary", "Staged", "Town", "published", "staged", "summarize"]

START = date(2026, 1, 5)
DAY = 24 * 60 * 60.0

Progress = Callable[[int, int, Counter[str]], None]


@dataclass
class RunSummary:
    """What happened, counted from the events as published."""

    seconds: float = 0.0
    events: int = 0
    types: Counter[str] = field(default_factory=Counter)
    cases: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    figures: Counter[str] = field(default_factory=Counter)
    denied_by: Counter[str] = field(default_factory=Counter)

    def add(self, envelope: Envelope) -> None:
        """Count one event."""
        self.events += 1
        name = envelope.type.removeprefix("doorstep.")
        self.types[name] += 1
        self.cases[envelope.subject][name] += 1
        figure = _FIGURES.get(name)
        if figure:
            self.figures[figure] += 1
        if name == "case.opened" and msgspec.json.decode(envelope.data)["episode"] > 1:
            self.figures["opened"] -= 1
            self.figures["reopened"] += 1
        if name in ("contact.denied", "visit.denied"):
            verdicts = msgspec.json.decode(envelope.data)["decision"]["verdicts"]
            self.denied_by.update(verdict["rule"] for verdict in verdicts if not verdict["allowed"])

    def as_dict(self) -> dict[str, Any]:
        """For --json: the same keys every time."""
        figures = {figure: self.figures[figure] for figure in (*dict.fromkeys(_FIGURES.values()), "reopened")}
        open_at_end = figures["opened"] + figures["reopened"] - figures["cured"]
        return {
            **figures,
            "open_at_end": open_at_end,
            "denied_by": dict(sorted(self.denied_by.items())),
            "events": self.events,
            "seconds": round(self.seconds, 1),
        }

    def most_told(self) -> str:
        """The case in which the most different things happened."""
        return max(sorted(self.cases), key=lambda case_id: (len(self.cases[case_id]), -self.cases[case_id].total()))


_FIGURES = {
    "case.opened": "opened",
    "case.cured": "cured",
    "contact.permitted": "contacts_permitted",
    "contact.sent": "contacts_sent",
    "contact.denied": "contacts_denied",
    "contact.reply": "replies",
    "promise.recorded": "promises",
    "promise.kept": "promises_kept",
    "promise.partly-kept": "promises_partly_kept",
    "promise.broken": "promises_broken",
    "hold.placed": "holds",
    "loan.payment-recorded": "payments",
    "visit.permitted": "visits_permitted",
    "visit.noticed": "visits_noticed",
    "visit.completed": "visits_completed",
    "visit.failed": "visits_failed",
    "message-parked": "parked",
    "violation.found": "violations",
}


@dataclass
class Staged:
    """A demo ready to run, or that has run."""

    doorstep: Embedded
    simulation: Simulation
    clock: SimulatedClock
    town: Town
    end: datetime

    async def run(self, progress: Progress) -> None:
        """Day by day, to the end."""
        days = (self.end - self.clock.now()).days
        for day in range(days):
            await self.simulation.advance(self.clock.now() + timedelta(days=1))
            progress(day + 1, days, self.town.counts)
        await self.simulation.advance(self.end)
        for service in self.doorstep.services:
            await service.finish()
        await self.simulation.settle()


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    borrowers: int,
    days: int,
    seed: int,
    jurisdiction: Jurisdiction = "cn",
    eventful: bool = False,
    gateway: Ears | None = None,
    every: timedelta = ROUND,
    terse: bool = False,
) -> AsyncIterator[Staged]:
    """Everything set up in `folder`, which is emptied first. See Portfolio, World and Town for the rest."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    country = COUNTRIES[jurisdiction]
    portfolio = Portfolio(seed=seed, borrowers=borrowers, days=days, start=START, country=country, eventful=eventful)
    opens = datetime.combine(START, FILE_ARRIVES, country.zone)
    clock = SimulatedClock(opens)
    ears: Ears = gateway or ListeningGateway(folder / "gateway", durable=False)
    doorstep = Embedded(folder, Secrets.from_seed(seed).keep(folder), durable=False)
    policy = _policy(folder, portfolio.tenant, country)
    await doorstep.start(
        clock=clock,
        resources=dict.fromkeys(("reminder", "visit-scheduler"), for_every_channel(ears)),
        sole=True,
        log_every=DAY,
        log_scrub_every=DAY,
        monitor_every=DAY,
        **policy,
    )
    town = Town(portfolio, doorstep, ears, clock, every, terse=terse)
    await town.open()
    simulation = Simulation([*doorstep.services, town], clock)
    try:
        yield Staged(doorstep, simulation, clock, town, opens + timedelta(days=days, hours=12))
    finally:
        await doorstep.close()


def _policy(folder: Path, tenant: str, country: Country) -> dict[str, Any]:
    """The setting that makes `country` the tenant's home; China is without one."""
    if country.code == "CN":
        return {}
    policy = folder / "policy"
    policy.mkdir()
    (policy / "tenants.yaml").write_text(f"{tenant}: {{home: {country.code}}}\n")
    return {"policy_folder": policy}


async def published(doorstep: Embedded) -> AsyncIterator[tuple[str, bytes]]:
    """Every event of ours as published, in order."""
    assert isinstance(doorstep.bus, PostgresBus)
    async with doorstep.bus.engine.connect() as connection:
        rows = await connection.stream(
            text("select topic, value from bus_log where topic <> :intake order by position"), {"intake": INTAKE}
        )
        async for row in rows:
            yield row.topic, row.value


async def summarize(doorstep: Embedded, started: float, dump: Path | None) -> RunSummary:
    """Count what was published; with `dump`, write every event as it was, one a line."""
    summary = RunSummary()
    file = dump.open("wb") if dump else None
    async for _, value in published(doorstep):
        summary.add(decode(value))
        if file:
            file.write(value + b"\n")
    if file:
        file.close()
    summary.seconds = time.monotonic() - started
    return summary
