"""Exporting evidence: what was absorbed is signed first, what leaves is on record first, and by whom."""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit.disclosure.evidence import export as exporting
from audit.disclosure.evidence.export import Wanted, export
from audit.log.scrub import slice_
from audit.log.writer import signer
from audit.main import service
from audit.store.entry import Entry
from audit.store.react import absorb
from audit.store.settings import AuditSettings
from doorstep.bus.interface import Partition, Record
from doorstep.bus.postgres import PostgresBus
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.disputes import DisputeOpened
from doorstep.events.escalation.holds import HoldPlaced
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.reminder import ReplyReceived
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Borrower
from doorstep.infra import database
from doorstep.infra.access import EVERY_TENANT, Issuer, Principal, private_key
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tlog.folder import Broken, Folder
from tlog.notes import Signer
from tlog.verifier import Wrong, check, open_checkpoint, summary, unpack

from tests.support.audit import START, Browser, Story, example, records

ISSUER = Issuer.generate()
NAME = "王小明"
HOUR = timedelta(hours=1)
AUDITOR = Principal("wang.li", "auditor", tenants=EVERY_TENANT)

Audit = Running[AuditSettings]


@pytest.fixture
async def audit(new_database: Callable[..., Awaitable[AsyncEngine]], tmp_path: Path) -> AsyncIterator[Audit]:
    """The audit, with a log of its own; nothing turns by itself."""
    engines = [
        await new_database(database.KERNEL, service.migrations),
        await new_database(database.VAULT),
        await new_database(database.BUS),
    ]
    urls = [one.url.render_as_string(hide_password=False) for one in engines]
    settings = AuditSettings(
        database_url=urls[0],
        vault_url=urls[1],
        vault_key="k" * 32,
        tenant_secret="s" * 32,
        jwt_public_key=ISSUER.public_key,
        gateway_folder=tmp_path / "gateway",
        log_key=private_key(),
        log_folder=tmp_path / "log",
        log_create=True,
        durable=False,
    )
    running = Running(service, settings, bus=PostgresBus(engines[2]), clock=SimulatedClock(START))
    await running.prepare()
    yield running
    await running.close()


@pytest.fixture
async def case(audit: Audit) -> Story:
    """Opened under seal; more comes when it is told."""
    story = Story()
    borrower = Borrower(borrower_id="B-1", name=NAME, phone="+8613800000000", address="上海市")
    (personal,) = await audit.vault.seal([("case-1", msgspec.json.encode(borrower))])
    loan: LoanOverdueRecorded = example(LoanOverdueRecorded)
    fact = story.tell(msgspec.structs.replace(loan, personal=personal, original=personal), START)
    story.tell(example(CaseOpened), START, cause=fact)
    await heard(audit, story)
    return story


@pytest.fixture
def browser(audit: Audit) -> Browser:
    """See Browser."""
    return Browser(audit, ISSUER)


async def heard(audit: Audit, story: Story) -> None:
    async with audit.engine.begin() as connection:
        await absorb(connection, records(story.entries), audit.clock)


async def settled(audit: Audit) -> None:
    while await audit.turn():
        continue


def verified(audit: Audit, data: bytes) -> Any:
    return check(data, signer(audit.settings).verifier)


async def sentences(browser: Browser) -> list[str]:
    shown = (await browser.get("/cases/case-1/timeline?lang=en")).json()
    return [line["sentence"] for line in shown["lines"]]


@pytest.mark.usefixtures("case")
async def test_an_auditor_gets_a_bundle_that_verifies(audit: Audit, browser: Browser) -> None:
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="evidence-case-1-2.zip"'
    assert answer.headers["cache-control"] == "no-store"
    report = verified(audit, answer.content)
    assert (report.manifest.case_id, report.events, report.manifest.size) == ("case-1", 2, 2)
    files = unpack(answer.content)
    assert {"README.md", "verify.py", "key", "checkpoint", "timeline.zh.json", "timeline.en.json"} < files.keys()
    assert all(files[f"timeline.{language}.pdf"].startswith(b"%PDF") for language in ("zh", "en"))
    assert "personal.json" not in files
    assert NAME.encode() not in answer.content


@pytest.mark.usefixtures("case")
async def test_the_export_itself_is_in_the_record_and_in_the_next_bundle(audit: Audit, browser: Browser) -> None:
    await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    await settled(audit)
    told = (
        "wang.li (auditor) exported the evidence: 2 entries of the case, among the first 2 of the log; because: court 8"
    )
    assert any(line.startswith(told) for line in await sentences(browser))
    again = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert verified(audit, again.content).events == 3
    assert b"doorstep.evidence.exported" in again.content


async def test_what_was_absorbed_is_signed_before_it_leaves(audit: Audit, case: Story) -> None:
    await settled(audit)
    case.tell(example(CaseCured), START + timedelta(days=3))
    await heard(audit, case)
    made = await export(audit, Wanted("case-1", AUDITOR, "complaint 17"))
    assert (made.entries, made.unsigned) == (3, 0)


async def test_what_another_process_has_not_signed_is_left_out_and_said(
    audit: Audit, case: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled(audit)
    case.tell(example(CaseCured), START + timedelta(days=3))
    await heard(audit, case)
    monkeypatch.setattr(exporting, "PATIENCE", 0.0)
    other = Running(replace(service, workers=lambda _: ()), audit.settings, bus=audit.bus, clock=audit.clock)
    await other.prepare()
    made = await export(other, Wanted("case-1", AUDITOR, "complaint 17"))
    await other.close()
    assert (made.entries, made.unsigned) == (2, 1)
    assert verified(audit, made.data).manifest.prefix == 2


@pytest.mark.usefixtures("case")
async def test_the_same_case_under_the_same_checkpoint_gives_the_same_bytes(audit: Audit) -> None:
    first = await export(audit, Wanted("case-1", AUDITOR, "complaint 17"))
    assert (await export(audit, Wanted("case-1", AUDITOR, "complaint 18"))).data == first.data


async def test_as_of_takes_what_was_absorbed_by_then(audit: Audit, case: Story, browser: Browser) -> None:
    clock = audit.clock
    assert isinstance(clock, SimulatedClock)
    clock.jump(START + timedelta(days=3))
    case.tell(example(CaseCured), START + timedelta(days=3))
    await heard(audit, case)
    then = "2026-03-02T09:00:00+08:00"
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8", as_of=then)
    report = verified(audit, answer.content)
    assert (report.events, report.manifest.prefix, report.manifest.size) == (2, 2, 3)
    for wrong in ("2026-03-02T09:00:00", "2031-01-01T00:00:00Z"):
        refused = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8", as_of=wrong)
        assert refused.status_code == 422


@pytest.mark.usefixtures("case")
async def test_compliance_can_add_the_personal_data_and_that_is_recorded_too(audit: Audit, browser: Browser) -> None:
    answer = await browser.send("/cases/case-1/evidence", "compliance", reason="court 8", opened=True)
    files = unpack(answer.content)
    assert verified(audit, answer.content).events == 2
    assert NAME in msgspec.json.decode(files["personal.json"])["0"]["personal"]
    assert [name for name, data in files.items() if NAME.encode() in data] == ["personal.json"]
    await settled(audit)
    assert any("opened the personal data, because: court 8" in line for line in await sentences(browser))


@pytest.mark.parametrize(
    ("role", "asked", "status"),
    [
        ("viewer", {"reason": "curious"}, 403),
        ("operator", {"reason": "curious"}, 403),
        (None, {"reason": "curious"}, 401),
        ("auditor", {"reason": "curious", "opened": True}, 403),
        ("auditor", {"reason": " x "}, 409),
        ("auditor", {}, 422),
    ],
)
@pytest.mark.usefixtures("case")
async def test_nothing_leaves_without_the_role_and_a_reason(
    audit: Audit, browser: Browser, role: Any, asked: Mapping[str, Any], status: int
) -> None:
    answer = await browser.send("/cases/case-1/evidence", role, **asked)
    assert answer.status_code == status
    assert b"PK" not in answer.content
    await settled(audit)
    assert len(await sentences(browser)) == 2


@pytest.mark.usefixtures("case")
async def test_of_an_unknown_case_there_is_no_evidence(browser: Browser) -> None:
    answer = await browser.send("/cases/nobody/evidence", "auditor", reason="court 8")
    assert (answer.status_code, "there are no entries of case nobody" in answer.text) == (404, True)


@pytest.mark.usefixtures("case")
async def test_tiles_that_were_changed_let_nothing_out(audit: Audit, browser: Browser) -> None:
    await settled(audit)
    tile = audit.settings.log_folder / "tile" / "0" / "000.p" / "2"
    tile.write_bytes(bytes(64))
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8")
    assert (answer.status_code, "doorstep log verify" in answer.text) == (503, True)
    await settled(audit)
    assert len(await sentences(browser)) == 2


@pytest.mark.usefixtures("case")
async def test_the_page_has_a_form_for_those_who_may(audit: Audit, browser: Browser) -> None:
    page = (await browser.get("/pages/cases/case-1?lang=en", "auditor")).text
    action = re.search(r'action="(/pages/cases/case-1/evidence[^"]*)"', page)
    assert action
    assert 'name="opened"' not in page
    assert 'name="opened"' in (await browser.get("/pages/cases/case-1?lang=en", "compliance")).text
    assert "/evidence" not in (await browser.get("/pages/cases/case-1?lang=en", "viewer")).text
    assert verified(audit, (await browser.post(action[1], "auditor", reason="court 8")).content).events == 2


@pytest.mark.usefixtures("case")
async def test_a_bundle_of_another_lender_is_refused(audit: Audit) -> None:
    made = await export(audit, Wanted("case-1", AUDITOR, "complaint 17"))
    other = Signer.from_pem(audit.settings.log_origin, private_key()).verifier
    with pytest.raises(Wrong, match="manifest: it is not signed by"):
        check(made.data, other)


# -- what is odd is shown as it is, and what is hidden is missed


async def test_an_entry_that_is_no_text_is_in_the_evidence_as_bytes_and_is_said_to_be_unreadable(
    audit: Audit, case: Story, browser: Browser
) -> None:
    odd = case.tell(example(HoldPlaced), START).value.replace(b"some-text", b"caf\xe9")
    await heard_as_it_is(audit, odd)
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert answer.status_code == 200, answer.text
    files, report = unpack(answer.content), verified(audit, answer.content)
    (line,) = [line for line in msgspec.json.decode(files["timeline.en.json"])["lines"] if line["base64"]]
    assert base64.b64decode(line["base64"]) == odd == files["events/0000000002.json"]
    assert line["sentence"] == f"doorstep.hold.placed v1 … (no text: {len(odd)} bytes, kept as they came)"
    assert (report.events, len(report.unreadable)) == (3, 1)
    assert "unreadable: events/0000000002.json is no text (UTF-8)" in summary(report)


async def test_the_edges_of_the_calendar_are_shown_on_every_page_and_in_the_evidence(
    audit: Audit, case: Story, browser: Browser
) -> None:
    last, first = datetime.max.replace(tzinfo=timezone(-8 * HOUR)), datetime.min.replace(tzinfo=timezone(8 * HOUR))
    case.tell(msgspec.structs.replace(example(HoldPlaced), until=last), START)
    case.tell(msgspec.structs.replace(example(DisputeOpened), answer_by=last, close_by=last), START)
    reply = msgspec.structs.replace(example(ReplyReceived), at=first)
    case.tell(reply, START, stream="contact/p1", occurred=first)
    await heard(audit, case)
    for path in ("/cases/case-1/timeline", "/pages/cases/case-1", "/disputes", "/pages/disputes", "/"):
        assert (await browser.get(path)).status_code == 200, path
    assert len(await sentences(browser)) == 5
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert (answer.status_code, verified(audit, answer.content).events) == (200, 5)


async def test_what_an_earlier_release_could_not_file_is_on_the_timeline_and_in_the_evidence(
    audit: Audit, case: Story, browser: Browser
) -> None:
    told = case.tell(example(CaseCured), START, occurred=datetime.min.replace(tzinfo=UTC))
    await written(audit, told, event_id=None, case_id=None)
    assert len(await sentences(browser)) == 3
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert verified(audit, answer.content).events == 3
    await verified_as_a_whole(audit)


async def test_entries_filed_under_another_case_are_missed_by_their_bytes(
    audit: Audit, case: Story, browser: Browser
) -> None:
    """With the role of the audit itself, which may insert what it likes."""
    told = case.tell(example(CaseCured), START)
    await written(audit, told, event_id=told.envelope.id, case_id="case-2")
    answer = await browser.send("/cases/case-1/evidence", "auditor", reason="court 8 C 17/26")
    assert (answer.status_code, answer.json()["detail"][:60]) == (
        503,
        "1 entries of this case are filed under other names than thei",
    )
    with pytest.raises(Broken, match="entry 2 of the database is filed under other names"):
        await verified_as_a_whole(audit)


@pytest.mark.parametrize("column", ["tenant", "type", "stream"])
async def test_every_name_an_entry_is_filed_under_is_held_against_its_bytes(
    audit: Audit, case: Story, column: str
) -> None:
    told = case.tell(example(CaseCured), START)
    await written(audit, told, event_id=told.envelope.id, case_id="case-1", **{column: "another"})
    with pytest.raises(Broken, match="entry 2 of the database is filed under other names"):
        await settled(audit)


async def heard_as_it_is(audit: Audit, value: bytes) -> None:
    async with audit.engine.begin() as connection:
        await absorb(connection, [Record(Partition(ESCALATION, 0), 900, "case-1", value)], audit.clock)


async def written(audit: Audit, told: Entry, **names: str | None) -> None:
    """A row as it is written without the code of the audit, but with its role."""
    envelope = told.envelope
    row = {
        "type": envelope.type if names["event_id"] else "undecodable",
        "tenant": envelope.tenant if names["event_id"] else None,
        "stream": envelope.stream if names["event_id"] else None,
        "version": envelope.streamversion if names["event_id"] else None,
        "recorded_at": envelope.recordedat if names["event_id"] else None,
        "occurred_at": envelope.time if names["event_id"] else None,
        "value": told.value,
        **names,
    }
    async with audit.engine.begin() as connection:
        await connection.execute(WRITE, {"now": audit.clock.now(), **row})


WRITE = text(
    """
    insert into entry (position, topic, partition, "offset", event_id, case_id, tenant, type, stream, stream_version,
                       occurred_at, recorded_at, absorbed_at, value)
    select max(position) + 1, 'doorstep.escalation.v1', 0, 900, :event_id, :case_id, :tenant, :type, :stream, :version,
           :occurred_at, :recorded_at, :now, :value
    from entry
    """
)


async def verified_as_a_whole(audit: Audit) -> None:
    """As `doorstep log verify` does."""
    folder = Folder(audit.settings.log_folder)
    size = open_checkpoint(folder.checkpoint(), signer(audit.settings).verifier).size
    assert await slice_(audit, folder, 0, size) == size
