"""An appointment: who comes and when, and what must hold before the notice and at the door."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
from doorstep.events.values import Instant
from doorstep.events.visits import Collector, VisitTerms
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import local

from visit_scheduler.domain import hours
from visit_scheduler.domain.commands import Complete, Start, VisitReport

LATEST = timedelta(hours=2)
"""After the slot's end nobody comes later than this; before its start nobody comes at all."""
AHEAD = timedelta(minutes=5)
"""How far a collector's clock may be ahead of ours."""


def staff(terms: VisitTerms) -> int:
    """How many collectors go together: as the permit says, and by house policy never one alone."""
    return max(2, terms.minimum_staff)


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """A plan together with the terms it keeps."""

    visit_id: str
    terms: VisitTerms
    collectors: tuple[Collector, ...]
    starts: Instant
    ends: Instant

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """Who comes."""
        return tuple(one.agent_id for one in self.collectors)

    def lead_kept(self, noticed_at: datetime) -> bool:
        """Whether a notice at `noticed_at` comes early enough."""
        return noticed_at + timedelta(hours=self.terms.notice_hours) <= self.starts


def check_start(visit: Appointment, command: Start, now: datetime) -> None:
    """Raises Refused with everything that forbids to begin, and what to do."""
    _refuse(_against_start(visit, command, now))


def check_report(visit: Appointment, started_at: datetime, command: VisitReport, now: datetime) -> None:
    """Raises Refused with everything that is wrong with the report."""
    _refuse(_against_report(visit, started_at, command, now))


def _refuse(reasons: Iterator[str]) -> None:
    if said := "; ".join(reasons):
        raise Refused(said)


def _against_start(visit: Appointment, command: Start, now: datetime) -> Iterator[str]:
    terms = visit.terms
    if command.suspended:
        yield "a message about this case waits for an operator and may be the payment: do not knock, come another day"
    if command.stopped:
        yield "the lender has stopped visits: do not knock, ask your agency when they are allowed again"
    yield from _against_agent(visit, command.agent_id)
    if len(set(visit.agent_ids) & set(command.present)) < staff(terms):
        yield f"{staff(terms)} of {', '.join(visit.agent_ids)} must be present: wait for each other, or leave"
    if command.agent_id not in command.present:
        yield "name yourself among those present"
    if not visit.starts <= command.at <= visit.ends + LATEST:
        begin = local(terms.windows, visit.starts)
        yield f"the borrower expects you from {begin:%Y-%m-%d %H:%M} local time until two hours after the slot"
    if command.at > now + AHEAD:
        yield "the start lies in the future: check the device's clock"
    if not hours.may_visit(terms, command.at):
        yield hours.said(terms, command.at)
    if command.at >= terms.valid_until:
        yield "the permit has expired: do not go"


def _against_agent(visit: Appointment, agent_id: str) -> Iterator[str]:
    if agent_id not in visit.agent_ids:
        yield f"agent {agent_id} is not planned for this visit; {' and '.join(visit.agent_ids)} are"


def _against_report(visit: Appointment, started_at: datetime, command: VisitReport, now: datetime) -> Iterator[str]:
    yield from _against_agent(visit, command.agent_id)
    if not started_at <= command.at <= now + AHEAD:
        yield "the report's time must lie between the start of the visit and now: check the device's clock"
    if isinstance(command, Complete):
        if not 0 <= command.willingness <= 100:
            yield "willingness is a number from 0 to 100"
        if command.promise_amount is not None and command.promise_due is None:
            yield "a promise needs the day it is due: give promise_due"
        if command.promise_amount is not None and command.promise_amount <= 0:
            yield "a promised amount is more than zero"
