"""A violation stands beside what it is about: in the value, on the page, in the terminal, in the list."""

from datetime import timedelta

import pytest
from audit.monitor.domain import violation_id
from audit.presentation.present import notes, present
from audit.presentation.terminal import timeline_table
from audit.store.react import absorb
from audit.timeline.domain import Line, timeline
from doorstep.events.audit import ViolationFound
from doorstep.events.escalation.cases import CaseOpened
from doorstep.events.reminder import ContactSent
from doorstep.events.values import Language
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running

from tests.support.audit import START, Browser, Story, records

SENT = ContactSent(permit_id="p", channel="sms", provider="file", provider_message_id="m", rendered_mac="x")
REASONS: dict[Language, str] = {
    "en": "house hours: sms at Mon 2026-03-02 23:00 Asia/Shanghai, allowed: 08:00–22:00",
    "zh-CN": "house hours：短信发生于 2026-03-02 23:00 Asia/Shanghai，允许时段：08:00–22:00",
}


def broken(case_id: str = "case-1") -> Story:
    """A message that went out at night, and what the monitor said of it an hour later."""
    story = Story(case_id)
    story.tell(CaseOpened(episode=1, business_date=START.date()), START)
    sent = story.tell(SENT, START + timedelta(minutes=1), stream=f"contact/{case_id}")
    found = ViolationFound(
        violation_id=violation_id(case_id, sent.envelope.id, "house hours"),
        event_id=sent.envelope.id,
        rule="house hours",
        at=sent.envelope.recordedat,
        why=REASONS["en"].partition(": ")[2],
        why_zh=REASONS["zh-CN"].partition("：")[2],
    )
    story.tell(found, START + timedelta(hours=1), stream=f"conformance/{case_id}")
    return story


async def kept(running: Running, case_id: str) -> Story:
    story = broken(case_id)
    async with running.engine.begin() as connection:
        await absorb(connection, records(story.entries), SimulatedClock(START + timedelta(days=1)))
    return story


def test_what_broke_a_rule_and_what_says_so_are_flagged() -> None:
    lines = [line for line in timeline("case-1", broken().entries).lines if isinstance(line, Line)]

    assert [line.flags for line in lines] == [(), ("violation",), ("violation",)]
    assert [[one.rule for one in line.violations] for line in lines] == [[], ["house hours"], []]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_reason_stands_below_the_line_in_both_languages(language: Language) -> None:
    shown = present(timeline("case-1", broken().entries), language)

    assert shown.lines[1].violations == (REASONS[language],)
    assert any(REASONS[language] in note for note in notes(shown.lines[1], language))
    assert REASONS[language] in shown.lines[2].sentence
    assert shown.summary["violations"] == 1


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_terminal_shows_it(language: Language) -> None:
    told = timeline_table(present(timeline("case-1", broken().entries), language), width=400)

    assert {"en": "[violation]", "zh-CN": "[违规]"}[language] in told
    assert told.count(REASONS[language]) == 2


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.asyncio(loop_scope="session")
async def test_the_pages_show_it(running: Running, browser: Browser, language: Language) -> None:
    await kept(running, f"broken-{language}")

    page = (await browser.get(f"/pages/cases/broken-{language}?lang={language}")).text
    assert page.count('class="badge violation"') == 2
    assert page.count(REASONS[language]) == 2
    listed = (await browser.get(f"/?lang={language}")).text
    assert {"en": "The conformance monitor has found", "zh-CN": "合规监督共发现"}[language] in listed


@pytest.mark.asyncio(loop_scope="session")
async def test_json_names_every_violation_and_counts_them_by_case(running: Running, browser: Browser) -> None:
    story = await kept(running, "broken-json")

    (found,) = [one for one in (await browser.get("/violations")).json() if one["case_id"] == "broken-json"]
    assert found["event_id"] == story.entries[1].envelope.id
    assert (found["rule"], found["tenant"]) == ("house hours", "demo-bank")
    (case,) = (await browser.get("/cases?q=broken-json")).json()["cases"]
    assert case["violations"] == 1
    lines = (await browser.get("/cases/broken-json/timeline?lang=en")).json()["lines"]
    assert [line["violations"] for line in lines] == [[], [REASONS["en"]], []]
