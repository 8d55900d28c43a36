"""What a bank's snapshots become on intake.v1."""

import asyncio
import csv
import time
from datetime import date
from pathlib import Path

import pytest
from doorstep.events.intake import LARGEST_FACT, LoanOverdueFact, encode_fact
from doorstep.intake.importer import FileRefused, NotConfirmed
from doorstep.intake.mapping import ColumnMapping
from doorstep.intake.rows import parse
from doorstep.intake.snapshot import collect
from doorstep_demo.portfolio import Portfolio
from sqlalchemy import text

from .conftest import Bank, Office, row


async def test_every_row_becomes_a_fact_keyed_by_its_loan(office: Office, bank: Bank) -> None:
    (report,) = await office.importer.import_file(bank.snapshot(2, "L1", "L2"))
    assert str(report) == "acme 2026-03-02 imported: 2 overdue, 0 cured, 0 unchanged"
    assert await office.said() == ["2026-03-02 L1 overdue 100.00", "2026-03-02 L2 overdue 100.00"]
    assert await office.keys() == ["doorstep.intake.v1 acme:L1", "doorstep.intake.v1 acme:L2"]


async def test_the_largest_row_makes_a_fact_that_is_taken(office: Office, bank: Bank) -> None:
    longest = {"address": "🏠" * csv.field_size_limit(), "push_token": "x" * 4096, "segment": "段" * 200}
    await office.importer.import_file(bank.snapshot(2, "L1", **longest))
    (fact,) = await office.facts()
    assert LARGEST_FACT / 4 < len(encode_fact(fact)) < LARGEST_FACT
    with pytest.raises(FileRefused, match="line 2: the file stops being CSV here: field larger"):
        await office.importer.import_file(bank.snapshot(3, "L1", address="x" * (csv.field_size_limit() + 1)))


async def test_a_fact_says_who_and_when(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "L1"))
    (fact,) = await office.facts()
    assert isinstance(fact, LoanOverdueFact)
    assert (fact.source, fact.time) == ("/bank/acme/eod", office.clock.now())
    assert fact.data.borrower.name == "陈静怡"
    assert fact.data.time_zone is None
    assert fact.data.language == "zh-CN"


async def test_a_loan_missing_from_the_next_snapshot_is_cured(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDEF"))
    await office.importer.import_file(bank.snapshot(3, *"BCDEF"))
    assert (await office.said())[-1] == "2026-03-03 A cured B-A"


async def test_a_cured_loan_can_come_back(office: Office, bank: Bank) -> None:
    for day, loans in ((2, "ABCDEF"), (3, "BCDEF"), (4, "ABCDEF")):
        await office.importer.import_file(bank.snapshot(day, *loans))
    assert [said for said in await office.said() if " A " in said] == [
        "2026-03-02 A overdue 100.00",
        "2026-03-03 A cured B-A",
        "2026-03-04 A overdue 100.00",
    ]


async def test_the_same_file_again_changes_nothing(office: Office, bank: Bank) -> None:
    file = bank.snapshot(2, "L1", "L2")
    await office.importer.import_file(file)
    before = await office.facts()
    (report,) = await office.importer.import_file(file)
    assert report.outcome == "already imported"
    assert await office.facts() == before


async def test_the_same_rows_in_another_order_change_nothing(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "L1", "L2"))
    (report,) = await office.importer.import_file(bank.snapshot(2, "L2", "L1"))
    assert report.outcome == "already imported"


async def test_a_correction_publishes_only_what_changed(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDEF"))
    corrected = bank.file(row("A", 2, amount_overdue="40.00"), *(row(loan, 2) for loan in "BCDEG"))
    (report,) = await office.importer.import_file(corrected)
    assert str(report) == "acme 2026-03-02 corrected: 2 overdue, 1 cured, 4 unchanged"
    assert (await office.said())[6:] == [
        "2026-03-02 A overdue 40.00",
        "2026-03-02 G overdue 100.00",
        "2026-03-02 F cured B-F",
    ]


async def test_what_is_taken_back_and_said_again_is_a_new_fact(office: Office, bank: Bank) -> None:
    for loans in ("ABCDEF", "BCDEF", "ABCDEF"):
        await office.importer.import_file(bank.snapshot(2, *loans))
    about_a = [fact for fact in await office.facts() if fact.data.loan_id == "A"]
    assert len({fact.id for fact in about_a}) == len(about_a) == 3


async def test_an_import_repeated_on_a_restored_database_says_the_same_facts(office: Office, bank: Bank) -> None:
    file = bank.snapshot(2, "L1", "L2")
    await office.importer.import_file(file)
    async with office.importer.engine.begin() as connection:
        await connection.execute(text("truncate snapshot, snapshot_loan"))
    await office.importer.import_file(file)
    first, second, again_first, again_second = await office.facts()
    assert (first.id, second.id) == (again_first.id, again_second.id)


async def test_a_date_before_the_last_is_refused(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(5, "L1"))
    with pytest.raises(FileRefused, match="acme at 2026-03-04 is older than the last one imported"):
        await office.importer.import_file(bank.snapshot(4, "L1"))


async def test_a_date_from_the_future_is_refused(office: Office, bank: Bank) -> None:
    file = bank.file(row("L1", 2, business_date="2062-03-02"))
    with pytest.raises(FileRefused, match="2062-03-02 of acme is in the future"):
        await office.importer.import_file(file)


async def test_a_file_may_hold_several_dates_and_tenants(office: Office, bank: Bank) -> None:
    rows = [row("L1", 3), row("L9", 2, tenant="birch"), row("L1", 2), *(row(loan, 2) for loan in "ABCD")]
    rows += [row(loan, 3) for loan in "ABCD"]
    file = bank.file(*rows)
    reports = await office.importer.import_file(file)
    assert [(r.tenant, r.business_date.day, r.overdue) for r in reports] == [
        ("acme", 2, 5),
        ("birch", 2, 1),
        ("acme", 3, 5),
    ]
    assert {r.outcome for r in await office.importer.import_file(file)} == {"already imported"}


async def test_a_tenant_that_is_not_in_the_file_keeps_its_loans(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "L1", tenant="birch"))
    await office.importer.import_file(bank.snapshot(3, "L1"))
    assert not [said for said in await office.said() if "cured" in said]


async def test_losing_more_than_a_fifth_needs_confirmation(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDE"))
    with pytest.raises(NotConfirmed, match="2 of 5 open loans of acme are missing at 2026-03-03"):
        await office.importer.import_file(bank.snapshot(3, *"CDE"))
    assert len(await office.facts()) == 5
    await office.importer.import_file(bank.snapshot(3, *"CDE"), confirm=True)
    assert (await office.said())[-2:] == ["2026-03-03 A cured B-A", "2026-03-03 B cured B-B"]


async def test_a_file_is_imported_whole_or_not_at_all(office: Office, bank: Bank) -> None:
    file = bank.file(*(row(loan, 2) for loan in "ABCDE"), row("A", 3))
    with pytest.raises(NotConfirmed):
        await office.importer.import_file(file)
    assert await office.facts() == []
    first, second = await office.importer.import_file(file, confirm=True)
    assert (first.overdue, second.cured) == (5, 4)


async def test_two_imports_at_once_publish_once(office: Office, bank: Bank) -> None:
    file = bank.snapshot(2, "A", "B")
    both = await asyncio.gather(office.importer.import_file(file), office.importer.import_file(file))
    assert sorted(report.outcome for (report,) in both) == ["already imported", "imported"]
    assert len(await office.facts()) == 2


async def test_losing_a_fifth_needs_none(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDE"))
    (report,) = await office.importer.import_file(bank.snapshot(3, *"BCDE"))
    assert report.cured == 1


async def test_an_empty_file_cures_all_once_a_person_says_whose_and_when(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "A", "B"))
    empty, day = bank.file(), date(2026, 3, 3)
    with pytest.raises(FileRefused, match="names no tenant and no business date"):
        await office.importer.import_file(empty, confirm=True)
    with pytest.raises(NotConfirmed, match="every open loan of acme would be cured on 2026-03-03"):
        await office.importer.import_file(empty, tenant="acme", business_date=day)
    (report,) = await office.importer.import_file(empty, tenant="acme", business_date=day, confirm=True)
    assert report.cured == 2


async def test_a_file_of_another_tenant_than_the_one_named_is_refused(office: Office, bank: Bank) -> None:
    with pytest.raises(FileRefused, match="holds a snapshot of acme"):
        await office.importer.import_file(bank.snapshot(2, "L1"), tenant="birch")


async def test_a_file_with_a_bad_row_is_refused_whole(office: Office, bank: Bank) -> None:
    file = bank.file(row("L1", 2), row("L2", 2, amount_overdue="-1"), row("L3", 2, currency="RMB"))
    with pytest.raises(FileRefused) as refused:
        await office.importer.import_file(file)
    assert str(refused.value).splitlines() == [
        "2 rows are bad, nothing was imported; errors: 2",
        "line 3: amount_overdue is negative; a credit is not overdue",
        "line 4: currency is no ISO 4217 currency code such as CNY",
    ]
    assert await office.facts() == []


async def test_of_many_errors_fifty_are_shown_and_all_are_counted(office: Office, bank: Bank) -> None:
    file = bank.file(*(row(f"L{n}", 2, currency="RMB") for n in range(70)))
    with pytest.raises(FileRefused) as refused:
        await office.importer.import_file(file)
    lines = str(refused.value).splitlines()
    assert len(lines) == 52
    assert (lines[0], lines[-1]) == ("70 rows are bad, nothing was imported; errors: 70", "... and 20 more")
    assert len(refused.value.errors) == 70


async def test_with_bad_rows_skipped_their_loans_stay_as_they_were(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDEF"))
    bad = row("A", 3, currency="RMB")
    file = bank.file(bad, *(row(loan, 3) for loan in "CDEF"))
    (report,) = await office.importer.import_file(file, skip_bad_rows=True)
    assert (report.overdue, report.cured, report.untouched) == (4, 1, 1)
    assert not [said for said in await office.said() if said.startswith("2026-03-03 A")]
    (later,) = await office.importer.import_file(bank.snapshot(3, *"ACDEF"))
    assert (later.outcome, later.overdue, later.unchanged) == ("corrected", 1, 4)


async def test_a_bad_row_of_nobody_knows_whom_cures_nobody(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDEF"))
    file = bank.file(row("", 3), *(row(loan, 3) for loan in "BCDEF"))
    (report,) = await office.importer.import_file(file, skip_bad_rows=True)
    assert (report.overdue, report.cured) == (5, 0)


async def test_a_loan_that_appears_twice_is_skipped_altogether(office: Office, bank: Bank) -> None:
    file = bank.file(row("A", 2), row("A", 2, amount_overdue="7.00"), row("B", 2))
    with pytest.raises(FileRefused, match="line 3: loan_id is on line 2 too, for 2026-03-02"):
        await office.importer.import_file(file)
    await office.importer.import_file(file, skip_bad_rows=True)
    assert await office.said() == ["2026-03-02 B overdue 100.00"]


async def test_a_file_of_bad_rows_only_is_no_snapshot(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "A"))
    file = bank.snapshot(3, "A", currency="RMB")
    assert await office.importer.import_file(file, skip_bad_rows=True, confirm=True) == []


async def test_a_loan_that_goes_to_another_borrower_is_over_for_the_first(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "A"))
    await office.importer.import_file(bank.snapshot(3, "A", borrower_id="B-new"))
    assert (await office.said())[1:] == ["2026-03-03 A cured B-A", "2026-03-03 A overdue 100.00"]


async def test_an_erased_borrower_stays_erased_and_stops_nobody_else(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, *"ABCDEFG"))
    vault = office.importer.vault
    for loan in "AC":
        await vault.destroy(vault.tokens.case_id("acme", f"B-{loan}"))
    (report,) = await office.importer.import_file(bank.snapshot(3, *"ABDEFG"))
    assert (report.overdue, report.cured, report.erased) == (5, 0, 1)
    assert not [s for s in (await office.said())[7:] if " A " in s or " C " in s]


async def test_a_fact_of_a_borrower_who_is_erased_before_it_is_published_goes_no_further(
    office: Office, bank: Bank
) -> None:
    await office.importer.import_file(bank.snapshot(2, *"AB"))
    vault = office.importer.vault
    await vault.destroy(vault.tokens.case_id("acme", "B-A"))
    assert await office.said() == ["2026-03-02 B overdue 100.00"]


async def test_the_ledger_holds_nothing_one_could_read(office: Office, bank: Bank) -> None:
    await office.importer.import_file(bank.snapshot(2, "L1"))
    async with office.importer.engine.connect() as connection:
        rows = await connection.execute(text("select l::text, s::text, value from snapshot_loan l, snapshot s, outbox"))
        content = "".join(map(str, rows.one()))
    assert not [secret for secret in ("B-L1", "陈静怡", "1234", "创业路") if secret in content]


async def test_a_gzipped_file_reads_the_same(office: Office, bank: Bank) -> None:
    (report,) = await office.importer.import_file(bank.file(row("L1", 2), packed=True))
    assert report.overdue == 1


async def test_a_banks_own_columns_and_encoding(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "eod.txt"
    path.write_text(
        "合同号;客户号;姓名;电话;产品;余额;逾期;起始日;日期\n"
        "L1;B1;欧阳静;0755-2600 1234;消费贷;900;90.5;20260301;20260302\n",
        encoding="gb18030",
    )
    names = ("loan_id", "borrower_id", "borrower_name", "phone", "product", "principal_outstanding")
    columns = dict(zip(names, ("合同号", "客户号", "姓名", "电话", "产品", "余额"), strict=True))
    mapping = ColumnMapping(
        columns=columns | {"amount_overdue": "逾期", "overdue_since": "起始日", "business_date": "日期"},
        defaults={"tenant": "acme", "currency": "CNY"},
        date_format="%Y%m%d",
        encoding="gb18030",
        delimiter=";",
    )
    await office.importer.import_file(path, mapping)
    assert await office.said() == ["2026-03-02 L1 overdue 90.5"]


async def test_progress_is_told(office: Office, bank: Bank) -> None:
    told: list[tuple[str, int]] = []
    await office.importer.import_file(
        bank.snapshot(2, "A", "B"), progress=lambda stage, done: told.append((stage, done))
    )
    assert told == [("read", 2), ("write", 2)]


async def test_a_synthetic_portfolio_is_imported_day_by_day(office: Office) -> None:
    portfolio = Portfolio(seed=7, borrowers=200, days=5, start=date(2026, 3, 2))
    for day in range(2, 7):
        rows = portfolio.snapshot_rows(date(2026, 3, day), [])
        content = collect(parse(line, found) for line, found in enumerate(rows, 2))
        assert content.errors == []
        (report,) = await office.importer.take(content.snapshots)
        assert (report.overdue, report.cured) == (len(rows), 0)


async def test_twenty_thousand_rows_take_seconds(office: Office, bank: Bank) -> None:
    file = bank.file(*(row(f"L{n}", 2, borrower_id=f"B{n}") for n in range(20_000)))
    started = time.monotonic()
    (report,) = await office.importer.import_file(file)
    assert report.overdue == 20_000
    assert time.monotonic() - started < 30
