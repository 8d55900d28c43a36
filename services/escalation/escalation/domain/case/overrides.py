"""Overrides: another next step than the strategy's, as two persons want it, and who works on the case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import msgspec
from doorstep.events.escalation.cases import CaseAssigned, CaseCured
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import ContactPermitted, Purpose, VisitPermitted
from doorstep.events.values import ContactMethod, Override, Sealed
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

Event = OverrideRequested | OverrideApproved | OverrideRejected | CaseAssigned


@dataclass(frozen=True)
class RequestOverride:
    """A person wants another next step. `said`: why, in their words, here and below."""

    override_id: str
    way: ContactMethod
    reason: str
    by: str
    purpose: Purpose = "reminder"
    said: Sealed | None = None


@dataclass(frozen=True)
class ApproveOverride:
    """A second person agrees. Refused for the one who asked."""

    override_id: str
    by: str


@dataclass(frozen=True)
class RejectOverride:
    """A person does not agree, or takes it back."""

    override_id: str
    by: str
    reason: str
    said: Sealed | None = None


@dataclass(frozen=True)
class Assign:
    """An agency works on the case from now on, or the lender's own people (None)."""

    agency: str | None
    reason: str
    said: Sealed | None = None


Command = RequestOverride | ApproveOverride | RejectOverride | Assign


class RequestedOverride(msgspec.Struct, frozen=True):
    """Another next step, as a person wants it; `approved_by` a second one, or not yet."""

    way: ContactMethod
    purpose: Purpose
    reason: str
    by: str
    approved_by: str | None = None


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """Those that wait, by id, all that were `requested`, and the `agency` that works on the case (None: in house)."""

    waiting: dict[str, RequestedOverride] = msgspec.field(default_factory=dict, name="overrides")
    requested: tuple[str, ...] = msgspec.field(default=(), name="overrides_heard")
    agency: str | None = None

    def approved(self) -> Override | None:
        """The first that two persons want."""
        for name, one in sorted(self.waiting.items()):
            if one.approved_by is not None:
                return Override(override_id=name, by=one.by, approved_by=one.approved_by, reason=one.reason)
        return None


def decide(overrides: Overrides, command: Command, case_open: bool, now: datetime) -> Sequence[Event]:
    """What follows. Raises Refused for one that is not there, and for the same person twice."""
    match command:
        case RequestOverride():
            if command.override_id in overrides.requested:
                return []
            if not case_open:
                raise Refused("the case is not open: there is no next step to choose")
            return [
                OverrideRequested(
                    override_id=command.override_id,
                    way=command.way,
                    purpose=command.purpose,
                    reason=command.reason,
                    by=command.by,
                    said=command.said,
                )
            ]
        case ApproveOverride(override_id, by):
            requested = _requested(overrides, override_id)
            if requested.approved_by is not None:
                return []
            if requested.by == by:
                raise Refused(f"{by} asked for this override: a second person has to approve it")
            return [OverrideApproved(override_id=override_id, by=by, assess_at=next_quarter(now))]
        case RejectOverride(override_id, by, reason, said):
            _requested(overrides, override_id)
            return [OverrideRejected(override_id=override_id, by=by, reason=reason, said=said)]
        case Assign(agency, reason, said):
            return [] if agency == overrides.agency else [CaseAssigned(agency=agency, reason=reason, said=said)]
    assert_never(command)


def evolve(overrides: Overrides, event: Event | ContactPermitted | VisitPermitted | CaseCured) -> Overrides:
    """The overrides after `event`: a permit uses up the one it was given for."""
    match event:
        case ContactPermitted() | VisitPermitted():
            used = event.decision.override
            return overrides if used is None else _without(overrides, used.override_id)
        case OverrideRequested(override_id=override_id):
            requested = RequestedOverride(event.way, event.purpose, event.reason, event.by)
            waiting = {**overrides.waiting, override_id: requested}
            return replace(overrides, waiting=waiting, requested=(*overrides.requested, override_id))
        case OverrideApproved(override_id=override_id, by=by):
            approved = replace(overrides.waiting[override_id], approved_by=by)
            return replace(overrides, waiting={**overrides.waiting, override_id: approved})
        case OverrideRejected(override_id=override_id):
            return _without(overrides, override_id)
        case CaseAssigned(agency=agency):
            return replace(overrides, agency=agency)
        case CaseCured():
            return replace(overrides, waiting={})
    assert_never(event)


def _without(overrides: Overrides, override_id: str) -> Overrides:
    left = {name: one for name, one in overrides.waiting.items() if name != override_id}
    return replace(overrides, waiting=left)


def _requested(overrides: Overrides, override_id: str) -> RequestedOverride:
    if override_id not in overrides.waiting:
        raise Refused(f"no override {override_id} waits; there are: {', '.join(overrides.waiting) or 'none'}")
    return overrides.waiting[override_id]
