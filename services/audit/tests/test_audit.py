"""The audit over a real PostgreSQL: it keeps everything, changes nothing, and shows what it has."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from audit.main import commands
from audit.presentation.present import present
from audit.presentation.terminal import timeline_table
from audit.store import views
from audit.store.react import absorb
from audit.timeline.domain import timeline
from click.testing import Result
from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events.audit import PersonalDataOpened
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.loans import LoanOverdueRecorded, PaymentRecorded, PaymentReversalRecorded
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.topics import LOANS
from doorstep.events.values import Borrower, Override, PackRef, StrategyRef, Verdict
from doorstep.events.visits import AgentRegistered
from doorstep.infra.access import Role
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from tests.support.audit import START, Browser, Story, decision, example, records

pytestmark = pytest.mark.asyncio(loop_scope="session")
LATER = START + timedelta(days=400)
REFUSES = Verdict(
    rule="cn.quiet-hours",
    allowed=False,
    status="must",
    source="self-discipline convention",
    confidence="high",
    detail="22:10 local <time>",
    detail_zh="当地 22:10 <时间>",
)


async def absorbed(running: Running, story: Story) -> Story:
    async with running.engine.begin() as connection:
        await absorb(connection, records(story.entries), SimulatedClock(LATER))
    return story


async def count(running: Running, condition: str = "true") -> int:
    async with running.engine.connect() as connection:
        return int((await connection.execute(text(f"select count(*) from entry where {condition}"))).scalar_one())


async def small_case(running: Running, case_id: str) -> Story:
    """Opened under seal, one contact denied, cured."""
    story = Story(case_id)
    (personal,) = await running.vault.seal([(case_id, msgspec.json.encode(_BORROWER))])
    loan: LoanOverdueRecorded = example(LoanOverdueRecorded)
    loan = msgspec.structs.replace(
        loan, loan_id=f"L-{case_id}", personal=personal, original=personal, time_zone="Asia/Shanghai", late=False
    )
    fact = story.tell(loan, START)
    story.tell(example(CaseOpened), START, cause=fact)
    story.tell(ContactDenied(channel="sms", decision=decision(REFUSES)), START + timedelta(hours=1))
    story.tell(example(CaseCured), START + timedelta(days=3))
    return await absorbed(running, story)


_BORROWER = Borrower(borrower_id="B-1", name="王小明", phone="+8613800000000", address="上海市")


async def test_a_repeated_batch_adds_nothing(running: Running) -> None:
    story = await small_case(running, "repeat")
    before = await count(running)
    await absorbed(running, story)
    assert await count(running) == before


async def test_the_bytes_are_kept_as_they_came(running: Running) -> None:
    story = await small_case(running, "bytes")
    async with running.engine.connect() as connection:
        kept = await views.entries(connection, "bytes")
    assert [entry.value for entry in kept] == [entry.value for entry in story.entries]


async def test_other_bytes_under_a_known_id_are_kept_beside_the_first(running: Running) -> None:
    story = await small_case(running, "forged")
    story.keep(story.entries[1].value.replace(b'"episode":7', b'"episode":8'), START)
    await absorbed(running, story)
    assert await count(running, "case_id = 'forged'") == 5


async def test_what_cannot_be_read_is_kept_once_and_disturbs_nothing(running: Running) -> None:
    story = Story("beside-garbage")
    story.tell(example(CaseOpened), START)
    garbage = [b"", b"\xff\x00", b'{"specversion":"1.0"}', b'{"id":"\\u0000"}', b"[" * 20_000]
    broken = [Record(Partition(LOANS, 3), 900 + n, "k", value) for n, value in enumerate(garbage)]
    for _ in range(2):
        async with running.engine.begin() as connection:
            await absorb(connection, [*broken, *records(story.entries)], SimulatedClock(LATER))
    kept = "topic = '" + LOANS + "' and partition = 3 and type = 'undecodable' and event_id is null"
    assert await count(running, kept) == len(garbage)
    assert await count(running, "case_id = 'beside-garbage'") == 1


CHANGES = ("update entry set type = 'x' where false", "delete from entry", "truncate entry")


@pytest.mark.parametrize("change", CHANGES)
async def test_the_service_itself_may_not_change_an_entry(running: Running, change: str) -> None:
    async with running.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(change))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["origin", "replica"])
async def test_not_even_an_administrator_changes_an_entry_in_passing(
    superuser: AsyncEngine, mode: str, change: str
) -> None:
    async with superuser.connect() as connection:
        await connection.execute(text(f"set session_replication_role = {mode}"))
        with pytest.raises(DBAPIError, match="never changed"):
            await connection.execute(text(change))


async def test_what_the_bus_brings_can_be_read_at_once(running: Running, browser: Browser) -> None:
    story = Story("from-the-bus")
    entry = story.tell(CaseOpened(episode=7, business_date=START.date()), START)
    await running.bus.publish([Outgoing(entry.topic, "from-the-bus", entry.value)])
    while await running.turn():
        pass
    shown = (await browser.get("/cases/from-the-bus/timeline?lang=en")).json()
    assert [line["sentence"] for line in shown["lines"]] == ["Case opened (episode 7)"]


async def test_the_list_finds_a_case_by_its_id_and_by_a_loan(running: Running, browser: Browser) -> None:
    await small_case(running, "findme")
    for q in ("findme", "find", "L-findme"):
        (found,) = (await browser.get(f"/cases?q={q}")).json()["cases"]
        assert (found["case_id"], found["status"], found["entries"]) == ("findme", "cured", 4)
    assert (await browser.get("/cases?q=L-findm")).json()["cases"] == []


async def test_the_list_shows_cases_only_and_the_latest_first(running: Running, browser: Browser) -> None:
    roster = Story("agent-9")
    roster.tell(example(AgentRegistered), START, stream="agent/agent-9")
    await absorbed(running, roster)
    tenant = Story("tenant-demo-bank")
    for happened in (ShadowSet, RampSet, SendingStopped, SendingAllowed):
        tenant.tell(example(happened), START, stream="tenant/demo-bank")
    await absorbed(running, tenant)
    await small_case(running, "newest")
    listed = [case["case_id"] for case in (await browser.get("/cases")).json()["cases"]]
    assert listed[0] == "newest"
    assert {"agent-9", "tenant-demo-bank"}.isdisjoint(listed)


async def test_the_timeline_is_told_in_the_borrowers_zone(running: Running, browser: Browser) -> None:
    await small_case(running, "zoned")
    shown = (await browser.get("/cases/zoned/timeline?lang=en")).json()
    assert shown["zone"] == "Asia/Shanghai"
    assert shown["lines"][0]["occurred"] == "2026-03-02T09:00:00+08:00"
    assert shown["lines"][2]["decision"]["verdicts"][0]["rule"] == "cn.quiet-hours"


async def test_the_page_shows_why_with_packs_graph_and_who_chose_the_step(running: Running, browser: Browser) -> None:
    why = msgspec.structs.replace(
        decision(REFUSES),
        packs=(PackRef("cn", "2026.1", "c0ffee" * 10), PackRef("us", "2026.2", "decade" * 10)),
        strategy=StrategyRef(
            graph="default", hash="facade" * 10, engine="2.1.3", path=("Stage: late", "Next step: visit")
        ),
        override=Override(override_id="o", by="olga", approved_by="otto", reason="asked for it"),
    )
    story = Story("why")
    story.tell(ContactDenied(channel="sms", decision=why), START)
    await absorbed(running, story)
    page = (await browser.get("/pages/cases/why?lang=en")).text
    for told in ("cn 2026.1 + us 2026.2", "c0ffeec0ffee", "default · facadefacade", "olga: asked for it", "otto"):
        assert told in page
    assert "Stage: late → Next step: visit" in page
    assert "decade" * 10 in page


async def test_the_page_links_what_was_corrected_with_what_corrects_it(running: Running, browser: Browser) -> None:
    story = Story("corrected")
    payment = msgspec.structs.replace(example(PaymentRecorded), source="bank", fact_id="p-1", late=True)
    story.tell(payment, START, occurred=START - timedelta(days=1))
    reversal = msgspec.structs.replace(example(PaymentReversalRecorded), source="bank", payment_id="p-1")
    story.tell(reversal, START + timedelta(hours=1))
    await absorbed(running, story)
    first, second = (
        line["entry"]["position"] for line in (await browser.get("/cases/corrected/timeline")).json()["lines"]
    )
    page = (await browser.get("/pages/cases/corrected?lang=en")).text
    assert f'id="e{first}"' in page
    assert f'Corrects <a href="#e{first}">#{first}</a>' in page
    assert f'Corrected by <a href="#e{second}">#{second}</a>' in page
    assert 'Occurred <time datetime="2026-03-01T01:00:00+00:00">2026-03-01 01:00 UTC</time>' in page
    assert "Business date 2026-03-09" in page


async def test_as_of_shows_what_had_been_absorbed_by_then(running: Running, browser: Browser) -> None:
    story = Story("as-of")
    for hours, happened in ((1, CaseOpened), (2, CaseCured), (24, CaseOpened)):
        entry = story.tell(example(happened), START)
        async with running.engine.begin() as connection:
            await absorb(connection, records([entry]), SimulatedClock(LATER + timedelta(hours=hours)))
    then = await browser.get("/cases/as-of/timeline?as_of=2027-04-06T10:30:00+08:00")
    assert [line["type"] for line in then.json()["lines"]] == ["doorstep.case.opened"]
    assert (await browser.get("/cases/as-of/timeline?as_of=2026-03-01T00:00:00Z")).status_code == 404
    assert (await browser.get("/cases/as-of/timeline?as_of=2027-04-06T10:30:00")).status_code == 422
    on_the_page = "/pages/cases/as-of?lang=en&as_of=2027-04-06T10:30&zone="
    assert "Case cured" not in (await browser.get(on_the_page + "Asia/Shanghai")).text
    assert "Case cured" in (await browser.get(on_the_page + "UTC")).text
    assert (await browser.get(on_the_page + "No/Where")).status_code == 422


async def test_as_of_a_moment_that_has_not_passed_is_refused(running: Running, browser: Browser) -> None:
    await small_case(running, "tomorrow")
    refused = await browser.get("/cases/tomorrow/timeline?as_of=2099-01-01T00:00:00Z")
    assert (refused.status_code, "leave it out" in refused.text) == (422, True)


async def test_personal_data_stay_sealed(running: Running, browser: Browser) -> None:
    await small_case(running, "sealed")
    body = (await browser.get("/cases/sealed/timeline", role="compliance")).text
    assert "«sealed»" in body
    assert "王小明" not in body


async def test_a_viewer_cannot_open_them(running: Running, browser: Browser) -> None:
    await small_case(running, "curious")
    assert (await browser.send("/cases/curious/timeline", "viewer", reason="curiosity")).status_code == 403
    assert (await browser.post("/pages/cases/curious", "viewer", reason="curiosity")).status_code == 403


async def test_compliance_opens_them_for_a_reason_and_the_opening_is_an_event(
    running: Running, browser: Browser
) -> None:
    await small_case(running, "opened")
    path = "/cases/opened/timeline"
    assert (await browser.send(path, "compliance")).status_code == 422
    assert (await browser.send(path, "compliance", reason="")).status_code == 409
    for _ in range(2):
        assert "王小明" in (await browser.send(path, "compliance", reason="complaint 17")).text
    while await running.turn():
        pass
    async with running.engine.connect() as connection:
        kept = [entry.event for entry in await views.entries(connection, "opened")]
    opening = PersonalDataOpened(by="wang.li", role="compliance", reason="complaint 17")
    assert kept.count(opening) == 2


@pytest.mark.parametrize("role", ["viewer", "compliance"])
@pytest.mark.parametrize("path", ["/cases/looked/timeline", "/cases/looked/timeline.pdf"])
async def test_a_get_opens_nothing_and_says_what_does(
    running: Running, browser: Browser, path: str, role: Role
) -> None:
    """It would stand in logs and histories, and open again for whoever finds it there."""
    await small_case(running, "looked")
    answer = await browser.get(f"{path}?open=true&reason=complaint+17", role=role)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == {"detail": "personal data are opened by POST to this path, with a reason"}


async def test_nothing_is_opened_when_the_opening_cannot_be_recorded(
    running: Running, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_case(running, "unrecorded")

    async def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the database does not answer")

    monkeypatch.setattr(running, "execute", unreachable)
    answer = await browser.send("/cases/unrecorded/timeline", "compliance", reason="complaint")
    assert answer.status_code == 503
    assert "王小明" not in answer.text


async def test_an_erased_person_is_shown_as_erased(running: Running, browser: Browser) -> None:
    await small_case(running, "gone")
    await running.vault.destroy("gone")
    shown = await browser.send("/cases/gone/timeline", "compliance", reason="complaint")
    assert shown.json()["lines"][0]["personal"] == {"personal": "«erased»", "original": "«erased»"}


async def test_a_changed_seal_is_shown_as_tampered_and_the_others_still_open(
    running: Running, browser: Browser
) -> None:
    await small_case(running, "changed")
    (good, bad) = await running.vault.seal([("changed", b"{}"), ("changed", b"{}")])
    loan = msgspec.structs.replace(
        example(LoanOverdueRecorded), personal=msgspec.structs.replace(bad, box=bad.box[::-1]), original=good
    )
    story = Story("changed")
    story.tell(loan, START, stream="loan/other")
    await absorbed(running, story)
    shown = await browser.send("/cases/changed/timeline", "compliance", reason="complaint")
    opened = [line["personal"] for line in shown.json()["lines"] if line["stream"] == "loan/other"]
    assert opened == [{"personal": "«tampered»", "original": "{}"}]


@pytest.mark.parametrize("path", ["/cases", "/cases/x/timeline", "/", "/pages/cases/x", "/undecodable"])
async def test_nobody_sees_anything_without_a_token(browser: Browser, path: str) -> None:
    assert (await browser.get(path, role=None)).status_code == 401
    assert (await browser.get(path, role="agent")).status_code == 403


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
async def test_the_pages_show_the_case_in_both_languages(running: Running, browser: Browser, lang: str) -> None:
    await small_case(running, "page")
    page = await browser.get(f"/pages/cases/page?lang={lang}")
    assert page.status_code == 200
    assert f'<html lang="{lang}">' in page.text
    assert {"zh-CN": "不准发送短信", "en": "SMS denied"}[lang] in page.text
    assert ("当地 22:10 &lt;时间&gt;" if lang == "zh-CN" else "22:10 local &lt;time&gt;") in page.text
    listed = await browser.get(f"/?lang={lang}")
    assert f'href="/pages/cases/page?lang={lang}"' in listed.text


async def test_the_pages_need_no_script_and_nothing_from_outside(running: Running, browser: Browser) -> None:
    await small_case(running, "strict")
    for path in ("/", "/pages/cases/strict"):
        page = await browser.get(path)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.search(r"<script|javascript:|\sstyle=|\son\w+=|https?://|<img|<link", page.text)


async def test_a_filtered_page_shows_one_kind(running: Running, browser: Browser) -> None:
    await small_case(running, "filtered")
    page = await browser.get("/pages/cases/filtered?lang=en&kind=decision")
    assert "SMS denied" in page.text
    assert "Case opened" not in page.text


async def test_only_compliance_is_offered_to_open_and_sees_the_borrower(running: Running, browser: Browser) -> None:
    await small_case(running, "offer")
    assert 'name="reason"' not in (await browser.get("/pages/cases/offer")).text
    assert 'name="reason"' in (await browser.get("/pages/cases/offer", role="compliance")).text
    page = await browser.post("/pages/cases/offer?lang=en", "compliance", reason="complaint 17")
    assert "王小明" in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_the_browser_language_is_the_default(running: Running, browser: Browser) -> None:
    assert '<html lang="en">' in (await browser.get("/", language="en-GB,en;q=0.9")).text
    assert '<html lang="zh-CN">' in (await browser.get("/")).text


def run_cli(running: Running, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", running.settings.database_url)
    monkeypatch.setenv("COLUMNS", "160")
    return CliRunner().invoke(commands, ["timeline", *arguments])


async def in_terminal(running: Running, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    return await asyncio.to_thread(run_cli, running, monkeypatch, *arguments)


async def test_the_terminal_tells_time_who_and_what(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    await small_case(running, "terminal")
    told = await in_terminal(running, monkeypatch, "terminal", "--lang", "en")
    assert told.exit_code == 0
    assert "2026-03-02 09:00 UTC+8" in told.output
    assert "doorstep (system)" in told.output
    assert "[denied] SMS denied" in told.output


async def test_a_narrow_terminal_folds_chinese_instead_of_dropping_words() -> None:
    story = Story()
    story.tell(example(LoanOverdueRecorded), START)
    shown = present(timeline("case-1", story.entries), "zh-CN")
    printed = timeline_table(shown, width=70)
    assert "逾期金额" in shown.lines[0].sentence
    assert "…" not in printed


async def test_the_terminal_gives_json_too(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    await small_case(running, "terminal-json")
    told = await in_terminal(running, monkeypatch, "terminal-json", "--json")
    assert len(json.loads(told.output)["lines"]) == 4


async def test_the_terminal_prints_a_pdf(running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await small_case(running, "terminal-pdf")
    told = await in_terminal(running, monkeypatch, "terminal-pdf", "--pdf", str(tmp_path / "case.pdf"))
    assert told.exit_code == 0
    assert (tmp_path / "case.pdf").read_bytes().startswith(b"%PDF-")


async def test_the_terminal_says_what_is_wrong(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await in_terminal(running, monkeypatch, "nobody")).exit_code == 1
    assert (await in_terminal(running, monkeypatch, "nobody", "--as-of", "2026-03-01T10:00")).exit_code == 2
    assert (await in_terminal(running, monkeypatch, "nobody", "--as-of", "2099-03-01T10:00Z")).exit_code == 2
