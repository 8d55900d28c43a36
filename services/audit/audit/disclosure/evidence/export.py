"""Taking the evidence of a case out: gathered, checked as its reader will check it, recorded, and only then handed
out."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import msgspec
from doorstep.infra.access import EVERY_TENANT, Principal
from doorstep.infra.database import reading
from doorstep.kernel.decider import Routed, StreamId, Unknown
from doorstep.kernel.service import Halt
from doorstep.locales.languages import LANGUAGES, short
from tlog.folder import Broken, Folder
from tlog.notes import Signer
from tlog.verifier import Wrong, check, open_checkpoint

from audit.disclosure.domain import Export, disclosure
from audit.disclosure.evidence.bundle import Bundle, Evidence, bundle, genuine
from audit.disclosure.opening import open_personal
from audit.log.writer import LogWriter, WrongKey, signer
from audit.presentation import pdf
from audit.presentation.present import Opened, ShownTimeline, present
from audit.store import views
from audit.store.entry import Entry
from audit.store.settings import AuditRuntime
from audit.timeline.artifacts import cited
from audit.timeline.as_of import timeline_as_of, timeline_of
from audit.timeline.domain import Line, Timeline

MAY_EXPORT = ("auditor", "compliance", "admin")
MAY_OPEN = ("compliance", "admin")
PATIENCE = 10.0
"""Seconds to wait for another process to sign what has been absorbed."""


class NotExported(ConnectionError):
    """The log cannot be relied on now; the message says what to do. Nothing was recorded, and nothing handed out."""


@dataclass(frozen=True)
class Wanted:
    """Which evidence, who wants it and why. With `opened` the personal data go with it, in clear."""

    case_id: str
    by: Principal
    reason: str
    as_of: datetime | None = None
    opened: bool = False


@dataclass(frozen=True)
class Exported:
    """A bundle that is on record. `unsigned` entries of the log were absorbed and not signed yet: what they hold of the
    case is not in it."""

    data: bytes
    name: str
    entries: int
    manifest: str
    unsigned: int


async def export(runtime: AuditRuntime, wanted: Wanted) -> Exported:
    """Everything known of the case, as of a moment or by now, that the log has signed; what waits is signed first.

    Raises Unknown without any entry, asking.NotYet for a moment that has not passed, Refused without a reason,
    NotExported."""
    theirs, now = wanted.by.tenants, runtime.clock.now()
    known = await timeline_as_of(runtime.engine, wanted.case_id, now, wanted.as_of, tenants=theirs)
    _demand_entries(known)
    key = _signer(runtime)
    checkpoint, size = await _signed(runtime, key, known.size)
    covered = known if size >= known.size else await timeline_of(runtime.engine, wanted.case_id, size, theirs)
    _demand_entries(covered)
    await _demand_whole(runtime, covered)
    opened = await open_personal(runtime, covered, wanted.by, wanted.reason) if wanted.opened else None
    renderings = await asyncio.to_thread(_renderings, covered, wanted.as_of, opened)
    evidence = await _gather(runtime, covered, checkpoint, size, renderings, theirs)
    made = await asyncio.to_thread(_checked, evidence, key)
    await _record(runtime, wanted, evidence, made)
    name = f"evidence-{wanted.case_id}-{covered.size}.zip"
    return Exported(made.data, name, len(evidence.entries), made.manifest, known.size - covered.size)


def _demand_entries(known: Timeline) -> None:
    if not known.lines:
        raise Unknown(f"there are no entries of case {known.case_id} up to then; look it up in the list of cases")


async def _demand_whole(runtime: AuditRuntime, known: Timeline) -> None:
    """By the bytes, which are signed, and not by the names they are filed under, another tenant's perhaps, which are
    not."""
    async with reading(runtime.engine, EVERY_TENANT) as connection:
        misfiled = await views.misfiled(connection, known.case_id, known.size)
    if misfiled:
        raise NotExported(
            f"{misfiled} entries of this case are filed under other names than their bytes say, so that the evidence"
            " would not be whole; run `doorstep log verify`, and find out who wrote to the database"
        )


def _signer(runtime: AuditRuntime) -> Signer:
    try:
        return signer(runtime.settings)
    except WrongKey as error:
        raise NotExported(str(error)) from None


async def _signed(runtime: AuditRuntime, key: Signer, size: int) -> tuple[str, int]:
    """The checkpoint, once it covers `size` entries; or as it is when the log does not get there in time."""
    folder, loop = Folder(runtime.settings.log_folder), asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    try:
        while True:
            added = sum([await one.turn(hurry=True) for one in runtime.workers if isinstance(one, LogWriter)])
            note = folder.checkpoint()
            signed = open_checkpoint(note, key.verifier).size
            if signed >= size or (not added and loop.time() > deadline):
                return note, signed
            await asyncio.sleep(0 if added else 0.1)
    except FileNotFoundError:
        raise NotExported(f"there is no log in {folder.path}; `doorstep log create` makes it") from None
    except (Halt, Wrong) as error:
        raise NotExported(f"the log: {error}") from None


async def _gather(
    runtime: AuditRuntime,
    known: Timeline,
    checkpoint: str,
    size: int,
    renderings: Mapping[str, bytes],
    theirs: frozenset[str],
) -> Evidence:
    entries = sorted(_entries(known), key=lambda entry: entry.position)
    hashes = [one for kind in cited(entries).values() for one in kind]
    async with reading(runtime.engine, theirs) as connection:
        published = await views.artifacts(connection, hashes)
    return Evidence(
        case_id=known.case_id,
        prefix=known.size,
        entries=entries,
        published=[entry for entry in genuine(published) if entry.position < size],
        checkpoint=checkpoint,
        tiles=Folder(runtime.settings.log_folder),
        renderings=renderings,
    )


def _entries(known: Timeline) -> Iterator[Entry]:
    return (line.entry for line in known.lines if isinstance(line, Line))


def _renderings(known: Timeline, as_of: datetime | None, opened: Opened | None) -> Mapping[str, bytes]:
    """The timeline to be read. Personal data that were opened stand on paper, and in a file of their own."""
    files: dict[str, bytes] = {}
    for language in LANGUAGES:
        name = f"timeline.{short(language)}"
        sealed = present(known, language, as_of=as_of)
        files[f"{name}.json"] = _pretty(sealed)
        printed = present(known, language, as_of=as_of, opened=opened) if opened is not None else sealed
        files[f"{name}.pdf"] = _pdf(printed, opened=opened is not None)
    if opened is not None:
        files["personal.json"] = _pretty({str(position): opened[position] for position in sorted(opened)})
    return files


def _pdf(shown: ShownTimeline, *, opened: bool) -> bytes:
    try:
        return pdf.pdf(shown, opened=opened)
    except pdf.NoFont as error:
        raise NotExported(str(error)) from None


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _checked(evidence: Evidence, key: Signer) -> Bundle:
    """Nothing leaves that its reader would refuse."""
    try:
        made = bundle(evidence, key)
        check(made.data, key.verifier)
    except (Broken, Wrong) as error:
        raise NotExported(f"the log and the database do not agree ({error}); run `doorstep log verify`") from None
    return made


async def _record(runtime: AuditRuntime, wanted: Wanted, evidence: Evidence, made: Bundle) -> None:
    """The request id is ours, never the caller's: a repeated one would take the evidence out without a record."""
    stream = StreamId(disclosure.category, wanted.case_id, wanted.case_id, evidence.entries[0].envelope.tenant)
    command = Export(
        by=wanted.by.id,
        role=wanted.by.role,
        reason=wanted.reason,
        log_size=evidence.prefix,
        entries=len(evidence.entries),
        manifest=made.manifest,
    )
    await runtime.execute(Routed(stream, command, actor=wanted.by.actor()), request_id=str(uuid4()))
