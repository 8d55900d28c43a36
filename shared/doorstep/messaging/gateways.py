"""The way out to a borrower: what each provider's gateway does, and one for each channel."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from doorstep.events.values import Channel, ContactMethod
from doorstep.messaging.channels import CHANNELS, Destination


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered message. `idempotency_key` names the intent, so that a repeated call can be recognised; `to` has the
    contact point that the channel needs."""

    idempotency_key: str
    channel: Channel
    to: Destination
    text: str
    language: str
    case_id: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider answered at once. `refused` is final; a passing fault raises Unreachable instead. `at` is when
    the provider took the message, where it says so."""

    status: Literal["accepted", "refused"]
    provider_message_id: str
    reason: str | None = None
    at: datetime | None = None


class Unreachable(Exception):
    """The provider certainly did not take the message; try again later."""


class Gateway(Protocol):
    """How to treat a call whose answer was lost: a gateway that `dedupes` on our key is simply called
    again; one that does not is asked by `find`; None from `find` on a gateway that cannot be asked
    (`can_find` false) means nobody knows, and the message is never sent again."""

    name: str
    dedupes: bool
    can_find: bool

    async def send(self, message: Message) -> Receipt:
        """Raises Unreachable when the message certainly did not go out."""
        ...

    async def find(self, idempotency_key: str) -> Receipt | None:
        """The receipt of an earlier call, where the provider can be asked by our key."""
        ...


Gateways = Mapping[ContactMethod, Gateway]
"""By channel, who carries its messages."""


def for_every_channel(gateway: Gateway) -> Gateways:
    """The same one for all."""
    return dict.fromkeys(CHANNELS, gateway)
