"""Disputes, from their opening to their end."""

from typing import Literal

from doorstep.events.registry import Event, event
from doorstep.events.topics import ESCALATION
from doorstep.events.values import Instant, Sealed

Contested = Literal["amount", "identity", "conduct", "contact", "other"]

Deadline = Literal["answer", "close"]

DisputeOutcome = Literal["upheld", "partly-upheld", "rejected", "withdrawn"]


@event("doorstep.dispute.opened", topic=ESCALATION)
class DisputeOpened(Event, frozen=True):
    """The borrower contests something of this case, or of `loans` (empty: all of them): contact about it is frozen by
    the hold `dispute_id` until the dispute is closed. It is to be answered before `answer_by` and closed before
    `close_by`. `opened_by` took it down (None: the borrower said so in a reply); `text` is what was said."""

    dispute_id: str
    about: Contested
    answer_by: Instant
    close_by: Instant
    opened_by: str | None = None
    loans: tuple[str, ...] = ()
    text: Sealed | None = None


@event("doorstep.dispute.attached", topic=ESCALATION)
class DisputeAttached(Event, frozen=True):
    """Something that bears on the dispute was added: `size` bytes, whose SHA-256 (in hex) stands in `token` as an HMAC.
    Up to 256 KiB they travel under seal, in `content`; larger ones lie at `uri`, which names no person. `name` is
    that of the file."""

    dispute_id: str
    attachment_id: str
    by: str
    media_type: str
    size: int
    token: str
    name: Sealed | None = None
    content: Sealed | None = None
    uri: str | None = None


@event("doorstep.dispute.answered", topic=ESCALATION)
class DisputeAnswered(Event, frozen=True):
    """The borrower was given an answer. `late`: it is the first one, and came after the deadline."""

    dispute_id: str
    answer_id: str
    by: str
    text: Sealed | None = None
    late: bool = False


@event("doorstep.dispute.overdue", topic=ESCALATION)
class DisputeOverdue(Event, frozen=True):
    """The dispute was not answered, or not closed, by the instant at which it was due. Said once for each deadline."""

    dispute_id: str
    deadline: Deadline
    was_due: Instant


@event("doorstep.dispute.closed", topic=ESCALATION)
class DisputeClosed(Event, frozen=True):
    """What came of it; the hold that froze contact is lifted. `late`: after the deadline. `said`: why, in a person's
    words."""

    dispute_id: str
    outcome: DisputeOutcome
    by: str
    reason: str
    late: bool = False
    said: Sealed | None = None
