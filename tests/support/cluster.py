"""Four services as four processes on a real Kafka, driven and watched from outside.

They are forked from a server that has imported `doorstep` once: a process that dies sixty times must not
import for three seconds each time. What runs in each is `doorstep serve NAME`, set up by its environment."""

import asyncio
import ctypes
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from doorstep.app.embedded import Secrets, installed
from doorstep.bus.interface import Outgoing
from doorstep.bus.kafka import KafkaBus
from doorstep.events.topics import TOPICS
from doorstep.infra.access import Role, private_key
from doorstep.infra.clock import FileClock
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

PARTITIONS = 4
PATIENCE = 60.0
"""Seconds until something that should have happened counts as never happening."""
LOOK_EVERY = 0.1
SECOND = "+2"
HOOK = "DOORSTEP_TESTS_HOOK"
"""module:function, called in each process before it serves."""
NEVER = datetime.max.replace(tzinfo=UTC)

forking = multiprocessing.get_context("forkserver")
forking.set_forkserver_preload(
    ["doorstep.app.cli", "escalation.main", "reminder.main", "visit_scheduler.main", "audit.main"]
)


def second(service: str) -> str:
    """The second process of a service, beside the one that goes by the service's name."""
    return service + SECOND


@dataclass(frozen=True)
class Look:
    """What can be seen of the whole system at about one moment. `waiting`: outbox rows, due timers, due
    effects and unread messages; `happened` grows with each event and each published message."""

    waiting: int
    happened: int
    next_due: datetime


class Cluster:
    """`databases` by service name, migrated; `failpoints` by service: where it dies, one after the other."""

    patience = PATIENCE

    def __init__(
        self,
        folder: Path,
        databases: Mapping[str, AsyncEngine],
        vault: AsyncEngine,
        kafka: str,
        prefix: str,
        start: datetime,
        failpoints: Mapping[str, Sequence[str]],
    ) -> None:
        self.clock = FileClock(folder / "clock")
        self.clock.jump(start)
        self.gateway_folder = folder / "gateway"
        self.log_folder = folder / "log"
        self.secrets = Secrets("k" * 32, "t" * 32, Secrets.from_seed(1).issuer, private_key())
        self.deaths: list[tuple[str, str]] = []
        self.databases = databases
        self._folder = folder
        self._vault = vault
        self._kafka, self._prefix = kafka, prefix
        self._failpoints = {name: list(failpoints.get(name, ())) for name in databases}
        twice = [*databases, *map(second, databases)]
        self._ports = dict(zip(twice, _free_ports(len(twice)), strict=True))
        self._processes: dict[str, BaseProcess] = {}
        self._bus = KafkaBus(kafka, prefix=prefix, partitions=PARTITIONS)
        self._client = httpx.AsyncClient(timeout=10)

    async def start(self) -> None:
        """All four at once. Returns when they are ready."""
        await self._bus.ensure_topics(tuple(TOPICS))
        self._ends = AIOKafkaConsumer(bootstrap_servers=self._kafka)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka)
        await self._ends.start()
        await self._admin.start()
        for name in self.databases:
            self._start(name)
        for name in self.databases:
            await self.call(name, "GET", "/ready", None)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Facts of the bank, which sends them again while Kafka is away."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return await self._bus.publish(messages)
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_EVERY)

    def add(self, instance: str) -> None:
        """Start a service, or with `second` a further process of it."""
        self._start(instance)

    def kill(self, instance: str) -> None:
        """kill -9, and nobody starts it again."""
        process = self._processes.pop(instance)
        process.kill()
        process.join(5)
        assert process.exitcode == -signal.SIGKILL

    def pid(self, instance: str) -> int:
        """Of the process."""
        pid = self._processes[instance].pid
        assert pid is not None
        return pid

    async def members(self, service: str) -> int:
        """How many processes share the service's partitions, as Kafka says."""
        (answer,) = await self._admin.describe_consumer_groups([self._prefix + service])
        return sum(1 for group in answer.groups for *_, assignment in group[5] if assignment)

    async def metric(self, instance: str, name: str) -> float:
        """A counter of one process."""
        service = instance.removesuffix(SECOND)
        answer = await self._client.get(f"http://127.0.0.1:{self._ports[instance]}/metrics")
        lines = (line.split() for line in answer.text.splitlines())
        return next(float(words[1]) for words in lines if words[0] == f'doorstep_{name}_total{{service="{service}"}}')

    async def rewind(self, service: str) -> int:
        """Let the group of a service that does not run begin at the beginning; how many messages it will read."""
        await self._evict(service)
        topics = [self._prefix + topic for one in installed() if one.name == service for topic in one.listens]
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        async with AIOKafkaConsumer(
            bootstrap_servers=self._kafka, group_id=self._prefix + service, enable_auto_commit=False
        ) as consumer:
            consumer.assign(partitions)
            starts = await consumer.beginning_offsets(partitions)
            await consumer.commit(starts)
            ends = await consumer.end_offsets(partitions)
        return sum(ends[one] - starts[one] for one in partitions)

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        role: Role | None,
        *,
        done: Callable[[], Awaitable[bool]] | None = None,
        **more: Any,
    ) -> Any:
        """One API call, repeated while the service is dead, dying or starting. A call that must not be repeated
        tells by `done` whether the service had done it before it died; then the answer is None."""
        # A collector speaks for himself.
        who = more["json"]["agent_id"] if role == "agent" else f"test-{role}"
        token = role and self.secrets.issuer.token(who, role, datetime.now(UTC))
        headers = {"authorization": f"Bearer {token}"} if token else {}
        deadline = time.monotonic() + self.patience
        while True:
            with suppress(httpx.TransportError):
                url = f"http://127.0.0.1:{self._ports[service]}{path}"
                answer = await self._client.request(method, url, headers=headers, **more)
                if answer.status_code != 503:
                    return answer.raise_for_status().json()
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{service} does not answer {method} {path}; its log ends:\n{self.log_of(service)}"
                )
            await self.revive()
            await asyncio.sleep(LOOK_EVERY)
            if done is not None and await done():
                return None

    async def quiet(self) -> Look:
        """Wait until nothing is left to do at this instant: two looks in a row see the same, and nothing
        waiting. Whoever is found dead is started again."""
        deadline, before = time.monotonic() + self.patience, None
        while True:
            if await self.revive():
                deadline = time.monotonic() + self.patience
            look = await self._seen()
            if look is not None and look == before and not look.waiting:
                return look
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}:\n{self.log_of(name)}" for name in self.databases)
                raise AssertionError(f"never quiet at {self.clock.now()}: {look}\n{logs}")
            before = look
            await asyncio.sleep(LOOK_EVERY)

    async def revive(self) -> bool:
        """Start whoever died at its failpoint again, with its next failpoint or, at last, without one; whether
        anybody was dead. Any other death is an error."""
        before = len(self.deaths)
        for name, process in list(self._processes.items()):
            if process.exitcode is None:
                continue
            left = self._failpoints.get(name)
            expected = left.pop(0) if left else None
            if process.exitcode != -signal.SIGKILL or expected is None:
                raise AssertionError(f"{name} ended with {process.exitcode}; its log ends:\n{self.log_of(name)}")
            self.deaths.append((name, expected))
            await self._evict(name)
            self._start(name)
        return len(self.deaths) > before

    def left(self) -> dict[str, list[str]]:
        """The failpoints that were not reached."""
        return {name: left for name, left in self._failpoints.items() if left}

    def faults(self, instance: str) -> int:
        """How often a loop of the process failed and tried again, by its log."""
        return (self._folder / f"{instance}.log").read_text(errors="replace").count("loop failed")

    def log_of(self, name: str) -> str:
        """The end of a service's log."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-3000:]

    async def close(self) -> None:
        """kill -9, which they are used to."""
        for process in self._processes.values():
            process.kill()
            process.join(5)
        await self._client.aclose()
        await self._ends.stop()
        await self._admin.close()
        await self._bus.close()

    def _start(self, instance: str) -> None:
        name, log = instance.removesuffix(SECOND), self._folder / f"{instance}.log"
        process = forking.Process(target=_serve, args=(name, self._environment(instance), str(log)), daemon=True)
        process.start()
        self._processes[instance] = process

    def _environment(self, instance: str) -> dict[str, str]:
        name = instance.removesuffix(SECOND)
        armed = self._failpoints[name][:1]
        return {
            "DOORSTEP_DATABASE_URL": _url(self.databases[name]),
            "DOORSTEP_VAULT_URL": _url(self._vault),
            "DOORSTEP_VAULT_KEY": self.secrets.vault_key,
            "DOORSTEP_TENANT_SECRET": self.secrets.tenant_secret,
            "DOORSTEP_JWT_PUBLIC_KEY": self.secrets.issuer.public_key,
            "DOORSTEP_KAFKA": self._kafka,
            "DOORSTEP_TOPIC_PREFIX": self._prefix,
            "DOORSTEP_TOPIC_PARTITIONS": str(PARTITIONS),
            "DOORSTEP_HTTP_PORT": str(self._ports[instance]),
            "DOORSTEP_GATEWAY_FOLDER": str(self.gateway_folder),
            "DOORSTEP_CLOCK_FILE": str(self._folder / "clock"),
            # The clock is a file, which wakes nobody.
            "DOORSTEP_LONGEST_REST": "0.25",
            "DOORSTEP_CALL_TIMEOUT": "2",
            "DOORSTEP_CALL_MARGIN": "1",
            "DOORSTEP_LOG_KEY": self.secrets.log_key,
            "DOORSTEP_LOG_FOLDER": str(self.log_folder),
            "DOORSTEP_LOG_CREATE": "true",
            "DOORSTEP_LOG_EVERY": "0",
            **({"DOORSTEP_FAILPOINT": f"{armed[0]}:1"} if armed else {}),
        }

    async def _seen(self) -> Look | None:
        """None while Kafka or PostgreSQL is away."""
        try:
            return await asyncio.wait_for(self._look(), 10)
        except (KafkaError, DBAPIError, OSError, TimeoutError, asyncpg.PostgresError):
            for engine in self.databases.values():
                await engine.dispose()
            return None

    async def _look(self) -> Look:
        now = self.clock.now()
        waiting, happened, due = 0, 0, [NEVER]
        for engine in self.databases.values():
            async with engine.connect() as connection:
                row = (await connection.execute(_SEEN, {"now": now})).one()
            waiting += row.waiting
            happened += row.happened
            due += [row.due] if row.due else []
        unread, published = await self._kafka_look()
        return Look(waiting + unread, happened + published, min(due))

    async def _kafka_look(self) -> tuple[int, int]:
        topics = [self._prefix + topic for topic in TOPICS]
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        ends = await self._ends.end_offsets(partitions)
        unread = 0
        for service in installed():
            listens = {self._prefix + topic for topic in service.listens}
            read = await self._admin.list_consumer_group_offsets(self._prefix + service.name)
            unread += sum(
                end - max(read[one].offset if one in read else 0, 0)
                for one, end in ends.items()
                if one.topic in listens
            )
        return unread, sum(ends.values())

    async def _evict(self, name: str) -> None:
        """Take the dead member out of its group, as an operator may: nobody has to wait ten seconds until
        its session is over."""
        group = self._prefix + name
        with suppress(KafkaError, TimeoutError):
            coordinator = await self._admin.find_coordinator(group)
            (answer,) = await self._admin.describe_consumer_groups([group])
            for described in answer.groups:
                for member in described[5]:
                    await self._admin._send_request(LeaveGroupRequest(group, member[0]), coordinator)


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Started; killed in the end."""
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.close()


def _serve(name: str, environment: dict[str, str], log: str) -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if hook := environment.get(HOOK):
        module, _, function = hook.partition(":")
        getattr(importlib.import_module(module), function)()
    from doorstep.app.cli import app

    app(["serve", name])


def _url(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


_SEEN = text(
    """select (select count(*) from outbox)
        + (select count(*) from streams where wake_at <= :now and not held)
        + (select count(*) from effects where done_at is null and due <= :now and not held) as waiting,
        (select count(*) from events) as happened,
        least((select min(wake_at) from streams where not held),
              (select min(due) from effects where done_at is null and not held)) as due"""
)
