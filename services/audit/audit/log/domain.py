"""The head of the log: what was signed last. Whoever signs the next one has to know it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import msgspec
from doorstep.events.audit import CheckpointSigned
from doorstep.kernel.decider import NO_TENANT, Decider, Refused, Routed, StreamId

CATEGORY = "log"


class Head(msgspec.Struct, frozen=True):
    """As last signed. `size` is -1 as long as there is no log."""

    size: int = -1
    root: bytes = b""
    checkpoint: str = ""


@dataclass(frozen=True)
class Sign:
    """`checkpoint` says that the log has `size` entries under `root`; it goes on from `after`."""

    origin: str
    after: Head
    size: int
    root: bytes
    checkpoint: str


def decide(state: Head, command: Sign, _now: datetime) -> Sequence[CheckpointSigned]:
    """Compare and swap: raises Refused when another one has signed since."""
    if (state.size, state.root) == (command.size, command.root):
        return []
    if (state.size, state.root) != (command.after.size, command.after.root):
        raise Refused(
            f"another process has signed the log {command.origin} at {state.size} entries; this one knows"
            f" {command.after.size} and signs nothing: only one may write a log"
        )
    return [
        CheckpointSigned(origin=command.origin, size=command.size, root=command.root, checkpoint=command.checkpoint)
    ]


def evolve(_: Head, event: CheckpointSigned) -> Head:
    """The head is what was signed last."""
    match event:
        case CheckpointSigned():
            return Head(event.size, event.root, event.checkpoint)
        case _:
            assert_never(event)


def stream(origin: str) -> StreamId:
    """Where the head of the log called `origin` is."""
    return StreamId(CATEGORY, origin, origin, NO_TENANT)


def routed(command: Sign) -> Routed:
    """The command on its way."""
    return Routed(stream(command.origin), command)


log_head = Decider(CATEGORY, Head(), Head, decide, evolve)
