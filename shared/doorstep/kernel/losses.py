"""Messages that were deleted before this service had read them. It stops there, and goes on when a person has accepted
the loss, which is an event.

What was lost may have been a payment or a withdrawn permit, so nobody accepts it by a setting or beforehand: only the
very gap that the service stands before."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from doorstep.bus.interface import DeletedUnread, Partition
from doorstep.events.kernel import MessagesLost
from doorstep.kernel.decider import NO_TENANT, Decider, Routed, StreamId
from doorstep.kernel.service import Halt

CATEGORY = "loss"


class AcceptLoss(msgspec.Struct, frozen=True):
    """Go on at `resumes_at`, although `first_lost` was next."""

    partition: Partition
    first_lost: int
    resumes_at: int
    by: str
    reason: str


class Losses(msgspec.Struct, frozen=True):
    """The last loss of one partition that was accepted."""

    first_lost: int | None = None
    resumes_at: int | None = None


class Unaccepted(Halt):
    """Messages are gone and nobody has said to go on without them."""

    def __init__(self, lost: DeletedUnread) -> None:
        super().__init__(
            f"{lost}. What they said is unknown here: find it out (docs/runbook.md, Messages were deleted unread), then"
            " accept the loss with your reason: POST /lost-messages/accept"
        )


def decide(state: Losses, command: AcceptLoss, now: datetime) -> Sequence[MessagesLost]:
    """Once per gap."""
    if state == Losses(command.first_lost, command.resumes_at):
        return ()
    topic, number = command.partition
    return (
        MessagesLost(
            lost_topic=topic,
            lost_partition=number,
            first_lost=command.first_lost,
            resumes_at=command.resumes_at,
            by=command.by,
            reason=command.reason,
        ),
    )


def evolve(state: Losses, event: MessagesLost) -> Losses:
    """The latest one."""
    return Losses(event.first_lost, event.resumes_at)


DECIDER = Decider(CATEGORY, Losses(), Losses, decide, evolve)


def stream(partition: Partition) -> StreamId:
    """Where the losses of `partition` are told."""
    name = f"{partition.topic}-{partition.number}"
    return StreamId(CATEGORY, name, name, NO_TENANT)


def accepting(lost: DeletedUnread, by: str, reason: str) -> Sequence[Routed]:
    """The commands by which a person accepts all of `lost`."""
    return [
        Routed(stream(partition), AcceptLoss(partition, wanted, first, by, reason))
        for partition, (wanted, first) in lost.gaps.items()
    ]
