"""What decisions cite is put on record, once per content."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec
from doorstep.events.envelope import decode
from doorstep.events.kernel import ArtifactPublished
from doorstep.events.registry import Event
from doorstep.kernel.artifacts import DECIDER, Publish, routed
from doorstep.kernel.decider import NO_TENANT, Routed
from doorstep.kernel.publisher import Publisher
from doorstep.kernel.service import Runtime
from sqlalchemy import text

from tests.support.counting import World
from tests.support.given import given

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Publish("contact-rules", "xx", "1", '{"id":"某地"}', 1096, "xx/records: somebody")
LATER_RULES = Publish("contact-rules", "xx", "2", '{"id":"某地","version":"2"}')
ON_RECORD = ArtifactPublished(
    kind="contact-rules",
    name="xx",
    version="1",
    hash=hashlib.sha256('{"id":"某地"}'.encode()).hexdigest(),
    content='{"id":"某地"}',
    retention_days=1096,
    source="xx/records: somebody",
)


def test_a_content_is_put_on_record_under_its_hash() -> None:
    given(DECIDER).when(RULES, NOW).then(ON_RECORD)


def test_a_content_is_put_on_record_once() -> None:
    given(DECIDER, ON_RECORD).when(RULES, NOW).then_nothing()


def test_a_content_has_a_stream_of_its_own_that_belongs_to_nobody() -> None:
    stream = routed(RULES).stream
    assert (str(stream), stream.key, stream.tenant) == (
        f"artifact/contact-rules-{RULES.hash}",
        RULES.hash,
        NO_TENANT,
    )
    assert routed(LATER_RULES).stream != stream


async def test_a_service_publishes_what_it_goes_by_and_what_it_goes_by_later(counting: World) -> None:
    in_force = [RULES]
    publisher = Publisher(counting.running, lambda: in_force)
    assert await publisher.turn() == 1
    assert await publisher.turn() == 0
    in_force[:] = [LATER_RULES]
    assert await publisher.turn() == 1
    assert await _published(counting) == [RULES.hash, LATER_RULES.hash]


async def test_a_process_that_is_started_again_publishes_nothing_twice(counting: World) -> None:
    for _ in range(2):
        await Publisher(counting.running, lambda: [RULES]).turn()
    assert await _published(counting) == [RULES.hash]


async def test_where_nothing_is_new_the_database_is_not_asked() -> None:
    asked = Asked()
    publisher = Publisher(cast(Runtime, asked), lambda: [RULES])
    for _ in range(3):
        await publisher.turn()
    assert asked.times == 1


class Asked:
    """A runtime that counts how often it is asked to decide."""

    def __init__(self) -> None:
        self.times = 0

    async def execute(self, *_: Routed) -> Sequence[Event]:
        """Nothing comes of it."""
        self.times += 1
        return ()


async def _published(world: World) -> Sequence[str]:
    async with world.running.engine.connect() as connection:
        rows = await connection.execute(text("select value from outbox order by position"))
        return [msgspec.json.decode(decode(bytes(row.value)).data)["hash"] for row in rows]
