"""What only the embedded bus promises: a bank's facts stand in its table under seal, under keys that soon are gone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doorstep.bus.interface import Outgoing
from doorstep.bus.postgres import PostgresBus
from doorstep.events.topics import INTAKE, LOANS
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import Tokens, Vault
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

FACT = '{"name": "张三"}'.encode()
DAY = timedelta(days=1)


@dataclass
class Machine:
    """An embedded bus, the keys beside it, and a clock."""

    bus: PostgresBus
    keys: AsyncEngine
    clock: SimulatedClock

    async def publish(self, *values: bytes, topic: str = INTAKE) -> None:
        await self.bus.publish([Outgoing(topic, "acme:L1", value) for value in values])

    async def read(self, *, commit: bool = True) -> list[bytes]:
        """As a process that has just been started."""
        subscription = await self.bus.subscribe("readers", [INTAKE, LOANS])
        found = []
        while records := await subscription.fetch(100, 0.0):
            found += [record.value for record in records]
            if commit:
                await subscription.commit(records)
        return found

    async def table(self) -> bytes:
        async with self.bus.engine.connect() as connection:
            return b"".join((await connection.execute(text("select value from bus_log"))).scalars())

    async def living_keys(self) -> list[Any]:
        async with self.keys.connect() as connection:
            sql = text("select key_id from vault_key where wrapped is not null order by key_id")
            return list((await connection.execute(sql)).scalars())

    def later(self, by: timedelta) -> None:
        self.clock.jump(self.clock.now() + by)


@pytest.fixture
async def machine(new_database: Callable[..., Awaitable[AsyncEngine]]) -> Machine:
    clock = SimulatedClock(datetime(2026, 1, 5, 12, tzinfo=UTC))
    keys = await new_database(database.VAULT)
    vault = Vault(keys, b"k" * 32, Tokens(b"secret"), clock)
    return Machine(PostgresBus(await new_database(database.BUS), vault=vault), keys, clock)


async def test_a_fact_is_read_as_it_was_and_stands_nowhere_in_clear(machine: Machine) -> None:
    await machine.publish(FACT, b"no JSON")
    assert "张三".encode() not in await machine.table()
    assert await machine.read() == [FACT, b"no JSON"]
    assert await machine.table() == b""


async def test_our_own_events_stand_as_they_are(machine: Machine) -> None:
    await machine.publish(b"{}", topic=LOANS)
    assert await machine.table() == b"{}"
    assert await machine.read() == [b"{}"]


async def test_a_fact_waits_for_its_reader_however_long(machine: Machine) -> None:
    await machine.publish(FACT)
    for _ in range(10):
        machine.later(DAY)
        assert await machine.read(commit=False) == [FACT]


async def test_a_days_key_is_destroyed_once_everything_was_read_and_the_next_day_is_over(
    machine: Machine,
) -> None:
    await machine.publish(FACT)
    await machine.read()
    machine.later(DAY)
    await machine.read()
    assert await machine.living_keys() == ["transit-2026-01-05"]
    machine.later(DAY)
    await machine.read()
    assert await machine.living_keys() == []


async def test_what_an_earlier_release_left_in_clear_is_still_read(machine: Machine) -> None:
    await PostgresBus(machine.bus.engine).publish([Outgoing(INTAKE, "acme:L1", FACT)])
    await machine.publish(b"later")
    assert await machine.read() == [FACT, b"later"]
