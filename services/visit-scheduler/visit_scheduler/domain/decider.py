"""A visit, from its permit to its report.

It is planned once and noticed before anyone goes; from the notice on its plan is frozen. Whatever comes in
between (a payment, a hold, a notice too late) ends it: nobody goes, and the permit is given back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, assert_never

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
    VisitUnplanned,
)
from doorstep.kernel.decider import Decider, Refused, Wake
from doorstep.messaging.windows import next_quarter

from visit_scheduler.domain import notices
from visit_scheduler.domain.appointment import check_report, check_start
from visit_scheduler.domain.commands import (
    Cancel,
    Command,
    Complete,
    Fail,
    MissNotice,
    Plan,
    RecordNoticed,
    RecordNoticeFailed,
    Request,
    Start,
    Unplan,
    VisitReport,
    Withdrawal,
)
from visit_scheduler.domain.states import (
    Absent,
    CancelledEarly,
    Closed,
    Noticed,
    Noticing,
    Planned,
    Requested,
    Started,
    State,
    VisitEvent,
    evolve,
    pending,
    visit_id_of,
    wake_at,
)

Cancellation = Withdrawal | Literal["stopped", "expired", "no-plan", "no-notice", "not-started"]


def decide(state: State, command: Command, now: datetime) -> Sequence[VisitEvent]:  # noqa: PLR0911
    """What `command` leads to. Raises Refused when collectors may not do what they ask for."""
    match command:
        case Request():
            return _request(state, command, now)
        case Plan() | Unplan():
            return _plan(state, command, now) if isinstance(state, Requested) else ()
        case Cancel():
            return _cancel(state, command)
        case Wake():
            return _wake(state, now)
        case RecordNoticed() | RecordNoticeFailed():
            return _record_notice(state, command, now)
        case MissNotice(reason=reason):
            return (_cancelled(state, reason),) if isinstance(state, Noticing) else ()
        case Start():
            return _start(state, command, now)
        case Complete() | Fail():
            return _report(state, command, now)
        case _:
            assert_never(command)


def _request(state: State, permit: Request, now: datetime) -> Sequence[VisitEvent]:
    match state:
        case Absent():
            return (VisitRequested(visit_id=permit.visit_id, terms=permit.terms, plan_at=next_quarter(now)),)
        case CancelledEarly(reason=reason):
            return (VisitCancelled(visit_id=permit.visit_id, reason=reason),)
        case _:
            return ()


def _cancel(state: State, cancel: Cancel) -> Sequence[VisitEvent]:
    match state:
        case Absent():
            return (VisitCancelledEarly(visit_id=cancel.visit_id, reason=cancel.reason),)
        case CancelledEarly() | Started() | Closed():
            return ()
        case _:
            return (_cancelled(state, cancel.reason),)


def _plan(state: Requested, command: Plan | Unplan, now: datetime) -> Sequence[VisitEvent]:
    if isinstance(command, Plan):
        return (
            VisitPlanned(
                visit_id=state.visit_id,
                collectors=command.collectors,
                starts=command.starts,
                ends=command.ends,
            ),
        )
    if command.retry_at is not None and command.retry_at <= state.plan_at:
        return ()
    unplanned = VisitUnplanned(visit_id=state.visit_id, reason=command.reason, retry_at=command.retry_at)
    if command.retry_at is not None:
        return (unplanned,)
    return unplanned, _cancelled(state, "expired" if now >= state.terms.valid_until else "no-plan")


def _wake(state: State, now: datetime) -> Sequence[VisitEvent]:
    due = wake_at(state)
    if due is None or now < due:
        return ()
    if isinstance(state, Planned) and state.visit.lead_kept(now):
        template = notices.template(state.visit.terms.language, notices.CHANNEL)
        return (
            NoticeStarted(
                visit_id=state.visit.visit_id,
                channel=notices.CHANNEL,
                template_id=template.id,
                template_version=template.version,
                template_hash=template.hash,
                opened=notices.OPENED,
            ),
        )
    return (_cancelled(state, "no-notice" if isinstance(state, Planned) else "not-started"),)


def _record_notice(state: State, command: RecordNoticed | RecordNoticeFailed, now: datetime) -> Sequence[VisitEvent]:
    if pending(state) is None:
        return ()
    if isinstance(command, RecordNoticeFailed):
        return _notice_failed(state, command)
    noticed = VisitNoticed(
        visit_id=visit_id_of(state),
        channel=notices.CHANNEL,
        provider=command.provider,
        provider_message_id=command.provider_message_id,
        rendered_mac=command.rendered_mac,
    )
    if isinstance(state, Noticing) and not state.visit.lead_kept(now):
        return noticed, _cancelled(state, "no-notice")
    return (noticed,)


def _notice_failed(state: State, command: RecordNoticeFailed) -> Sequence[VisitEvent]:
    failed = NoticeFailed(
        visit_id=visit_id_of(state), provider=command.provider, reason=command.reason, unknown=command.unknown
    )
    # A notice that may have gone out uses the permit up, although nobody goes.
    given_back = isinstance(state, Noticing) and not command.unknown
    return (failed, _cancelled(state, "no-notice")) if given_back else (failed,)


def _start(state: State, command: Start, now: datetime) -> Sequence[VisitEvent]:
    match state:
        case Noticed(visit=visit):
            check_start(visit, command, now)
            started = VisitStarted(
                visit_id=visit.visit_id, at=command.at, agent_id=command.agent_id, present=command.present
            )
            return (started,)
        case Started() | Closed(ending="completed" | "failed"):
            return ()
        case Closed() | CancelledEarly():
            raise Refused("this visit is cancelled: do not go; if you are at the door, leave")
        case Absent() | Requested() | Planned() | Noticing():
            raise Refused("the borrower has not been told of this visit: do not go before its status is noticed")
        case _:
            assert_never(state)


def _report(state: State, command: VisitReport, now: datetime) -> Sequence[VisitEvent]:
    match state:
        case Started(visit=visit, at=started_at):
            check_report(visit, started_at, command, now)
            return (_reported(visit.visit_id, command),)
        case Closed(ending="completed" | "failed"):
            return ()
        case _:
            raise Refused("this visit was not started: start it at the door, with both collectors, then report")


def _reported(visit_id: str, command: VisitReport) -> VisitCompleted | VisitFailed:
    fields = {"visit_id": visit_id, **vars(command)}
    return VisitCompleted(**fields) if isinstance(command, Complete) else VisitFailed(**fields)


def _cancelled(state: State, reason: Cancellation) -> VisitCancelled:
    return VisitCancelled(visit_id=visit_id_of(state), reason=reason)


VISIT: Decider[State, Command, VisitEvent] = Decider("visit", Absent(), State, decide, evolve, wake_at)
