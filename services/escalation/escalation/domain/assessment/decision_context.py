"""What a case's decisions are told beside the case: its tenant's policy and reins, and who else was reached at the
same number or address.

Telephones and addresses are shared, so what reached them is tallied across cases; the first contacts of a day are
tallied across a tenant. All of it is pure: the kernel reads, locks and writes the tallies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.permits import ContactPermitted, VisitPermitted
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.kernel.decider import StreamId, Wake
from msgspec.structs import replace

from escalation.domain.case.fold import LEDGER_KEEPS
from escalation.domain.case.state import CONTACT_FINALITY, VISIT_FINALITY, WENT
from escalation.domain.policy import Policies, Policy
from escalation.domain.rules.request import LedgerEntry
from escalation.domain.tenant import SendingControls, evolve

FIRSTS_KEPT = timedelta(days=3)


class PointCounter(msgspec.Struct, frozen=True, tag="place"):
    """A number or an address: who was reached there, by permit."""

    reached: dict[str, LedgerEntry] = {}


class TenantCounter(SendingControls, frozen=True, tag="reins"):
    """A tenant's reins as it holds them, and the first contacts that were permitted lately, by permit."""

    firsts: dict[str, datetime] = msgspec.field(default_factory=dict)


CounterState = PointCounter | TenantCounter | None
NOWHERE, FREE = PointCounter(), TenantCounter()


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What a command of a case is decided with. `number` and `address` hold the case's own contacts too."""

    policy: Policy
    controls: TenantCounter = FREE
    number: PointCounter = NOWHERE
    address: PointCounter = NOWHERE


@dataclass(frozen=True, slots=True)
class InContext:
    """A command of a case with the advice it is decided with."""

    command: Any
    context: DecisionContext


class DecisionContexts:
    """The counsel of cases, and of the tenants whose reins they feel (see doorstep.kernel.service.Counsel)."""

    tally_type: Any = CounterState
    initial = None

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def reads(self, stream: StreamId, state: Any, command: Any) -> Sequence[str]:
        """An assessment wants every tally; nothing else wants any."""
        if stream.category != "case" or not isinstance(command, Wake):
            return ()
        return [_reins(stream), *_places(stream, state)]

    def advise(self, stream: StreamId, state: Any, command: Any, tallies: Mapping[str, Any]) -> Any:
        """The command with the tenant's policy; an assessment with the tallies too."""
        if stream.category != "case":
            return command
        policy = self.policies.of(stream.tenant)
        if not isinstance(command, Wake):
            return InContext(command, DecisionContext(policy))
        number, address = (tallies.get(name) or NOWHERE for name in _names(stream, state))
        return InContext(command, DecisionContext(policy, tallies.get(_reins(stream)) or FREE, number, address))

    def counts(self, stream: StreamId, event: Event) -> Sequence[str]:
        """Whose tallies `event` changes."""
        match event:
            case ContactPermitted(first=True):
                return [_reins(stream), *_places(stream, event)]
            case ContactPermitted() | VisitPermitted() | VisitOutcomeRecorded():
                return _places(stream, event)
            case ContactOutcomeRecorded(outcome="not-sent"):
                return [_reins(stream), *_places(stream, event)]
            case ContactOutcomeRecorded():
                return _places(stream, event)
            case ShadowSet() | RampSet() | SendingStopped() | SendingAllowed():
                return [_reins(stream)]
            case _:
                return ()

    def tally(self, name: str, tally: Any, stream: StreamId, event: Event) -> CounterState:
        """The tally called `name` after `event`; None before anything was counted."""
        if name.startswith(_REINS):
            return _reined(tally or FREE, event)
        return _reached(tally or NOWHERE, event)


_REINS = "reins/"


def _reins(stream: StreamId) -> str:
    return f"{_REINS}{stream.tenant}"


def _names(stream: StreamId, known: Any) -> tuple[str, str]:
    """Of the number and the address that a case, or an event, knows."""
    return f"number/{stream.tenant}/{known.phone_token}", f"address/{stream.tenant}/{known.address_token}"


def _places(stream: StreamId, known: Any) -> Sequence[str]:
    tokens = (known.phone_token, known.address_token)
    return [name for name, token in zip(_names(stream, known), tokens, strict=True) if token is not None]


def _reined(controls: TenantCounter, event: Event) -> TenantCounter:
    match event:
        case ShadowSet() | RampSet() | SendingStopped() | SendingAllowed():
            return evolve(controls, event)
        case ContactPermitted(permit_id=permit_id):
            at = event.decision.inputs.local_time.astimezone(UTC)
            kept = {name: when for name, when in controls.firsts.items() if when > at - FIRSTS_KEPT}
            return replace(controls, firsts={**kept, permit_id: at})
        case ContactOutcomeRecorded(permit_id=permit_id):
            return replace(controls, firsts={name: at for name, at in controls.firsts.items() if name != permit_id})
        case _:
            return controls


def _reached(place: PointCounter, event: Event) -> PointCounter:
    match event:
        case ContactPermitted(permit_id=permit_id, channel=channel, purpose=purpose):
            return _with(
                place, permit_id, LedgerEntry(channel, _decided_at(event), purpose=purpose, loans=event.loan_ids)
            )
        case VisitPermitted(permit_id=permit_id):
            return _with(place, permit_id, LedgerEntry("visit", _decided_at(event), loans=event.loan_ids))
        case ContactOutcomeRecorded(permit_id=permit_id):
            return _known(place, permit_id, event, CONTACT_FINALITY)
        case VisitOutcomeRecorded(permit_id=permit_id, outcome="noticed") if permit_id in place.reached:
            place = _known(place, permit_id, event, VISIT_FINALITY)
            notice = LedgerEntry("sms", event.at.astimezone(UTC), "sent", loans=place.reached[permit_id].loans)
            return _with(place, f"{permit_id}/notice", notice)
        case VisitOutcomeRecorded(permit_id=permit_id):
            return _known(place, permit_id, event, VISIT_FINALITY)
        case _:
            return place


def _decided_at(event: ContactPermitted | VisitPermitted) -> datetime:
    return event.decision.inputs.local_time.astimezone(UTC)


def _with(place: PointCounter, name: str, reach: LedgerEntry) -> PointCounter:
    kept = {other: old for other, old in place.reached.items() if old.at > reach.at - LEDGER_KEEPS}
    return PointCounter({**kept, name: reach})


def _known(
    place: PointCounter, name: str, event: ContactOutcomeRecorded | VisitOutcomeRecorded, finality: Mapping[str, int]
) -> PointCounter:
    reach = place.reached.get(name)
    if reach is None:
        return place
    at = event.at.astimezone(UTC)
    if event.outcome in WENT:
        reach = replace(reach, at=at)
    if finality[event.outcome] > finality.get(reach.outcome, 0):
        reach = replace(reach, outcome=event.outcome)
    if event.outcome in ("answered", "completed"):
        reach = replace(reach, answered_at=at)
    if event.outcome in ("not-sent", "not-made"):
        return PointCounter({other: old for other, old in place.reached.items() if other != name})
    return PointCounter({**place.reached, name: reach})
