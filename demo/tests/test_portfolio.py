"""The synthetic portfolio: believable, seeded, and independent of the order in which it is asked."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import phonenumbers
import pytest
from doorstep.intake.rows import GoodRow, parse
from doorstep_demo.people import phone
from doorstep_demo.personas import Conversation, DeliveryReport, Reaction, Reply, reaction, visit_report
from doorstep_demo.portfolio import PERSONAS, Person, Persona, Portfolio, SimulatedPayment
from doorstep_demo.words import WORDS

START = date(2026, 3, 2)
MORNING = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def portfolio() -> Portfolio:
    return Portfolio(seed=11, borrowers=600, days=30, start=START)


def one(portfolio: Portfolio, persona: Persona) -> Person:
    return next(person for person in portfolio.people if person.persona == persona)


def answer(portfolio: Portfolio, persona: Persona, nth: int, episode: int = 1) -> Sequence[Reaction]:
    owed = {"L1": Decimal("1000.00")}
    return reaction(portfolio, one(portfolio, persona), channel="sms", nth=nth, at=MORNING, owed=owed, episode=episode)


def test_the_same_seed_gives_the_same_portfolio(portfolio: Portfolio) -> None:
    again = Portfolio(seed=11, borrowers=600, days=30, start=START)
    assert again.people == portfolio.people
    assert again.snapshot_rows(START, []) == portfolio.snapshot_rows(START, [])


def test_another_seed_gives_another(portfolio: Portfolio) -> None:
    other = Portfolio(seed=12, borrowers=600, days=30, start=START)
    assert sum(a.name == b.name for a, b in zip(portfolio.people, other.people, strict=True)) < 60


def test_nobody_depends_on_who_was_asked_for_before(portfolio: Portfolio) -> None:
    fresh = Portfolio(seed=11, borrowers=600, days=30, start=START)
    numbers = list(range(600))
    Random(5).shuffle(numbers)
    asked = {number: (fresh.person(number), fresh.loans_of(fresh.person(number))) for number in numbers}
    assert [asked[n][0] for n in range(600)] == portfolio.people
    assert {loan.loan_id for _, loans in asked.values() for loan in loans} == set(portfolio.loans)


def test_a_larger_portfolio_begins_with_the_same_people(portfolio: Portfolio) -> None:
    larger = Portfolio(seed=11, borrowers=700, days=30, start=START)
    assert larger.people[:600] == portfolio.people


def test_every_row_passes_the_importer(portfolio: Portfolio) -> None:
    for day in range(0, 30, 6):
        rows = portfolio.snapshot_rows(START + timedelta(days=day), [])
        assert rows
        assert all(isinstance(parse(2, row), GoodRow) for row in rows)


def test_rows_grow_with_the_days_when_nobody_pays(portfolio: Portfolio) -> None:
    counts = [len(portfolio.snapshot_rows(START + timedelta(days=day), [])) for day in range(30)]
    assert counts == sorted(counts)
    assert counts[0] > 100
    assert counts[-1] == len(portfolio.loans)


def test_families_share_a_telephone_and_a_home(portfolio: Portfolio) -> None:
    shared = Counter(person.phone for person in portfolio.people)
    families = [number for number, count in shared.items() if count > 1]
    assert 5 <= len(families) <= 60
    homes = {person.home.address for person in portfolio.people if person.phone == families[0]}
    assert len(homes) == 1


def test_everybody_and_both_languages_occur(portfolio: Portfolio) -> None:
    assert {person.persona for person in portfolio.people} == set(PERSONAS)
    assert {person.language for person in portfolio.people} == {"zh-CN", "en"}
    assert len({person.name for person in portfolio.people}) > 500


def test_numbers_are_well_formed_unique_and_from_blocks_nobody_has() -> None:
    numbers = [phone(n) for n in range(70_000)]
    assert len(set(numbers)) == len(numbers)
    assert all(number[8:12] == "0000" for number in numbers)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(n)) for n in numbers[::999])


def test_paying_what_is_owed_cures(portfolio: Portfolio) -> None:
    loan = next(iter(portfolio.loans.values()))
    day = loan.overdue_since + timedelta(days=3)
    owed = portfolio.owed(loan, day, [])
    assert owed is not None
    paid = SimulatedPayment(loan.loan_id, owed.amount, datetime(day.year, day.month, day.day, 3, tzinfo=UTC))
    assert portfolio.owed(loan, day, [paid]) is None
    assert portfolio.owed(loan, day - timedelta(days=1), [paid]) == owed


def test_paying_a_part_leaves_the_rest_and_its_first_day(portfolio: Portfolio) -> None:
    loan = next(iter(portfolio.loans.values()))
    day = loan.overdue_since + timedelta(days=35)
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    owed = portfolio.owed(loan, day, [SimulatedPayment(loan.loan_id, loan.instalment + 1, at)])
    assert owed is not None
    assert (owed.amount, owed.since) == (loan.instalment - 1, loan.overdue_since + timedelta(days=30))


def test_who_relapses_is_behind_again_a_month_later(portfolio: Portfolio) -> None:
    loan = portfolio.loans_of(one(portfolio, "relapses"))[0]
    since = loan.overdue_since
    paid = SimulatedPayment(loan.loan_id, loan.instalment, datetime(since.year, since.month, since.day, 3, tzinfo=UTC))
    assert portfolio.owed(loan, since + timedelta(days=29), [paid]) is None
    again = portfolio.owed(loan, since + timedelta(days=30), [paid])
    assert again is not None
    assert again.since == since + timedelta(days=30)


def test_each_persona_answers_in_character(portfolio: Portfolio) -> None:
    def kinds(persona: Persona, nth: int, episode: int = 1) -> set[str]:
        found = answer(portfolio, persona, nth, episode)
        return {r.kind if isinstance(r, Reply) else type(r).__name__ for r in found} - {"DeliveryReport", "other"}

    assert kinds("pays-after-first-sms", 1) == {"SimulatedPayment"}
    assert (kinds("forgets-then-pays", 1), kinds("forgets-then-pays", 2)) == (set(), {"SimulatedPayment"})
    assert kinds("promises-and-keeps", 1) == {"promise", "SimulatedPayment"}
    assert kinds("promises-and-breaks", 2) == {"promise"}
    assert kinds("disputes", 1) == {"dispute"}
    assert kinds("ill", 1) == {"hardship"}
    assert kinds("wrong-number", 1) == {"wrong-number"}
    assert [kinds("never-answers", n) for n in range(1, 5)] == [set()] * 4
    assert kinds("pays-partly", 1) == {"SimulatedPayment"}
    assert (kinds("relapses", 1), kinds("relapses", 1, 2), kinds("relapses", 3, 2)) == (
        {"SimulatedPayment"},
        set(),
        {"SimulatedPayment"},
    )


def test_a_kept_promise_is_paid_on_its_day(portfolio: Portfolio) -> None:
    _, promise, payment = answer(portfolio, "promises-and-keeps", 1)
    assert isinstance(promise, Reply)
    assert isinstance(payment, SimulatedPayment)
    assert promise.promise_due == payment.at.date()
    assert promise.promise_amount == payment.amount == Decimal("1000.00")
    assert "1,000.00" in promise.text


def test_reactions_follow_the_contact_in_order_and_by_day(portfolio: Portfolio) -> None:
    for person in portfolio.people[:200]:
        found = reaction(portfolio, person, channel="sms", nth=1, at=MORNING, owed={"L": Decimal(50)})
        moments = [r.at for r in found]
        assert moments == sorted(moments)
        assert moments[0] > MORNING
        assert all(8 <= r.at.hour < 23 for r in found if not isinstance(r, DeliveryReport))


def test_reactions_do_not_depend_on_what_was_asked_before(portfolio: Portfolio) -> None:
    later = answer(portfolio, "forgets-then-pays", 2)
    answer(portfolio, "forgets-then-pays", 1)
    assert answer(portfolio, "forgets-then-pays", 2) == later


def test_a_letter_takes_two_days(portfolio: Portfolio) -> None:
    person, owed = one(portfolio, "pays-after-first-sms"), {"L1": Decimal(100)}
    found = reaction(portfolio, person, channel="letter", nth=1, at=MORNING, owed=owed)
    assert timedelta(days=2) < found[0].at - MORNING < timedelta(days=2, minutes=5)


def test_who_owes_nothing_pays_nothing(portfolio: Portfolio) -> None:
    person = one(portfolio, "pays-after-first-sms")
    (receipt,) = reaction(portfolio, person, channel="sms", nth=1, at=MORNING, owed={})
    assert isinstance(receipt, DeliveryReport)


def test_a_visit_is_reported(portfolio: Portfolio) -> None:
    owed = {"L": Decimal("800.00")}
    reports = [visit_report(portfolio, person, nth=1, at=MORNING, owed=owed) for person in portfolio.people]
    talks = [report for report in reports if isinstance(report, Conversation)]
    assert len(talks) > len(reports) / 2
    assert all(0 <= talk.willingness <= 100 and talk.notes and talk.at > MORNING for talk in talks)
    assert {talk.cause for talk in talks} >= {"forgot", "cash-flow", "unemployment", "illness", "dispute"}


def test_everything_said_exists_in_both_languages() -> None:
    assert all(set(words) == {"zh-CN", "en"} and all(words.values()) for words in WORDS.values())
