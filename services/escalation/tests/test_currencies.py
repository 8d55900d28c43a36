"""A borrower who owes in several currencies: each is asked for in its turn, and none is forgotten."""

from decimal import Decimal
from typing import Any, get_args

from doorstep.events.escalation.permits import ContactPermitted, PermitCancelled
from doorstep.events.values import ContactMethod, Money
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.holds import PlaceHold
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.promises import RecordPromise

from tests.support.escalation import at, cured, day, overdue, told, until, woken
from tests.support.given import Given, Happened


def owing(*more: Any) -> Happened:
    """6,000 yuan, 70 dollars; looked at for the first time."""
    return woken(told(overdue(1), overdue(1, loan="L2", currency="USD", amount="70"), *more, now=at(2)))


def permits(case: Given) -> list[tuple[str, ...]]:
    """The loans that each contact was about."""
    return [permit.loans for permit in case.state.contacts.ledger]


def test_each_currency_is_asked_for_in_its_turn_and_none_is_forgotten() -> None:
    assert permits(until(owing(), at(31)))[:4] == [("L1",), ("L2",), ("L1",), ("L2",)]


def test_of_those_that_wait_alike_the_one_with_most_loans_comes_first() -> None:
    more = overdue(1, loan="L3", currency="USD", amount="5")
    assert permits(until(owing(more), at(16)))[:2] == [("L2", "L3"), ("L1",)]


def test_a_decision_names_what_is_owed_in_the_others() -> None:
    permit = owing().events[-1]
    assert isinstance(permit, ContactPermitted)
    assert permit.amount == Money(Decimal(6000), "CNY")
    assert permit.decision.inputs.other_amounts == (Money(Decimal(70), "USD"),)


def test_what_stands_in_the_way_in_one_currency_keeps_nobody_from_the_next() -> None:
    case = told(overdue(1), overdue(1, loan="L2", currency="USD", amount="70"), now=at(2))
    held = case.when(PlaceHold("h1", "dispute", loans=("L1",), ways=get_args(ContactMethod)), at(2))
    assert permits(woken(held)) == [("L2",)]


def test_no_more_is_sent_for_two_currencies_than_for_one() -> None:
    one = until(woken(told(overdue(1), now=at(2))), at(60))
    assert len(permits(until(owing(), at(60)))) <= len(permits(one))


def test_a_promise_is_in_the_currency_of_the_contact_it_answers() -> None:
    case = until(owing(), at(9, "12:00"))
    assert permits(case) == [("L1",), ("L2",)]
    answered = case.when(RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "answered", at(10)), at(10))
    looked = woken(answered.when(RecordFact(overdue(9)), at(10, "10:05")))
    said = looked.when(RecordPromise("p1", day(14), Decimal(70)), at(10, "11:00")).event
    assert said.owed == Money(Decimal(70), "USD")


def test_a_cure_in_one_currency_takes_back_what_was_permitted() -> None:
    case = owing().when(RecordFact(cured(2, loan="L2")), at(3))
    assert PermitCancelled in {type(event) for event in case.events}


def test_what_the_books_fell_by_in_one_currency_is_not_what_they_fell_by_in_another() -> None:
    case = until(owing(), at(2, "12:00")).when(RecordPromise("p1", day(5), Decimal(1000)), at(2, "12:00"))
    case = case.when(RecordFact(overdue(6)), at(7, "06:00"))
    case = case.when(RecordFact(overdue(6, loan="L2", currency="USD", amount="20")), at(7, "06:00"))
    assert until(case, at(8)).state.promises.broken == 1
