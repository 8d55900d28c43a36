"""Keeps the log: what has been absorbed becomes entries, tiles and a signed checkpoint, in this order.

1. The database holds the entries, numbered without a gap in the order of their commits.
2. Bundles, blobs and tiles are written, and are on the disk. Nobody looks at them yet.
3. The new head is committed to the database, by compare and swap on the one before: this is what was signed. Two
   processes can therefore never sign two histories, whatever a lock is worth.
4. The checkpoint is published: witnesses cosign it, and the relay carries it to the bus.

A crash anywhere leaves a log that is whole up to its published checkpoint, and the next writer goes on from the
committed head. It first verifies the tail, and stops where that is not as it was signed; it repairs nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from doorstep.infra import failpoints
from doorstep.kernel.leader import Leader
from doorstep.kernel.pacing import Pace
from doorstep.kernel.service import Halt
from tlog.append import grow
from tlog.folder import Broken, Folder
from tlog.merkle import WIDTH, root
from tlog.notes import Signer
from tlog.verifier import EMPTY_ROOT, Checkpoint, Wrong, leaf_hash, open_checkpoint
from tlog.witness import Witness, cosign_all
from tlog.wrapper import Logged

from audit.log import domain
from audit.log.domain import Head, Sign
from audit.store import views
from audit.store.settings import AuditRuntime, AuditSettings

BATCH = 8192


class NoLog(Halt):
    """There is no log yet."""


class LogBroken(Broken, Halt):
    """The log is not what it must be: its loops rest until a person has looked."""


class WrongKey(Halt):
    """The key of the settings cannot sign; the message says what is wanted, and quotes nothing of it."""


class Exists(Exception):
    """There is a log already; the message says where."""


def signer(settings: AuditSettings) -> Signer:
    """The key that the settings hold. Raises WrongKey."""
    if settings.log_key is None:
        raise WrongKey(
            "DOORSTEP_LOG_KEY is not set: it signs the log; `openssl genpkey -algorithm ed25519` makes one, to be kept"
            " for ever and apart from the database"
        )
    try:
        return Signer.from_pem(settings.log_origin, settings.log_key.get_secret_value())
    except Wrong as error:
        raise WrongKey(f"DOORSTEP_LOG_ORIGIN and DOORSTEP_LOG_KEY: {error}") from None


def folder_of(settings: AuditSettings) -> Folder:
    """The log's folder, to be written."""
    return Folder(settings.log_folder, durable=settings.durable, reached=failpoints.hit)


@dataclass(frozen=True)
class Log:
    """A log as its writer holds it: where it lies, who signs it, what was signed last."""

    folder: Folder
    signer: Signer
    head: Head


async def create(runtime: AuditRuntime) -> Log:
    """Begin an empty log. Raises Exists, WrongKey."""
    settings = runtime.settings
    key, folder = signer(settings), folder_of(settings)
    if folder.exists():
        raise Exists(f"there is a log in {folder.path}; it is opened, never made again")
    if (await runtime.state(domain.log_head, domain.stream(key.name))).size >= 0:
        raise Exists(f"the database knows a log {key.name}; bring its folder back to {folder.path}")
    signed = await _sign(runtime, key, Head(), 0, EMPTY_ROOT)
    await asyncio.to_thread(folder.begin, str(key.verifier), signed.checkpoint)
    return Log(folder, key, signed)


async def open_(runtime: AuditRuntime) -> Log:
    """The log, its tail verified against what was signed last. Raises NoLog, WrongKey, Broken; and OSError where it
    cannot be read, which says nothing of the log."""
    settings = runtime.settings
    key, folder = signer(settings), folder_of(settings)
    last = await runtime.state(domain.log_head, domain.stream(key.name))
    if last.size < 0:
        raise NoLog(f"there is no log {key.name} yet: `doorstep log create` makes it")
    async with runtime.engine.connect() as connection:
        rows = await views.logged(connection, last.size - (last.size % WIDTH or WIDTH), last.size)
    await asyncio.to_thread(_verify_tail, folder, key, last, rows)
    return Log(folder, key, last)


def _verify_tail(folder: Folder, key: Signer, last: Head, rows: Sequence[Logged]) -> None:
    published = _published(folder, key, last)
    if published.size > last.size:
        raise Broken(
            f"the log in {folder.path} has {published.size} entries, the database knows {last.size}: was it restored"
            " from a backup? Bring back what is missing; a log is never shortened"
        )
    for known in (published, last):
        if root(folder, known.size) != known.root:
            raise Broken(f"the tiles in {folder.path} do not have the root that was signed at {known.size} entries")
    if last.size:
        _verify_last_bundle(folder, last.size, rows)
    if published.size < last.size:
        # We died between committing the head and publishing it.
        folder.publish(last.checkpoint)


def _published(folder: Folder, key: Signer, last: Head) -> Checkpoint:
    if last.size == 0 and not folder.exists():
        # We died while the log was made.
        folder.begin(str(key.verifier), last.checkpoint)
    try:
        return open_checkpoint(folder.checkpoint(), key.verifier)
    except FileNotFoundError:
        raise Broken(f"{folder.path} has no checkpoint: bring the log's folder back from where it is") from None
    except Wrong as error:
        raise Broken(f"the checkpoint in {folder.path}: {error}") from None


def _verify_last_bundle(folder: Folder, size: int, rows: Sequence[Logged]) -> None:
    index, width = (size - 1) // WIDTH, (size - 1) % WIDTH + 1
    entries = folder.entries(index, width)
    hashes = folder.hashes(0, index, width)
    if b"".join(map(leaf_hash, entries)) != hashes:
        raise Broken(f"the last entry bundle in {folder.path} does not have the hashes of its tile")
    if [row.entry for row in rows] != entries:
        raise Broken(f"the last entries in {folder.path} are not those of the database")


async def _sign(runtime: AuditRuntime, key: Signer, after: Head, size: int, root_: bytes) -> Head:
    note = key.sign(Checkpoint(key.name, size, root_).body)
    failpoints.hit("log.before-commit")
    sign = Sign(origin=key.name, after=after, size=size, root=root_, checkpoint=note)
    await runtime.execute(domain.routed(sign))
    failpoints.hit("log.after-commit")
    return Head(size, root_, note)


class LogWriter:
    """The one that writes the log, among all processes of the audit; at rest in the others."""

    name = "log"

    def __init__(self, runtime: AuditRuntime) -> None:
        self._runtime = runtime
        self._leader = Leader(runtime.engine, "log")
        self._log: Log | None = None
        self._pace = Pace(runtime.clock, timedelta(seconds=runtime.settings.log_every))
        # Whoever exports evidence hurries us, beside our own loop.
        self._turning = asyncio.Lock()
        self._witnesses = [Witness.parse(one) for one in runtime.settings.log_witnesses]
        self._missing = runtime.telemetry.gauge("log_witnesses_missing", "witnesses that did not cosign; 0 is the aim")
        self._size = runtime.telemetry.gauge("log_entries", "entries under the last signed checkpoint")

    async def turn(self, *, hurry: bool = False) -> int:
        """Add what was absorbed since the last turn, a batch at most; how many entries. Raises NoLog, WrongKey,
        LogBroken, OSError, and then opens the log anew."""
        async with self._turning:
            return await self._turn(hurry)

    async def _turn(self, hurry: bool) -> int:
        if not (hurry or self._pace.due()):
            return 0
        if not await self._leader.leads():
            self._log = None
            return 0
        try:
            self._log = self._log or await self._opened()
            added = await self._extend(self._log)
        except BaseException as error:
            self._log = None
            if isinstance(error, Broken):
                raise LogBroken(str(error)) from error
            raise
        if added < BATCH:
            self._pace.rest()
        return added

    async def close(self) -> None:
        """Let another process write."""
        self._log = None
        for witness in self._witnesses:
            await witness.close()
        await self._leader.resign()

    async def _opened(self) -> Log:
        try:
            return await open_(self._runtime)
        except NoLog:
            if not self._runtime.settings.log_create:
                raise
        return await create(self._runtime)

    async def _extend(self, log: Log) -> int:
        async with self._runtime.engine.connect() as connection:
            rows = await views.logged(connection, log.head.size, log.head.size + BATCH)
        self._size.set(log.head.size + len(rows))
        if not rows:
            return 0
        growth = await asyncio.to_thread(grow, log.folder, log.head.size, [row.entry for row in rows])
        blobs = [(row.blob_path, row.blob) for row in rows if row.blob is not None]
        failpoints.hit("log.before-tiles")
        await asyncio.to_thread(log.folder.write, [*blobs, *growth.files])
        failpoints.hit("log.after-tiles")
        signed = await _sign(self._runtime, log.signer, log.head, growth.size, growth.root)
        await asyncio.to_thread(log.folder.publish, signed.checkpoint)
        failpoints.hit("log.after-publish")
        await asyncio.to_thread(log.folder.forget_partials, growth.whole)
        self._log = Log(log.folder, log.signer, signed)
        if self._witnesses and len(rows) < BATCH:
            cosigned = await cosign_all(self._witnesses, signed.checkpoint, log.folder, self._missing.set)
            await asyncio.to_thread(log.folder.publish, cosigned)
        return len(rows)
