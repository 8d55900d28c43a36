"""From what a case's entries cite to what it was, out of the log."""

from collections.abc import Sequence

import pytest
from audit.store import views
from audit.store.entry import Entry
from audit.store.react import absorb
from audit.timeline.artifacts import cited
from doorstep.events.escalation.cases import CaseOpened
from doorstep.events.escalation.permits import ContactDenied, VisitPermitted
from doorstep.events.reminder import ContactStarted
from doorstep.events.values import Decision, PackRef, StrategyRef
from doorstep.events.visits import NoticeStarted
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.artifacts import DECIDER, Publish
from doorstep.kernel.runtime import Running
from msgspec.structs import replace

from tests.support.audit import START, Story, decision, example, records
from tests.support.given import given

RULES = Publish("contact-rules", "cn", "2026.1", '{"id":"cn"}', 1827, "cn/records: somebody")
GRAPH = Publish("strategy", "default", None, '{"nodes":[]}')
TEXT = Publish("template", "en/sms/reminder", "1", "version: 1\nDear {{ name }}")
NOTICE = Publish("template", "en/letter/visit-notice", "1", "version: 1\nWe come.")
FORGOTTEN = Publish("template", "en/sms/reminder", "2", "version: 2\nNobody cites me")


def test_a_case_cites_what_it_was_decided_and_spoken_by() -> None:
    assert cited(case().entries) == {
        "contact-rules": {RULES.hash},
        "strategy": {GRAPH.hash},
        "template": {TEXT.hash, NOTICE.hash},
    }


def test_a_case_in_which_nothing_was_decided_cites_nothing() -> None:
    story = Story()
    story.tell(example(CaseOpened), START)
    assert cited(story.entries) == {"contact-rules": frozenset(), "strategy": frozenset(), "template": frozenset()}


def test_a_decision_from_before_strategies_cites_its_pack_alone() -> None:
    story = Story()
    story.tell(ContactDenied(channel="sms", decision=decision()), START)
    assert cited(story.entries) == {
        "contact-rules": {"c0ffee" * 8},
        "strategy": frozenset(),
        "template": frozenset(),
    }


@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_cited_is_found_in_the_log_and_nothing_else(running: Running) -> None:
    on_record = [entry for one in (RULES, GRAPH, TEXT, NOTICE, FORGOTTEN) for entry in published(one)]
    async with running.engine.begin() as connection:
        await absorb(connection, records([*on_record, *case().entries]), SimulatedClock(START))
        hashes = [one for kind in cited(case().entries).values() for one in kind]
        found = await views.artifacts(connection, hashes)
    assert [one.value for one in found] == [one.value for one in on_record[:-1]]
    assert [one.position for one in found] == sorted(one.position for one in found)


@pytest.mark.asyncio(loop_scope="session")
async def test_what_nobody_published_is_not_found(running: Running) -> None:
    async with running.engine.connect() as connection:
        assert await views.artifacts(connection, ["decade" * 10]) == []


def case() -> Story:
    """A case that was permitted a visit, written to, and noticed of the visit."""
    story = Story("cites")
    story.tell(example(CaseOpened), START)
    story.tell(replace(example(VisitPermitted), decision=decided()), START)
    story.tell(replace(example(ContactStarted), template_hash=TEXT.hash), START, stream="contact/p1")
    story.tell(replace(example(NoticeStarted), template_hash=NOTICE.hash), START, stream="visit/v1")
    return story


def decided() -> Decision:
    graph = StrategyRef(graph="default", hash=GRAPH.hash, engine="1", path=("Stage: late",))
    return replace(decision(), packs=(PackRef("cn", "2026.1", RULES.hash),), strategy=graph)


def published(artifact: Publish) -> Sequence[Entry]:
    story = Story(artifact.hash, tenant="-")
    event = given(DECIDER).when(artifact, START).event
    story.tell(event, START, stream=f"artifact/{artifact.kind}-{artifact.hash}")
    return story.entries
