"""What decisions and messages are made by, on record: every pack of rules, strategy and template, once per content.

Decisions and messages cite it by the hash of its content. Files change and disks are lost, but whoever doubts a
decision years later must still see what it was made by: so each service tells it as an event, like all that happens.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec

from doorstep.events.kernel import ArtifactKind, ArtifactPublished
from doorstep.kernel.decider import NO_TENANT, Decider, Routed, StreamId

CATEGORY = "artifact"


@dataclass(frozen=True)
class Publish:
    """Put `content` on record; the fields are those of ArtifactPublished."""

    kind: ArtifactKind
    name: str
    version: str | None
    content: str
    retention_days: int | None = None
    source: str | None = None

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content.encode()).hexdigest()


class Artifact(msgspec.Struct, frozen=True):
    """What is known of one content."""

    published: bool = False


def decide(state: Artifact, command: Publish, _: datetime) -> Sequence[ArtifactPublished]:
    """A content is published once, whoever restarts or is first."""
    if state.published:
        return []
    return [
        ArtifactPublished(
            kind=command.kind,
            name=command.name,
            version=command.version,
            hash=command.hash,
            content=command.content,
            retention_days=command.retention_days,
            source=command.source,
        )
    ]


def evolve(_: Artifact, event: ArtifactPublished) -> Artifact:
    """Published, and that for ever."""
    return Artifact(published=True)


DECIDER = Decider(CATEGORY, Artifact(), Artifact, decide, evolve)


def routed(publish: Publish) -> Routed:
    """To the stream of this content, which belongs to no tenant and no case."""
    return Routed(StreamId(CATEGORY, f"{publish.kind}-{publish.hash}", publish.hash, NO_TENANT), publish)
