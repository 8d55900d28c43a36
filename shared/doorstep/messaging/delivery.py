"""Sending one message at most once: what to do when an earlier call may have reached the provider."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from doorstep.events.values import Borrower, Sealed
from doorstep.infra.vault import Erased, Tampered, Vault
from doorstep.messaging.channels import NoRecipient
from doorstep.messaging.gateways import Gateway, Message, Receipt, Unreachable

AT_ONCE = 20
"""Calls to one provider at the same time."""

A = TypeVar("A")
B = TypeVar("B")
O = TypeVar("O")  # noqa: E741


class AnswerLost(Exception):
    """The call may have got through; the effect is repeated, and the provider then asked or relied on."""


async def deliver(gateway: Gateway, message: Message, *, repeated: bool, objection: O | None) -> Receipt | O | None:
    """The provider's receipt; `objection` when it stands and nothing went out; None when nobody knows.

    A first call is simply made. After a lost answer (`repeated`) a provider that dedupes on our key is called
    again, one that can be asked is asked first, and any other is left alone for ever. What is unwanted by now
    is only asked about. Raises Unreachable (certainly not sent) and AnswerLost."""
    try:
        if not repeated:
            return objection if objection is not None else await gateway.send(message)
        if gateway.dedupes and objection is None:
            return await gateway.send(message)
        if gateway.can_find:
            found = await gateway.find(message.idempotency_key)
            return found or (objection if objection is not None else await gateway.send(message))
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


async def together(work: Callable[[A, B], Awaitable[O]], first: Sequence[A], second: Sequence[B]) -> Sequence[O]:
    """`work` on each pair, some at once. Raises the first fault, after every call has come to its end."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(a: A, b: B) -> O:
        async with turns:
            return await work(a, b)

    answers = await asyncio.gather(*(one(a, b) for a, b in zip(first, second, strict=True)), return_exceptions=True)
    return [_answer(answer) for answer in answers]


def _answer(answer: O | BaseException) -> O:
    if isinstance(answer, BaseException):
        raise answer
    return answer
