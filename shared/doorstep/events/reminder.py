"""What reminder says of the contacts it carries out. Keyed by case."""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from doorstep.events.escalation.permits import Purpose
from doorstep.events.registry import Event, event
from doorstep.events.topics import REMINDER
from doorstep.events.values import Channel, Instant, Language, Money, Sealed, Windows


class ContactTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What its executor needs of a permit: what to say, to whom, and when."""

    purpose: Purpose
    language: Language
    loan_ids: tuple[str, ...]
    amount: Money
    windows: Windows
    valid_until: Instant
    personal: Sealed
    region: str | None = None


@event("doorstep.contact.scheduled", topic=REMINDER)
class ContactScheduled(Event, frozen=True):
    """A permit has arrived and waits for its window. `terms` come with the first one; when the window was
    missed, another follows without them."""

    permit_id: str
    channel: Channel
    due: Instant
    terms: ContactTerms | None = None


@event("doorstep.contact.cancelled-early", topic=REMINDER)
class ContactCancelledEarly(Event, frozen=True):
    """The permit was cancelled before it was heard of here: when it comes, nothing starts, and it is given back."""

    permit_id: str
    reason: Literal["cancelled", "suspended"]


@event("doorstep.contact.started", topic=REMINDER)
class ContactStarted(Event, frozen=True):
    """The intent, committed before anything leaves. From here on an unknown end counts as sent.
    `opened` names the personal fields that were unsealed to write the message."""

    permit_id: str
    channel: Channel
    template_id: str
    template_version: int
    template_hash: str
    opened: tuple[str, ...]


@event("doorstep.contact.withdrawn", topic=REMINDER)
class ContactWithdrawn(Event, frozen=True):
    """The permit was cancelled after the intent: what has not left the house yet does not leave it. Sent or
    not sent, the outcome follows."""

    permit_id: str
    channel: Channel
    reason: Literal["cancelled", "suspended"]


@event("doorstep.contact.sent", topic=REMINDER)
class ContactSent(Event, frozen=True):
    """The provider took it. `rendered_mac` is an HMAC of the text under a secret outside the database. `sent_at`, where
    it was not just now: as the provider says, or when the call was made whose answer was lost."""

    permit_id: str
    channel: Channel
    provider: str
    provider_message_id: str
    rendered_mac: str
    sent_at: Instant | None = None


@event("doorstep.contact.not-sent", topic=REMINDER)
class ContactNotSent(Event, frozen=True):
    """Nothing left the house: the permit goes back to the ledger."""

    permit_id: str
    channel: Channel
    reason: Literal["cancelled", "expired", "suspended", "stopped"]


@event("doorstep.contact.failed", topic=REMINDER)
class ContactFailed(Event, frozen=True):
    """The provider refused it, for good."""

    permit_id: str
    channel: Channel
    provider: str
    reason: str


@event("doorstep.contact.unknown", topic=REMINDER)
class ContactUnknown(Event, frozen=True):
    """We crashed between sending and hearing the answer, and this provider can neither dedupe on our key
    nor be asked by it. It counts as sent and is never sent again; a person finds out."""

    permit_id: str
    channel: Channel
    provider: str


@event("doorstep.contact.receipt", topic=REMINDER)
class ReceiptRecorded(Event, frozen=True):
    """What the provider said later: delivered, answered, not answered, undeliverable."""

    permit_id: str
    channel: Channel
    status: Literal["delivered", "answered", "no-answer", "undeliverable"]
    at: Instant


@event("doorstep.contact.reply", topic=REMINDER)
class ReplyReceived(Event, frozen=True):
    """What the borrower answered. The words themselves are sealed."""

    reply_id: str
    permit_id: str
    kind: Literal["promise", "dispute", "complaint", "hardship", "opt-out", "wrong-number", "other"]
    at: Instant
    promise_amount: Decimal | None = None
    promise_due: date | None = None
    text: Sealed | None = None
