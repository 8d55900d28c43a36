"""The one thing the audit decides: that a borrower's personal data may be looked at, on the record. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import msgspec
from doorstep.decider import Decider, Refused
from doorstep.events.audit import PersonalDataOpened


@dataclass(frozen=True)
class Open:
    """Someone wants to see the borrower's personal data. Each opening is an event of its own."""

    by: str
    role: str
    reason: str


class Reading(msgspec.Struct, frozen=True):
    """How often the personal data of a case were opened."""

    openings: int = 0


def decide(_: Reading, command: Open, _now: datetime) -> Sequence[PersonalDataOpened]:
    """Raises Refused without a reason that a person can read later."""
    reason = " ".join(command.reason.split())
    if len(reason) < 4:
        raise Refused("personal data are opened for a reason: give one of at least 4 characters")
    return [PersonalDataOpened(by=command.by, role=command.role, reason=reason)]


def evolve(state: Reading, event: PersonalDataOpened) -> Reading:
    """One more opening."""
    match event:
        case PersonalDataOpened():
            return Reading(state.openings + 1)
        case _:
            assert_never(event)


reading = Decider("reading", Reading(), Reading, decide, evolve)
