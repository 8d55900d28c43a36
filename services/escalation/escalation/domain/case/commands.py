"""What a case can be told: by the bank's facts, by executors, by the borrower through them, and by people."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

from doorstep.events.escalation.disputes import Contested, DisputeAttached, DisputeOutcome
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.outcomes import Outcome, VisitOutcome
from doorstep.events.escalation.permits import Purpose
from doorstep.events.escalation.preferences import ConsentKind
from doorstep.events.values import Sealed, Way
from doorstep.kernel.decider import Wake

from escalation.domain.case.state import Fact


@dataclass(frozen=True)
class RecordFact:
    """The bank says something of a loan. `fact` is the event to be; deciding adds when it will be assessed
    and whether it came late."""

    fact: Fact


@dataclass(frozen=True)
class RecordContactOutcome:
    """An executor says what became of a contact."""

    permit_id: str
    outcome: Outcome
    at: datetime


@dataclass(frozen=True)
class RecordVisitOutcome:
    """An executor says what became of a visit."""

    permit_id: str
    outcome: VisitOutcome
    at: datetime
    willingness: int | None = None


@dataclass(frozen=True)
class RecordPromise:
    """The borrower promised to pay."""

    promise_id: str
    due: date
    amount: Decimal | None


@dataclass(frozen=True)
class PlaceHold:
    """Something forbids going on: from `starts` (None: now) to `until` (None: as long as the packs say), about
    `loans`, on `ways` (empty: all)."""

    hold_id: str
    kind: HoldKind
    starts: datetime | None = None
    until: datetime | None = None
    loans: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class RenewHold:
    """It goes on, to `until` (None: for as long again as the packs say)."""

    hold_id: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class LiftHold:
    """A person ends a hold. Refused when there is none of that id, while it is under review, and while it is that of
    an open dispute."""

    hold_id: str
    reason: str


@dataclass(frozen=True)
class CloseReview:
    """A person has looked at the case; the hold that asked for it ends."""

    review_id: str
    outcome: Literal["upheld", "rejected", "resolved"]
    reason: str


@dataclass(frozen=True)
class OpenDispute:
    """The borrower contests something about `loans` (empty: all). Contact about them freezes. Without deadlines of its
    own it has the usual ones."""

    dispute_id: str
    about: Contested
    opened_by: str | None = None
    answer_by: datetime | None = None
    close_by: datetime | None = None
    loans: tuple[str, ...] = ()
    text: Sealed | None = None


@dataclass(frozen=True)
class AttachToDispute:
    """Something that bears on a dispute, as the event keeps it. Refused once the dispute is closed."""

    attached: DisputeAttached


@dataclass(frozen=True)
class AnswerDispute:
    """The borrower was answered. Refused once the dispute is closed."""

    dispute_id: str
    answer_id: str
    by: str
    text: Sealed | None = None


@dataclass(frozen=True)
class CloseDispute:
    """A person says what came of a dispute; contact may go on, so what the bank's record had wrong is put right before.
    Refused before the borrower was answered, unless they took it back."""

    dispute_id: str
    outcome: DisputeOutcome
    by: str
    reason: str


@dataclass(frozen=True)
class RecordConsent:
    """The borrower agreed to be reached at other hours, or at another place."""

    consent_id: str
    kind: ConsentKind
    ways: tuple[Way, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True)
class WithdrawConsent:
    """The borrower took it back."""

    consent_id: str


@dataclass(frozen=True)
class RecordBlock:
    """Hours, or ways, that the borrower called inconvenient."""

    block_id: str
    ways: tuple[Way, ...] = ()
    weekdays: tuple[int, ...] = ()
    opens: time | None = None
    closes: time | None = None


@dataclass(frozen=True)
class RemoveBlock:
    """They are convenient again."""

    block_id: str


@dataclass(frozen=True)
class RequestOverride:
    """A person wants another next step."""

    override_id: str
    way: Way
    reason: str
    by: str
    purpose: Purpose = "reminder"


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


@dataclass(frozen=True)
class Assign:
    """An agency works on the case from now on, or the lender's own people (None)."""

    agency: str | None
    reason: str


@dataclass(frozen=True)
class SuspendSending:
    """A message about this case is parked at `by` under `key`."""

    by: str
    key: str


@dataclass(frozen=True)
class ResumeSending:
    """It is released."""

    by: str
    key: str


Command = (
    RecordFact | RecordContactOutcome | RecordVisitOutcome | RecordPromise | PlaceHold | RenewHold | LiftHold
    | CloseReview | OpenDispute | AttachToDispute | AnswerDispute | CloseDispute | RecordConsent | WithdrawConsent
    | RecordBlock | RemoveBlock | RequestOverride | ApproveOverride | RejectOverride | Assign | SuspendSending
    | ResumeSending | Wake
)  # fmt: skip
