"""The demo: a synthetic portfolio through the whole system, months in a minute."""

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from doorstep.bus.postgres import PostgresBus
from doorstep.clock import SimulatedClock
from doorstep.demo.personas import Conversation, NoConversation, Reaction, Receipt, Reply, reaction, visit_report
from doorstep.demo.portfolio import BANK_ZONE, Payment, Person, Portfolio
from doorstep.demo.world import ListeningGateway, World
from doorstep.embedded import Embedded, Secrets
from doorstep.envelope import Envelope, decode
from doorstep.events.intake import PaymentReceived, PaymentReceivedFact
from doorstep.events.registry import INTAKE
from doorstep.gateway import Message
from doorstep.simulation import Simulation

START = date(2026, 1, 5)
FILE_ARRIVES = clock_time(6)
"""The bank's end-of-day file comes at six the next morning."""

Progress = Callable[[int, int, Counter[str]], None]


class Town(World):
    """Borrowers as the portfolio's personas have them."""

    def __init__(
        self, portfolio: Portfolio, doorstep: Embedded, gateway: ListeningGateway, clock: SimulatedClock
    ) -> None:
        super().__init__(doorstep, gateway, clock, portfolio.tenant)
        self._portfolio = portfolio
        self._payments: list[Payment] = []
        self._contacts: Counter[str] = Counter()
        self._visits: Counter[str] = Counter()
        tokens = self.doorstep.tokens
        self._who = {tokens.case_id(self.tenant, person.borrower_id): person for person in portfolio.people}

    async def open(self) -> None:
        """Hire collectors, and put every day's file on the agenda."""
        certified = self._portfolio.start + timedelta(days=365)
        await self.register_agents(max(8, self._portfolio.borrowers // 20), ("安信调解", "和谐服务"), certified)
        for number in range(self._portfolio.days):
            day = self._portfolio.start + timedelta(days=number)
            arrives = datetime.combine(day + timedelta(days=1), FILE_ARRIVES, BANK_ZONE).astimezone(UTC)
            self.at(arrives, partial(self._file, day))

    async def _file(self, day: date) -> None:
        await self.snapshot(self._portfolio.snapshot_rows(day, self._payments), day)

    async def heard_contact(self, message: Message) -> None:
        """The borrower reads it, or does not."""
        person, now = self._who[message.case_id], self.clock.now()
        self._contacts[message.case_id] += 1
        reactions = reaction(
            self._portfolio,
            person,
            channel=message.channel,
            nth=self._contacts[message.case_id],
            at=now,
            owed=self._owed(person),
        )
        for number, one in enumerate(reactions):
            self.told(one.at, partial(self._react, person, message.idempotency_key, number, one))

    async def visited(self, visit: dict[str, Any], at: datetime) -> None:
        """The door opens, or does not."""
        case_id = visit["case_id"]
        person = self._who[case_id]
        self._visits[case_id] += 1
        found = visit_report(self._portfolio, person, nth=self._visits[case_id], at=at, owed=self._owed(person))
        match found:
            case NoConversation(reason=reason, notes=notes):
                await self.report(visit, at, outcome="failed", reason=reason, notes=notes)
            case Conversation():
                promised = found.promise_due and {
                    "promise_due": found.promise_due.isoformat(),
                    "promise_amount": _amount(found.promise_amount),
                }
                await self.report(
                    visit,
                    at,
                    outcome="completed",
                    attitude=found.attitude,
                    willingness=found.willingness,
                    cause=found.cause,
                    notes=found.notes,
                    **(promised or {}),
                )
                for number, payment in enumerate(found.payments):
                    self.told(payment.at, partial(self._pay, person, f"{visit['visit_id']}/{number}", payment))

    async def _react(self, person: Person, permit_id: str, number: int, one: Reaction) -> None:
        match one:
            case Receipt(at=at, status=status):
                body: dict[str, Any] = {"status": status, "at": at.isoformat()}
                await self.call("POST", f"/reminder/contacts/{permit_id}/receipts", "provider", json=body)
            case Reply():
                body = {
                    "reply_id": f"{permit_id}-{number}",
                    "kind": one.kind,
                    "at": one.at.isoformat(),
                    "text": one.text,
                    "promise_due": one.promise_due and one.promise_due.isoformat(),
                    "promise_amount": _amount(one.promise_amount),
                }
                await self.call("POST", f"/reminder/contacts/{permit_id}/replies", "provider", json=body)
            case Payment():
                await self._pay(person, f"{permit_id}/{number}", one)

    async def _pay(self, person: Person, what: str, payment: Payment) -> None:
        self._payments.append(payment)
        data = PaymentReceived(
            loan_id=payment.loan_id,
            borrower_id=person.borrower_id,
            amount=f"{payment.amount:.2f}",
            currency=payment.currency,
            paid_on=payment.at.astimezone(BANK_ZONE).date(),
        )
        await self.publish(
            PaymentReceivedFact(
                id=self.fact_id("payment", what, payment.loan_id),
                source=f"/bank/{self.tenant}/core",
                time=payment.at,
                tenant=self.tenant,
                data=data,
            )
        )

    def _owed(self, person: Person) -> Any:
        today = self.clock.now().astimezone(BANK_ZONE).date()
        return self._portfolio.owed_by(person, today, self._payments)


def _amount(amount: Any) -> str | None:
    return None if amount is None else f"{amount:.2f}"


@dataclass
class Summary:
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
    "promise.broken": "promises_broken",
    "hold.placed": "holds",
    "loan.payment-recorded": "payments",
    "visit.permitted": "visits_permitted",
    "visit.noticed": "visits_noticed",
    "visit.completed": "visits_completed",
    "visit.failed": "visits_failed",
    "message-parked": "parked",
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


@asynccontextmanager
async def staged(folder: Path, *, borrowers: int, days: int, seed: int) -> AsyncIterator[Staged]:
    """Everything set up in `folder`, which is emptied first."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    portfolio = Portfolio(seed=seed, borrowers=borrowers, days=days, start=START)
    opens = datetime.combine(START, FILE_ARRIVES, BANK_ZONE)
    clock = SimulatedClock(opens)
    gateway = ListeningGateway(folder / "gateway")
    doorstep = Embedded(folder, Secrets.from_seed(seed).keep(folder), durable=False)
    await doorstep.start(clock=clock, gateway=gateway, sole=True)
    town = Town(portfolio, doorstep, gateway, clock)
    await town.open()
    simulation = Simulation([*doorstep.services, town], clock)
    try:
        yield Staged(doorstep, simulation, clock, town, opens + timedelta(days=days, hours=12))
    finally:
        await town.close()
        await doorstep.close()


async def published(doorstep: Embedded) -> AsyncIterator[tuple[str, bytes]]:
    """Every event of ours as published, in order."""
    assert isinstance(doorstep.bus, PostgresBus)
    async with doorstep.bus.engine.connect() as connection:
        rows = await connection.stream(
            text("select topic, value from bus_log where topic <> :intake order by position"), {"intake": INTAKE}
        )
        async for row in rows:
            yield row.topic, row.value


async def summarize(doorstep: Embedded, started: float, dump: Path | None) -> Summary:
    """Count what was published; with `dump`, write every event as it was, one a line."""
    summary = Summary()
    file = dump.open("wb") if dump else None
    async for _, value in published(doorstep):
        summary.add(decode(value))
        if file:
            file.write(value + b"\n")
    if file:
        file.close()
    summary.seconds = time.monotonic() - started
    return summary
