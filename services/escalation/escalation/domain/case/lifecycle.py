"""The course of a case: open or cured, in which episode; what was decided last, and when it is assessed next."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import assert_never

import msgspec
from doorstep.events.escalation.cases import CaseAssessed, CaseCured, CaseOpened
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.values import Decision, Money
from msgspec.structs import replace

from escalation.domain.case.loans import Loans

Decided = ContactPermitted | ContactDenied | VisitPermitted | VisitDenied
Event = CaseOpened | CaseCured | CaseAssessed | Decided


class Denial(msgspec.Struct, frozen=True):
    """The last refusal, so that the same one is not said twice."""

    step: str
    refusing: tuple[str, ...]
    earliest_next: datetime | None


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """`episode` counts the openings; `episode_at` is the first decision of the present one. `assessed` is what was
    overdue at the last assessment, by the books of `assessed_on`, in the currency whose turn it was, `assessed_besides`
    in others: unlike what is known now, it does not depend on what
    happened to come first since then. `assess_at` is the next assessment that was planned."""

    open: bool = False
    episode: int = 0
    episode_at: datetime | None = None
    decisions: int = 0
    assessed: Money | None = None
    assessed_besides: tuple[Money, ...] = ()
    assessed_on: date | None = None
    denial: Denial | None = None
    assess_at: datetime | None = None


def owed_in(lifecycle: Lifecycle, currency: str | None) -> Money | None:
    """What was overdue at the last assessment in `currency`; where that is nothing, in the one whose turn it was."""
    besides = [money for money in lifecycle.assessed_besides if money.currency == currency]
    return besides[0] if besides else lifecycle.assessed


def denial(decision: Decision) -> Denial:
    """What makes two refusals the same."""
    refusing = tuple(f"{one.pack}/{one.rule}" if one.pack else one.rule for one in decision.verdicts if one.refuses())
    return Denial(decision.step, refusing, decision.earliest_next)


def opened_or_cured(lifecycle: Lifecycle, loans: Loans) -> Iterator[CaseOpened | CaseCured]:
    """What follows from whether any loan is overdue, as the bank tells now."""
    overdue = bool(loans.overdue())
    if overdue and not lifecycle.open:
        episode, day = lifecycle.episode + 1, loans.business_date()
        yield CaseOpened(episode=episode, business_date=day, after_reversal=loans.reversed)
    if lifecycle.open and not overdue:
        yield CaseCured(episode=lifecycle.episode, business_date=loans.business_date())


def planned(lifecycle: Lifecycle, at: datetime | None) -> Lifecycle:
    """To be assessed at `at`, unless something earlier was planned."""
    if at is None or (lifecycle.assess_at is not None and lifecycle.assess_at <= at):
        return lifecycle
    return replace(lifecycle, assess_at=at)


def evolve(lifecycle: Lifecycle, event: Event) -> Lifecycle:
    """The course of the case after `event`."""
    match event:
        case CaseAssessed(assess_at=at, amount_overdue=amount, business_date=books):
            besides = event.other_amounts
            return replace(lifecycle, assess_at=at, assessed=amount, assessed_besides=besides, assessed_on=books)
        case ContactPermitted() | VisitPermitted():
            return _decided(lifecycle, event, None)
        case ContactDenied() | VisitDenied():
            return _decided(lifecycle, event, denial(event.decision))
        case CaseOpened(episode=episode):
            return replace(lifecycle, open=True, episode=episode, episode_at=None, denial=None)
        case CaseCured():
            return replace(lifecycle, open=False, denial=None, assess_at=None)
    assert_never(event)


def _decided(lifecycle: Lifecycle, event: Decided, denied: Denial | None) -> Lifecycle:
    inputs = event.decision.inputs
    return replace(
        lifecycle,
        decisions=lifecycle.decisions + 1,
        assessed=inputs.amount_overdue,
        assessed_besides=inputs.other_amounts,
        assessed_on=inputs.business_date,
        episode_at=lifecycle.episode_at or inputs.local_time.astimezone(UTC),
        denial=denied,
        assess_at=event.assess_at,
    )
