"""A missing number is an alarm until the event arrives."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest
from audit.store.react import absorb
from audit.timeline.workers import EVERY, Completeness
from doorstep.events.escalation.cases import CaseCured
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.telemetry import Telemetry
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Runtime
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.audit import START, Browser, Story, example, records

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Watched:
    """As much of a running service as the worker asks for, with gauges of its own."""

    engine: AsyncEngine
    clock: SimulatedClock
    telemetry: Telemetry


@pytest.fixture
def watched(running: Running) -> Watched:
    return Watched(running.engine, SimulatedClock(START), Telemetry("audit", endpoint=None, ratio=0))


async def arrive(running: Running, story: Story, *places: int) -> None:
    """The events of these numbers."""
    async with running.engine.begin() as connection:
        await absorb(connection, records([story.entries[place - 1] for place in places]), SimulatedClock(START))


def gauges(watched: Watched) -> tuple[float, float]:
    found = [watched.telemetry.registry.get_sample_value(f"doorstep_{name}", {"service": "audit"}) for name in GAUGES]
    assert None not in found
    return found[0] or 0, found[1] or 0


GAUGES = ("missing_events", "incomplete_streams")


def told(case_id: str, events: int) -> Story:
    story = Story(case_id)
    for _ in range(events):
        story.tell(example(CaseCured), START)
    return story


async def test_a_gap_raises_the_alarm_and_its_arrival_resolves_it(running: Running, watched: Watched) -> None:
    worker, story = Completeness(cast(Runtime, watched)), told("late", 6)
    await worker.turn()
    events, streams = gauges(watched)
    for arrived, missing in [((1, 2), 0), ((6,), 3), ((4,), 2), ((4,), 2), ((3, 5), 0)]:
        await arrive(running, story, *arrived)
        watched.clock.jump(watched.clock.now() + EVERY)
        await worker.turn()
        assert gauges(watched) == (events + missing, streams + bool(missing))


async def test_it_looks_every_few_seconds_and_no_more_often(running: Running, watched: Watched) -> None:
    worker = Completeness(cast(Runtime, watched))
    await worker.turn()
    before = gauges(watched)
    await arrive(running, told("patient", 3), 3)
    watched.clock.jump(START + EVERY - timedelta(microseconds=1))
    assert await worker.turn() == 0
    assert gauges(watched) == before


async def test_the_missing_numbers_are_named_with_stream_and_case(running: Running, browser: Browser) -> None:
    story = told("holes", 9)
    await arrive(running, story, 3, 4, 5, 9)
    found = [gap for gap in (await browser.get("/gaps")).json() if gap["case_id"] == "holes"]
    assert [(gap["stream"], gap["first"], gap["last"]) for gap in found] == [
        ("case/holes", 1, 2),
        ("case/holes", 6, 8),
    ]
    assert "have not arrived" in (await browser.get("/?lang=en")).text
    assert "尚未收到" in (await browser.get("/?lang=zh-CN")).text
    await arrive(running, story, *range(1, 9))
    assert not [gap for gap in (await browser.get("/gaps")).json() if gap["case_id"] == "holes"]


async def test_a_gap_stands_on_paper_and_on_the_page(running: Running, browser: Browser) -> None:
    await arrive(running, told("paper", 3), 1, 3)
    assert "event 2 of case/paper has not arrived" in (await browser.get("/pages/cases/paper?lang=en")).text
    printed = await browser.get("/cases/paper/timeline.pdf?lang=en")
    assert (printed.headers["content-type"], printed.headers["cache-control"]) == ("application/pdf", "no-store")
    assert printed.content.startswith(b"%PDF-")
    assert printed.content == (await browser.get("/cases/paper/timeline.pdf?lang=en")).content


async def test_personal_data_on_paper_are_opened_by_compliance_alone(running: Running, browser: Browser) -> None:
    await arrive(running, told("private", 1), 1)
    for role, status in (("viewer", 403), ("compliance", 200), (None, 401)):
        answer = await browser.send("/cases/private/timeline.pdf", role, reason="complaint 17")  # type: ignore[arg-type]
        assert answer.status_code == status
