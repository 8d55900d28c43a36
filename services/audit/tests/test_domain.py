"""What the audit decides: who may be erased, what is opened or taken out, who signs the log, what is found once."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from audit.disclosure.domain import Export, Open, disclosure
from audit.erasure.domain import Command, Destroyed, Erase, ErasureFacts, LiftLegalHold, PlaceLegalHold, erasure, known
from audit.log.domain import Head, Sign, log_head
from audit.monitor.domain import RaiseViolations, violation_id, violations
from conformance.report import Violation
from doorstep.events.audit import (
    CheckpointSigned,
    ErasureCompleted,
    ErasureOrdered,
    EvidenceExported,
    LegalHoldLifted,
    LegalHoldPlaced,
    PersonalDataOpened,
    ViolationFound,
)
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.disputes import DisputeClosed, DisputeOpened
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded
from doorstep.events.kernel import MessageParked, MessageReleased
from doorstep.events.values import Money
from doorstep.kernel.decider import Refused

from tests.support.audit import START, Story, example
from tests.support.given import given

# -- erasure: who may be erased, when

CURED = ErasureFacts(ended=START)
ERASE = Erase("erasure-1", by="wang.li", reason="asked by letter", known=CURED)
ORDERED = ErasureOrdered(erasure_id="erasure-1", by="wang.li", reason="asked by letter", cause="request")
PLACE = PlaceLegalHold("court-7", by="wang.li", reason="file 7 of the court")
PLACED = LegalHoldPlaced(hold_id="court-7", by="wang.li", reason="file 7 of the court")
LIFT = LiftLegalHold("court-7", by="wang.li", reason="judged on Monday")
LIFTED = LegalHoldLifted(hold_id="court-7", by="wang.li", reason="judged on Monday")
COMPLETED = ErasureCompleted(erasure_id="erasure-1")


def knowing(**what: Any) -> Erase:
    return Erase("erasure-1", by="wang.li", reason="asked by letter", known=msgspec.structs.replace(CURED, **what))


def test_an_erasure_is_ordered_with_who_and_why() -> None:
    given(erasure).when(ERASE, START).then(ORDERED)


def test_a_retention_says_whose_rule_it_follows() -> None:
    order = Erase("erasure-1", "doorstep", "1827 days", CURED, cause="retention", rule="cn 2026.1", days=1827)
    event = given(erasure).when(order, START).event
    assert (event.cause, event.rule, event.days) == ("retention", "cn 2026.1", 1827)


def test_an_erasure_is_completed_once_the_key_is_gone() -> None:
    given(erasure, ORDERED).when(Destroyed("erasure-1"), START).then(COMPLETED)


def test_a_hold_is_placed_and_lifted_with_who_and_why() -> None:
    given(erasure).when(PLACE, START).then(PLACED).when(LIFT, START).then(LIFTED)


@pytest.mark.parametrize(
    ("past", "command"),
    [
        ((PLACED,), PLACE),
        ((PLACED, LIFTED), LIFT),
        ((ORDERED,), ERASE),
        ((ORDERED, COMPLETED), ERASE),
        ((ORDERED, COMPLETED), Destroyed("erasure-1")),
        ((PLACED, LIFTED, ORDERED), LIFT),
    ],
)
def test_what_is_said_again_changes_nothing(past: tuple[Any, ...], command: Command) -> None:
    given(erasure, *past).when(command, START).then_nothing()


def test_a_key_that_nobody_ordered_destroyed_completes_nothing() -> None:
    given(erasure).when(Destroyed("erasure-1"), START).then_nothing()
    given(erasure, ORDERED).when(Destroyed("another"), START).then_nothing()


def test_a_hold_that_was_lifted_can_be_placed_again() -> None:
    given(erasure, PLACED, LIFTED).when(PLACE, START).then(PLACED).when(LIFT, START).then(LIFTED)


@pytest.mark.parametrize(
    ("past", "command", "what_to_do"),
    [
        ((PLACED,), ERASE, "legal hold court-7 stands: lift it first"),
        ((), knowing(open=True), "once it is cured"),
        ((), knowing(loans=("L1",)), "once it is cured"),
        ((), knowing(disputes=("d-1",)), "dispute d-1 is open: close it first"),
        ((), knowing(waiting=("escalation acme:L1",)), "escalation acme:L1.*: replay or discard it first"),
        ((), LIFT, "no legal hold court-7 to lift; none stands"),
        ((ORDERED,), PLACE, "too late"),
        ((ORDERED, COMPLETED), PLACE, "too late"),
        ((), Erase("erasure-1", "wang.li", " ", CURED), "say why"),
        ((), PlaceLegalHold("court-7", "wang.li", "x"), "say why"),
    ],
)
def test_what_is_refused_says_what_to_do(past: tuple[Any, ...], command: Command, what_to_do: str) -> None:
    with pytest.raises(Refused, match=what_to_do):
        given(erasure, *past).when(command, START)


def test_two_holds_both_have_to_be_lifted() -> None:
    second = LegalHoldPlaced(hold_id="court-8", by="wang.li", reason="file 8")
    with pytest.raises(Refused, match="legal hold court-8 stands"):
        given(erasure, PLACED, second, LIFTED).when(ERASE, START)


class TestTooEarly:
    """The rule packs want records kept for years; a person may answer for not waiting."""

    def order(self, **more: Any) -> Erase:
        return Erase(
            "erasure-1", "wang.li", "asked by letter", CURED, keep_until=datetime(2031, 3, 3, tzinfo=UTC), **more
        )

    def test_it_is_refused_with_the_day_it_may_be_done(self) -> None:
        with pytest.raises(Refused, match=r"until 2031-03-03.*--early"):
            given(erasure).when(self.order(), START)

    def test_whoever_answers_for_it_is_heard_and_it_shows(self) -> None:
        assert given(erasure).when(self.order(early=True), START).event.early

    def test_afterwards_nothing_is_early(self) -> None:
        event = given(erasure).when(self.order(early=True), datetime(2031, 3, 3, tzinfo=UTC)).event
        assert not event.early


class TestKnown:
    """What the entries of a case say that bears on erasing it."""

    def told(self, *events: Any) -> ErasureFacts:
        story = Story()
        for n, one in enumerate(events):
            story.tell(one, START + timedelta(hours=n))
        return known(reversed(story.entries))

    def test_a_case_that_was_never_opened_has_not_ended(self) -> None:
        assert self.told() == ErasureFacts()

    def test_money_is_owed_from_the_banks_first_word_before_the_case_is_opened(self) -> None:
        overdue = msgspec.structs.replace(example(LoanOverdueRecorded), late=False)
        paid_up = msgspec.structs.replace(overdue, amount_overdue=Money(Decimal(0), "CNY"))
        recovered = msgspec.structs.replace(example(LoanCureRecorded), late=False)
        assert self.told(overdue, overdue).loans == ("some-text",)
        assert self.told(overdue, recovered).loans == ()
        assert self.told(overdue, paid_up).loans == ()
        assert self.told(overdue, example(CaseOpened), example(CaseCured)).loans == ()
        assert self.told(msgspec.structs.replace(overdue, late=True)).loans == ()

    def test_a_cured_case_has_ended_until_it_opens_again(self) -> None:
        opened, cured = example(CaseOpened), example(CaseCured)
        assert self.told(opened).open
        assert self.told(opened, cured) == ErasureFacts(ended=START + timedelta(hours=1))
        assert self.told(opened, cured, opened) == ErasureFacts(open=True)

    def test_a_dispute_stands_until_it_is_closed_and_the_case_has_then_ended(self) -> None:
        past = (example(CaseOpened), example(DisputeOpened), example(CaseCured))
        assert self.told(*past).disputes == ("some-text",)
        assert self.told(*past, example(DisputeClosed)) == ErasureFacts(ended=START + timedelta(hours=3))

    def test_a_dispute_that_is_closed_while_the_case_is_open_ends_nothing(self) -> None:
        assert self.told(example(CaseOpened), example(DisputeOpened), example(DisputeClosed)) == ErasureFacts(open=True)

    def test_a_parked_message_waits_until_its_key_is_released(self) -> None:
        assert self.told(example(MessageParked)).waiting == ("story some-text",)
        assert self.told(example(MessageParked), example(MessageReleased)) == ErasureFacts()


# -- disclosure: opening personal data, and taking evidence out, are events with a reason

OPEN = Open(by="wang.li", role="compliance", reason="complaint 17")
OPENED = PersonalDataOpened(by="wang.li", role="compliance", reason="complaint 17")
EXPORT = Export(by="wang.li", role="auditor", reason="court 8", log_size=40, entries=12, manifest="c0ffee")
EXPORTED = EvidenceExported(**asdict(EXPORT))


def test_an_opening_is_recorded_with_who_and_why() -> None:
    given(disclosure).when(OPEN, START).then(OPENED)


def test_each_opening_is_an_event_of_its_own() -> None:
    happened = given(disclosure, OPENED).when(OPEN, START).then(OPENED)
    assert happened.state.openings == 2


def test_an_export_is_recorded_with_who_and_why_and_what() -> None:
    given(disclosure).when(EXPORT, START).then(EXPORTED)


def test_each_export_is_an_event_of_its_own() -> None:
    happened = given(disclosure, EXPORTED, OPENED).when(EXPORT, START).then(EXPORTED)
    assert (happened.state.exports, happened.state.openings) == (2, 1)


@pytest.mark.parametrize("reason", ["", "   ", " x "])
@pytest.mark.parametrize("command", [OPEN, EXPORT])
def test_without_a_reason_nothing_is_opened_and_nothing_leaves(command: Open | Export, reason: str) -> None:
    with pytest.raises(Refused, match="at least 4 characters"):
        given(disclosure).when(replace(command, reason=reason), START)


# -- log: one writer

ORIGIN = "bank.example/doorstep"


class TestOneWriter:
    def test_whoever_does_not_know_the_last_head_signs_nothing(self) -> None:
        first, second = Head(3, b"a" * 32, "note"), Head(5, b"b" * 32, "note")
        signed = CheckpointSigned(origin=ORIGIN, size=3, root=first.root, checkpoint="note")
        sign = Sign(origin=ORIGIN, after=first, size=5, root=second.root, checkpoint="note")
        given(log_head, signed).when(sign, START).then_types(CheckpointSigned)
        grown = CheckpointSigned(origin=ORIGIN, size=4, root=b"c" * 32, checkpoint="note")
        with pytest.raises(Refused, match="only one may write"):
            given(log_head, signed, grown).when(sign, START)

    def test_the_same_head_signed_twice_is_one_event(self) -> None:
        signed = CheckpointSigned(origin=ORIGIN, size=3, root=b"a" * 32, checkpoint="note")
        again = Sign(origin=ORIGIN, after=Head(), size=3, root=b"a" * 32, checkpoint="note")
        given(log_head, signed).when(again, START).then_nothing()


# -- monitor: each violation once

AT = datetime(2026, 3, 2, 10, tzinfo=ZoneInfo("Europe/London"))
FOUND = Violation("event-1", "case-1", AT, "hold", "dispute", "停止联系期间：债务异议")
EVENT = ViolationFound(
    violation_id=violation_id("case-1", "event-1", "hold"),
    event_id="event-1",
    rule="hold",
    at=FOUND.at,
    why="dispute",
    why_zh="停止联系期间：债务异议",
)


def test_a_violation_is_told() -> None:
    given(violations).when(RaiseViolations("case-1", (FOUND,)), FOUND.at).then(EVENT)


def test_the_same_violation_is_told_once() -> None:
    given(violations).when(RaiseViolations("case-1", (FOUND, FOUND)), FOUND.at).then(EVENT)
    given(violations, EVENT).when(RaiseViolations("case-1", (FOUND,)), FOUND.at).then_nothing()
