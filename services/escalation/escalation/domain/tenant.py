"""A tenant's sending controls: shadow mode, the ramp, and the kill switch for a way or for all. One stream per tenant.

The ways are independent switches, and "*" is one more, for all of them: nothing leaves on a way while either is on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, assert_never

import msgspec
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.values import ContactMethod
from doorstep.kernel.decider import Decider, Refused, StreamId

CATEGORY = "tenant"
EVERY_WAY = "*"
"""The switch for all ways at once."""

T = TypeVar("T", bound="SendingControls")
TenantEvent = ShadowSet | RampSet | SendingStopped | SendingAllowed


@dataclass(frozen=True)
class SetShadow:
    """While `on`, everything is decided and recorded, and nothing is permitted."""

    on: bool
    reason: str


@dataclass(frozen=True)
class SetRamp:
    """So many cases may have their first contact on one day; None: any number."""

    first_contacts_a_day: int | None
    reason: str


@dataclass(frozen=True)
class StopSending:
    """Nothing leaves on `way` any more; None: on none at all."""

    way: ContactMethod | None
    reason: str


@dataclass(frozen=True)
class AllowSending:
    """The switch of `way` is off again; None: the one for all. A way stopped by itself stays stopped."""

    way: ContactMethod | None
    reason: str


Command = SetShadow | SetRamp | StopSending | AllowSending


class SendingControls(msgspec.Struct, frozen=True):
    """`ramp` None is any number, `stopped` the switches that are on, sorted."""

    shadow: bool = False
    ramp: int | None = None
    stopped: tuple[str, ...] = ()


def tenant_stream(tenant: str) -> StreamId:
    """The stream of `tenant`. Its key is no case's."""
    return StreamId(CATEGORY, tenant, f"tenant-{tenant}", tenant)


def decide(state: SendingControls, command: Command, now: datetime) -> Sequence[TenantEvent]:
    """What `command` changes. Raises Refused for a ramp below zero, and to allow a way that only the switch for all
    stops."""
    match command:
        case SetShadow(on=on, reason=reason):
            return () if on == state.shadow else (ShadowSet(on=on, reason=reason),)
        case SetRamp(first_contacts_a_day=limit, reason=reason):
            if limit is not None and limit < 0:
                raise Refused("a ramp is a number of first contacts a day, zero or more: give none to take it off")
            return () if limit == state.ramp else (RampSet(first_contacts_a_day=limit, reason=reason),)
        case StopSending(way=way, reason=reason):
            return () if _on(state, way) else (SendingStopped(way=way, reason=reason),)
        case AllowSending(way=way, reason=reason):
            return _allow(state, way, reason)
        case _:
            assert_never(command)


def _allow(state: SendingControls, way: ContactMethod | None, reason: str) -> Sequence[TenantEvent]:
    if _on(state, way):
        return (SendingAllowed(way=way, reason=reason),)
    if _on(state, None):
        raise Refused(f"every way is stopped, not {way} by itself: stop those that shall stay stopped, then allow all")
    return ()


def _on(state: SendingControls, way: ContactMethod | None) -> bool:
    return (way or EVERY_WAY) in state.stopped


def evolve(state: T, event: TenantEvent) -> T:
    """The controls after `event`."""
    match event:
        case ShadowSet(on=on):
            return msgspec.structs.replace(state, shadow=on)
        case RampSet(first_contacts_a_day=limit):
            return msgspec.structs.replace(state, ramp=limit)
        case SendingStopped(way=way):
            return msgspec.structs.replace(state, stopped=tuple(sorted({*state.stopped, way or EVERY_WAY})))
        case SendingAllowed(way=way):
            left = tuple(one for one in state.stopped if one != (way or EVERY_WAY))
            return msgspec.structs.replace(state, stopped=left)
        case _:
            assert_never(event)


DECIDER: Decider[SendingControls, Command, TenantEvent] = Decider(
    CATEGORY, SendingControls(), SendingControls, decide, evolve
)
