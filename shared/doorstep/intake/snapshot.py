"""What a bank's snapshot says, and what it changes against the last one. Pure: no database, no clock.

A snapshot shows every overdue loan of a tenant at the end of a business date, so a loan that is missing
from it is cured, unless a bad row might have been about that loan: nothing is cured by silence.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import msgspec

from doorstep.events.intake import LoanOverdue
from doorstep.intake.rows import BadRow, GoodRow, RowError

SHOWN = 50
"""How many errors are listed; the rest is counted."""


@dataclass(frozen=True)
class Snapshot:
    """`untouched` loans had a bad row and stay as they were. `may_cure` is false when a bad row does not
    even tell which loan it is about: then any missing loan may be the one."""

    tenant: str
    business_date: date
    loans: Mapping[str, LoanOverdue]
    untouched: frozenset[str] = frozenset()
    may_cure: bool = True


@dataclass(frozen=True)
class Content:
    """A whole file: its snapshots in date order, and what is wrong with it."""

    snapshots: Sequence[Snapshot] = ()
    errors: Sequence[RowError] = ()
    bad_rows: int = 0


class LedgerLoan(NamedTuple):
    """What the ledger remembers of a loan. `borrower` is the bank's reference under seal, encoded."""

    last_date: date
    row_mac: bytes
    open: bool
    borrower: bytes


@dataclass(frozen=True)
class Changes:
    """What is to be published: loans with their fingerprints, and ids of loans no longer overdue."""

    overdue: Sequence[tuple[LoanOverdue, bytes]] = ()
    cured: Sequence[str] = ()
    unchanged: int = 0


class Fingerprints:
    """HMACs that recognise a row or a whole snapshot again; without `secret` they say nothing of a person,
    as a plain hash of a phone number would."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"doorstep intake fingerprint v1", "sha256")

    def row(self, tenant: str, loan: LoanOverdue) -> bytes:
        """Of everything the row says."""
        return hmac.digest(self._secret, msgspec.json.encode([tenant, loan]), "sha256")

    def snapshot(self, snapshot: Snapshot) -> bytes:
        """Of all its rows, in whatever order, and of what was left out of it."""
        rows = sorted(self.row(snapshot.tenant, loan).hex() for loan in snapshot.loans.values())
        left_out = [sorted(snapshot.untouched), snapshot.may_cure]
        about = [snapshot.tenant, snapshot.business_date, rows, left_out]
        return hmac.digest(self._secret, msgspec.json.encode(about), "sha256")


def collect(rows: Iterable[GoodRow | BadRow]) -> Content:
    """The snapshots in `rows`, without the loans that have a bad row on that date."""
    reading = _Reading()
    for row in rows:
        reading.take(row)
    return reading.content()


def changes(known: Mapping[str, LedgerLoan], snapshot: Snapshot, fingerprints: Fingerprints) -> Changes:
    """What `snapshot` says that `known` does not. The same rule serves the next date, where every row is
    new by its date, and a correction of the last one, where most rows are as before."""
    rows = [(loan, fingerprints.row(snapshot.tenant, loan)) for loan in snapshot.loans.values()]
    overdue = [(loan, mac) for loan, mac in rows if not _as_before(known.get(loan.loan_id), mac)]
    cured = [loan_id for loan_id, loan in known.items() if loan.open and _missing(loan_id, snapshot)]
    return Changes(overdue, cured, len(rows) - len(overdue))


def _as_before(known: LedgerLoan | None, mac: bytes) -> bool:
    return known is not None and known.open and known.row_mac == mac


def _missing(loan_id: str, snapshot: Snapshot) -> bool:
    return snapshot.may_cure and loan_id not in snapshot.loans and loan_id not in snapshot.untouched


@dataclass
class _Reading:
    """The rows of a file so far."""

    good: dict[tuple[date, str], dict[str, GoodRow]] = field(default_factory=lambda: defaultdict(dict))
    bad: list[BadRow] = field(default_factory=list)

    def take(self, row: GoodRow | BadRow) -> None:
        if isinstance(row, BadRow):
            self.bad.append(row)
            return
        loans = self.good[row.loan.business_date, row.tenant]
        first = loans.setdefault(row.loan.loan_id, row)
        if first is not row:
            self.bad.append(_duplicate(row, first))

    def content(self) -> Content:
        errors = sorted((e for bad in self.bad for e in bad.errors), key=lambda error: error.line)
        snapshots = [self._snapshot(*key) for key in sorted(self.good)]
        return Content([s for s in snapshots if s.loans], errors, len(self.bad))

    def _snapshot(self, business_date: date, tenant: str) -> Snapshot:
        concerned = [bad for bad in self.bad if _concerns(bad, tenant, business_date)]
        untouched = frozenset(bad.loan_id for bad in concerned if bad.loan_id is not None)
        loans = {i: row.loan for i, row in self.good[business_date, tenant].items() if i not in untouched}
        named = all(bad.loan_id is not None for bad in concerned)
        return Snapshot(tenant, business_date, loans, untouched, may_cure=named)


def _concerns(bad: BadRow, tenant: str, business_date: date) -> bool:
    """Whether `bad` is, or may be, about that tenant and date."""
    return bad.tenant in (None, tenant) and bad.business_date in (None, business_date)


def _duplicate(row: GoodRow, first: GoodRow) -> BadRow:
    loan = row.loan
    error = RowError(row.line, "loan_id", f"is on line {first.line} too, for {loan.business_date}")
    return BadRow((error,), row.tenant, loan.loan_id, loan.business_date)
