"""The states of a visit and how events lead from one to the next. Everything here is rebuilt from events."""

from datetime import datetime, timedelta
from typing import Literal, assert_never

import msgspec
from doorstep.events.values import Instant
from doorstep.events.visits import (
    NoticeFailed,
    NoticeStarted,
    VisitCancelled,
    VisitCancelledEarly,
    VisitCompleted,
    VisitFailed,
    VisitNoticed,
    VisitPlanned,
    VisitRequested,
    VisitStarted,
    VisitTerms,
    VisitUnplanned,
)

from visit_scheduler.domain.appointment import Appointment
from visit_scheduler.domain.commands import Withdrawal
from visit_scheduler.domain.hours import next_notice

OVERDUE = timedelta(hours=24)
"""A visit not started this long after its slot was not made."""

VisitEvent = (
    VisitRequested
    | VisitCancelledEarly
    | VisitPlanned
    | VisitUnplanned
    | NoticeStarted
    | VisitNoticed
    | NoticeFailed
    | VisitStarted
    | VisitCompleted
    | VisitFailed
    | VisitCancelled
)


class Absent(msgspec.Struct, frozen=True, tag="absent"):
    """No permit has arrived."""


class CancelledEarly(msgspec.Struct, frozen=True, kw_only=True, tag="cancelled-early"):
    """The permit was withdrawn before it arrived."""

    reason: Withdrawal


class Requested(msgspec.Struct, frozen=True, kw_only=True, tag="requested"):
    """To be planned at `plan_at`."""

    visit_id: str
    terms: VisitTerms
    plan_at: Instant


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag="planned"):
    """The notice starts at `notice_at`."""

    visit: Appointment
    notice_at: Instant


class Noticing(msgspec.Struct, frozen=True, kw_only=True, tag="noticing"):
    """The notice may be on its way."""

    visit: Appointment


class Noticed(msgspec.Struct, frozen=True, kw_only=True, tag="noticed"):
    """The borrower knows; the plan is frozen."""

    visit: Appointment


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The collectors are there since `at`."""

    visit: Appointment
    at: Instant


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """It is over. `noticing`: what became of this visit's notice is still to be recorded."""

    visit_id: str
    ending: Literal["completed", "failed", "cancelled", "notice-failed"]
    noticing: Appointment | None = None


State = Absent | CancelledEarly | Requested | Planned | Noticing | Noticed | Started | Closed


def evolve(state: State, event: VisitEvent) -> State:  # noqa: PLR0911, PLR0912
    """Fold one event."""
    match event:
        case VisitRequested(visit_id=visit_id, terms=terms, plan_at=plan_at):
            return Requested(visit_id=visit_id, terms=terms, plan_at=plan_at)
        case VisitCancelledEarly(reason=reason):
            return CancelledEarly(reason=reason)
        case VisitUnplanned(retry_at=retry_at):
            assert isinstance(state, Requested)
            return msgspec.structs.replace(state, plan_at=retry_at or state.plan_at)
        case VisitPlanned():
            assert isinstance(state, Requested)
            return _appointed(state, event)
        case NoticeStarted():
            return Noticing(visit=appointment_of(state))
        case VisitNoticed(visit_id=visit_id):
            if isinstance(state, Closed):
                return msgspec.structs.replace(state, noticing=None)
            return Noticed(visit=appointment_of(state))
        case VisitStarted(at=at):
            return Started(visit=appointment_of(state), at=at)
        case NoticeFailed(visit_id=visit_id):
            ending = state.ending if isinstance(state, Closed) else "notice-failed"
            return Closed(visit_id=visit_id, ending=ending)
        case VisitCompleted(visit_id=visit_id):
            return Closed(visit_id=visit_id, ending="completed")
        case VisitFailed(visit_id=visit_id):
            return Closed(visit_id=visit_id, ending="failed")
        case VisitCancelled(visit_id=visit_id):
            ending = state.ending if isinstance(state, Closed) else "cancelled"
            return Closed(visit_id=visit_id, ending=ending, noticing=pending(state))
        case _:
            assert_never(event)


def _appointed(state: Requested, event: VisitPlanned) -> Planned:
    visit = Appointment(
        visit_id=event.visit_id,
        terms=state.terms,
        collectors=event.collectors,
        starts=event.starts,
        ends=event.ends,
    )
    return Planned(visit=visit, notice_at=next_notice(state.terms, state.plan_at) or state.plan_at)


def wake_at(state: State) -> datetime | None:
    """When the notice starts, or when a visit that nobody started counts as not made."""
    match state:
        case Planned(notice_at=notice_at):
            return notice_at
        case Noticed(visit=visit):
            return visit.ends + OVERDUE
        case _:
            return None


def visit_id_of(state: State) -> str:
    """The visit's id. Raises TypeError before there is a visit."""
    return state.visit_id if isinstance(state, Requested | Closed) else appointment_of(state).visit_id


def appointment_of(state: State) -> Appointment:
    """Who comes when. Raises TypeError where nobody is planned."""
    if isinstance(state, Absent | CancelledEarly | Requested | Closed):
        raise TypeError(f"{type(state).__name__} has no appointment")
    return state.visit


def status_of(state: State) -> str:
    """One word for people: requested, planned, noticing, noticed, started, completed, failed, cancelled or
    notice-failed."""
    if isinstance(state, CancelledEarly):
        return "cancelled"
    return state.ending if isinstance(state, Closed) else type(state).__name__.lower()


def pending(state: State) -> Appointment | None:
    """The appointment whose notice may be on its way; cancelled or not, its outcome is to be recorded."""
    match state:
        case Noticing(visit=visit) | Closed(noticing=visit):
            return visit
        case _:
            return None
