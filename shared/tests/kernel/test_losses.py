"""Messages that were deleted unread stop a service, until a person accepts the very gap it stands before."""

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest
from doorstep.bus.interface import DeletedUnread, Outgoing, Partition, Record
from doorstep.bus.kafka_topics import WrongTopic
from doorstep.events.kernel import MessagesLost
from doorstep.infra.access import Access, Issuer
from doorstep.kernel import http, partitions
from doorstep.kernel.losses import DECIDER, AcceptLoss, Losses, Unaccepted

from tests.support.counting import HEARD, World, asked
from tests.support.given import given

PLACE = Partition(HEARD, 3)
FROM_7_TO_9 = AcceptLoss(PLACE, 7, 9, "olga", "seen in the audit")
LOST = MessagesLost(
    lost_topic=HEARD, lost_partition=3, first_lost=7, resumes_at=9, by="olga", reason="seen in the audit"
)


class Holed:
    """A bus whose offsets 7 and 8 are gone; the group wants 7 next."""

    def __init__(self) -> None:
        self.wanted, self.first = 7, 9

    async def subscribe(self, group: str, topics: Sequence[str]) -> "Holed":
        return self

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """To nobody."""

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        if self.wanted < self.first:
            raise DeletedUnread({PLACE: (self.wanted, self.first)})
        if self.wanted > self.first:
            return ()
        return [Record(PLACE, self.wanted, "a", asked("a", 1).value)]

    async def commit(self, records: Sequence[Record]) -> None:
        self.wanted = records[-1].offset + 1

    async def lag(self) -> int:
        return 0

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def holed(counting: World) -> Holed:
    """The counter's bus has lost messages."""
    bus = Holed()
    counting.running.consumer._bus = bus
    return bus


async def accept(world: World, reason: str = "seen in the audit") -> httpx.Response:
    issuer = Issuer.generate()
    app = http.build([world.running], Access(issuer.public_key), drive=False)
    bearer = {"authorization": f"Bearer {issuer.token('olga', 'operator', datetime.now(UTC))}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer) as client:
        return await client.post("/lost-messages/accept", params={"reason": reason})


async def test_a_service_does_not_go_on_past_lost_messages_and_says_what_to_do(counting: World, holed: Holed) -> None:
    for _ in range(2):
        with pytest.raises(Unaccepted, match=r"test.heard partition 3: wanted offset 7.* is 9.*/lost-messages/accept"):
            await counting.running.consumer.turn()
    assert await counting.numbers("a") == ()


async def test_it_goes_on_once_a_person_has_accepted_the_loss_on_record(counting: World, holed: Holed) -> None:
    with pytest.raises(Unaccepted):
        await counting.running.consumer.turn()
    assert (await accept(counting)).json() == {"accepted": 1}
    await counting.settle()
    assert await counting.numbers("a") == (1,)
    ((by, reason),) = await counting.rows(
        "select convert_from(value, 'utf8')::jsonb #>> '{data,by}', convert_from(value, 'utf8')::jsonb #>>"
        " '{data,reason}' from events where type = 'doorstep.messages-lost'"
    )
    assert (by, reason) == ("olga", "seen in the audit")
    assert (await accept(counting)).status_code == 404


async def test_a_loss_that_grew_since_it_was_accepted_is_another_one(counting: World, holed: Holed) -> None:
    with pytest.raises(Unaccepted):
        await counting.running.consumer.turn()
    await accept(counting)
    holed.first = 11
    with pytest.raises(Unaccepted, match="the first there is 11"):
        await counting.running.consumer.turn()


async def test_nothing_can_be_accepted_beforehand(counting: World) -> None:
    answer = await accept(counting)
    assert (answer.status_code, "misses no message" in answer.json()["detail"]) == (404, True)


def test_an_accepted_loss_is_told_once() -> None:
    given(DECIDER).when(FROM_7_TO_9, datetime.now(UTC)).then(LOST)
    happened = given(DECIDER, LOST).when(FROM_7_TO_9, datetime.now(UTC)).then_nothing()
    assert happened.state == Losses(7, 9)


async def test_partitions_are_remembered_and_another_number_is_refused(counting: World) -> None:
    async with counting.running.engine.begin() as connection:
        await partitions.remember(connection, {"p.loans": 64, "p.visits": 8})
        await partitions.remember(connection, {"p.loans": 64, "p.audit": 8})
        with pytest.raises(WrongTopic, match=r"topic p.visits had 8 partitions.*docs/runbook.md"):
            await partitions.remember(connection, {"p.loans": 64, "p.visits": 12})
