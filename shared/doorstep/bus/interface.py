"""The bus: durable topics of keyed messages, read by groups. Kafka and PostgreSQL both are one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

LARGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes of a message on the wire: key, value and FRAME."""
FRAME = 1024


class Outgoing(NamedTuple):
    """A message to publish; messages of one key keep their order."""

    topic: str
    key: str
    value: bytes


class Partition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    number: int


class Record(NamedTuple):
    """A message as read. `offset` grows within its partition. Bytes are as they came, however broken."""

    partition: Partition
    offset: int
    key: str
    value: bytes


class DeletedUnread(Exception):
    """Messages were deleted from a topic before their group had read them. `gaps` tells of each partition which offset
    the group wanted next, and which is the first that can be had."""

    def __init__(self, gaps: Mapping[Partition, tuple[int, int]]) -> None:
        self.gaps = gaps
        places = "; ".join(
            f"{topic} partition {number}: wanted offset {wanted}, the first there is {first}"
            for (topic, number), (wanted, first) in sorted(gaps.items())
        )
        super().__init__(f"messages were deleted unread ({places})")


class Subscription(Protocol):
    """One group's reading. Not shared between tasks."""

    async def fetch(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one topic, after `timeout` seconds at the latest; perhaps none. Those of
        a partition are in order; each partition first yields what its group has not committed. Raises DeletedUnread
        where that is gone."""
        ...

    async def commit(self, records: Sequence[Record]) -> None:
        """The group has dealt with `records` and with everything before them in their partitions. A commit
        that is lost only means that records come again."""
        ...

    async def lag(self) -> int:
        """How many records wait."""
        ...

    async def close(self) -> None:
        """Leave the group."""
        ...


class Bus(Protocol):
    """Raises ConnectionError while the bus cannot be reached."""

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Durable once it returns. On an exception any part may have been published. Raises ValueError when one of
        them can never be: larger than LARGEST_MESSAGE, for example, and then nothing was published."""
        ...

    async def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Start reading where `group` left off, at the earliest message the first time."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


def demand_room(messages: Sequence[Outgoing]) -> None:
    """Raises ValueError for a message that is larger than any bus carries."""
    for topic, key, value in messages:
        if (size := len(key.encode()) + len(value) + FRAME) > LARGEST_MESSAGE:
            raise ValueError(f"{size:,} bytes for {topic} are too large: a bus carries {LARGEST_MESSAGE:,}")
