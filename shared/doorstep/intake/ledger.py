"""The importer's tables, and its corner of the outbox. Every method is one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.events.intake import Fact, loan_key
from doorstep.events.topics import INTAKE
from doorstep.events.values import Sealed
from doorstep.intake.snapshot import LedgerLoan, Snapshot


class Word(NamedTuple):
    """The last word on a business date: how many there were, and the fingerprint of the last."""

    revision: int
    digest: bytes


@dataclass(frozen=True)
class Ledger:
    """Inside one transaction."""

    connection: AsyncConnection

    async def lock(self) -> None:
        """One import at a time: what was compared holds until commit, and the outbox, which nothing else
        writes here, gets its positions in the order of the commits."""
        await self.connection.execute(text("select pg_advisory_xact_lock(hashtext('doorstep import'))"))

    async def words(self, tenant: str) -> Mapping[date, Word]:
        """What was imported of `tenant`, by business date."""
        rows = await self.connection.execute(
            text("select business_date, revision, digest from snapshot where tenant = :tenant"),
            {"tenant": tenant},
        )
        return {row[0]: Word(*row[1:]) for row in rows}

    async def loans(self, tenant: str) -> Mapping[str, LedgerLoan]:
        """Every loan `tenant` ever showed, by its id."""
        rows = await self.connection.execute(
            text(
                "select loan_id, last_date, row_mac, open, borrower from snapshot_loan"
                " where tenant = :tenant order by loan_id"
            ),
            {"tenant": tenant},
        )
        return {row[0]: LedgerLoan(*row[1:]) for row in rows}

    async def remember(self, tenant: str, loans: Mapping[str, LedgerLoan]) -> None:
        """Write or replace `loans`."""
        known = loans.values()
        await self.connection.execute(
            text(
                "insert into snapshot_loan (tenant, loan_id, last_date, row_mac, open, borrower)"
                " select :tenant, * from unnest(cast(:ids as text[]), cast(:dates as date[]),"
                " cast(:macs as bytea[]), cast(:open as boolean[]), cast(:borrowers as bytea[]))"
                " on conflict (tenant, loan_id) do update set last_date = excluded.last_date,"
                " row_mac = excluded.row_mac, open = excluded.open, borrower = excluded.borrower"
            ),
            {
                "tenant": tenant,
                "ids": list(loans),
                "dates": [loan.last_date for loan in known],
                "macs": [loan.row_mac for loan in known],
                "open": [loan.open for loan in known],
                "borrowers": [loan.borrower for loan in known],
            },
        )

    async def note(self, snapshot: Snapshot, word: Word, now: datetime) -> None:
        """`snapshot` has been imported, as `word`."""
        await self.connection.execute(
            text(
                "insert into snapshot (tenant, business_date, revision, imported_at, rows, digest)"
                " values (:tenant, :date, :revision, :now, :rows, :digest)"
                " on conflict (tenant, business_date) do update set revision = excluded.revision,"
                " imported_at = excluded.imported_at, rows = excluded.rows, digest = excluded.digest"
            ),
            {
                "tenant": snapshot.tenant,
                "date": snapshot.business_date,
                "revision": word.revision,
                "now": now,
                "rows": len(snapshot.loans),
                "digest": word.digest,
            },
        )

    async def publish(self, facts: Sequence[tuple[Fact, Sealed]]) -> None:
        """Into the outbox, in this order, under seal: a deleted row stays in PostgreSQL's files for long."""
        await self.connection.execute(
            text(
                "insert into outbox (topic, key, value) select :topic, key, value"
                " from unnest(cast(:keys as text[]), cast(:values as bytea[]))"
                " with ordinality as f(key, value, n) order by n"
            ),
            {
                "topic": INTAKE,
                "keys": [loan_key(fact.tenant, fact.data.loan_id) for fact, _ in facts],
                "values": [msgspec.json.encode(sealed) for _, sealed in facts],
            },
        )
