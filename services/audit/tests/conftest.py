"""A running audit over a real PostgreSQL, driven by hand; one for all tests, each with a case of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from audit.main import service
from audit.store.settings import AuditSettings
from doorstep.bus.postgres import PostgresBus
from doorstep.infra import database
from doorstep.infra.access import Issuer, private_key
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.audit import START, Browser

ISSUER = Issuer.generate()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def superuser(running: Running, postgres: database.EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """The audit's database as its administrator sees it."""
    engine = database.engine(postgres.url("audit_test", owner="postgres"))
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(
    tmp_path_factory: pytest.TempPathFactory, postgres: database.EmbeddedPostgres
) -> AsyncIterator[Running]:
    """The audit, prepared; nothing turns by itself."""
    await postgres.create("audit_test", "audit_test_vault", "audit_test_bus")
    bus_engine = database.engine(postgres.url("audit_test_bus"))
    await database.migrate(bus_engine, database.BUS)
    settings = AuditSettings(
        database_url=postgres.url("audit_test"),
        vault_url=postgres.url("audit_test_vault"),
        vault_key="k" * 32,
        tenant_secret="s" * 32,
        jwt_public_key=ISSUER.public_key,
        gateway_folder=tmp_path_factory.mktemp("gateway"),
        log_key=private_key(),
        log_folder=tmp_path_factory.mktemp("audit") / "log",
        log_create=True,
        durable=False,
    )
    audit = Running(service, settings, bus=PostgresBus(bus_engine), clock=SimulatedClock(START))
    await audit.prepare()
    yield audit
    await audit.close()
    await bus_engine.dispose()


@pytest.fixture
def browser(running: Running) -> Browser:
    """See Browser."""
    return Browser(running, ISSUER)
