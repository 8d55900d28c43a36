"""Escalation, running on real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from doorstep.app.embedded import Secrets
from doorstep.bus.postgres import PostgresBus
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running
from escalation.main import EscalationSettings, service

from tests.support.escalation import at


@pytest.fixture
async def running(new_database: Any, tmp_path: Path) -> AsyncIterator[Running]:
    """At ten in the morning of the second day, its loops at rest."""
    engine = await new_database(database.KERNEL, service.migrations)
    vault = await new_database(database.VAULT)
    keys = Secrets.from_seed(1)
    settings = EscalationSettings(
        database_url=engine.url.render_as_string(hide_password=False),
        vault_url=vault.url.render_as_string(hide_password=False),
        vault_key=keys.vault_key,
        tenant_secret=keys.tenant_secret,
        jwt_public_key=keys.issuer.public_key,
    )
    bus = PostgresBus(await new_database(database.BUS))
    clock = SimulatedClock(at(2))
    made = Running(service, settings, bus=bus, clock=clock, epoch="test")
    await made.prepare()
    yield made
    await made.close()
