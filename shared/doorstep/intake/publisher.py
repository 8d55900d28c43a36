"""The intake publisher: the importer with its database, and the relay that publishes what it wrote.

Facts of a file stand in the outbox in one transaction with the ledger; one that died after it publishes
them the next time it opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.bus.interface import Bus
from doorstep.bus.kafka import KafkaBus
from doorstep.events import topics
from doorstep.infra import database
from doorstep.infra.clock import Clock
from doorstep.infra.settings import Settings
from doorstep.infra.telemetry import Telemetry
from doorstep.infra.vault import Tokens, Vault
from doorstep.intake.importer import MIGRATIONS, Importer
from doorstep.intake.snapshot import Fingerprints
from doorstep.kernel.relay import Relay


class IntakePublisher:
    """`engine` is on the importer's own database."""

    def __init__(self, engine: AsyncEngine, bus: Bus, vault: Vault, secret: bytes, clock: Clock) -> None:
        self._engine = engine
        self.importer = Importer(engine, vault, Fingerprints(secret), clock)
        self._relay = Relay(engine, bus, Telemetry("intake"), batch=1_000, uncover=vault.uncover)

    @classmethod
    @asynccontextmanager
    async def from_settings(cls, settings: Settings, clock: Clock) -> AsyncIterator["IntakePublisher"]:
        """One that publishes on Kafka. Raises ConnectionError and PostgreSQL's errors."""
        secret = settings.tenant_secret.get_secret_value().encode()
        engine, keys = database.engine(settings.database_url), database.engine(settings.vault_url)
        vault = Vault(keys, settings.vault_key.get_secret_value().encode(), Tokens(secret), clock)
        bus = KafkaBus.from_settings(settings)
        publisher = cls(engine, bus, vault, secret, clock)
        try:
            await database.migrate(keys, database.VAULT)
            await bus.ensure_topics((topics.INTAKE,))
            await publisher.open()
            yield publisher
        finally:
            await publisher.close()
            await bus.close()
            await engine.dispose()
            await keys.dispose()

    async def open(self) -> None:
        """Migrate. Raises PostgreSQL's errors."""
        await database.migrate(self._engine, database.KERNEL, MIGRATIONS)

    async def publish(self) -> int:
        """Publish everything in the outbox; how many facts. Raises ConnectionError; then call it again."""
        published = 0
        while count := await self._relay.turn():
            published += count
        return published

    async def close(self) -> None:
        """Let go of the relay's lock."""
        await self._relay.close()
