"""Whether a borrower's key may be destroyed: legal holds, what stands in the way, and the order to erase. Pure.

An order is final: from then on nobody can place a hold, so that the key is destroyed whatever happens in between, a
crash among it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

import msgspec
from doorstep.events.audit import ErasureCompleted, ErasureOrdered, LegalHoldLifted, LegalHoldPlaced
from doorstep.kernel.decider import Decider, Refused, reason_given

from audit.store.entry import Entry
from audit.timeline.order import causal_order
from audit.timeline.summary import facts


class ErasureFacts(msgspec.Struct, frozen=True):
    """What the entries of a case say that bears on erasing it. `loans` are overdue, the bank says. `ended`: when it
    was cured or its last dispute closed, whichever is later; None while it is open, or was never opened. `waiting`:
    parked messages of the case."""

    open: bool = False
    loans: tuple[str, ...] = ()
    ended: datetime | None = None
    disputes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


def known(entries: Iterable[Entry]) -> ErasureFacts:
    """What has reached the audit by now; what is still under way it cannot know."""
    case = facts(causal_order(entries))
    return ErasureFacts(
        open=case.status == "open",
        loans=tuple(name for name, loan in case.loans.items() if loan.amount_overdue.amount),
        ended=case.ended,
        disputes=tuple(one.dispute_id for one in case.disputes),
        waiting=tuple(case.waiting),
    )


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)


@dataclass(frozen=True)
class PlaceLegalHold:
    """Nothing of the case may be erased until this hold is lifted."""

    hold_id: str
    by: str
    reason: str


@dataclass(frozen=True)
class LiftLegalHold:
    """This hold need not be kept any more."""

    hold_id: str
    by: str
    reason: str


@dataclass(frozen=True)
class Erase:
    """Destroy the borrower's key: a person asks for it, or the time that `rule` sets has passed. `known` is what the
    audit knew of the case when it was asked, `keep_until` how long its rule packs want it kept; `early`: a person
    answers for not waiting that long."""

    erasure_id: str
    by: str
    reason: str
    known: ErasureFacts
    cause: Literal["request", "retention"] = "request"
    rule: str | None = None
    days: int | None = None
    keep_until: datetime | None = None
    early: bool = False


@dataclass(frozen=True)
class Destroyed:
    """The key is gone."""

    erasure_id: str


class Kept(msgspec.Struct, frozen=True, tag=True):
    """The key is there. `holds` stand; `lifted` stood once."""

    holds: tuple[str, ...] = ()
    lifted: tuple[str, ...] = ()


class Ordered(msgspec.Struct, frozen=True, tag=True):
    """The key is about to be destroyed."""

    erasure_id: str


class KeyGone(msgspec.Struct, frozen=True, tag=True):
    """The key is destroyed."""

    erasure_id: str


BorrowerKey = Kept | Ordered | KeyGone
Command = PlaceLegalHold | LiftLegalHold | Erase | Destroyed
Event = LegalHoldPlaced | LegalHoldLifted | ErasureOrdered | ErasureCompleted


def decide(state: BorrowerKey, command: Command, now: datetime) -> Sequence[Event]:
    """Raises Refused, with what to do."""
    match command:
        case PlaceLegalHold():
            return _place_hold(state, command)
        case LiftLegalHold():
            return _lift(state, command)
        case Erase():
            return _erase(state, command, now)
        case Destroyed(erasure_id):
            if state != Ordered(erasure_id):
                return []
            return [ErasureCompleted(erasure_id=erasure_id)]
        case _:
            assert_never(command)


def _place_hold(state: BorrowerKey, command: PlaceLegalHold) -> Sequence[Event]:
    if not isinstance(state, Kept):
        raise Refused(
            f"too late for a legal hold: erasure {state.erasure_id} was ordered before it, and the key is destroyed;"
            " what is not personal data is kept in any case"
        )
    if command.hold_id in state.holds:
        return []
    return [LegalHoldPlaced(hold_id=command.hold_id, by=command.by, reason=reason_given(command.reason))]


def _lift(state: BorrowerKey, command: LiftLegalHold) -> Sequence[Event]:
    if not isinstance(state, Kept) or command.hold_id in state.lifted:
        return []
    if command.hold_id not in state.holds:
        standing = f"those that stand: {', '.join(state.holds)}" if state.holds else "none stands"
        raise Refused(f"there is no legal hold {command.hold_id} to lift; {standing}")
    return [LegalHoldLifted(hold_id=command.hold_id, by=command.by, reason=reason_given(command.reason))]


def _erase(state: BorrowerKey, command: Erase, now: datetime) -> Sequence[Event]:
    if not isinstance(state, Kept):
        return []
    if (objection := _objection(state, command, now)) is not None:
        raise Refused(objection)
    return [
        ErasureOrdered(
            erasure_id=command.erasure_id,
            by=command.by,
            reason=reason_given(command.reason),
            cause=command.cause,
            rule=command.rule,
            days=command.days,
            early=_too_early(command, now),
        )
    ]


def _objection(state: Kept, command: Erase, now: datetime) -> str | None:
    told = command.known
    if state.holds:
        return f"legal hold {', '.join(state.holds)} stands: lift it first, once whoever asked for it agrees"
    if told.open or told.loans:
        return "the case is open: money is owed, and whoever is contacted must be known. Erase it once it is cured"
    if told.disputes:
        return f"dispute {', '.join(told.disputes)} is open: close it first, its evidence is still needed"
    if told.waiting:
        return (
            f"a message waits for a person ({', '.join(told.waiting)}): replay or discard it first, `doorstep parked`"
        )
    if _too_early(command, now) and not command.early:
        return (
            f"the rule packs want the case kept until {command.keep_until:%Y-%m-%d}: erase it then, or say that you do"
            " not wait (--early) and in the reason on what ground"
        )
    return None


def _too_early(command: Erase, now: datetime) -> bool:
    return command.keep_until is not None and now < command.keep_until


def evolve(state: BorrowerKey, event: Event) -> BorrowerKey:
    """Holds come and go; an order ends it."""
    match event:
        case LegalHoldPlaced(hold_id=hold_id) if isinstance(state, Kept):
            return Kept((*state.holds, hold_id), _without(state.lifted, hold_id))
        case LegalHoldLifted(hold_id=hold_id) if isinstance(state, Kept):
            return Kept(_without(state.holds, hold_id), (*state.lifted, hold_id))
        case LegalHoldPlaced() | LegalHoldLifted():
            return state
        case ErasureOrdered(erasure_id=erasure_id):
            return Ordered(erasure_id)
        case ErasureCompleted(erasure_id=erasure_id):
            return KeyGone(erasure_id)
        case _:
            assert_never(event)


erasure: Decider[BorrowerKey, Command, Event] = Decider("custody", Kept(), BorrowerKey, decide, evolve)
