"""Words for tests of the log: an audit that only keeps its log, and is turned by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from audit.log import domain, writer
from audit.log.domain import Head
from audit.log.writer import LogWriter
from audit.store.react import absorb
from audit.store.settings import AuditSettings
from doorstep.bus.interface import Partition, Record
from doorstep.bus.postgres import PostgresBus
from doorstep.events.envelope import Envelope, encode, event_id
from doorstep.events.escalation.cases import CaseCured
from doorstep.events.topics import AUDIT, LOANS
from doorstep.infra import database
from doorstep.infra.access import private_key
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import SYSTEM
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Service
from tlog.folder import Folder
from tlog.merkle import consistency_proof, tiles_over
from tlog.verifier import Checkpoint, VerifierKey, open_checkpoint, verify_consistency
from tlog.verify import verify

from tests.support.audit import START

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

KEY = private_key()
ORIGIN = "bank.example/doorstep"
NewDatabase = Callable[..., Awaitable["AsyncEngine"]]

# The audit without its pages: what the log needs.
LOGGING = Service(
    name="audit",
    package="audit.store",
    topic=AUDIT,
    listens=(LOANS, AUDIT),
    settings=AuditSettings,
    deciders={domain.CATEGORY: domain.log_head},
    absorb=absorb,
    workers=lambda runtime: [LogWriter(runtime)],
)

STEPS = (
    "handle.before-transaction",
    "handle.before-commit",
    "handle.after-commit",
    "log.before-tiles",
    "log.before-rename",
    "log.after-tiles",
    "log.before-commit",
    "store.after-events",
    "store.after-write",
    "log.after-commit",
    "log.after-publish",
)
"""Each step of sequencing, of writing tiles and of the checkpoint at which a process can die."""


@dataclass
class Audit:
    """A running audit that is turned by hand."""

    running: Running[AuditSettings]
    folder: Folder

    @property
    def key(self) -> VerifierKey:
        """What the log is verified with."""
        return writer.signer(self.running.settings).verifier

    async def hear(self, values: Sequence[bytes], first: int = 0) -> None:
        """`values` arrive, one offset each."""
        records = [Record(Partition(LOANS, 0), offset, "k", value) for offset, value in enumerate(values, first)]
        await self.running.handler.handle(records)

    async def keep(self) -> None:
        """The writer turns until nothing is left."""
        (worker,) = [one for one in self.running.workers if isinstance(one, LogWriter)]
        while await worker.turn(hurry=True):
            continue

    async def head(self) -> Head:
        """As the database has it."""
        return await self.running.state(domain.log_head, domain.stream(ORIGIN))

    def verified(self, *, earlier: str | None = None) -> Checkpoint:
        """The published checkpoint, the whole log verified under it. Raises Wrong."""
        return verify(self.folder, self.key, earlier=earlier).checkpoint

    def entries(self, size: int) -> list[bytes]:
        """The first `size` entries on the disk."""
        return entries_of(self.folder, size)

    def demand_began(self, notes: Sequence[str]) -> None:
        """Every one of `notes`, which were published once, is the beginning of the log as published now. Raises
        Wrong."""
        last = open_checkpoint(self.folder.checkpoint(), self.key)
        for note in notes:
            seen = open_checkpoint(note, self.key)
            proof = consistency_proof(self.folder, seen.size, last.size)
            verify_consistency(seen.size, last.size, seen.root, last.root, proof)


def entries_of(folder: Folder, size: int) -> list[bytes]:
    """The first `size` entries of the log in `folder`."""
    return [entry for index, width in tiles_over(size) for entry in folder.entries(index, width)]


async def fresh(new_database: NewDatabase) -> Sequence["AsyncEngine"]:
    """A database for the audit, one for keys and one for the bus."""
    audit = await new_database(database.KERNEL, LOGGING.migrations)
    return audit, await new_database(database.VAULT), await new_database(database.BUS)


@asynccontextmanager
async def started(engines: Sequence["AsyncEngine"], folder: Path, **more: object) -> AsyncIterator[Audit]:
    """A process of the audit. It can be started again, and beside another."""
    urls = [one.url.render_as_string(hide_password=False) for one in engines]
    values: dict[str, Any] = {
        "database_url": urls[0],
        "vault_url": urls[1],
        "vault_key": "k" * 32,
        "tenant_secret": "s" * 32,
        "jwt_public_key": "-----BEGIN PUBLIC KEY-----",
        "log_key": KEY,
        "log_origin": ORIGIN,
        "log_folder": folder,
        "durable": False,
    }
    settings = AuditSettings(**(values | more))
    running = Running(LOGGING, settings, bus=PostgresBus(engines[2]), clock=SimulatedClock(START))
    await running.prepare()
    try:
        yield Audit(running, Folder(folder))
    finally:
        await running.close()


def values(count: int, first: int = 0) -> list[bytes]:
    """Events of one stream, from number `first` on."""
    return [value(number) for number in range(first, first + count)]


def value(number: int) -> bytes:
    """One of them, always the same for the same number."""
    event = msgspec.json.encode(CaseCured(episode=number, business_date=START.date()))
    return encode(
        Envelope(
            id=event_id("test", "case/one", number),
            source="/test",
            type=CaseCured.event_type,
            subject="one",
            time=START,
            recordedat=START,
            tenant="bank",
            stream="case/one",
            streamversion=number + 1,
            partitionkey="one",
            correlationid="one",
            schemaversion=CaseCured.schema_version,
            data=msgspec.Raw(event),
            actor=SYSTEM,
        )
    )
