"""A small portfolio played to its end on any bus, and what is then told of it, in comparable form."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from doorstep.app.embedded import Embedded, Secrets
from doorstep.app.simulation import Simulation
from doorstep.bus.interface import Outgoing
from doorstep.bus.kafka import KafkaBus
from doorstep.events.envelope import Envelope, decode
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel import http
from doorstep.kernel.runtime import Running
from doorstep.messaging.gateways import for_every_channel
from doorstep_demo.portfolio import BANK_ZONE, Portfolio
from doorstep_demo.run import FILE_ARRIVES, START, Town
from doorstep_demo.world import ListeningGateway
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

Told = tuple[str, str, str, str]
"""Type, subject, time and data of an event; see `told`."""


class CountingBus(KafkaBus):
    """Kafka, with a count of what was published; there is no other publisher. Asking the broker for the lag
    takes a second, because the question waits behind the consumer's long poll."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.published: Counter[str] = Counter()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """As KafkaBus."""
        await super().publish(messages)
        self.published.update(message.topic for message in messages)


class Attentive:
    """A service on Kafka, whose fetch may find nothing although something is there: it reads on until
    everything was read, and then takes its turn."""

    def __init__(self, running: Running, bus: CountingBus) -> None:
        self._running = running
        self._bus = bus
        self._read = 0

    async def turn(self) -> int:
        """Read everything that was published before, then one step of each loop."""
        before = self._read
        while await self.lag():
            self._read += await self._running.consumer.turn(timeout=1.0)
        return self._read - before + await self._running.turn()

    async def next_due(self) -> datetime:
        """As the service says."""
        return await self._running.next_due()

    async def lag(self) -> int:
        """What was published and not read."""
        return sum(self._bus.published[topic] for topic in self._running.service.listens) - self._read


@dataclass(frozen=True)
class Story:
    """A portfolio that was played to its end."""

    doorstep: Embedded
    town: Town
    portfolio: Portfolio
    simulation: Simulation

    async def values(self) -> Sequence[bytes]:
        """Every event, as the audit has it: the original bytes, in the order of their arrival."""
        return await entries(self.doorstep.running("audit").engine)

    async def timeline(self, case_id: str) -> dict[str, Any]:
        """The audit's timeline of a case, as its API shows it to a viewer."""
        api = http.build(self.doorstep.services, self.doorstep.access, drive=False)
        headers = {"authorization": f"Bearer {self.doorstep.token('reader', 'viewer')}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://doorstep") as client:
            answer = await client.get(f"/audit/cases/{case_id}/timeline", params={"lang": "en"}, headers=headers)
        shown: dict[str, Any] = answer.raise_for_status().json()
        return shown


@asynccontextmanager
async def played(
    folder: Path,
    *,
    borrowers: int,
    days: int,
    seed: int,
    bus: CountingBus | None = None,
    gateway_type: type[ListeningGateway] = ListeningGateway,
    town_type: type[Town] = Town,
) -> AsyncIterator[Story]:
    """The demo's town over `days` days on `bus`, or on the embedded one; everything lies in `folder`."""
    portfolio = Portfolio(seed=seed, borrowers=borrowers, days=days, start=START)
    opens = datetime.combine(START, FILE_ARRIVES, BANK_ZONE).astimezone(UTC)
    clock, gateway = SimulatedClock(opens), gateway_type(folder / "gateway")
    doorstep = Embedded(folder, Secrets.from_seed(seed))
    await doorstep.start(
        clock=clock,
        resources=dict.fromkeys(("reminder", "visit-scheduler"), for_every_channel(gateway)),
        bus=bus,
        sole=True,
    )
    town = town_type(portfolio, doorstep, gateway, clock)
    try:
        await town.open()
        services = [one if bus is None else Attentive(one, bus) for one in doorstep.services]
        simulation = Simulation([*services, town], clock)
        await simulation.advance(opens + timedelta(days=days, hours=12))
        yield Story(doorstep, town, portfolio, simulation)
    finally:
        await doorstep.close()
        if bus is not None:
            await bus.close()


async def entries(audit: AsyncEngine) -> Sequence[bytes]:
    """The original bytes in an audit database, in the order of their arrival."""
    async with audit.connect() as connection:
        return [bytes(row.value) for row in await connection.execute(text("select value from entry order by position"))]


async def stored(service: AsyncEngine) -> Sequence[bytes]:
    """The events in a service's own store."""
    async with service.connect() as connection:
        return [bytes(row.value) for row in await connection.execute(text("select value from events"))]


def told(value: bytes) -> Told:
    """What an event says, without what differs from run to run and means nothing:

    - ciphertext and key commitments, because keys and nonces are random; whose key it is stays;
    - trace ids, because they are random;
    - event ids and stream versions, causation and correlation: facts about two loans of one borrower travel
      on two partitions, so that the order in which they reach the case is Kafka's, not ours. What is decided
      may not depend on it, and that is compared."""
    envelope = decode(value)
    return (envelope.type, envelope.subject, envelope.time.isoformat(), _canonical(open_data(envelope)))


def by_case(values: Sequence[bytes]) -> Mapping[str, Sequence[Told]]:
    """The events of each case (or agent), sorted: a set, in which something said twice counts twice."""
    cases: dict[str, list[Told]] = defaultdict(list)
    for value in values:
        said = told(value)
        cases[said[1]].append(said)
    return {subject: sorted(events) for subject, events in cases.items()}


def open_data(envelope: Envelope) -> Any:
    """The event's data with a placeholder for each sealed field."""
    return _unsealed(msgspec.json.decode(envelope.data))


def lines(timeline: dict[str, Any]) -> Sequence[str]:
    """A timeline's lines without ids, positions and versions (see `told`), sorted within each instant:
    there the audit goes by stream and version."""
    return sorted(_line(line) for line in timeline["lines"])


def _line(line: dict[str, Any]) -> str:
    kept = {name: value for name, value in line.items() if name not in ("first", "last", "entry", "repeats", "ledger")}
    if line.get("ledger"):
        kept["ledger"] = _line(line["ledger"])
    return f"{line['recorded']} {_canonical(kept)}"


def _unsealed(value: Any) -> Any:
    match value:
        case {"key_id": key, "commitment": _, "box": _}:
            return f"«sealed for {key}»"
        case dict():
            return {name: _unsealed(one) for name, one in value.items()}
        case list():
            return [_unsealed(one) for one in value]
        case _:
            return value


def _canonical(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
