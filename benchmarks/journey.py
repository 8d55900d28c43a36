"""The whole way over Kafka: an overdue fact of a new borrower on intake.v1, until its LoanOverdueRecorded can
be read in the audit's timeline of its case. Four services, each a process of its own as `doorstep serve`
starts it, one PostgreSQL, one broker; watched from outside."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from doorstep.app.embedded import Secrets, installed
from doorstep.bus.interface import Outgoing
from doorstep.bus.kafka import KafkaBus
from doorstep.infra.database import EmbeddedPostgres
from doorstep.infra.vault import Tokens

from benchmarks import facts

PATIENCE = 60.0
"""Seconds to wait for anything before the run is given up."""
ASSESSMENT = timedelta(minutes=15)
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Passage:
    """One case's way, in seconds of this machine's clock; `recorded` and `absorbed` as the services saw it."""

    sent: float
    recorded: float = 0.0
    absorbed: float = 0.0
    seen: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """A run: each case's way, and the CPU seconds that each process used meanwhile."""

    passages: Sequence[Passage]
    seconds: float
    cpu: dict[str, float]

    @property
    def rate(self) -> float:
        """Cases per second, from the first one sent to the last one seen."""
        return len(self.passages) / self.seconds

    def percentile(self, share: float, of: Callable[[Passage], float] = lambda p: p.seen - p.sent) -> float:
        """Milliseconds."""
        ordered = sorted(of(one) for one in self.passages)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


@dataclass
class System:
    """The running system, as its surroundings know it."""

    bus: KafkaBus
    audit: "asyncpg.Connection[Any]"
    tokens: Tokens
    services: Sequence[str]
    pids: dict[str, int]
    postmaster: int
    _facts: Any = field(default_factory=lambda: facts.overdue_facts("j"))
    _position: int = 0

    async def burst(self, cases: int) -> Outcome:
        """All facts at once; how long until the last one has arrived."""
        return await self._measure(cases, self._send_all, every=0.02)

    async def trickle(self, cases: int, rate: float) -> Outcome:
        """`rate` facts per second on average, each when it happens to come (a Poisson process)."""

        async def send(messages: Sequence[tuple[str, Outgoing]], waiting: dict[str, Passage]) -> None:
            pauses, at = random.Random(7), time.time()
            async with asyncio.TaskGroup() as sending:
                for case_id, message in messages:
                    at += pauses.expovariate(rate)
                    await asyncio.sleep(max(0.0, at - time.time()))
                    waiting[case_id] = Passage(time.time())
                    sending.create_task(self.bus.publish([message]))

        return await self._measure(cases, send, every=0.004)

    async def _send_all(self, messages: Sequence[tuple[str, Outgoing]], waiting: dict[str, Passage]) -> None:
        for at in range(0, len(messages), 500):
            some = messages[at : at + 500]
            waiting |= {case_id: Passage(time.time()) for case_id, _ in some}
            await self.bus.publish([message for _, message in some])

    async def _measure(self, cases: int, send: Any, every: float) -> Outcome:
        messages = [
            (self.tokens.case_id(facts.TENANT, borrower), message) for borrower, message in islice(self._facts, cases)
        ]
        waiting: dict[str, Passage] = {}
        before, start = self.cpu(), time.time()
        async with asyncio.TaskGroup() as both:
            both.create_task(send(messages, waiting))
            passages = await self._watch(waiting, cases, every)
        used = {name: after - before.get(name, 0.0) for name, after in self.cpu().items()}
        return Outcome(passages, max(one.seen for one in passages) - start, used)

    async def _watch(self, waiting: dict[str, Passage], cases: int, every: float) -> Sequence[Passage]:
        arrived: list[Passage] = []
        quiet_since = time.monotonic()
        while len(arrived) < cases:
            rows = await self.audit.fetch(_ARRIVED, self._position)
            now = time.time()
            for row in rows:
                passage = waiting.pop(row["case_id"])
                passage.recorded, passage.absorbed = row["recorded_at"].timestamp(), row["absorbed_at"].timestamp()
                passage.seen = now
                arrived.append(passage)
            if rows:
                self._position, quiet_since = rows[-1]["position"], time.monotonic()
            elif time.monotonic() - quiet_since > PATIENCE:
                raise TimeoutError(f"{len(arrived)} of {cases} cases arrived, then none for {PATIENCE:.0f} s")
            await asyncio.sleep(every)
        return arrived

    def cpu(self) -> dict[str, float]:
        """CPU seconds used so far, by process; all of PostgreSQL's as one."""
        used = {name: _cpu_seconds(pid) for name, pid in self.pids.items()}
        return used | {"postgres": sum(_cpu_seconds(pid) for pid in _family(self.postmaster))}


@asynccontextmanager
async def system(folder: Path, postgres: EmbeddedPostgres, broker: str) -> AsyncIterator[System]:
    """The four services on `broker`, answering; they end with the `with` block."""
    names = [service.name for service in installed()]
    await postgres.create("bench_vault", *map(_database, names))
    secrets = Secrets.from_seed(1)
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    processes: dict[str, subprocess.Popen[bytes]] = {}
    bus = KafkaBus(broker)
    audit = None
    try:
        for name in names:
            environment = _environment(name, folder, postgres, broker, secrets, ports[name])
            processes[name] = _serve(name, folder, environment)
        for name, port in ports.items():
            await _ready(name, port, processes[name], folder)
        audit = await asyncpg.connect(postgres.url(_database("audit")).replace("+asyncpg", ""))
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        pids = {name: process.pid for name, process in processes.items()} | _broker_pid()
        tokens = Tokens(secrets.tenant_secret.encode())
        yield System(bus, audit, tokens, names, pids | {"this": os.getpid()}, postmaster)
    finally:
        if audit is not None:
            await audit.close()
        await bus.close()
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            await asyncio.to_thread(_end, process)


def until_clear(seconds: float) -> float:
    """How long to wait so that the next `seconds` meet no assessment: at each quarter of an hour every fresh
    case is decided on, which is work of its own."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    left = (ASSESSMENT - (now - midnight) % ASSESSMENT).total_seconds()
    return left + 1 if left < seconds else 0.0


def _environment(
    name: str, folder: Path, postgres: EmbeddedPostgres, broker: str, secrets: Secrets, port: int
) -> dict[str, str]:
    return {
        **os.environ,
        "DOORSTEP_DATABASE_URL": postgres.url(_database(name)),
        "DOORSTEP_VAULT_URL": postgres.url("bench_vault"),
        "DOORSTEP_VAULT_KEY": "bench vault key, of no use elsewhere",
        "DOORSTEP_TENANT_SECRET": secrets.tenant_secret,
        "DOORSTEP_JWT_PUBLIC_KEY": secrets.issuer.public_key,
        "DOORSTEP_KAFKA": broker,
        "DOORSTEP_HTTP_PORT": str(port),
        "DOORSTEP_GATEWAY_FOLDER": str(folder / "gateway"),
        "DOORSTEP_LOG_LEVEL": "WARNING",
        "DOORSTEP_LOG_KEY": secrets.log_key,
        "DOORSTEP_LOG_FOLDER": str(folder / "log"),
        "DOORSTEP_LOG_CREATE": "true",
    }


def _serve(name: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "doorstep"), "serve", name],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


async def _ready(name: str, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 3 * PATIENCE
    while not await asyncio.to_thread(_answers, port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = await asyncio.to_thread(_said, port)
            raise TimeoutError(f"{name} is not ready: {said} {(folder / f'{name}.log').read_text()[-2000:]}")
        await asyncio.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _said(port: int) -> str:
    """What keeps it from being ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return refused.read().decode()
    except OSError as error:
        return repr(error)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _database(service: str) -> str:
    return f"bench_{service.replace('-', '_')}"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _broker_pid() -> dict[str, int]:
    """The broker, where it is a child of ours."""
    children = [pid for pid in _family(os.getpid()) if _command(pid) == "java"]
    return {"kafka": children[0]} if children else {}


def _family(parent: int) -> list[int]:
    """`parent` and its children; one that ends meanwhile counts no more."""
    found = [parent]
    for entry in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat and int(stat[1]) == parent:
            found.append(int(entry.name))
    return found


def _cpu_seconds(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / _CLOCK_TICKS if stat else 0.0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command, which may hold spaces; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


_ARRIVED = (
    "select position, case_id, recorded_at, absorbed_at from entry"
    " where position > $1 and type = 'doorstep.loan.overdue-recorded' order by position"
)
