"""Everything in one process: embedded PostgreSQL, embedded bus, all services, keys of its own making."""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncEngine
from tlog.files import write_new

from doorstep.bus.interface import Bus
from doorstep.bus.postgres import PostgresBus
from doorstep.infra import database
from doorstep.infra.access import ISSUER, Access, Issuer, Role, private_key
from doorstep.infra.clock import Clock, SystemClock
from doorstep.infra.telemetry import log, where
from doorstep.infra.vault import Tokens, Vault
from doorstep.intake.publisher import IntakePublisher
from doorstep.kernel.decider import Unknown
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import R, Service, T

LOOK_EVERY = 2.0
"""Seconds between two looks at whether PostgreSQL lives."""


def installed() -> list[Service]:
    """Every service that registered itself, in the order a case meets them."""
    order = {"escalation": 0, "reminder": 1, "visit-scheduler": 2, "audit": 3}
    found: list[Service] = [entry.load() for entry in entry_points(group="doorstep.services")]
    return sorted(found, key=lambda service: (order.get(service.name, len(order)), service.name))


def installed_as(name: str, settings: type[T]) -> Service[T]:
    """The service registered as `name`, which reads `settings`. Raises Unknown."""
    if name not in (names := [one.name for one in installed()]):
        raise Unknown(f"no service {name}; there are {', '.join(names)}")
    (entry,) = entry_points(group="doorstep.services", name=name)
    service: Service[T] = entry.load()
    assert issubclass(service.settings, settings)
    return service


@dataclass(frozen=True)
class Secrets:
    """What production takes from its secret store, made here."""

    vault_key: str
    tenant_secret: str
    issuer: Issuer
    log_key: str
    epoch: str | None = None

    @classmethod
    def kept_in(cls, folder: Path) -> Self:
        """The secrets of an earlier start in `folder`, or fresh ones, kept there."""
        path = folder / "secrets.json"
        if not path.exists():
            fresh = cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), Issuer.generate(), private_key())
            return fresh.keep(folder)
        held = json.loads(path.read_text())
        issuer = Issuer(held["private_key"])
        return cls(held["vault_key"], held["tenant_secret"], issuer, held["log_key"], held["epoch"])

    def keep(self, folder: Path) -> Self:
        """Write them to `folder`, readable by their owner alone. Raises FileExistsError."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {
            "vault_key": self.vault_key,
            "tenant_secret": self.tenant_secret,
            "private_key": self.issuer.private_key,
            "log_key": self.log_key,
            "epoch": self.epoch,
        }
        write_new(folder / "secrets.json", json.dumps(held).encode())
        return self

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """For synthetic borrowers only: the same seed gives the same case ids and event ids."""
        digest = hashlib.sha256(f"doorstep demo {seed}".encode()).hexdigest()
        return cls(secrets.token_urlsafe(32), digest, Issuer.generate(), private_key(), epoch=digest[:16])


class Embedded:
    """All services over one embedded PostgreSQL in `folder`."""

    def __init__(self, folder: Path, secrets_: Secrets, *, durable: bool = True) -> None:
        self.folder = folder
        self.secrets = secrets_
        self.access = Access(secrets_.issuer.public_key, ISSUER)
        self._durable = durable
        self._postgres = database.EmbeddedPostgres(folder / "postgres", durable=durable)
        self._engines: list[AsyncEngine] = []
        self.services: list[Running] = []
        self._desk: IntakePublisher | None = None

    async def open(self, *, clock: Clock, bus: Bus | None = None, sole: bool = False) -> None:
        """Make the databases, the bus and the intake publisher. `bus` replaces the embedded one. `sole`: no other
        process will publish."""
        services = [_database(service.name) for service in installed()]
        await self._postgres.create("doorstep_vault", "doorstep_bus", "doorstep_intake", *services)
        keys = self._engine("doorstep_vault")
        await database.migrate(keys, database.VAULT)
        secret = self.secrets.tenant_secret.encode()
        self.tokens = Tokens(secret)
        vault = Vault(keys, self.secrets.vault_key.encode(), self.tokens, clock)
        if bus is None:
            engine = self._engine("doorstep_bus")
            await database.migrate(engine, database.BUS)
            bus = PostgresBus(engine, vault=vault, sole=sole)
        self.bus = bus
        self._desk = IntakePublisher(self._engine("doorstep_intake"), bus, vault, secret, clock)
        await self._desk.open()

    async def start(
        self,
        *,
        clock: Clock,
        bus: Bus | None = None,
        resources: Mapping[str, object] | None = None,
        sole: bool = False,
        **more: Any,
    ) -> None:
        """Open, and prepare every installed service. `resources`, by service, stand in for those it would make of its
        settings; `more` overrides settings."""
        await self.open(clock=clock, bus=bus, sole=sole)
        for service in installed():
            await self.add(service, clock=clock, resources=(resources or {}).get(service.name), **more)

    async def add(
        self, service: Service[T, R], *, clock: Clock, resources: R | None = None, **more: Any
    ) -> Running[T, R]:
        """Prepare one service, once open."""
        if not isinstance(clock, SystemClock):
            # Whoever moves the clock waits for every call, and each provider is in this process.
            more.setdefault("call_margin", 0.1)
        settings = self.settings(service, **more)
        running = Running(service, settings, resources=resources, bus=self.bus, clock=clock, epoch=self.secrets.epoch)
        await running.prepare()
        self.services.append(running)
        return running

    def settings(self, service: Service[T, R], **more: Any) -> T:
        """As `doorstep serve` would read them from its environment. A folder `policy` in ours is the policy, unless
        DOORSTEP_POLICY_FOLDER or `more` names another."""
        if policy := policy_folder(self.folder):
            more.setdefault("policy_folder", policy)
        return service.settings(
            database_url=self._postgres.url(_database(service.name)),
            vault_url=self._postgres.url("doorstep_vault"),
            vault_key=self.secrets.vault_key,
            tenant_secret=self.secrets.tenant_secret,
            jwt_public_key=self.secrets.issuer.public_key,
            gateway_folder=self.folder / "gateway",
            log_key=self.secrets.log_key,
            log_folder=self.folder / "log",
            log_create=True,
            durable=self._durable,
            **more,
        )

    def running(self, name: str) -> Running:
        """The service called `name`. Raises Unknown."""
        for one in self.services:
            if one.service.name == name:
                return one
        raise Unknown(f"no service {name}; there are {', '.join(one.service.name for one in self.services)}")

    @property
    def desk(self) -> IntakePublisher:
        """The intake publisher, once open."""
        assert self._desk is not None, "open first"
        return self._desk

    def engine(self, service: str) -> AsyncEngine:
        """An engine on the database of `service`, without starting anything else."""
        return self._engine(_database(service))

    def token(self, who: str, role: Role) -> str:
        """A token for this machine's API, good for twelve hours."""
        return self.secrets.issuer.token(who, role, datetime.now(UTC))

    async def keep_postgres(self) -> None:
        """Start PostgreSQL again whenever it has died, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if await asyncio.to_thread(self._postgres.revive):
                    log.warning("PostgreSQL had died; it was started again", folder=str(self.folder))
            except Exception as error:
                log.error("PostgreSQL has died and does not start; trying again", why=where(error))

    async def close(self, *, stop_postgres: bool = True) -> None:
        """Stop the services; PostgreSQL too, unless another process uses it."""
        if self._desk is not None:
            await self._desk.close()
        for running in self.services:
            await running.close()
        for engine in self._engines:
            await engine.dispose()
        if stop_postgres:
            await self._postgres.stop()

    def _engine(self, name: str) -> AsyncEngine:
        engine = database.engine(self._postgres.url(name))
        self._engines.append(engine)
        return engine


def policy_folder(folder: Path) -> Path | None:
    """Where the policy of the embedded system in `folder` is read from; None: it is the one built in."""
    if told := os.environ.get("DOORSTEP_POLICY_FOLDER"):
        return Path(told)
    own = folder / "policy"
    return own if own.is_dir() else None


def _database(service: str) -> str:
    return f"doorstep_{service.replace('-', '_')}"
