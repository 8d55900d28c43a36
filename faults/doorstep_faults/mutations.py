"""Bugs put in on purpose, one at a time, to show that a run finds them. Each breaks what holds one promise up."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from doorstep.bus.interface import Record
from doorstep.kernel import consumer, effects, handle, relay
from doorstep.messaging import delivery
from doorstep.messaging.gateways import Gateway, Message, Receipt
from reminder import effects as sending
from reminder.domain import CONTACT, Withdraw
from sqlalchemy import TextClause, text
from tlog import folder
from visit_scheduler import effects as noticing

MUTATION = "DOORSTEP_FAULTS_MUTATION"


def offset_first() -> None:
    """The offset is committed before the messages are handled."""
    turn = consumer.Consumer.turn

    async def turned(self: Any, timeout: float = 0.0) -> int:
        handle_ = self._handle

        async def late(records: Sequence[Record]) -> None:
            await self._subscription.commit(records)
            await handle_(records)

        self._handle = late
        try:
            return await turn(self, timeout)
        finally:
            self._handle = handle_

    _replace(consumer.Consumer, "turn", turned)


def no_inbox() -> None:
    """A message that comes again is a new one."""
    _replace(handle, "_INBOX", text("select m from unnest(cast(:ids as text[])) as n(m) where :consumer <> ''"))


def resend_on_unknown() -> None:
    """A provider that can do nothing is called again after a lost answer."""
    deliver = delivery.deliver

    async def again(gateway: Gateway, message: Message, *, repeated: bool, wanted: bool) -> Receipt | Any:
        blind = not (gateway.dedupes or gateway.can_find)
        return await deliver(gateway, message, repeated=repeated and not blind, wanted=wanted)

    _everywhere(deliver, again)


def no_last_look() -> None:
    """What was withdrawn or stopped since it was claimed goes out all the same."""

    def nothing(self: Any, call: Any) -> None:
        return None

    _replace(effects.Effects, "_objection", nothing)


def no_fencing() -> None:
    """A claim keeps nobody off: an effect in flight is judged by others."""
    _replace(
        effects, "_DUE", _without(effects._DUE, "and (e.leased_until is null or e.leased_until <= clock_timestamp())")
    )
    _replace(effects, "_DONE", _without(effects._DONE, "and e.claim = n.claim"))


def relay_out_of_order() -> None:
    """What was written last is published first."""
    _replace(relay, "_NEXT", text(relay._NEXT.text.replace("order by position", "order by position desc")))


def lease_for_ever() -> None:
    """What a dead process had claimed is never looked at again."""
    lasting = effects._CLAIM.text.replace("secs => n.seconds", "secs => n.seconds + 1e8")
    _replace(effects, "_CLAIM", text(lasting))


def late_cancellation_dropped() -> None:
    """A permit's withdrawal is ignored once its message is about to go out, and before it is scheduled."""
    decide = CONTACT.decide

    def deaf(state: Any, command: Any, now: Any) -> Sequence[Any]:
        return () if isinstance(command, Withdraw) else decide(state, command, now)

    object.__setattr__(CONTACT, "decide", deaf)


def checkpoint_put_back() -> None:
    """Whoever has a checkpoint publishes it, be it older than the one that is there."""
    _replace(folder, "_says_more", lambda fresh, published: True)


MUTATIONS: Mapping[str, Callable[[], None]] = {
    one.__name__.replace("_", " "): one
    for one in (
        offset_first,
        no_inbox,
        resend_on_unknown,
        no_last_look,
        no_fencing,
        relay_out_of_order,
        lease_for_ever,
        late_cancellation_dropped,
        checkpoint_put_back,
    )
}


def put_in() -> None:
    """The bug that the environment names, into this process; none when it names none."""
    if name := os.environ.get(MUTATION):
        MUTATIONS[name]()


def _replace(where: Any, name: str, what: object) -> None:
    assert hasattr(where, name), f"{name} is gone: mend this mutation"
    setattr(where, name, what)


def _without(statement: TextClause, words: str) -> TextClause:
    assert words in statement.text, f"{words} is gone: mend this mutation"
    return text(statement.text.replace(words, ""))


def _everywhere(old: Callable[..., Awaitable[Any]], new: Callable[..., Awaitable[Any]]) -> None:
    for module in (delivery, sending, noticing):
        _replace(module, old.__name__, new)
