"""What a case's decisions are told beside the case: its tenant's policy and sending controls, and who else was reached
at the same number or address.

Telephones and addresses are shared, so what reached them is counted across cases; the first contacts of a day are
counted across a tenant. All of it is pure: the kernel reads, locks and writes the counters.
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
from doorstep.messaging.windows import QUARTER, next_quarter
from msgspec.structs import replace

from escalation.domain.case.borrower import BorrowerProfile
from escalation.domain.case.case import Command
from escalation.domain.case.contacts import CONTACT_FINALITY, LEDGER_KEEPS, VISIT_FINALITY, WENT, LedgerEntry
from escalation.domain.policy import Policies, Policy
from escalation.domain.tenant import SendingControls, evolve

FIRSTS_KEPT = timedelta(days=2)
"""Longer than a local day, whatever its clock does."""


class PointCounter(msgspec.Struct, frozen=True, tag="point"):
    """A number or an address: who was reached there, by permit."""

    reached: dict[str, LedgerEntry] = {}


class TenantCounter(SendingControls, frozen=True, tag="tenant"):
    """A tenant's sending controls, and how many first contacts were permitted lately, by the quarter of an hour. Each
    local day begins with one, in every zone there is."""

    firsts: dict[datetime, int] = msgspec.field(default_factory=dict)

    def firsts_between(self, since: datetime, until: datetime) -> int:
        """How many from `since` up to, not including, `until`. Both are midnight somewhere."""
        return sum(number for quarter, number in self.firsts.items() if since <= quarter < until)


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
    """A command of a case, in the context it is decided in."""

    command: Command
    context: DecisionContext


class DecisionContexts:
    """Those of cases, and of the tenants whose controls they feel (see doorstep.kernel.service.ContextSource)."""

    counter_type: object = CounterState
    initial: CounterState = None

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def reads(self, stream: StreamId, state: Any, command: Any) -> Sequence[str]:
        """An assessment wants every counter; nothing else wants any."""
        if stream.category != "case" or not isinstance(command, Wake):
            return ()
        return [_tenant(stream), *_points(stream, state.borrower)]

    def with_context(self, stream: StreamId, state: Any, command: Any, counters: Mapping[str, Any]) -> Any:
        """The command with the tenant's policy; an assessment with the counters too."""
        if stream.category != "case":
            return command
        policy = self.policies.of(stream.tenant)
        if not isinstance(command, Wake):
            return InContext(command, DecisionContext(policy))
        number, address = (counters.get(name) or NOWHERE for name in _names(stream, state.borrower))
        return InContext(command, DecisionContext(policy, counters.get(_tenant(stream)) or FREE, number, address))

    def counts(self, stream: StreamId, event: Event) -> Sequence[str]:
        """Which counters `event` changes."""
        match event:
            case ContactPermitted(first=True):
                return [_tenant(stream), *_points(stream, event)]
            case ContactPermitted() | VisitPermitted() | VisitOutcomeRecorded():
                return _points(stream, event)
            case ContactOutcomeRecorded(first_at=datetime()):
                return [_tenant(stream), *_points(stream, event)]
            case ContactOutcomeRecorded():
                return _points(stream, event)
            case ShadowSet() | RampSet() | SendingStopped() | SendingAllowed():
                return [_tenant(stream)]
            case _:
                return ()

    def count(self, name: str, counter: Any, stream: StreamId, event: Event) -> CounterState:
        """The counter called `name` after `event`; None before anything was counted."""
        if name.startswith(_TENANT):
            return _controlled(counter or FREE, event)
        return _reached(counter or NOWHERE, event)


_TENANT = "tenant/"


def _tenant(stream: StreamId) -> str:
    return f"{_TENANT}{stream.tenant}"


_Reachable = BorrowerProfile | ContactPermitted | VisitPermitted | ContactOutcomeRecorded | VisitOutcomeRecorded


def _names(stream: StreamId, known: _Reachable) -> tuple[str, str]:
    """Of the number and the address that a borrower, or an event, has."""
    return f"number/{stream.tenant}/{known.phone_token}", f"address/{stream.tenant}/{known.address_token}"


def _points(stream: StreamId, known: _Reachable) -> Sequence[str]:
    tokens = (known.phone_token, known.address_token)
    return [name for name, token in zip(_names(stream, known), tokens, strict=True) if token is not None]


def _controlled(controls: TenantCounter, event: Event) -> TenantCounter:
    match event:
        case ShadowSet() | RampSet() | SendingStopped() | SendingAllowed():
            return evolve(controls, event)
        case ContactPermitted():
            return _first(controls, _decided_at(event), 1)
        case ContactOutcomeRecorded(first_at=datetime() as at):
            return _first(controls, at, -1)
        case _:
            return controls


def _first(controls: TenantCounter, at: datetime, more: int) -> TenantCounter:
    """One first contact `more`, or less, permitted at `at`."""
    quarter = next_quarter(at) - QUARTER
    firsts = {**controls.firsts, quarter: controls.firsts.get(quarter, 0) + more}
    since = max(firsts) - FIRSTS_KEPT
    return replace(controls, firsts={when: number for when, number in firsts.items() if when > since and number > 0})


def _reached(point: PointCounter, event: Event) -> PointCounter:
    match event:
        case ContactPermitted(permit_id=permit_id, channel=channel, purpose=purpose):
            return _with(
                point, permit_id, LedgerEntry(channel, _decided_at(event), purpose=purpose, loans=event.loan_ids)
            )
        case VisitPermitted(permit_id=permit_id):
            return _with(point, permit_id, LedgerEntry("visit", _decided_at(event), loans=event.loan_ids))
        case ContactOutcomeRecorded(permit_id=permit_id):
            return _known(point, permit_id, event, CONTACT_FINALITY)
        case VisitOutcomeRecorded(permit_id=permit_id, outcome="noticed") if permit_id in point.reached:
            point = _known(point, permit_id, event, VISIT_FINALITY)
            notice = LedgerEntry("sms", event.at.astimezone(UTC), "sent", loans=point.reached[permit_id].loans)
            return _with(point, f"{permit_id}/notice", notice)
        case VisitOutcomeRecorded(permit_id=permit_id):
            return _known(point, permit_id, event, VISIT_FINALITY)
        case _:
            return point


def _decided_at(event: ContactPermitted | VisitPermitted) -> datetime:
    return event.decision.inputs.local_time.astimezone(UTC)


def _with(point: PointCounter, name: str, entry: LedgerEntry) -> PointCounter:
    kept = {other: old for other, old in point.reached.items() if old.at > entry.at - LEDGER_KEEPS}
    return PointCounter({**kept, name: entry})


def _known(
    point: PointCounter, name: str, event: ContactOutcomeRecorded | VisitOutcomeRecorded, finality: Mapping[str, int]
) -> PointCounter:
    entry = point.reached.get(name)
    if entry is None:
        return point
    at = event.at.astimezone(UTC)
    if event.outcome in WENT:
        entry = replace(entry, at=at)
    if finality[event.outcome] > finality.get(entry.outcome, 0):
        entry = replace(entry, outcome=event.outcome)
    if event.outcome in ("answered", "completed"):
        entry = replace(entry, answered_at=at)
    if event.outcome in ("not-sent", "not-made"):
        return PointCounter({other: old for other, old in point.reached.items() if other != name})
    return PointCounter({**point.reached, name: entry})
