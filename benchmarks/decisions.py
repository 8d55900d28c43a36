"""Decisions a second on one core, and how fast a recorded history is replayed. Nothing is remembered from one decision
to the next: each is about another amount, so the graph is asked every time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median
from time import process_time
from zoneinfo import ZoneInfo

from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, Purpose, VisitDenied, VisitPermitted
from doorstep.events.values import ContactMethod, Money, Sealed
from escalation.backtest.backtest import Period, Replay
from escalation.backtest.in_memory import InMemoryStore
from escalation.backtest.recorded import RecordedEvent
from escalation.domain.assessment.assess import assess
from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.case.borrower import BorrowerProfile
from escalation.domain.case.case import Case
from escalation.domain.case.contacts import Contacts, Permit
from escalation.domain.case.lifecycle import Lifecycle
from escalation.domain.case.loans import Loan, Loans, RecordFact
from escalation.domain.case.promises import Promises
from escalation.domain.policy import Policies, builtin
from escalation.domain.strategy.strategy import Situation
from msgspec.structs import replace

from tests.support.escalation import overdue, own_reach

HOME = "acme"
ZONE = ZoneInfo("America/New_York")
TODAY = date(2026, 3, 18)
LEDGER = 12
Asked = tuple[Case, DecisionContext, datetime]


@dataclass(frozen=True)
class Decided:
    """Decisions a second, by how many `rules`, what share of them permitted; a decision's microseconds: all of it, and
    how much of that the graph takes."""

    rate: float
    rules: int
    permitted: float
    whole: float
    graph: float


@dataclass(frozen=True)
class Replayed:
    """Of `events` recorded: how many a second are folded as they are, and how many when they are told to cases which
    decide anew; `looks` are decisions of those cases, a second of deciding."""

    events: int
    folded: float
    told: float
    assessments: float


def decided(rounds: int, cases: int) -> Decided:
    """Cases of a lender in China whose borrowers live in New York: the rules of two countries and its own."""
    policy = builtin().of(HOME)
    packs = policy.packs_at("US")
    whole, graph = [], []
    for nth in range(rounds):
        asked = [_asked(nth * cases + one) for one in range(cases)]
        seconds, events = _timed(lambda asked=asked: [assess(*one)[-1] for one in asked])  # type: ignore[misc]
        whole.append(seconds / cases)
        situations = [_situation(10**6 + nth * cases + one) for one in range(cases)]
        seconds, _ = _timed(lambda all_=situations: [policy.strategy.choose(one) for one in all_])  # type: ignore[misc]
        graph.append(seconds / cases)
    made = [one for one in events if isinstance(one, ContactPermitted | ContactDenied | VisitPermitted | VisitDenied)]
    assert len(made) == len(events), "every look was to be a decision"
    permitted = sum(isinstance(one, ContactPermitted | VisitPermitted) for one in made) / len(made)
    best = median(whole)
    return Decided(1 / best, sum(len(one.rules) for one in packs), permitted, best * 1e6, median(graph) * 1e6)


def replayed(rounds: int, cases: int, days: int) -> Replayed:
    """A history of so many cases, told of every day, replayed whole and only folded."""
    rows = _history(builtin(), cases, days)
    told, assessments, folded = [], [], []
    for _ in range(rounds):
        replay = Replay(builtin(), Period(TODAY, TODAY + timedelta(days=days)), process_time)
        seconds, _ = _timed(lambda replay=replay: (replay.fold(rows), list(replay.run())))  # type: ignore[misc]
        told.append(replay.events / (seconds - replay.deciding))
        assessments.append(replay.decisions / replay.deciding)
        past = Replay(builtin(), Period(TODAY + timedelta(days=days + 9), date(2027, 1, 1)), process_time)
        seconds, _ = _timed(lambda past=past: past.fold(rows))  # type: ignore[misc]
        folded.append(past.events / seconds)
    return Replayed(len(rows), median(folded), median(told), median(assessments))


def _asked(nth: int) -> Asked:
    """Half of the times lie outside the allowed hours; the stages take turns, and one in eight wants a visit."""
    now = datetime.combine(TODAY, datetime.min.time().replace(hour=10 if nth % 2 else 6), ZONE).astimezone(UTC)
    case = case_of(nth, now)
    place = own_reach(case)
    return case, DecisionContext(builtin().of(HOME), number=place, address=place), now


def case_of(nth: int, now: datetime) -> Case:
    """An open case with a ledger, told of yesterday; the stages take turns."""
    dpd, stage = ((20, 0), (45, 1), (75, 2), (100, 3))[nth // 2 % 4]
    silent = 4 if nth // 2 % 8 == 3 else 2
    loan = Loan(
        order=(TODAY - timedelta(days=1), datetime(2026, 3, 18, tzinfo=UTC), "fact"),
        overdue=True,
        amount=Money(Decimal(3000_00 + nth) / 100, "USD"),
        overdue_since=TODAY - timedelta(days=dpd),
        product="card",
    )
    return Case(
        lifecycle=Lifecycle(open=True, episode=1, episode_at=now - timedelta(days=56), decisions=LEDGER),
        loans=Loans(by_id={"L1": loan}),
        borrower=BorrowerProfile(
            personal=Sealed(f"case-{nth}", b"", b""),
            region="US-NY",
            time_zone=str(ZONE),
            phone_token=f"phone-{nth}",
            address_token=f"address-{nth}",
            contact_points=("phone", "address"),
        ),
        contacts=Contacts(ledger=tuple(_permit(one, now, silent) for one in range(LEDGER)), stage=stage, answers=3),
        promises=Promises(kept=1),
    )


def _permit(nth: int, now: datetime, silent: int) -> Permit:
    firsts: tuple[tuple[ContactMethod, Purpose], ...] = (
        ("letter", "collection-notice"),
        ("letter", "validation-notice"),
    )
    way, purpose = firsts[nth] if nth < 2 else ("voice" if nth % 2 else "sms", "reminder")
    at = now - timedelta(days=55 - nth * 4)
    return Permit(
        permit_id=f"permit-{nth}",
        way=way,
        purpose=purpose,
        at=at,
        went_at=at,
        valid_until=at + timedelta(hours=8),
        loans=("L1",),
        episode=1,
        stage=2,
        outcome="sent",
        settled=nth < LEDGER - silent,
    )


def _situation(nth: int) -> Situation:
    return Situation(
        dpd=(20, 45, 75, 100)[nth % 4],
        amount=Money(Decimal(3000_00 + nth) / 100, "USD"),
        stage_reached=nth % 4,
        unanswered=2,
        contacts=LEDGER,
        answers=3,
        kept=1,
        partly_kept=0,
        broken=0,
        attitude=None,
        promise_broken=False,
        promise_due_in=None,
        notice_wanted=False,
        validation_wanted=False,
        visit_possible=True,
        products=("card",),
        segment=None,
        episode=1,
    )


def _history(policies: Policies, cases: int, days: int) -> Sequence[RecordedEvent]:
    made = InMemoryStore(policies, HOME)
    for day in range(days):
        at = datetime.combine(TODAY + timedelta(days=day), datetime.min.time(), UTC)
        for nth in range(cases):
            made.tell(f"case-{nth}", RecordFact(_fact(nth, day)), at)
        made.pass_time(at + timedelta(hours=23))
    return made.rows()


def _fact(nth: int, day: int) -> LoanOverdueRecorded:
    said = overdue(1, fact_id=f"{nth} {day}", loan=f"L{nth}", amount=f"{5000 + nth}.37")
    today = TODAY + timedelta(days=day)
    since = TODAY - timedelta(days=nth % 60)
    personal = Sealed(f"case-{nth}", b"c" * 32, b"p" * 300)
    return replace(
        said,
        business_date=today,
        overdue_since=since,
        dpd=(today - since).days + 1,
        phone_token=f"phone-{nth}",
        address_token=f"address-{nth}",
        personal=personal,
        original=replace(personal, box=b"o" * 700),
    )


def _timed(do: Callable[[], object]) -> tuple[float, list[object]]:
    start = process_time()
    done = do()
    return process_time() - start, done if isinstance(done, list) else []
