"""One small portfolio, played on the embedded bus and on a real Apache Kafka, tells the same story."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doorstep.events.envelope import decode

from tests.support.story import CountingBus, Story, Told, by_case, lines, open_data, played

PORTFOLIO: Any = {"borrowers": 12, "days": 35, "seed": 647}
"""Chosen so that it has a visit, a denial, a promise, a cure and a case that opens again."""
MUST_OCCUR = {
    "doorstep.visit.completed",
    "doorstep.contact.denied",
    "doorstep.promise.recorded",
    "doorstep.case.cured",
}


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_the_same_portfolio_tells_the_same_story_on_kafka_as_on_the_embedded_bus(
    folder: Path, kafka_address: str, kafka_bus_prefix: str
) -> None:
    async with played(folder / "embedded", **PORTFOLIO) as story:
        expected, shown = by_case(await story.values()), await _timelines(story)
    _assert_eventful(expected)
    bus = CountingBus(kafka_address, prefix=kafka_bus_prefix, partitions=4)
    async with played(folder / "kafka", **PORTFOLIO, bus=bus) as story:
        found, shown_on_kafka = by_case(await story.values()), await _timelines(story)
    assert found.keys() == expected.keys()
    for case_id, events in expected.items():
        assert found[case_id] == events
    assert shown_on_kafka == shown


async def test_the_same_seed_gives_the_same_events_to_the_last_id(folder: Path) -> None:
    runs = []
    for name in ("first", "second"):
        async with played(folder / name, borrowers=8, days=20, seed=5) as story:
            runs.append(_repeatable(await story.values()))
    assert runs[0].keys() == runs[1].keys()
    for case_id, events in runs[0].items():
        assert events == runs[1][case_id]


async def _timelines(story: Story) -> dict[str, Any]:
    cases = sorted(by_case(await story.values()))
    timelines = {one: await story.timeline(one) for one in cases if not one.startswith("agent")}
    return {one: (shown["summary"], lines(shown)) for one, shown in timelines.items()}


def _assert_eventful(cases: Mapping[str, Sequence[Told]]) -> None:
    said = [event for events in cases.values() for event in events]
    assert {kind for kind, *_ in said} >= MUST_OCCUR
    assert any(kind == "doorstep.case.opened" and '"episode":2' in data for kind, _, _, data in said)


def _repeatable(values: Sequence[bytes]) -> dict[str, list[dict[str, Any]]]:
    """The events of each case in the order of their arrival: everything in the envelope but the trace id,
    and everything in the data but ciphertext and the commitments to random keys."""
    cases: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for value in values:
        envelope = decode(value)
        whole = {**msgspec.structs.asdict(envelope), "traceparent": None, "data": open_data(envelope)}
        cases[envelope.subject].append(whole)
    return cases
