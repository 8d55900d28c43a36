"""What the conformance monitor found in a case, each violation once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import msgspec
from conformance.report import Violation
from doorstep.events.audit import ViolationFound
from doorstep.events.envelope import derived_id
from doorstep.kernel.decider import Decider, StreamId


@dataclass(frozen=True)
class RaiseViolations:
    """A reading of the case `case_id` found these; some of them perhaps not for the first time."""

    case_id: str
    found: tuple[Violation, ...]


class Found(msgspec.Struct, frozen=True):
    """The violations on record, by their ids."""

    ids: frozenset[str] = frozenset()


def violation_id(case_id: str, event_id: str, rule: str) -> str:
    """An event breaks a rule once, whatever the reasons."""
    return derived_id("violation", case_id, event_id, rule)


def decide(state: Found, command: RaiseViolations, _now: datetime) -> Sequence[ViolationFound]:
    """What is not on record yet."""
    named = {violation_id(command.case_id, one.event, one.rule): one for one in reversed(command.found)}
    return [_event(name, one) for name, one in reversed(named.items()) if name not in state.ids]


def _event(name: str, one: Violation) -> ViolationFound:
    return ViolationFound(
        violation_id=name, event_id=one.event, rule=one.rule, at=one.at, why=one.why, why_zh=one.why_zh
    )


def evolve(state: Found, event: ViolationFound) -> Found:
    """One more."""
    match event:
        case ViolationFound():
            return Found(state.ids | {event.violation_id})
        case _:
            assert_never(event)


violations = Decider("conformance", Found(), Found, decide, evolve)


def stream(case_id: str, tenant: str) -> StreamId:
    """Where the violations of a case are told."""
    return StreamId(violations.category, case_id, case_id, tenant)
