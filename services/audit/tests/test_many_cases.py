"""Lists, searches and scans read what they show, however many cases there are."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from audit.erasure import views as erasure
from audit.main import service
from audit.monitor import views as monitor
from audit.store.views import PAGE
from audit.timeline import views
from doorstep.infra import database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from conftest import NewDatabase
from tests.support.audit import START
from tests.support.audit_archive import filled
from tests.support.rows_read import rows_read

MANY = 4_000
LATER = START + timedelta(days=400)


@pytest.fixture
async def archive(new_database: NewDatabase) -> AsyncEngine:
    """With as many cases."""
    engine = await new_database(database.KERNEL, service.migrations)
    await filled(engine, MANY, START)
    return engine


async def _pages(engine: AsyncEngine, q: str = "", before: int | None = None) -> tuple[views.CaseList, Counter[str]]:
    with rows_read(engine) as read:
        async with engine.begin() as connection:
            found = await views.cases(connection, q, before)
    return found, read


async def test_a_page_deep_in_the_list_costs_what_the_first_one_does(archive: AsyncEngine) -> None:
    first, at_first = await _pages(archive)
    page, deep = await _pages(archive, before=3 * MANY + MANY // 10)
    assert first.next is not None
    assert len(first.cases) == len(page.cases) == PAGE
    assert deep["entry"] < at_first["entry"] + 100 < 2_000


async def test_pages_show_each_case_once_and_leave_none_out(archive: AsyncEngine) -> None:
    seen: list[str] = []
    before: int | None = 3 * MANY + 120
    while before is not None:
        page, _ = await _pages(archive, before=before)
        seen += [case.case_id for case in page.cases]
        before = page.next if len(seen) < 120 else None
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("n", [7, 3_999])
async def test_a_search_reads_the_cases_it_finds_alone(archive: AsyncEngine, n: int) -> None:
    by_loan, read = await _pages(archive, f"L-{n}")
    ((case_id,),) = await _rows(archive, f"select md5('{n}')")
    by_beginning, read_too = await _pages(archive, case_id[:9])
    assert [case.case_id for case in by_loan.cases] == [case.case_id for case in by_beginning.cases] == [case_id]
    assert (read["entry"] < 100, read_too["entry"] < 100) == (True, True), (read, read_too)


async def test_each_page_of_the_scans_reads_a_page(archive: AsyncEngine) -> None:
    ended: list[str] = []
    kept: list[str] = []
    after: int | None = -1
    while after is not None:
        with rows_read(archive) as read:
            async with archive.begin() as connection:
                page, other = (
                    await erasure.ended(connection, LATER, after),
                    await monitor.kept(connection, LATER, after),
                )
        assert read["entry"] <= 10 * PAGE, read
        ended += [case.case_id for case in page.cases]
        kept += other.cases
        assert page.after == other.after
        after = page.after
    assert len(set(ended)) == len(set(kept)) == len(ended) == MANY // 10


async def test_a_case_that_opened_again_has_not_ended(archive: AsyncEngine) -> None:
    async with archive.begin() as connection:
        await connection.execute(
            text(
                """insert into entry select 100000, topic, 0, 100000, 'again', case_id, tenant, 'doorstep.case.opened',
                    stream, 5, occurred_at, recorded_at + interval '1 day', absorbed_at, value
                from entry where type = 'doorstep.case.cured' order by position limit 1"""
            )
        )
        page = await erasure.ended(connection, LATER)
    assert (len(page.cases), page.after is not None) == (PAGE - 1, True)


async def _rows(engine: AsyncEngine, sql: str) -> Sequence[tuple[str]]:
    async with engine.connect() as connection:
        return [(row[0],) for row in await connection.execute(text(sql))]
