"""What a visit can be told, by escalation's events, by its own effects and by the collectors."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from doorstep.events.values import Sealed
from doorstep.events.visits import Collector, VisitTerms
from doorstep.kernel.decider import Wake

Withdrawal = Literal["payment", "cure", "hold", "suspended", "consent"]
Attitude = Literal["cooperative", "neutral", "hostile"]
Cause = Literal["forgot", "cash-flow", "unemployment", "illness", "dispute", "other"]
Obstacle = Literal["nobody-home", "refused", "wrong-address", "unsafe"]


@dataclass(frozen=True)
class Request:
    """A visit permit arrived."""

    visit_id: str
    terms: VisitTerms


@dataclass(frozen=True)
class Plan:
    """These collectors, in this slot."""

    collectors: tuple[Collector, ...]
    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Unplan:
    """No plan keeps every rule. To be tried again at `retry_at`, or never."""

    reason: str
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Cancel:
    """The permit is withdrawn."""

    visit_id: str
    reason: Withdrawal


@dataclass(frozen=True)
class RecordNoticed:
    """The provider took the notice."""

    provider: str
    provider_message_id: str
    rendered_mac: str


@dataclass(frozen=True)
class RecordNoticeFailed:
    """The notice did not go out, or nobody can tell any more (`unknown`)."""

    provider: str
    reason: str
    unknown: bool = False


@dataclass(frozen=True)
class MissNotice:
    """Nothing went out: it would come too late now, or the tenant has stopped it."""

    reason: Literal["no-notice", "stopped"] = "no-notice"


@dataclass(frozen=True)
class Start:
    """`agent_id` says: we, all of `present`, stand at the door. `suspended`: something about this case is
    parked, and may be the payment. `stopped`: the tenant has stopped visits."""

    at: datetime
    agent_id: str
    present: tuple[str, ...]
    suspended: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Complete:
    """They talked. `willingness` is 0-100; a promise has a due date and perhaps an amount (None: all)."""

    at: datetime
    agent_id: str
    attitude: Attitude
    willingness: int
    cause: Cause
    promise_amount: Decimal | None = None
    promise_due: date | None = None
    notes: Sealed | None = None


@dataclass(frozen=True)
class Fail:
    """They went and could not talk."""

    at: datetime
    agent_id: str
    reason: Obstacle
    notes: Sealed | None = None


VisitReport = Complete | Fail
Command = (
    Request | Plan | Unplan | Cancel | Wake | RecordNoticed | RecordNoticeFailed | MissNotice | Start | Complete | Fail
)
