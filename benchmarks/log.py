"""The log: how fast it grows, with all of it on the disk; how fast it proves an entry; how fast it is verified."""

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median

from audit.log import writer
from audit.log.writer import BATCH
from doorstep.bus.interface import Record
from doorstep.infra import database
from doorstep.infra.database import EmbeddedPostgres
from sqlalchemy.ext.asyncio import AsyncEngine
from tlog import merkle
from tlog.append import grow
from tlog.folder import Folder
from tlog.merkle import WIDTH, inclusion_proof
from tlog.notes import Signer
from tlog.verifier import EMPTY_ROOT, Checkpoint, leaf_hash, verify_inclusion
from tlog.verify import verify

from benchmarks import ledger
from tests.support.audit_log import KEY, LOGGING, ORIGIN, Audit, started

ROUND = 2 * BATCH
"""Entries of each round."""
HEARD = 500
"""Messages absorbed in one transaction, as services take them."""
SAMPLE = next(ledger.payments()).value


@dataclass(frozen=True)
class Grown:
    """Entries a second, medians of the rounds: from the database's rows to the published checkpoint; from the bus to
    it; and the same bytes hashed and written to one file, which waits for the disk once a batch. `share`: how much of
    the last the first is."""

    kept: float
    together: float
    by_hand: float
    share: float


async def grown(postgres: EmbeddedPostgres, folder: Path, rounds: int) -> Grown:
    """One log, in which all take turns."""
    engines = [
        await _database(postgres, database.KERNEL, LOGGING.migrations),
        await _database(postgres, database.VAULT),
        await _database(postgres, database.BUS),
    ]
    messages = ledger.payments()
    kept, together, by_hand = [], [], []
    async with started(engines, folder / "growing", durable=True) as audit:
        await writer.create(audit.running)
        await _together(audit, list(islice(messages, HEARD)))
        for _ in range(rounds):
            records = list(islice(messages, ROUND))
            await _hear(audit, records)
            kept.append(await _seconds(audit.keep()))
            by_hand.append(_by_hand(folder / "by-hand", [one.value for one in records]))
            together.append(await _seconds(_together(audit, list(islice(messages, ROUND)))))
        if audit.verified().size != HEARD + rounds * 2 * ROUND:
            raise AssertionError("the log should hold all that was told")
    for engine in engines:
        await engine.dispose()
    share = median(one / two for one, two in zip(by_hand, kept, strict=True))
    return Grown(ROUND / median(kept), ROUND / median(together), ROUND / median(by_hand), share)


@dataclass(frozen=True)
class Proofs:
    """Milliseconds of each proof, sorted: on the clock, and of CPU."""

    wall: Sequence[float]
    cpu: Sequence[float]

    @property
    def p99(self) -> float:
        """On the clock."""
        return _share(self.wall, 0.99)

    def __str__(self) -> str:
        on_cpu = f"{_share(self.cpu, 0.5):.2f} and {_share(self.cpu, 0.99):.2f}"
        return f"p50 {_share(self.wall, 0.5):.2f} ms, p99 {self.p99:.2f} ms (of CPU {on_cpu})"


@dataclass(frozen=True)
class Read:
    """Of a log: inclusion proofs by a process that has made many, and by one that has read nothing, whose tiles lie on
    the disk alone; entries verified a second; and the same bytes read and hashed, no more."""

    warm: Proofs
    cold: Proofs
    verified: float
    by_hand: float


def read(folder: Path, entries: int, proofs: int) -> Read:
    """A log of so many entries of 1 KB, made for this; `proofs` of entries chosen at random, each checked."""
    log, signer = Folder(folder / "whole", durable=False), Signer.from_pem(ORIGIN, KEY)
    root = _fill(log, signer, entries)
    dice = Random(7)
    chosen = [dice.randrange(entries) for _ in range(proofs)]
    _leave_to_the_disk(log)
    cold = _proofs(log, chosen, entries, root, anew=True)
    _proofs(log, range(0, entries, WIDTH), entries, root)
    warm = _proofs(log, chosen, entries, root)
    start = time.perf_counter()
    verify(Folder(log.path), signer.verifier)
    between = time.perf_counter()
    for name in log.files():
        hashlib.sha256((log.path / name).read_bytes())
    return Read(warm, cold, entries / (between - start), entries / (time.perf_counter() - between))


async def _database(postgres: EmbeddedPostgres, *versions: Path) -> AsyncEngine:
    engine = database.engine(postgres.url(await postgres.scratch(), owner="postgres"))
    await database.migrate(engine, *versions, epoch="bench")
    return engine


async def _seconds(work: Awaitable[None]) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def _hear(audit: Audit, records: Sequence[Record]) -> None:
    for at in range(0, len(records), HEARD):
        await audit.running.handler.handle(records[at : at + HEARD])


async def _together(audit: Audit, records: Sequence[Record]) -> None:
    """As in a running audit: one loop absorbs, and another one beside it keeps."""
    hearing = asyncio.create_task(_hear(audit, records))
    while not hearing.done():
        await audit.keep()
        await asyncio.sleep(0)
    await hearing
    await audit.keep()


def _by_hand(path: Path, values: Sequence[bytes]) -> float:
    start = time.perf_counter()
    with path.open("ab") as file:
        for at in range(0, len(values), BATCH):
            batch = values[at : at + BATCH]
            file.write(b"".join(batch) + b"".join(hashlib.sha256(one).digest() for one in batch))
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - start


def _entry(number: int) -> bytes:
    return b"%012d" % number + SAMPLE


def _fill(log: Folder, signer: Signer, entries: int) -> bytes:
    """Its root. Nothing waits for the disk."""
    log.begin(str(signer.verifier), signer.sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT).body))
    size, root = 0, EMPTY_ROOT
    while size < entries:
        growth = grow(log, size, [_entry(number) for number in range(size, min(entries, size + 8 * BATCH))])
        log.write(growth.files)
        log.forget_partials(growth.whole)
        size, root = growth.size, growth.root
    log.publish(signer.sign(Checkpoint(ORIGIN, size, root).body))
    return root


def _leave_to_the_disk(log: Folder) -> None:
    """The operating system remembers no tile."""
    os.sync()
    for name in log.files():
        with (log.path / name).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _proofs(log: Folder, chosen: Iterable[int], size: int, root: bytes, *, anew: bool = False) -> Proofs:
    """Of the entries chosen. `anew`: each as if it were the first of its process."""
    wall, cpu = [], []
    for number in chosen:
        if anew:
            log = Folder(log.path)
            merkle._fold.cache_clear()
        start, used = time.perf_counter(), time.thread_time()
        proof = inclusion_proof(log, number, size)
        cpu.append((time.thread_time() - used) * 1000)
        wall.append((time.perf_counter() - start) * 1000)
        verify_inclusion(number, size, leaf_hash(_entry(number)), proof, root)
    return Proofs(sorted(wall), sorted(cpu))


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
