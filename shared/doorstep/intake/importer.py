"""Importing a bank's snapshots: compare with the ledger, put the facts into the outbox, all or nothing.

The relay publishes the outbox; here it is only written, in the same transaction as the ledger.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.events.envelope import derived_id
from doorstep.events.intake import (
    Fact,
    LoanCured,
    LoanCuredFact,
    LoanOverdue,
    LoanOverdueFact,
    borrower_id,
    encode_fact,
)
from doorstep.events.values import Sealed
from doorstep.infra.clock import Clock
from doorstep.infra.vault import Vault, unless_erased
from doorstep.intake.csv_file import UnreadableFile, read
from doorstep.intake.ledger import Ledger, Word
from doorstep.intake.mapping import ColumnMapping
from doorstep.intake.rows import BadRow, GoodRow, RowError
from doorstep.intake.snapshot import SHOWN, Changes, Content, Fingerprints, LedgerLoan, Snapshot, changes, collect

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
BATCH = 2_000
"""Rows per SQL statement and per call of the vault."""
Progress = Callable[[Literal["read", "write"], int], None]
"""Called now and then with the stage and how many rows of it are done."""

T = TypeVar("T")


class FileRefused(Exception):
    """Nothing was imported. The message is for a person; `errors` are all errors of all bad rows."""

    def __init__(self, message: str, errors: Sequence[RowError] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class NotConfirmed(FileRefused):
    """Nothing was imported, but would be if a person confirmed what the message says."""


@dataclass(frozen=True, kw_only=True)
class SnapshotReport:
    """What became of one snapshot. `overdue` and `cured` facts are published, `unchanged` rows are not;
    `untouched` loans had a bad row; rows of `erased` borrowers are left out."""

    tenant: str
    business_date: date
    outcome: Literal["imported", "corrected", "already imported"]
    overdue: int = 0
    cured: int = 0
    unchanged: int = 0
    untouched: int = 0
    erased: int = 0

    def __str__(self) -> str:
        counts = f"{self.overdue} overdue, {self.cured} cured, {self.unchanged} unchanged"
        rare = {"untouched": self.untouched, "erased": self.erased}
        rest = "".join(f", {count} {what}" for what, count in rare.items() if count)
        return f"{self.tenant} {self.business_date} {self.outcome}: {counts}{rest}"


def silent(_stage: Literal["read", "write"], _done: int) -> None:
    """No progress shown."""


@dataclass(frozen=True)
class Importer:
    """`engine` is the importer's own database. `fingerprints` must keep their secret: under another one
    every row seems changed."""

    engine: AsyncEngine
    vault: Vault
    fingerprints: Fingerprints
    clock: Clock

    async def import_file(
        self,
        path: Path,
        mapping: ColumnMapping | None = None,
        *,
        skip_bad_rows: bool = False,
        confirm: bool = False,
        tenant: str | None = None,
        business_date: date | None = None,
        progress: Progress = silent,
    ) -> Sequence[SnapshotReport]:
        """Import the CSV file at `path`. `tenant` and `business_date` name the snapshot of an empty file;
        where the file has rows, they must agree. Raises FileRefused, NotConfirmed."""
        try:
            content = collect(_counted(read(path, mapping or ColumnMapping()), progress))
        except UnreadableFile as error:
            raise FileRefused(str(error)) from None
        if content.errors and not skip_bad_rows:
            raise FileRefused(_listed(content), content.errors)
        snapshots = _expected(content, tenant, business_date, confirm=confirm)
        return await self.take(snapshots, confirm=confirm, progress=progress)

    async def take(
        self, snapshots: Sequence[Snapshot], *, confirm: bool = False, progress: Progress = silent
    ) -> Sequence[SnapshotReport]:
        """Import `snapshots`, oldest first, in one transaction. Raises FileRefused, NotConfirmed."""
        now = self.clock.now()
        _not_in_the_future(snapshots, now)
        async with self.engine.begin() as connection:
            ledger = Ledger(connection)
            await ledger.lock()
            return [await self._take(ledger, snapshot, now, confirm, progress) for snapshot in snapshots]

    async def _take(
        self, ledger: Ledger, snapshot: Snapshot, now: datetime, confirm: bool, progress: Progress
    ) -> SnapshotReport:
        word = _next_word(await ledger.words(snapshot.tenant), snapshot, self.fingerprints.snapshot(snapshot))
        if word is None:
            return _report(snapshot, "already imported", unchanged=len(snapshot.loans))
        known = await ledger.loans(snapshot.tenant)
        found = changes(known, snapshot, self.fingerprints)
        if not confirm:
            _plausible(snapshot, known, found)
        writing = _Writing(ledger, self.vault, snapshot, word.revision, now, known)
        overdue = await writing.overdue(found, progress)
        cured = await writing.cured(found)
        await ledger.note(snapshot, word, now)
        return _report(
            snapshot,
            "imported" if word.revision == 1 else "corrected",
            overdue=overdue,
            cured=cured,
            unchanged=found.unchanged,
            erased=len(found.overdue) - overdue,
        )


@dataclass(frozen=True)
class _Writing:
    """The facts of one snapshot, on their way into the outbox."""

    ledger: Ledger
    vault: Vault
    of: Snapshot
    revision: int
    now: datetime
    known: Mapping[str, LedgerLoan]

    async def overdue(self, found: Changes, progress: Progress) -> int:
        """How many were published: all but those of erased borrowers."""
        published = 0
        for batch in _batches(found.overdue):
            sealed = await self._sealed([loan for loan, _ in batch])
            alive = [(loan, mac, box) for (loan, mac), box in zip(batch, sealed, strict=True) if box]
            await self._publish(
                [
                    *await self._cures({loan.loan_id for loan, _, box in alive if self._moved(loan, box)}),
                    *(self._overdue_fact(loan, mac) for loan, mac, _ in alive),
                ]
            )
            await self._remember({loan.loan_id: (mac, True, _encoded(box)) for loan, mac, box in alive})
            published += len(alive)
            progress("write", published)
        return published

    async def cured(self, found: Changes) -> int:
        """How many were published: all but those of erased borrowers."""
        published = 0
        for batch in _batches(found.cured):
            facts = await self._cures(batch)
            await self._publish(facts)
            await self._remember({i: (self.known[i].row_mac, False, self.known[i].borrower) for i in batch})
            published += len(facts)
        return published

    async def _publish(self, facts: Sequence[Fact]) -> None:
        tokens = self.vault.tokens
        items = [(tokens.case_id(fact.tenant, borrower_id(fact)), encode_fact(fact)) for fact in facts]
        sealed = await unless_erased(self.vault.seal, items)
        await self.ledger.publish([(fact, box) for fact, box in zip(facts, sealed, strict=True) if box])

    def _moved(self, loan: LoanOverdue, box: Sealed) -> bool:
        """Whether the open loan was another borrower's: for that one it is over."""
        before = self.known.get(loan.loan_id)
        return before is not None and before.open and _decoded(before.borrower).key_id != box.key_id

    async def _sealed(self, loans: Sequence[LoanOverdue]) -> Sequence[Sealed | None]:
        ids = [loan.borrower.borrower_id for loan in loans]
        items = [(self.vault.tokens.case_id(self.of.tenant, i), i.encode()) for i in ids]
        return await unless_erased(self.vault.seal, items)

    async def _cures(self, loan_ids: Iterable[str]) -> Sequence[Fact]:
        """To the borrowers the ledger knows; none for a borrower who was erased."""
        boxes = {loan_id: _decoded(self.known[loan_id].borrower) for loan_id in sorted(loan_ids)}
        opened = await self.vault.open_each(list(boxes.values()))
        return [
            self._cured_fact(loan_id, box, plain.decode())
            for (loan_id, box), plain in zip(boxes.items(), opened, strict=True)
            if plain is not None
        ]

    def _overdue_fact(self, loan: LoanOverdue, mac: bytes) -> Fact:
        fact_id = self._fact_id(loan.loan_id, "overdue", mac.hex())
        return LoanOverdueFact(id=fact_id, source=self._source, time=self.now, tenant=self.of.tenant, data=loan)

    def _cured_fact(self, loan_id: str, box: Sealed, borrower_id: str) -> Fact:
        fact_id = self._fact_id(loan_id, "cured", box.key_id)
        data = LoanCured(loan_id=loan_id, borrower_id=borrower_id, business_date=self.of.business_date)
        return LoanCuredFact(id=fact_id, source=self._source, time=self.now, tenant=self.of.tenant, data=data)

    def _fact_id(self, loan_id: str, kind: str, content: str) -> str:
        # The revision tells what a bank says from what it says again after taking it back.
        day = str(self.of.business_date)
        return derived_id("intake", self.of.tenant, loan_id, day, kind, str(self.revision), content)

    @property
    def _source(self) -> str:
        return f"/bank/{self.of.tenant}/eod"

    async def _remember(self, loans: Mapping[str, tuple[bytes, bool, bytes]]) -> None:
        day = self.of.business_date
        await self.ledger.remember(self.of.tenant, {i: LedgerLoan(day, *loan) for i, loan in loans.items()})


def _report(
    snapshot: Snapshot, outcome: Literal["imported", "corrected", "already imported"], **counts: int
) -> SnapshotReport:
    return SnapshotReport(
        tenant=snapshot.tenant,
        business_date=snapshot.business_date,
        outcome=outcome,
        untouched=len(snapshot.untouched),
        **counts,
    )


def _counted(rows: Iterable[GoodRow | BadRow], progress: Progress) -> Iterable[GoodRow | BadRow]:
    done = 0
    for done, row in enumerate(rows, 1):
        if done % BATCH == 0:
            progress("read", done)
        yield row
    progress("read", done)


def _listed(content: Content) -> str:
    lines = [str(error) for error in content.errors[:SHOWN]]
    hidden = len(content.errors) - len(lines)
    rows = "1 row is" if content.bad_rows == 1 else f"{content.bad_rows} rows are"
    head = f"{rows} bad, nothing was imported; errors: {len(content.errors)}"
    return "\n".join([head, *lines, *([f"... and {hidden} more"] if hidden else [])])


def _expected(content: Content, tenant: str | None, business_date: date | None, *, confirm: bool) -> Sequence[Snapshot]:
    if not content.snapshots and not content.bad_rows:
        return [_empty(tenant, business_date, confirm=confirm)]
    for found in content.snapshots:
        if tenant not in (None, found.tenant) or business_date not in (None, found.business_date):
            raise FileRefused(
                f"the file holds a snapshot of {found.tenant} at {found.business_date}, "
                f"not only of {tenant or 'any tenant'} at {business_date or 'any date'}"
            )
    return content.snapshots


def _empty(tenant: str | None, business_date: date | None, *, confirm: bool) -> Snapshot:
    if tenant is None or business_date is None:
        raise FileRefused(
            "the file holds no loan, so it names no tenant and no business date: give --tenant and --business-date"
        )
    if not confirm:
        raise NotConfirmed(
            f"the file holds no loan: every open loan of {tenant} would be cured on {business_date}; "
            "confirm if that is so"
        )
    return Snapshot(tenant, business_date, {})


def _not_in_the_future(snapshots: Sequence[Snapshot], now: datetime) -> None:
    # A date from the future would shut out every true one until it comes. Where a date comes first on Earth,
    # clocks are 14 hours ahead of UTC.
    latest = (now + timedelta(hours=14)).date()
    for snapshot in snapshots:
        if snapshot.business_date > latest:
            raise FileRefused(f"business date {snapshot.business_date} of {snapshot.tenant} is in the future")


def _next_word(words: Mapping[date, Word], snapshot: Snapshot, digest: bytes) -> Word | None:
    """None when `snapshot` is what was said last of its date."""
    same = words.get(snapshot.business_date)
    if same is not None and same.digest == digest:
        return None
    last = max(words, default=snapshot.business_date)
    if snapshot.business_date < last:
        raise FileRefused(
            f"the snapshot of {snapshot.tenant} at {snapshot.business_date} is older than the last one "
            f"imported, and says something new: only that of {last} can still be corrected"
        )
    return Word(1 if same is None else same.revision + 1, digest)


def _plausible(snapshot: Snapshot, known: Mapping[str, LedgerLoan], found: Changes) -> None:
    before = sum(loan.open for loan in known.values())
    if 5 * len(found.cured) > before:
        raise NotConfirmed(
            f"{len(found.cured)} of {before} open loans of {snapshot.tenant} are missing at "
            f"{snapshot.business_date}, more than a fifth: is the file complete? Confirm if they are cured"
        )


def _encoded(sealed: Sealed) -> bytes:
    return msgspec.json.encode(sealed)


def _decoded(encoded: bytes) -> Sealed:
    return msgspec.json.decode(encoded, type=Sealed)


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
