"""The scrubber: leaves are computed again from the rows of the database and held against tiles and bundles, a slice at
a time, round and round. An administrator can rewrite a row; not the hash that others have seen."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from doorstep.kernel.leader import Leader
from doorstep.kernel.pacing import Pace
from tlog.folder import Broken, Folder
from tlog.merkle import WIDTH
from tlog.verifier import HASH_SIZE, leaf_hash

from audit.log import domain
from audit.log.writer import LogBroken
from audit.store import views
from audit.store.entry import EntryRow
from audit.store.settings import AuditRuntime

SLICE = 16 * WIDTH


def compare(folder: Folder, first: int, size: int, kept: Sequence[EntryRow]) -> None:
    """`kept`, from entry `first` on, which begins a tile, against a log of `size`. Raises Broken at the first entry
    that differs, or that is filed under other names than its bytes say: no view of its case would have it."""
    rows = list(map(views.in_log, kept))
    for start in range(first, first + len(rows), WIDTH):
        index, width = start // WIDTH, min(WIDTH, size - start)
        hashes, entries = folder.hashes(0, index, width), folder.entries(index, width)
        here = rows[start - first : start - first + width]
        for at, (row, entry) in enumerate(zip(here, entries, strict=True)):
            leaf = hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE]
            if leaf_hash(row.entry) != leaf:
                raise Broken(f"entry {start + at} of the database was changed: its leaf in the log is another")
            if row.entry != entry:
                raise Broken(f"entry {start + at} was changed in its bundle in {folder.path}")
    for number, filed in enumerate(kept, first):
        if not filed.fits():
            raise Broken(f"entry {number} of the database is filed under other names than its bytes say")


async def slice_(runtime: AuditRuntime, folder: Folder, first: int, size: int) -> int:
    """Compare one slice; where the next one begins. Raises Broken."""
    end = min(first + SLICE, size)
    async with runtime.engine.connect() as connection:
        rows = await views.rows(connection, first, end)
    if len(rows) != end - first:
        raise Broken(f"the database has {len(rows)} of the entries from {first} to {end - 1}: rows were deleted")
    await asyncio.to_thread(compare, folder, first, size, rows)
    return end


class Scrubber:
    """Goes round the log, a slice each time the setting log_scrub_every has passed. Once something was found it says
    nothing else until it is started again: nobody shall overlook it."""

    name = "scrubber"

    def __init__(self, runtime: AuditRuntime) -> None:
        self._runtime = runtime
        self._leader = Leader(runtime.engine, "scrubber")
        self._next = 0
        self._pace = Pace(runtime.clock, timedelta(seconds=runtime.settings.log_scrub_every))
        self._found: LogBroken | None = None
        self._broken = runtime.telemetry.gauge("log_broken", "1: rows, bundles or tiles differ; 0 is the aim")
        self._scrubbed = runtime.telemetry.gauge("log_scrubbed", "entries compared in this round")

    async def turn(self, *, hurry: bool = False) -> int:
        """A slice, if its time has come. Raises LogBroken."""
        if self._found is not None:
            raise LogBroken(str(self._found))
        if hurry or not self._pace.due() or not await self._leader.leads():
            return 0
        self._pace.rest()
        settings = self._runtime.settings
        last = await self._runtime.state(domain.log_head, domain.stream(settings.log_origin))
        if last.size <= 0:
            return 0
        try:
            done = await slice_(self._runtime, Folder(settings.log_folder), self._next, last.size)
        except Broken as error:
            self._broken.set(1)
            self._found = LogBroken(str(error))
            raise self._found from error
        self._scrubbed.set(done)
        self._next = done if done < last.size else 0
        return 0

    async def close(self) -> None:
        """Let another process scrub."""
        await self._leader.resign()
