"""Whatever a decision or a message cites is on record, and is what it was cited as."""

import hashlib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest
from audit.store import views
from audit.timeline import views as timeline_views
from audit.timeline.artifacts import cited
from doorstep.app.embedded import installed
from doorstep.events.envelope import decode
from doorstep.events.kernel import ArtifactKind, ArtifactPublished
from doorstep.events.registry import decode_event
from doorstep.kernel.service import Service

from tests.support.story import Story, played

KINDS = {"contact-rules", "strategy", "template"}


async def test_everything_cited_in_a_story_is_on_record(folder: Path) -> None:
    async with played(folder, borrowers=12, days=35, seed=647) as story:
        published = await _published(story)
        assert published == await _looked_up(story)
        cases = await _cited(story)
    assert all(hashlib.sha256(one.content.encode()).hexdigest() == name for name, one in published.items())
    assert all(published[name].kind == kind for kind, hashes in cases.items() for name in hashes)
    assert {kind for kind, hashes in cases.items() if hashes} == KINDS


async def test_each_content_is_published_once_and_is_no_case(folder: Path) -> None:
    async with played(folder, borrowers=3, days=3, seed=5) as story:
        values = [decode(one) for one in await story.values()]
        async with story.doorstep.running("audit").engine.connect() as connection:
            listed = (await timeline_views.cases(connection)).cases
    told = [one.subject for one in values if one.type == ArtifactPublished.event_type]
    assert len(told) == len(set(told)) > 60
    assert not {one.case_id for one in listed} & set(told)


@pytest.mark.parametrize("service", installed(), ids=lambda one: one.name)
def test_who_hears_of_it_does_nothing(service: Service) -> None:
    golden = Path(__file__).parents[1] / "contract/golden/doorstep.artifact.published.v1.json"
    heard = decode(golden.read_bytes())
    assert list(service.react(heard, decode_event(heard))) == []


async def _cited(story: Story) -> Mapping[ArtifactKind, frozenset[str]]:
    async with story.doorstep.running("audit").engine.connect() as connection:
        cases = [one.case_id for one in (await timeline_views.cases(connection)).cases]
        entries = [await views.entries(connection, one) for one in cases]
    return cited(chain.from_iterable(entries))


async def _published(story: Story) -> Mapping[str, ArtifactPublished]:
    envelopes = [decode(one) for one in await story.values()]
    events = [decode_event(one) for one in envelopes if one.type == ArtifactPublished.event_type]
    return {one.hash: one for one in events if isinstance(one, ArtifactPublished)}


async def _looked_up(story: Story) -> Mapping[str, ArtifactPublished]:
    wanted = await _published(story)
    async with story.doorstep.running("audit").engine.connect() as connection:
        entries = await views.artifacts(connection, wanted)
    return {one.event.hash: one.event for one in entries if isinstance(one.event, ArtifactPublished)}
