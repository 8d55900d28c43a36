"""A recorded history, decided again under another policy.

What the bank, borrowers and people said stands as it was recorded. What was concluded from it does not: from the first
day on, each case is assessed when it asks for it, by the functions of production, with the ledger that the other
policy would have led to. Cases share numbers, addresses and their tenant's sending controls, so they are replayed
together, in the order of time; at one instant all assessments, by (due, stream), come between what each stream heard
before and after its own. Until its first difference a case is assessed when it was; after it, at the recorded
assessment that follows within a quarter of an hour, else when due.

What came of a contact or visit in reality came of its counterpart: the one of the same way, permitted at the same
instant. A contact without counterpart counts as sent at once and not answered; of a visit the borrower is noticed, two
collectors come at the first hour allowed, and nobody is home.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from typing import Any

from doorstep.events import values
from doorstep.events.escalation.cases import CaseAssessed
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.registry import Event
from doorstep.kernel.decider import Refused, StreamId, Wake
from doorstep.messaging.windows import QUARTER

from escalation.backtest import recorded
from escalation.backtest.differences import Differences, changes, differences
from escalation.backtest.recorded import Assessment, RecordedEvent
from escalation.domain.assessment.decision_context import CounterState, DecisionContexts
from escalation.domain.case.case import Case, Command, evolve
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.decider import decide, wake_at
from escalation.domain.policy import Policies
from escalation.domain.rules.rules import zones_of

AGAIN = timedelta(hours=1)
"""A case that asks for an instant that is over rests as long, as it does in production."""
AT_THE_DOOR = timedelta(minutes=30)
BEFORE, WAKE, AFTER = range(3)
"""At one instant: what a stream heard before its assessment, the assessment, and what it heard after it."""
NO_MATTER = object()
LOOKED = (CaseAssessed, ContactPermitted, ContactDenied, VisitPermitted, VisitDenied)
"""Every assessment ends with one of these."""


@dataclass(frozen=True)
class Period:
    """The days on which the other policy decides, on the clock of each tenant's home. Before them the record holds."""

    first: date
    last: date

    def instants(self, policies: Policies, tenant: str) -> tuple[datetime, datetime]:
        """Its first instant, and the first one after it."""
        zone = zones_of(None, None, policies.of(tenant).terms.home)[0]
        first, after = self.first, self.last + timedelta(days=1)
        return tuple(datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, after))  # type: ignore[return-value]


@dataclass(slots=True, eq=False)
class ReplayedCase:
    """A case as it goes under the other policy, beside what was recorded of it. `assessments` are the recorded ones by
    their instants, `decided` those made now. `same` until the first difference."""

    stream: StreamId
    since: datetime
    until: datetime
    state: Case = field(default_factory=Case)
    assessments: dict[datetime, Assessment] = field(default_factory=dict)
    decided: list[Assessment] = field(default_factory=list)
    same: bool = True
    refused: int = 0
    _instants: list[datetime] = field(default_factory=list)
    _seen: int = 0
    _due: datetime | None = None
    _at: datetime | None = None
    _permits: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _made: dict[tuple[datetime, str], str] = field(default_factory=dict)

    def note(self, assessment: Assessment, permit_id: str | None) -> None:
        """A recorded assessment, with the permit it gave."""
        self.assessments[assessment.at] = assessment
        self._instants.append(assessment.at)
        if permit_id is not None and assessment.way is not None:
            self._permits[permit_id] = (assessment.at, assessment.way)

    def addressed(self, command: Command) -> Command | None:
        """What became of a recorded permit, told of its counterpart; None where there is none. What was permitted
        before the first day is its own."""
        if not isinstance(command, RecordContactOutcome | RecordVisitOutcome):
            return command
        made = self._permits.get(command.permit_id)
        name = self._made.get(made) if made is not None else command.permit_id
        return None if name is None else replace(command, permit_id=name)

    def imagined(self, command: Command) -> Command | None:
        """What would have become of a permit, unless it was cancelled in time: then the visit is not made."""
        if not isinstance(command, RecordVisitOutcome):
            return command
        permit = self.state.contacts.permit(command.permit_id)
        if permit is None or not permit.cancelled or permit.outcome == "started":
            return command
        return replace(command, outcome="not-made") if permit.open() else None

    def assessed(self, seen: Assessment, permit_id: str | None) -> bool:
        """An assessment under the other policy; whether the record tells what came of it."""
        was = self.assessments.get(seen.at)
        self.decided.append(seen)
        self.same = self.same and was is not None and was.course() == seen.course()
        if permit_id is not None and seen.way is not None:
            self._made[seen.at, seen.way] = permit_id
        return was is not None and was.outcome == "permitted" and was.way == seen.way

    def asks(self, now: datetime, *, assessed: bool = False) -> tuple[datetime, datetime] | None:
        """Its next assessment, as (at, due), when that has changed; `assessed`: it has just been assessed."""
        if assessed:
            self._seen = bisect_right(self._instants, now)
        # Timers rest while a message of the case is parked.
        due = None if self.state.holds.suspended and not self.same else wake_at(self.state)
        if due == self._due and not assessed:
            return None
        self._due, self._at = due, None if due is None else self._instant(due, now, assessed)
        return None if due is None or self._at is None else (self._at, due)

    def wants(self, at: datetime, due: datetime) -> bool:
        """Whether it still asks for this assessment."""
        return (at, due) == (self._at, self._due)

    def _instant(self, due: datetime, now: datetime, assessed: bool) -> datetime | None:
        nth = bisect_left(self._instants, due, self._seen)
        at = self._instants[nth] if nth < len(self._instants) else None
        if self.same or (at is not None and at <= due + QUARTER):
            return at
        return now + AGAIN if assessed and due <= now else max(due, now)


class Replay:
    """A history being replayed under `policies`. `stopwatch` tells seconds; `deciding` of them went into `decisions`
    assessments, and `events` were folded."""

    def __init__(self, policies: Policies, span: Period, stopwatch: Callable[[], float]) -> None:
        self.cases: dict[str, ReplayedCase] = {}
        self.events = self.decisions = self._pushed = 0
        self.deciding = 0.0
        self._contexts, self._span, self._stopwatch = DecisionContexts(policies), span, stopwatch
        self._bounds: dict[str, tuple[datetime, datetime]] = {}
        self._counters: dict[str, CounterState] = {}
        self._heard: list[tuple[datetime, int, str, int, ReplayedCase | None, Any, object]] = []
        self._ahead: list[tuple[datetime, int, datetime, str, int, ReplayedCase, Command | None]] = []
        self._before: Event | None = None
        self._last = datetime.min.replace(tzinfo=UTC)

    def fold(self, rows: Iterable[RecordedEvent]) -> None:
        """Take in more of the record."""
        for row in rows:
            at, event = recorded.read(row)
            self.events += 1
            since, until = self._bounds.get(row.tenant) or self._bound(row.tenant)
            if at < until:
                self._last = max(self._last, at)
                self._take_in(row, at, event, at < since)
            self._before = event

    @property
    def heard(self) -> int:
        """What cases were told in the span: so much `run` has to do."""
        return len(self._heard)

    def run(self) -> Iterator[int]:
        """Decide it again, once all is folded; how much of `heard` is done, every now and then."""
        for case in self.cases.values():
            self._plan(case, case.since)
        heard = sorted(self._heard, key=lambda one: one[:4])
        for nth, (at, phase, _, _, whose, told, until) in enumerate(heard):
            self._catch_up(at, phase)
            if whose is None:
                self._count(*told)
            elif (command := whose.addressed(told)) is not None:
                self._tell(whose, command, at, until)
            if not nth % 100:
                yield nth
        self._catch_up(self._last, AFTER)
        yield len(heard)

    def differences(self, examples: int) -> Differences:
        """What came out otherwise, with up to `examples` of each kind."""
        cases = self.cases.values()
        found = (
            change
            for one in cases
            for change in changes(one.stream.tenant, one.stream.id, list(one.assessments.values()), one.decided)
        )
        was = (assessment for one in cases for assessment in one.assessments.values())
        return differences(found, was, (assessment for one in cases for assessment in one.decided), examples)

    def _catch_up(self, until: datetime, phase: int) -> None:
        """All that is ahead of this place in time."""
        while self._ahead and self._ahead[0][:2] <= (until, phase):
            at, _, due, _, _, whose, imagined = heappop(self._ahead)
            if at >= whose.until:
                continue
            if imagined is None:
                self._assess(whose, due, at)
            elif (told := whose.imagined(imagined)) is not None:
                self._tell(whose, told, at, NO_MATTER)

    def _bound(self, tenant: str) -> tuple[datetime, datetime]:
        return self._bounds.setdefault(tenant, self._span.instants(self._contexts.policies, tenant))

    def _take_in(self, row: RecordedEvent, at: datetime, event: Event, past: bool) -> None:
        case = self._case(row)
        if case is None:
            stream = StreamId(row.category, row.case_id, row.case_id, row.tenant)
            if past:
                self._count(stream, event)
            else:
                self._heard.append((at, BEFORE, row.case_id, self.events, None, (stream, event), NO_MATTER))
        elif past:
            case.state = evolve(case.state, event)  # type: ignore[arg-type]
            self._count(case.stream, event)
        elif isinstance(event, LOOKED):
            case.note(recorded.assessment_of(event, at), getattr(event, "permit_id", None))
        elif (command := recorded.command(event, self._before)) is not None:
            phase = AFTER if at in case.assessments else BEFORE
            self._heard.append((at, phase, row.case_id, self.events, case, command, recorded.until(event)))

    def _case(self, row: RecordedEvent) -> ReplayedCase | None:
        if row.category != "case":
            return None
        case = self.cases.get(row.case_id)
        if case is None:
            stream = StreamId("case", row.case_id, row.case_id, row.tenant)
            case = self.cases[row.case_id] = ReplayedCase(stream, *self._bounds[row.tenant])
        return case

    def _tell(self, case: ReplayedCase, command: Command, now: datetime, until: object) -> None:
        try:
            events = decide(case.state, self._contexts.with_context(case.stream, case.state, command, {}), now)
        except Refused:
            # A person asked for what is not possible in this course of things.
            case.refused += 1
            return
        case.same = case.same and (until is NO_MATTER or not events or recorded.until(events[0]) == until)
        self._follow(case, events)
        self._plan(case, now)

    def _assess(self, case: ReplayedCase, due: datetime, now: datetime) -> None:
        if not case.wants(now, due):
            return
        start = self._stopwatch()
        informed = self._contexts.with_context(case.stream, case.state, Wake(due), self._counters)
        events = decide(case.state, informed, now)
        self._follow(case, events)
        if events and isinstance(events[-1], LOOKED):
            self._compare(case, recorded.assessment_of(events[-1], now), events[-1], now)
        self._plan(case, now, assessed=True)
        self.decisions += 1
        self.deciding += self._stopwatch() - start

    def _compare(self, case: ReplayedCase, seen: Assessment, event: Event, now: datetime) -> None:
        told = case.assessed(seen, getattr(event, "permit_id", None))
        if isinstance(event, ContactPermitted | VisitPermitted) and not told:
            for at, command in _imagined(event, now):
                self._push(at, AFTER, at, case, command)

    def _follow(self, case: ReplayedCase, events: Iterable[Event]) -> None:
        for event in events:
            case.state = evolve(case.state, event)  # type: ignore[arg-type]
            self._count(case.stream, event)

    def _count(self, stream: StreamId, event: Event) -> None:
        for name in self._contexts.counts(stream, event):
            self._counters[name] = self._contexts.count(name, self._counters.get(name), stream, event)

    def _plan(self, case: ReplayedCase, now: datetime, *, assessed: bool = False) -> None:
        if (asked := case.asks(now, assessed=assessed)) is not None:
            at, due = asked
            self._push(at, WAKE, due, case, None)

    def _push(self, at: datetime, phase: int, due: datetime, case: ReplayedCase, command: Command | None) -> None:
        self._pushed += 1
        heappush(self._ahead, (at, phase, due, case.stream.id, self._pushed, case, command))


def _imagined(event: ContactPermitted | VisitPermitted, now: datetime) -> Iterator[tuple[datetime, Command]]:
    """What comes of a permit that nobody was given."""
    name = event.permit_id
    if isinstance(event, ContactPermitted):
        yield now, RecordContactOutcome(name, "sent", now)
        return
    noticed = _first_in(event.notice_allowed, now)
    comes = noticed and _first_in(event.allowed, noticed + timedelta(hours=event.notice_hours))
    if noticed is None or comes is None or comes >= event.valid_until:
        yield event.valid_until, RecordVisitOutcome(name, "not-made", event.valid_until)
        return
    yield noticed, RecordVisitOutcome(name, "noticed", noticed)
    yield comes, RecordVisitOutcome(name, "started", comes)
    yield comes + AT_THE_DOOR, RecordVisitOutcome(name, "failed", comes + AT_THE_DOOR)


def _first_in(spans: Iterable[values.Span], at: datetime) -> datetime | None:
    return next((max(span.starts, at) for span in spans if at < span.ends), None)
