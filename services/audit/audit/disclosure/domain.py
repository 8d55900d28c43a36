"""What the audit decides itself: that a borrower's personal data may be looked at, and that the evidence of a case may
leave, each on the record. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import msgspec
from doorstep.events.audit import EvidenceExported, PersonalDataOpened
from doorstep.kernel.decider import Decider, reason_given

Recorded = PersonalDataOpened | EvidenceExported


@dataclass(frozen=True)
class Open:
    """Someone wants to see the borrower's personal data. Each opening is an event of its own."""

    by: str
    role: str
    reason: str


@dataclass(frozen=True)
class Export:
    """Someone takes the evidence of a case out; the fields are those of EvidenceExported. Each export is an event of
    its own."""

    by: str
    role: str
    reason: str
    log_size: int
    entries: int
    manifest: str


class Disclosures(msgspec.Struct, frozen=True):
    """How often the personal data of a case were opened, and its evidence exported."""

    openings: int = 0
    exports: int = 0


def decide(_: Disclosures, command: Open | Export, _now: datetime) -> Sequence[Recorded]:
    """Raises Refused without a reason that a person can read later."""
    match command:
        case Open():
            reason = reason_given(command.reason)
            return [PersonalDataOpened(by=command.by, role=command.role, reason=reason)]
        case Export():
            reason = reason_given(command.reason)
            return [
                EvidenceExported(
                    by=command.by,
                    role=command.role,
                    reason=reason,
                    log_size=command.log_size,
                    entries=command.entries,
                    manifest=command.manifest,
                )
            ]
        case _:
            assert_never(command)


def evolve(state: Disclosures, event: Recorded) -> Disclosures:
    """One more of its kind."""
    match event:
        case PersonalDataOpened():
            return Disclosures(state.openings + 1, state.exports)
        case EvidenceExported():
            return Disclosures(state.openings, state.exports + 1)
        case _:
            assert_never(event)


disclosure = Decider("reading", Disclosures(), Disclosures, decide, evolve)
