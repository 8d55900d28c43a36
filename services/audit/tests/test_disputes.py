"""Disputes in the audit: what is due, what is overdue, and the case as it was known when they were opened."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from audit.presentation.present import dispute_in_a_line, present
from audit.store.react import absorb
from audit.store.views import last_absorbed
from audit.timeline import disputes as told_of
from audit.timeline.disputes import DisputeList, RecordedDispute, listed
from audit.timeline.domain import timeline
from audit.timeline.order import causal_order
from doorstep.events.escalation.cases import CaseOpened
from doorstep.events.escalation.disputes import (
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOverdue,
)
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.values import Language
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.runtime import Running

from tests.support.audit import START, Browser, Story, example, records

DAY = timedelta(days=1)
ANSWERED = DisputeAnswered(dispute_id="d1", answer_id="a1", by="chen")
OVERDUE = DisputeOverdue(dispute_id="d1", deadline="answer", was_due=START + 15 * DAY)
CLOSED = DisputeClosed(dispute_id="d1", outcome="rejected", by="chen", reason="the books are right")


def opened(dispute_id: str = "d1", on: datetime = START) -> DisputeOpened:
    """With the usual deadlines."""
    return DisputeOpened(dispute_id=dispute_id, about="amount", answer_by=on + 15 * DAY, close_by=on + 60 * DAY)


def disputed(case_id: str = "case-1") -> Story:
    """A case whose borrower contests the amount."""
    story = Story(case_id)
    story.tell(example(CaseOpened), START - DAY)
    story.tell(opened(), START)
    return story


def known(*stories: Story) -> Sequence[RecordedDispute]:
    """What these stories tell of disputes."""
    return told_of.disputes(causal_order([entry for story in stories for entry in story.entries]))


def at(now: datetime, *stories: Story) -> DisputeList:
    """How their disputes stand at `now`."""
    return listed(known(*stories), now)


def test_an_open_dispute_shows_its_deadlines_and_how_many_days_are_left() -> None:
    (one,) = at(START + timedelta(hours=1), disputed()).disputes
    assert (one.case_id, one.about, one.outcome) == ("case-1", "amount", None)
    assert (one.answer_by, one.close_by) == (START + 15 * DAY, START + 60 * DAY)
    assert (one.days_left, one.overdue) == ({"answer": 14, "close": 59}, ())


def test_a_deadline_that_passed_is_overdue_until_it_is_kept() -> None:
    story = disputed()
    (late,) = at(START + 16 * DAY, story).disputes
    assert (late.days_left, late.overdue) == ({"answer": -1, "close": 44}, ("answer",))
    story.tell(ANSWERED, START + 17 * DAY)
    (answered,) = at(START + 17 * DAY, story).disputes
    assert (answered.days_left, answered.overdue) == ({"close": 43}, ())
    assert answered.answered_at == START + 17 * DAY


def test_a_closed_dispute_has_an_outcome_and_nothing_due() -> None:
    story = disputed()
    story.tell(ANSWERED, START + DAY)
    story.tell(CLOSED, START + 2 * DAY)
    (one,) = at(START + 99 * DAY, story).disputes
    assert (one.outcome, one.closed_at, one.days_left, one.overdue) == ("rejected", START + 2 * DAY, {}, ())


def test_open_ones_come_first_and_what_is_due_next_before_the_others() -> None:
    closed, answered, waiting = disputed("closed"), disputed("answered"), disputed("waiting")
    closed.tell(CLOSED, START + DAY)
    answered.tell(ANSWERED, START + DAY)
    found = at(START + DAY, closed, answered, waiting)
    assert [one.case_id for one in found.disputes] == ["waiting", "answered", "closed"]
    assert (found.open, found.closed) == (2, 1)


def test_many_closed_ones_are_counted_and_the_latest_shown() -> None:
    story = Story()
    for number in range(told_of.LATEST + 1):
        story.tell(opened(f"d{number}"), START + number * DAY)
        story.tell(
            DisputeClosed(dispute_id=f"d{number}", outcome="withdrawn", by="chen", reason="-"), START + number * DAY
        )
    found = at(START + 200 * DAY, story)
    assert (found.closed, len(found.disputes)) == (told_of.LATEST + 1, told_of.LATEST)
    assert found.disputes[0].dispute_id == f"d{told_of.LATEST}"


def test_what_is_told_of_a_dispute_whose_opening_is_missing_is_passed_over() -> None:
    story = Story()
    story.tell(ANSWERED, START)
    assert known(story) == []


def test_the_command_that_collects_the_evidence_names_the_case_and_the_instant_of_the_opening() -> None:
    story = disputed()
    (one,) = at(START, story).disputes
    assert one.as_of == story.entries[-1].absorbed_at
    assert one.collect == "doorstep timeline case-1 --as-of 2026-03-02T01:00:01+00:00"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "amount overdue: answer by 2026-03-17 01:00 UTC, overdue; close by 2026-05-01 01:00 UTC"),
        ("zh-CN", "逾期金额：须于 2026-03-17 01:00 UTC 前答复，已逾期；须于 2026-05-01 01:00 UTC 前了结"),
    ],
)
def test_the_summary_of_a_case_tells_its_open_dispute_in_a_line(language: Language, said: str) -> None:
    story = disputed()
    story.tell(OVERDUE, START + 15 * DAY)
    assert present(timeline("case-1", story.entries), language).summary["disputes"] == (said,)
    story.tell(ANSWERED, START + 16 * DAY)
    (answered,) = known(story)
    assert dispute_in_a_line(answered, "en", UTC) == "amount overdue: answered; close by 2026-05-01 01:00 UTC"
    story.tell(CLOSED, START + 17 * DAY)
    assert present(timeline("case-1", story.entries), language).summary["disputes"] == ()


# -- over HTTP


async def absorbed(running: Running, *stories: Story) -> None:
    """The audit hears these, a day after whatever it heard before."""
    async with running.engine.begin() as connection:
        newest = await last_absorbed(connection) or START
        for story in stories:
            await absorb(connection, records(story.entries), SimulatedClock(newest + DAY))


@pytest.mark.asyncio(loop_scope="session")
class TestOverHttp:
    """What people see of disputes."""

    async def test_the_list_holds_the_disputes_of_every_case(self, running: Running, browser: Browser) -> None:
        story = disputed("listed-1")
        story.tell(example(DisputeAttached), START)
        await absorbed(running, story, disputed("listed-2"))
        found = (await browser.get("/disputes")).json()
        ours = {one["case_id"]: one for one in found["disputes"] if one["case_id"].startswith("listed-")}
        assert ours.keys() == {"listed-1", "listed-2"}
        assert ours["listed-1"]["days_left"].keys() == {"answer", "close"}
        assert (await browser.get("/disputes", role=None)).status_code == 401

    async def test_the_command_shows_what_was_known_at_the_opening_and_nothing_later(
        self, running: Running, browser: Browser
    ) -> None:
        story = disputed("disputed-as-of")
        await absorbed(running, story)
        story.tell(example(ContactDenied), START + DAY)
        await absorbed(running, story)
        found = (await browser.get("/disputes")).json()
        (one,) = [one for one in found["disputes"] if one["case_id"] == "disputed-as-of"]
        _, _, case_id, option, instant = one["collect"].split()
        assert option == "--as-of"
        shown = (await browser.get(f"/cases/{case_id}/timeline?as_of={instant.replace('+', '%2B')}")).json()
        assert [line["type"] for line in shown["lines"]] == ["doorstep.case.opened", "doorstep.dispute.opened"]

    @pytest.mark.parametrize(("language", "words"), [("zh-CN", ("异议", "未了结")), ("en", ("Disputes", "open"))])
    async def test_the_page_of_disputes_is_linked_from_the_list_of_cases(
        self, running: Running, browser: Browser, language: str, words: tuple[str, str]
    ) -> None:
        await absorbed(running, disputed(f"paged-{language}"))
        assert f"/pages/disputes?lang={language}" in (await browser.get(f"/?lang={language}")).text
        page = (await browser.get(f"/pages/disputes?lang={language}")).text
        assert all(word in page for word in (*words, f"paged-{language}", f"timeline paged-{language} --as-of"))

    async def test_the_page_of_a_case_shows_its_open_dispute(self, running: Running, browser: Browser) -> None:
        await absorbed(running, disputed("disputed-shown"))
        page = (await browser.get("/pages/cases/disputed-shown?lang=en")).text
        assert "In dispute" in page
        assert "amount overdue: answer by 2026-03-17 01:00 UTC" in page
