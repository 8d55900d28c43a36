"""Sending one message at most once: what to do when an earlier call may have reached the provider."""

from collections.abc import Sequence
from typing import Final

from doorstep.events.values import Borrower, Sealed
from doorstep.infra.vault import Erased, Tampered, Vault
from doorstep.messaging.channels import NoRecipient
from doorstep.messaging.gateways import Gateway, Message, Receipt, Unreachable


class AnswerLost(Exception):
    """The call may have got through; the effect is repeated, and the provider then asked or relied on."""


class NotTaken:
    """The provider was asked, and no earlier call has reached it."""


NOT_TAKEN: Final = NotTaken()


async def deliver(gateway: Gateway, message: Message, *, repeated: bool, wanted: bool) -> Receipt | NotTaken | None:
    """The provider's receipt; NOT_TAKEN when no earlier call has reached it; None when nobody knows.

    A first call is simply made. After a lost answer (`repeated`) a provider that dedupes on our key is called
    again while the message is still `wanted`, one that can be asked is asked and no more, and any other is left alone
    for ever. Raises Unreachable (this call certainly reached nothing) and AnswerLost."""
    try:
        if not repeated or (gateway.dedupes and wanted):
            return await gateway.send(message)
        if gateway.can_find:
            return await gateway.find(message.idempotency_key) or NOT_TAKEN
    except Unreachable:
        raise
    except Exception as error:
        if not repeated and not gateway.dedupes and not gateway.can_find:
            return None
        raise AnswerLost(f"{gateway.name} gave no answer ({type(error).__name__})") from error
    return None


async def opened(vault: Vault, sealed: Sequence[Sealed]) -> Sequence[Borrower | NoRecipient]:
    """All at once; one by one only when somebody among them cannot be read."""
    try:
        return await vault.borrowers(sealed)
    except (Erased, Tampered) as error:
        if len(sealed) == 1:
            return [NoRecipient("erased" if isinstance(error, Erased) else "tampered")]
    return [(await opened(vault, [one]))[0] for one in sealed]
