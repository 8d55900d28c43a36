"""What the ledger only says again is told in one line with what it repeats, and both facts stay behind it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from audit.presentation import pdf
from audit.presentation.present import ShownLine, present
from audit.presentation.terminal import timeline_table
from audit.store.react import absorb
from audit.timeline.domain import timeline
from doorstep.events import reminder, visits
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.registry import Event
from doorstep.events.values import Language
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running

from tests.support.audit import START, Browser, Story, example, records

SECOND = timedelta(seconds=1)
SENT = reminder.ContactSent(permit_id="p", channel="sms", provider="file", provider_message_id="m", rendered_mac="x")
BOOKED = ContactOutcomeRecorded(permit_id="p", channel="sms", outcome="sent", at=START)
DELIVERED = reminder.ReceiptRecorded(permit_id="p", channel="sms", status="delivered", at=START)
NOTICED = example(visits.VisitNoticed)
TOLD: dict[Language, str] = {
    "zh-CN": "已发送短信，服务商 file 受理（编号 m）（已记入台账）",
    "en": "SMS sent: file took it as m (in the ledger)",
}


def story(said: Event, booked: Event, case_id: str = "case-1") -> Story:
    """An executor says `said`, and escalation's ledger `booked` because of it."""
    told = Story(case_id)
    cause = told.tell(said, START, stream=f"executor/{case_id}")
    told.tell(booked, START + SECOND, cause=cause)
    return told


def lines(told: Story, language: Language = "en") -> Sequence[ShownLine]:
    return present(timeline(told.case_id, told.entries), language).merged().lines


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_sent_and_its_line_in_the_ledger_are_one_line_with_both_entries(language: Language) -> None:
    (line,) = lines(story(SENT, BOOKED), language)
    assert line.sentence == TOLD[language]
    assert line.type == "doorstep.contact.sent"
    assert line.ledger is not None
    assert line.ledger.type == "doorstep.contact.outcome-recorded"
    assert line.positions == [1, 2]


@pytest.mark.parametrize(
    ("said", "booked"),
    [
        (DELIVERED, ContactOutcomeRecorded(permit_id="p", channel="sms", outcome="delivered", at=START)),
        (NOTICED, VisitOutcomeRecorded(permit_id=NOTICED.visit_id, outcome="noticed", at=START)),
    ],
)
def test_so_are_receipts_and_visits(said: Event, booked: Event) -> None:
    (line,) = lines(story(said, booked))
    assert line.positions == [1, 2]


@pytest.mark.parametrize(
    "booked",
    [
        ContactOutcomeRecorded(permit_id="p", channel="sms", outcome="failed", at=START),
        ContactOutcomeRecorded(permit_id="another", channel="sms", outcome="sent", at=START),
    ],
)
def test_a_ledger_that_says_something_else_has_a_line_of_its_own(booked: Event) -> None:
    assert [line.positions for line in lines(story(SENT, booked))] == [[1], [2]]


def test_what_does_not_come_of_it_has_a_line_of_its_own() -> None:
    told = Story()
    told.tell(SENT, START, stream="executor/case-1")
    told.tell(BOOKED, START + SECOND)
    assert [line.positions for line in lines(told)] == [[1], [2]]


def test_what_stands_out_has_a_line_of_its_own() -> None:
    told = story(SENT, BOOKED)
    forged = told.entries[1].value.replace(b'"outcome":"sent"', b'"outcome": "sent"')
    told.keep(forged, START + 2 * SECOND)
    assert sorted(list(line.positions) for line in lines(told)) == [[1], [2], [3]]


def test_before_the_ledger_is_known_nothing_is_said_of_it() -> None:
    (line,) = present(timeline("case-1", story(SENT, BOOKED).entries[:1]), "en").merged().lines
    assert line.sentence == "SMS sent: file took it as m"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_terminal_and_paper_name_both_entries(language: Language) -> None:
    shown = present(timeline("case-1", story(SENT, BOOKED).entries), language)
    printed = timeline_table(shown, width=160)
    assert "1, 2" in printed
    assert printed.count(TOLD[language]) == 1
    assert pdf.data(shown).count(TOLD[language]) == 1
    assert pdf.pdf(shown).startswith(b"%PDF")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.asyncio(loop_scope="session")
async def test_page_and_json_lead_to_the_bytes_of_both(running: Running, browser: Browser, language: Language) -> None:
    told = story(SENT, BOOKED, f"echo-{language}")
    async with running.engine.begin() as connection:
        await absorb(connection, records(told.entries), SimulatedClock(START))

    (line,) = (await browser.get(f"/cases/echo-{language}/timeline?lang={language}")).json()["lines"]
    page = (await browser.get(f"/pages/cases/echo-{language}?lang={language}")).text
    assert page.count(TOLD[language]) == 1
    for entry in (line["entry"], line["ledger"]["entry"]):
        assert f'id="e{entry["position"]}"' in page
        assert entry["sha256"] in page


def test_a_bundle_keeps_a_line_for_each_entry() -> None:
    shown = present(timeline("case-1", story(SENT, BOOKED).entries), "en")
    assert [line.positions for line in shown.lines] == [[1], [2]]
