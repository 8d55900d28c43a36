"""A channel as a value: by which contact point it reaches a borrower, and whether it is a message or a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
import phonenumbers

from doorstep.events.values import Borrower, ContactMethod, ContactPoint


class NoRecipient(Exception):
    """There is nobody to send to: the borrower was erased, the data were tampered with, or lack the contact point."""


class Destination(msgspec.Struct, frozen=True):
    """Where one message goes. `value` is what `point` says: a number such as +8613800138000, an e-mail address, a
    push token, an address as it is written on a letter."""

    point: ContactPoint
    value: str


@dataclass(frozen=True)
class Means:
    """What a channel is: the contact point it needs, and whether it is a call, which has an answer, or a message."""

    point: ContactPoint
    call: bool = False

    def destination(self, borrower: Borrower, region: str | None) -> Destination:
        """Where it reaches `borrower`, whose home is in `region` (ISO 3166-2; None: China). Raises NoRecipient."""
        value: str | None = getattr(borrower, self.point)
        if not value:
            raise NoRecipient(f"no {self.point.replace('_', ' ')}")
        if self.point == "phone" and not possible(value, region):
            raise NoRecipient("no possible phone")
        return Destination(self.point, e164(value, region) if self.point == "phone" else value)


CHANNELS: Final[Mapping[ContactMethod, Means]] = {
    "sms": Means("phone"),
    "voice": Means("phone", call=True),
    "email": Means("email"),
    "push": Means("push_token"),
    "letter": Means("address"),
}
"""Every way but a visit."""


def e164(phone: str, region: str | None) -> str:
    """`phone` as +8613800138000, read as dialled in `region` (ISO 3166-2; None: China); unchanged when it
    cannot be a number there."""
    return _number(phone, region) or phone


def possible(phone: str, region: str | None) -> bool:
    """Whether `phone` can be a number, read as dialled in `region`. Whether there is one, only a call tells."""
    return _number(phone, region) is not None


@lru_cache(maxsize=10_000)
def _number(phone: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(phone, (region or "CN").partition("-")[0])
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
