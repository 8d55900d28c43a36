"""What audit says of its own doing."""

from typing import Literal

from doorstep.events.registry import Event, event
from doorstep.events.topics import AUDIT
from doorstep.events.values import Instant


@event("doorstep.personal-data.opened", topic=AUDIT)
class PersonalDataOpened(Event, frozen=True):
    """Someone looked at a borrower's personal data: who, in which role, why."""

    by: str
    role: str
    reason: str


@event("doorstep.log.checkpoint-signed", topic=AUDIT)
class CheckpointSigned(Event, frozen=True):
    """The log had `size` entries under `root` (SHA-256), signed: `checkpoint` is the signed note, as it is published.
    The one event that is no entry of the log, which would otherwise never come to rest."""

    origin: str
    size: int
    root: bytes
    checkpoint: str


@event("doorstep.evidence.exported", topic=AUDIT)
class EvidenceExported(Event, frozen=True):
    """Someone took the evidence of a case out: who, in which role, why. The bundle holds `entries` of the case from
    the first `log_size` entries of the log; `manifest` is the SHA-256 of its manifest, in hex."""

    by: str
    role: str
    reason: str
    log_size: int
    entries: int
    manifest: str


@event("doorstep.violation.found", topic=AUDIT)
class ViolationFound(Event, frozen=True):
    """The conformance monitor, which shares nothing with what decides, holds that `event_id` broke `rule`. `at` is the
    instant that the breach belongs to; `why` is in English, `why_zh` in Chinese."""

    violation_id: str
    event_id: str
    rule: str
    at: Instant
    why: str
    why_zh: str


@event("doorstep.legal-hold.placed", topic=AUDIT)
class LegalHoldPlaced(Event, frozen=True):
    """Nothing of this case may be erased until the hold is lifted."""

    hold_id: str
    by: str
    reason: str


@event("doorstep.legal-hold.lifted", topic=AUDIT)
class LegalHoldLifted(Event, frozen=True):
    """The case may be erased again, unless another hold stands."""

    hold_id: str
    by: str
    reason: str


@event("doorstep.erasure.ordered", topic=AUDIT)
class ErasureOrdered(Event, frozen=True):
    """The borrower's key is to be destroyed, and nobody can stop it any more: on request, or because the case ended
    `days` days ago, which is as long as `rule` (a pack by name and version, or the lender's setting) keeps it.
    `early`: a person would not wait as long as the rule packs want the case kept."""

    erasure_id: str
    by: str
    reason: str
    cause: Literal["request", "retention"]
    rule: str | None = None
    days: int | None = None
    early: bool = False


@event("doorstep.erasure.completed", topic=AUDIT)
class ErasureCompleted(Event, frozen=True):
    """The key is destroyed. Every proof stands; what was under seal can be read by nobody, ourselves included, once
    the last backup of the keys has expired."""

    erasure_id: str
