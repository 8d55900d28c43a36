"""Two processes of each service, a PostgreSQL, a Kafka and a provider of their own, and a bank with two tenants that
use the same ids. Everything can be hurt; whoever is found dead is started again."""

import asyncio
import multiprocessing
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
from doorstep.app.embedded import installed
from doorstep.bus.interface import Outgoing
from doorstep.events import intake
from doorstep.events.topics import INTAKE
from doorstep.events.values import Borrower
from doorstep.infra import database
from sqlalchemy import text

from doorstep_faults import provider
from doorstep_faults.gateway import MODE, URL
from doorstep_faults.mutations import MUTATION
from doorstep_faults.proxy import Proxy
from tests.support.bank import moment
from tests.support.cluster import HOOK, Cluster, second
from tests.support.kafka_broker import JavaBroker, java_broker
from tests.support.postgres_server import OwnPostgres, own_postgres

TENANTS = ("acme", "borea")
SERVICES = tuple(one.name for one in installed())
INSTANCES = (*SERVICES, *map(second, SERVICES))
spawning = multiprocessing.get_context("spawn")


@dataclass
class Provider:
    """The provider's process, behind a connection that can be cut."""

    ledger: Path
    mode: str
    process: BaseProcess
    proxy: Proxy
    port: int

    async def plan(self, **plans: Sequence[str]) -> None:
        """What it is to do at its next calls."""
        async with httpx.AsyncClient() as client:
            (await client.post(f"http://127.0.0.1:{self.port}/plans", json=plans)).raise_for_status()

    def lines(self) -> list[provider.Line]:
        """Its ledger."""
        return provider.read(self.ledger)


@dataclass
class Watch:
    """The size of the published checkpoint, looked at all the time, and where it went back."""

    folder: Path
    seen: int = 0
    looks: int = 0
    back: list[str] = field(default_factory=list)

    async def look(self) -> None:
        """Until it is cancelled."""
        while True:
            with suppress(OSError, ValueError, IndexError):
                size = int((self.folder / "checkpoint").read_text().splitlines()[1])
                if size < self.seen:
                    self.back.append(f"from {self.seen} to {size}")
                self.seen, self.looks = size, self.looks + 1
            await asyncio.sleep(0.02)


class Rig(Cluster):
    """As a cluster, twice, where any death may happen at any time."""

    patience = 240.0
    mutation = ""

    provider: Provider
    postgres: OwnPostgres
    broker: JavaBroker
    watch: Watch
    connection: Proxy
    """Through which the first process of each service reaches PostgreSQL; the second one has a way of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.armed: dict[str, str] = {}
        self.died: Counter[str] = Counter()
        self.stopped: set[str] = set()

    async def start(self) -> None:
        """Both processes of all four."""
        await super().start()
        for name in SERVICES:
            self.add(second(name))
        for name in SERVICES:
            await self.call(second(name), "GET", "/ready", None)

    def add(self, instance: str) -> None:
        """Unless it runs."""
        if instance not in self._processes:
            super().add(instance)

    async def revive(self) -> bool:
        """Start whoever is dead again; whether anybody was."""
        dead = [name for name in INSTANCES if self.exit_code(name) is not None]
        for name in dead:
            self.died[name] += 1
            with suppress(Exception):
                await asyncio.wait_for(self._evict(name.partition("+")[0]), 2)
            self._start(name)
        return bool(dead)

    def exit_code(self, instance: str) -> int | None:
        """None while it lives, and before it was ever started."""
        return self._processes[instance].exitcode if instance in self._processes else None

    def kill(self, instance: str) -> None:
        """kill -9; `revive` starts it again."""
        self._processes[instance].kill()
        self._processes[instance].join(5)

    def arm(self, instance: str, step: str) -> None:
        """It dies now, and its next process at `step`."""
        self.armed[instance] = step
        self.kill(instance)
        self._start(instance)

    def pause(self, instance: str) -> None:
        """SIGSTOP."""
        self.stopped.add(instance)
        psutil.Process(self.pid(instance)).suspend()

    def go_on(self, instance: str) -> None:
        """SIGCONT."""
        self.stopped.discard(instance)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid(instance)).resume()

    def heal(self) -> None:
        """Whatever stands still goes on."""
        for instance in list(self.stopped):
            self.go_on(instance)

    async def rows(self, service: str, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Of a service's database, as an operator would ask."""
        async with self.databases[service].connect() as connection:
            return [tuple(row) for row in (await connection.execute(text(sql), values)).all()]

    def _environment(self, instance: str) -> dict[str, str]:
        environment = super()._environment(instance)
        if instance in SERVICES:
            for name in ("DOORSTEP_DATABASE_URL", "DOORSTEP_VAULT_URL"):
                environment[name] = self._by_proxy(environment[name])
        channels = dict.fromkeys(("SMS", "VOICE", "EMAIL", "PUSH", "LETTER"), "ledger")
        step = self.armed.pop(instance, None)
        return {
            **environment,
            **{f"DOORSTEP_GATEWAY_{channel}": name for channel, name in channels.items()},
            URL: f"http://127.0.0.1:{self.provider.proxy.port}",
            MODE: self.provider.mode,
            # Few, so that a wave takes a while.
            "DOORSTEP_CALLS_AT_ONCE": "2",
            HOOK: "doorstep_faults.mutations:put_in",
            MUTATION: self.mutation,
            **({"DOORSTEP_FAILPOINT": f"{step}:1"} if step else {}),
        }

    def _by_proxy(self, url: str) -> str:
        engine = database.engine(url).url
        return engine.set(host="127.0.0.1", port=self.connection.port, query={}).render_as_string(hide_password=False)


@asynccontextmanager
async def rig(folder: Path, mode: str, mutation: str = "") -> AsyncIterator[Rig]:
    """Running, in `folder`; all of it ends with it."""
    with own_postgres() as postgres:
        broker = java_broker(folder / "kafka")
        broker.start()
        try:
            # Commits tell when they were: an outside witness for "before the call".
            postgres._embedded._server.psql("alter system set track_commit_timestamp = on")
            postgres.stop_immediately()
            postgres.start()
            databases = {one.name: await postgres.new_database(database.KERNEL, one.migrations) for one in installed()}
            vault = await postgres.new_database(database.VAULT)
            made = Rig(folder, databases, vault, broker.address, "", moment(0, 6, 0), {})
            made.postgres, made.broker, made.mutation = postgres, broker, mutation
            made.connection = Proxy(_socket_of(databases["audit"].url.query["host"]))
            await made.connection.start()
            made.provider = await _provider(folder / "ledger.ndjson", mode)
            made.watch = Watch(made.log_folder)
            looking = asyncio.create_task(made.watch.look())
            try:
                await made.start()
                yield made
            finally:
                looking.cancel()
                made.heal()
                await made.close()
                await made.connection.close()
                await made.provider.proxy.close()
                made.provider.process.kill()
                for engine in (*databases.values(), vault):
                    await engine.dispose()
        finally:
            broker.stop()


async def _provider(ledger: Path, mode: str) -> Provider:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = spawning.Process(target=provider.serve, args=(port, str(ledger), mode), daemon=True)
    process.start()
    proxy = Proxy(port)
    await proxy.start()
    made = Provider(ledger, mode, process, proxy, port)
    for _ in range(200):
        with suppress(httpx.TransportError):
            await made.plan()
            return made
        await asyncio.sleep(0.1)
    raise TimeoutError("the provider did not start within 20 s")


def _socket_of(host: str | tuple[str, ...]) -> Path:
    assert isinstance(host, str)
    return next(Path(host).glob(".s.PGSQL.*[0-9]"))


# -- the bank


@dataclass
class Bank:
    """What two tenants say of loans that have the same ids. Every fact is remembered, with its key."""

    rig: Rig
    told: dict[tuple[str, str], Outgoing] = field(default_factory=dict)
    """By tenant and fact id."""

    async def overdue(self, tenant: str, number: int, day: int) -> None:
        """A loan that goes on being overdue."""
        data = intake.LoanOverdue(
            loan_id=f"CL-{number}",
            borrower=Borrower(borrower_id=f"C-{number}", name="张伟", phone=f"138{TENANTS.index(tenant)}{number:07}"),
            product="consumer",
            currency="CNY",
            principal_outstanding="5000.00",
            amount_overdue="5000.00",
            overdue_since=moment(day, 0, 0).date() - timedelta(days=5 + number % 60),
            business_date=moment(day, 0, 0).date(),
            time_zone="Asia/Shanghai",
        )
        await self._tell(tenant, number, day, data, intake.LoanOverdueFact)

    async def paid(self, tenant: str, number: int, day: int) -> None:
        """All of it."""
        data = intake.PaymentReceived(
            loan_id=f"CL-{number}",
            borrower_id=f"C-{number}",
            amount="5000.00",
            currency="CNY",
            paid_on=moment(day, 0, 0).date(),
        )
        await self._tell(tenant, number, day, data, intake.PaymentReceivedFact)

    async def _tell(self, tenant: str, number: int, day: int, data: Any, kind: Any) -> None:
        at = moment(day, 6, 7)
        fact = kind(id=f"CL-{number}-{day}-{kind.__name__}", source="/bank", time=at, tenant=tenant, data=data)
        message = Outgoing(INTAKE, intake.loan_key(tenant, f"CL-{number}"), intake.encode_fact(fact))
        self.told[tenant, fact.id] = message
        await self.rig.publish([message])


async def settle(rig: Rig, until: datetime) -> None:
    """The day goes on, from one thing that is due to the next, up to `until`."""
    while (look := await rig.quiet()).next_due < until:
        rig.clock.jump(max(look.next_due, rig.clock.now() + timedelta(seconds=1)))
