"""An importer on a real database, and a bank that writes files for it."""

import csv
import gzip
import io
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from doorstep.events.intake import Fact, LoanCuredFact, decode_fact
from doorstep.infra import database
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import Tokens, Vault
from doorstep.intake.importer import MIGRATIONS, Importer
from doorstep.intake.mapping import COLUMNS
from doorstep.intake.snapshot import Fingerprints
from sqlalchemy import text


@dataclass(frozen=True)
class Office:
    """The importer, and what it has put into its outbox."""

    importer: Importer
    clock: SimulatedClock

    async def facts(self) -> Sequence[Fact]:
        """Everything so far, as escalation would read it."""
        async with self.importer.engine.connect() as connection:
            rows = await connection.execute(text("select value from outbox order by position"))
            values = await self.importer.vault.uncover([row.value for row in rows])
        return [decode_fact(value) for value in values if value is not None]

    async def said(self) -> Sequence[str]:
        """Everything so far, short: `2026-03-02 L1 overdue 100.00`."""
        return [_short(fact) for fact in await self.facts()]

    async def keys(self) -> Sequence[str]:
        async with self.importer.engine.connect() as connection:
            rows = await connection.execute(text("select topic, key from outbox order by position"))
            return [f"{row.topic} {row.key}" for row in rows]


@dataclass(frozen=True)
class Bank:
    """Writes end-of-day files."""

    folder: Path

    def file(self, *rows: dict[str, str], packed: bool = False, columns: Sequence[str] = COLUMNS) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.csv{'.gz' if packed else ''}"
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    def snapshot(self, day: int, *loans: str, **changed: str) -> Path:
        """The file of 2026-03-`day` with `loans`, each by default 100.00 overdue."""
        return self.file(*(row(loan, day, **changed) for loan in loans))


def row(loan: str, day: int, **changed: str) -> dict[str, str]:
    """A good row of 2026-03-`day`."""
    plain = {
        "tenant": "acme",
        "loan_id": loan,
        "borrower_id": f"B-{loan}",
        "borrower_name": "陈静怡",
        "phone": "+86 199 0000 1234",
        "address": "深圳市南山区创业路18号",
        "product": "consumer",
        "currency": "CNY",
        "principal_outstanding": "5000.00",
        "amount_overdue": "100.00",
        "overdue_since": "2026-03-01",
        "business_date": date(2026, 3, day).isoformat(),
    }
    return plain | changed


def _short(fact: Fact) -> str:
    data = fact.data
    if isinstance(fact, LoanCuredFact):
        return f"{fact.data.business_date} {data.loan_id} cured {fact.data.borrower_id}"
    return f"{getattr(data, 'business_date', None)} {data.loan_id} overdue {getattr(data, 'amount_overdue', None)}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> database.EmbeddedPostgres:
    return database.EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))


@pytest.fixture
async def office(postgres: database.EmbeddedPostgres) -> AsyncIterator[Office]:
    name = uuid.uuid4().hex
    await postgres.create(f"intake_{name}", f"vault_{name}")
    ledger = database.engine(postgres.url(f"intake_{name}"))
    keys = database.engine(postgres.url(f"vault_{name}"))
    await database.migrate(ledger, database.KERNEL, MIGRATIONS)
    await database.migrate(keys, database.VAULT)
    clock = SimulatedClock(datetime(2026, 4, 1, 1, tzinfo=UTC))
    vault = Vault(keys, b"w" * 32, Tokens(b"t" * 32), clock)
    yield Office(Importer(ledger, vault, Fingerprints(b"f" * 32), clock), clock)
    await ledger.dispose()
    await keys.dispose()


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)
