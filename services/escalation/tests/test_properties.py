"""Laws that hold over every history of facts, outcomes, replies and wakes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.events.escalation.loans import LoanOverdueRecorded, PaymentRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept
from doorstep.events.kernel import SendingResumed, SendingSuspended
from doorstep.events.registry import Event
from doorstep.kernel.decider import Refused, Wake
from escalation.domain.case.case import Command
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.disputes import AnswerDispute, CloseDispute, OpenDispute
from escalation.domain.case.holds import LiftHold, PlaceHold, ResumeSending, SuspendSending
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.overrides import Assign
from escalation.domain.case.preferences import RecordBlock, RecordConsent
from escalation.domain.case.promises import RecordPromise
from escalation.domain.decider import wake_at
from hypothesis import example, settings, target
from hypothesis import given as for_all
from hypothesis import strategies as some

from tests.support.escalation import CASE, at, cured, day, overdue, paid, reversal
from tests.support.given import Given, given

Place = tuple[str | None, str | None, tuple[str, ...]]
PLACES: list[Place] = [
    ("Asia/Shanghai", None, ("Asia/Shanghai",)),
    ("Asia/Urumqi", "CN-XJ", ("Asia/Urumqi",)),
    ("America/New_York", None, ("America/New_York",)),
    (None, None, ("Asia/Shanghai", "Asia/Urumqi")),
    (None, "US", ("America/New_York", "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu")),
]
"""Time zone, region, and where the borrower may be, by an atlas."""
LOANS, AMOUNTS = ("L1", "L2"), ("0", "100", "6000")


@dataclass(frozen=True)
class Step:
    """After `minutes`, something happens: `make` says what, from the case and a number for fresh ids. `down`: in
    between nothing ran, so that wakes come late."""

    minutes: int
    make: Any
    down: bool


def of(*choices: Any) -> some.SearchStrategy[Any]:
    return some.sampled_from(choices)


def steps(place: Place) -> some.SearchStrategy[Step]:
    time_zone, region, _ = place
    back = some.integers(0, 3)

    def overdue_fact(loan: str, days: int, dpd: int, amount: str) -> Any:
        return lambda case, now, n: RecordFact(
            overdue(
                on(now) - days,
                fact_id=f"f{n}",
                loan=loan,
                dpd=dpd,
                amount=amount,
                said_at=now,
                time_zone=time_zone,
                region=region,
            )
        )

    def contact(nth: int, outcome: Any) -> Any:
        return lambda case, now, n: RecordContactOutcome(permit_of(case, nth), outcome, now)

    def visit(nth: int, outcome: Any) -> Any:
        return lambda case, now, n: RecordVisitOutcome(permit_of(case, nth), outcome, now, 70)

    makers = [
        some.builds(overdue_fact, of(*LOANS), back, of(1, 40, 80, 80), of(*AMOUNTS, "6000")),
        some.builds(
            lambda loan, days: lambda case, now, n: RecordFact(cured(on(now) - days, fact_id=f"f{n}", loan=loan)),
            of(*LOANS),
            back,
        ),
        some.builds(
            lambda loan, days: lambda case, now, n: RecordFact(paid(on(now) - days, fact_id=f"f{n}", loan=loan)),
            of(*LOANS),
            back,
        ),
        some.builds(contact, some.integers(0, 1), of("sent", "not-sent", "failed", "unknown", "delivered", "answered")),
        some.builds(visit, some.integers(0, 1), of("noticed", "started", "completed", "failed", "not-made")),
        some.builds(
            lambda days: lambda case, now, n: RecordPromise(f"p{n}", day(on(now) + days), None), some.integers(-1, 20)
        ),
        some.builds(lambda kind: lambda case, now, n: PlaceHold(f"h{n}", kind), of("dispute", "hardship")),
        some.just(lambda case, now, n: LiftHold(next(iter(case.holds.by_id), "none"), "settled")),
        some.just(lambda case, now, n: OpenDispute(f"d{n}", "amount")),
        some.just(lambda case, now, n: AnswerDispute(dispute_of(case), f"a{n}", "chen")),
        some.builds(
            lambda outcome: lambda case, now, n: CloseDispute(dispute_of(case), outcome, "chen", "settled"),
            of("rejected", "withdrawn"),
        ),
        some.builds(lambda key: lambda case, now, n: SuspendSending("escalation", key), of("k1", "k2")),
        some.just(lambda case, now, n: ResumeSending(*next(iter(case.holds.suspended), ("escalation", "k1")))),
    ]
    # Mostly what keeps a case going, so that ledgers grow long.
    usual = some.one_of(makers[0], makers[3], makers[4])
    free = some.one_of(makers[7], makers[10], makers[12])
    unusual = some.one_of(*makers)
    step = of(usual, usual, usual, free, free, unusual).flatmap(lambda chosen: chosen)
    return some.builds(Step, of(0, 1, 20, 600, 1440, 1440, 3 * 1440, 7 * 1440), step, of(False, False, False, True))


def on(now: datetime) -> int:
    """The number of the day, in UTC."""
    return (now.date() - day(0)).days


def permit_of(case: Any, nth: int) -> str:
    return case.contacts.ledger[-1 - nth].permit_id if len(case.contacts.ledger) > nth else "none"


def dispute_of(case: Any) -> str:
    return next(iter(case.disputes.open()), "none")


@dataclass
class Happening:
    """One command, the case before and what it led to."""

    before: Given
    command: Command
    now: datetime
    events: Sequence[Event]
    after: Given


def history(steps: Iterable[Step]) -> Iterator[Happening]:
    """The steps, and every wake that falls due in between."""
    case, now = given(CASE), at(1, "00:07")
    for n, step in enumerate(steps):
        end = now + timedelta(minutes=step.minutes)
        while (due := wake_at(case.state)) is not None and due <= end:
            happening = happen(case, Wake(due), end if step.down else max(due, now))
            yield happening
            case, now = happening.after, happening.now
            if isinstance(happening.events[-1], ContactPermitted) and len(case.state.contacts.ledger) % 3:
                # Its executor is quick, as a rule.
                happening = happen(case, RecordContactOutcome(permit_of(case.state, 0), "sent", now), now)
                yield happening
                case = happening.after
        now = end
        happening = happen(case, step.make(case.state, now, n), now)
        yield happening
        case = happening.after


def happen(case: Given, command: Command, now: datetime) -> Happening:
    try:
        happened = case.when(command, now)
    except Refused:
        return Happening(case, command, now, (), case)
    return Happening(case, command, now, happened.events, Given(CASE, happened.state))


@some.composite
def drawn_history(draw: Any) -> tuple[Place, list[Step]]:
    """Some short, most long: a visit comes after weeks."""
    place = draw(of(*PLACES))
    return place, draw(some.lists(steps(place), min_size=draw(of(0, 10, 40, 40)), max_size=70))


histories = drawn_history()
Drawn = tuple[Place, list[Step]]


@for_all(histories)
@settings(max_examples=200, deadline=None)
def test_a_command_handled_twice_yields_no_second_event(drawn: Drawn) -> None:
    for happening in history(drawn[1]):
        assert not happen(happening.after, happening.command, happening.now).events


@for_all(histories)
@settings(max_examples=200, deadline=None)
def test_a_due_wake_always_yields_an_event_and_moves_the_timer(drawn: Drawn) -> None:
    for happening in history(drawn[1]):
        if isinstance(happening.command, Wake):
            assert happening.events
            following = wake_at(happening.after.state)
            assert following is None or following > happening.now


@for_all(histories)
@settings(max_examples=40, deadline=None)
def test_a_case_stored_and_loaded_goes_on_alike(drawn: Drawn) -> None:
    for happening in history(drawn[1]):
        stored = Given(CASE, CASE.load(CASE.dump(happening.before.state)))
        assert happen(stored, happening.command, happening.now).events == happening.events
        assert wake_at(stored.state) == wake_at(happening.before.state)


# -- an independent watch over every permit, which shares nothing with rules.py


@dataclass
class Watch:
    """Follows a history from outside, by what was said, and judges every permit."""

    zones: tuple[str, ...]
    told: dict[str, tuple[Any, bool, bool]] = field(default_factory=dict)
    paid: dict[str, date] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    permits: dict[str, datetime] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)
    visits: int = 0

    def see(self, happening: Happening) -> None:
        if isinstance(happening.command, RecordFact):
            self.hear(happening.command.fact)
        for event in happening.events:
            self.follow(event, happening.now)

    def hear(self, fact: Any) -> None:
        if fact.fact_id in self.seen:
            return
        self.seen.add(fact.fact_id)
        if isinstance(fact, PaymentRecorded):
            self.paid[fact.loan_id] = max(fact.paid_on, self.paid.get(fact.loan_id, fact.paid_on))
            return
        is_overdue = isinstance(fact, LoanOverdueRecorded)
        owes = is_overdue and fact.amount_overdue.amount > 0
        order = (fact.business_date, fact.said_at.timestamp() if fact.said_at else 0, fact.fact_id)
        if fact.loan_id not in self.told or self.told[fact.loan_id][0] < order:
            self.told[fact.loan_id] = (order, is_overdue, owes)

    def follow(self, event: Event, now: datetime) -> None:
        match event:
            case HoldPlaced(hold_id=hold_id):
                self.holds.add(hold_id)
            case HoldLifted(hold_id=hold_id):
                self.holds.remove(hold_id)
            case SendingSuspended(key=key):
                self.parked.add(key)
            case SendingResumed(key=key):
                self.parked.remove(key)
            case ContactOutcomeRecorded(permit_id=permit_id, outcome=outcome) if outcome == "not-sent":
                del self.permits[permit_id]
            case VisitOutcomeRecorded(permit_id=permit_id, outcome=outcome) if outcome == "not-made":
                del self.permits[permit_id]
            case ContactPermitted() | VisitPermitted():
                self.judge(event, now)
            case _:
                pass

    def judge(self, permit: ContactPermitted | VisitPermitted, now: datetime) -> None:
        for zone in self.zones:
            local = now.astimezone(ZoneInfo(zone))
            assert 8 <= local.hour < 22, f"at {local}"
        home = now.astimezone(ZoneInfo(permit.windows.time_zone)).time()
        assert permit.windows.opens <= home < permit.windows.closes
        assert not self.holds, "during a hold"
        assert not self.parked, "while a message is parked"
        overdue_loans = {loan: order[0] for loan, (order, is_overdue, _) in self.told.items() if is_overdue}
        assert overdue_loans, "after cure"
        assert all(self.paid.get(loan, until) <= until for loan, until in overdue_loans.items()), "payment pending"
        assert permit.amount.amount > 0
        assert set(permit.loan_ids) == {loan for loan, (_, _, owes) in self.told.items() if owes}
        self.permits[permit.permit_id] = now
        week = [given_at for given_at in self.permits.values() if now - given_at < timedelta(days=7)]
        assert len(week) <= 3, "more than three in seven days"
        assert permit.valid_until > now
        self.visits += isinstance(permit, VisitPermitted)


@for_all(histories)
@settings(max_examples=300, deadline=None)
def test_no_permit_is_ever_given_that_the_promises_to_the_borrower_forbid(drawn: Drawn) -> None:
    place, taken = drawn
    watch = Watch(place[2])
    for happening in history(taken):
        watch.see(happening)
    target(float(len(watch.permits) + 5 * watch.visits))


def test_the_watch_sees_permits_and_visits() -> None:
    """Lest it watch over nothing: a case that goes all the way, and one in which it must cry out."""
    place = PLACES[0]
    go = Step(
        1440, lambda case, now, n: RecordFact(overdue(on(now) - 1, fact_id=f"f{n}", dpd=80 + n, said_at=now)), False
    )
    sent = Step(600, lambda case, now, n: RecordContactOutcome(permit_of(case, 0), "sent", now), False)
    watch = Watch(place[2])
    for happening in history([go, sent] * 30):
        watch.see(happening)
    assert watch.visits == 1
    assert len(watch.permits) >= 4


# -- the order of arrival plays no part


def without_ids(event: Event) -> Any:
    plain: Any = msgspec.to_builtins(event)
    plain.pop("permit_id", None)
    plain.get("decision", {}).pop("decision_id", None)
    return type(event).__name__, plain


DECISIONS = (
    CaseOpened, CaseCured, ContactPermitted, ContactDenied, VisitPermitted, VisitDenied, PromiseKept,
    PromisePartlyKept, PromiseBroken,
)  # fmt: skip


def decided(case: Given, commands: Sequence[Command], start: datetime) -> Sequence[Any]:
    """What is decided in the forty days after `commands` came, one a second."""
    for second, command in enumerate(commands):
        case = happen(case, command, start + timedelta(seconds=second)).after
    said: list[Any] = []
    for _ in range(30):
        due = wake_at(case.state)
        if due is None or due > start + timedelta(days=40):
            break
        happening = happen(case, Wake(due), due)
        said += [(due, without_ids(event)) for event in happening.events if isinstance(event, DECISIONS)]
        case = happening.after
    return said


COHERENT: tuple[tuple[Any, ...], ...] = (
    ("sent", "delivered", "answered"),
    ("unknown", "no-answer"),
    ("failed",),
    ("not-sent",),
)


@some.composite
def arrivals(draw: Any, case: Any, now: datetime, place: Place) -> list[Command]:
    """Facts, outcomes and replies that may come in any order: whatever does not contradict itself."""
    days, n = some.integers(0, 2), some.integers(0, 9)
    fact = some.one_of(
        some.builds(
            lambda loan, days, amount, n: overdue(
                on(now) - days, fact_id=f"x{n}", loan=loan, amount=amount, time_zone=place[0], region=place[1]
            ),
            of(*LOANS, "L3"),
            days,
            of(*AMOUNTS),
            n,
        ),
        some.builds(lambda loan, days, n: cured(on(now) - days, fact_id=f"y{n}", loan=loan), of(*LOANS), days, n),
        some.builds(
            lambda loan, days, n, amount: paid(on(now) - days, fact_id=f"z{n}", loan=loan, amount=amount),
            of(*LOANS),
            days,
            n,
            of("100", "5900"),
        ),
        some.builds(lambda loan, days, n: reversal(on(now) - days, f"z{n}", loan=loan), of(*LOANS), days, n),
    )
    facts = draw(some.lists(fact, max_size=6, unique_by=lambda one: one.fact_id))
    commands: list[Command] = [RecordFact(one) for one in facts]
    for permit in case.contacts.ledger[-2:]:
        if permit.kind == "contact" and permit.outcome == "open":
            commands += [RecordContactOutcome(permit.permit_id, one, now) for one in draw(of(*COHERENT))]
        if permit.kind == "visit" and permit.outcome == "open":
            ending = draw(of("completed", "failed", "not-made"))
            commands += [RecordVisitOutcome(permit.permit_id, one, now, 30) for one in ("noticed", ending)]
    if case.contacts.ledger:  # somebody was asked, and may promise
        due = draw(some.lists(some.integers(0, 9), max_size=2))
        amount = draw(of(None, Decimal(50), Decimal(6000)))
        commands += [RecordPromise(f"q{nth}", day(on(now) + later), amount) for nth, later in enumerate(due)]
    said: list[Command] = [
        PlaceHold("g", "complaint"),
        PlaceHold("i", "dispute", starts=now + timedelta(days=3), loans=("L1",)),
        OpenDispute("k", "amount", loans=("L1",)),
        RecordConsent("c", "hours", until=now + timedelta(days=9)),
        RecordBlock("b", weekdays=(1, 2), opens=time(10), closes=time(16)),
        RecordBlock("w", ways=("voice",)),
        Assign("harbour", "capacity"),
    ]
    return [*commands, *draw(some.lists(of(*said), max_size=2, unique_by=str))]


@for_all(histories, some.data())
@settings(max_examples=300, deadline=None)
def test_the_order_and_repetition_of_what_arrives_between_two_assessments_changes_no_decision(
    drawn: Drawn, data: Any
) -> None:
    place, taken = drawn
    case, now = given(CASE), at(1)
    for happening in history(taken):
        case, now = happening.after, happening.now
    start = now.replace(minute=now.minute // 15 * 15, second=0) + timedelta(minutes=15, seconds=1)
    while (due := wake_at(case.state)) is not None and due <= start:
        case = happen(case, Wake(due), start).after
    came = data.draw(arrivals(case.state, start, place))
    again = data.draw(some.permutations([*came, *(data.draw(some.lists(of(*came), max_size=4)) if came else [])]))
    assert decided(case, came, start) == decided(case, again, start)


@for_all(some.permutations([overdue(1), overdue(2), cured(3), overdue(4, dpd=70), paid(3), overdue(4, loan="L2")]))
@example([overdue(4, dpd=70), cured(3), overdue(2), overdue(1), paid(3), overdue(4, loan="L2")])
def test_a_whole_month_that_arrives_at_once_is_decided_alike_in_any_order(facts: list[Any]) -> None:
    commands: list[Command] = [RecordFact(fact) for fact in facts]
    known = [
        RecordFact(f) for f in (overdue(1), overdue(2), cured(3), overdue(4, dpd=70), paid(3), overdue(4, loan="L2"))
    ]
    assert decided(given(CASE), commands, at(5)) == decided(given(CASE), known, at(5))
