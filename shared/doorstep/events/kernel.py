"""Events every service can say about its own doing. Each goes out on the service's own topic."""

from typing import Literal

from doorstep.events.envelope import Instant
from doorstep.events.registry import Event, event


@event("doorstep.message-parked", topic=None)
class MessageParked(Event, frozen=True):
    """A message could not be handled and waits, with all later ones of its key, for a person.

    While it waits nothing is sent in its case: what waits behind it may be the payment. `origin_partition` -1: an event
    of the service's own that no bus takes; `origin_offset` is its place in the outbox."""

    parked_id: int
    key: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    reason: str
    case_id: str | None = None


@event("doorstep.message-discarded", topic=None)
class MessageDiscarded(Event, frozen=True):
    """A person decided that a parked message shall never be handled, and said why."""

    parked_id: int
    key: str
    by: str
    reason: str
    case_id: str | None = None


@event("doorstep.message-released", topic=None)
class MessageReleased(Event, frozen=True):
    """Nothing of `key` waits any more: every message was replayed, or discarded by a person."""

    key: str
    how: Literal["replayed", "discarded"]
    by: str
    reason: str | None = None
    case_id: str | None = None


@event("doorstep.messages-lost", topic=None)
class MessagesLost(Event, frozen=True):
    """Messages of `lost_topic` were deleted from Kafka before this service had read them: those from offset
    `first_lost` up to `resumes_at`, where it goes on. A person has accepted that, and said why. Nobody here knows what
    they said."""

    lost_topic: str
    lost_partition: int
    first_lost: int
    resumes_at: int
    by: str
    reason: str


ArtifactKind = Literal["contact-rules", "strategy", "template"]


@event("doorstep.artifact.published", topic=None)
class ArtifactPublished(Event, frozen=True):
    """What decisions and messages are made by, put on record so that a dispute can show it: a pack of contact rules, a
    strategy's graph, a template. Once per content, under the first name it had. `hash` is the SHA-256 of `content`
    (UTF-8), in hex, as decisions and messages cite it; a strategy has no other `version`. `retention_days` is how long
    at least a pack wants records kept after a case has ended (None: it says nothing), by its rule named in `source`."""

    kind: ArtifactKind
    name: str
    hash: str
    content: str
    version: str | None = None
    retention_days: int | None = None
    source: str | None = None


@event("doorstep.sending.suspended", topic=None)
class SendingSuspended(Event, frozen=True):
    """A message about this case is parked at `by`; nothing is sent until it is released."""

    by: str
    key: str


@event("doorstep.sending.resumed", topic=None)
class SendingResumed(Event, frozen=True):
    """What was parked at `by` under `key` is released."""

    by: str
    key: str
    assess_at: Instant


@event("doorstep.tenant.sending-stopped", topic=None)
class SendingStopped(Event, frozen=True):
    """The kill switch of a tenant: nothing leaves on `way` (None: on any) from now on. Executors look at the moment
    of sending, and at the door."""

    way: str | None
    reason: str


@event("doorstep.tenant.sending-allowed", topic=None)
class SendingAllowed(Event, frozen=True):
    """The kill switch is off again."""

    way: str | None
    reason: str
