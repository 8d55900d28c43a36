"""What corrects something stands beside it, in every rendering."""

from datetime import date, timedelta

import msgspec
import pytest
from audit.presentation.pdf import FONT, pdf
from audit.presentation.present import ShownLine, notes, present
from audit.presentation.terminal import timeline_table
from audit.timeline.domain import Line, timeline
from doorstep.events.escalation.cases import CaseReevaluated
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.permits import ContactDenied

from tests.support.audit import START, Story, decision, example

HOUR = timedelta(hours=1)
FACT: LoanOverdueRecorded = msgspec.structs.replace(
    example(LoanOverdueRecorded), loan_id="L-1", business_date=date(2026, 3, 1), said_at=START, late=False
)


def lines(story: Story) -> dict[int, Line]:
    found = timeline(story.case_id, story.entries).lines
    return {line.entry.position: line for line in found if isinstance(line, Line)}


def test_a_reversal_names_the_payment_and_the_payment_its_reversal() -> None:
    story = Story()
    payment = story.tell(msgspec.structs.replace(example(PaymentRecorded), source="bank", fact_id="p-1"), START)
    story.tell(msgspec.structs.replace(example(PaymentRecorded), source="bank", fact_id="p-2"), START)
    told: PaymentReversalRecorded = example(PaymentReversalRecorded)
    reversal = story.tell(msgspec.structs.replace(told, source="bank", payment_id="p-1"), START + HOUR)
    other = story.tell(msgspec.structs.replace(told, source="other", payment_id="p-1"), START + HOUR)
    assert lines(story)[reversal.position].corrects == (payment.position,)
    assert lines(story)[payment.position].corrected_by == (reversal.position,)
    assert lines(story)[other.position].corrects == ()


def test_what_was_said_later_of_a_day_corrects_what_was_said_before_however_it_arrived() -> None:
    story = Story()
    second = story.tell(msgspec.structs.replace(FACT, said_at=START + HOUR), START + HOUR)
    first = story.tell(msgspec.structs.replace(FACT, late=True), START + 2 * HOUR)
    cure = LoanCureRecorded(
        fact_id="c", source="bank", loan_id="L-1", business_date=FACT.business_date, original=FACT.original
    )
    third = story.tell(cure, START + 3 * HOUR)
    found = lines(story)
    assert (found[second.position].corrects, found[third.position].corrects) == ((first.position,), (second.position,))
    assert found[first.position].flags == ("late",)


def test_another_loan_or_another_day_is_not_corrected() -> None:
    story = Story()
    story.tell(FACT, START)
    story.tell(msgspec.structs.replace(FACT, loan_id="L-2"), START + HOUR)
    story.tell(msgspec.structs.replace(FACT, business_date=date(2026, 3, 2)), START + HOUR)
    assert not any(line.corrects or line.corrected_by for line in lines(story).values())


def test_a_case_looked_at_again_names_the_decisions_made_without_knowing() -> None:
    story = Story()
    denied = story.tell(ContactDenied(channel="sms", decision=decision()), START)
    again = CaseReevaluated(fact_id="f", cause="reversal", effective=date(2026, 3, 1), decisions=("decision-1", "gone"))
    looked = story.tell(again, START + HOUR)
    assert lines(story)[looked.position].corrects == (denied.position,)
    assert lines(story)[denied.position].corrected_by == (looked.position,)


def test_entries_in_conflict_name_each_other_and_correct_nothing() -> None:
    story = Story()
    one = story.tell(FACT, START)
    two = story.keep(one.value.replace(b'"L-1"', b'"L-9"').replace(b'"dpd":7', b'"dpd":8'), START)
    three = story.keep(one.value.replace(b'"dpd":7', b'"dpd":9'), START)
    found = lines(story)
    assert found[one.position].conflicts_with == (two.position, three.position)
    assert found[three.position].flags == ("conflict",)
    assert not any(line.corrects for line in found.values())


@pytest.fixture
def reversed_payment() -> Story:
    """A payment that was recorded a day after it was made, and taken back."""
    story = Story()
    payment = msgspec.structs.replace(example(PaymentRecorded), source="bank", fact_id="p-1", late=True)
    story.tell(payment, START, occurred=START - timedelta(days=1))
    story.tell(msgspec.structs.replace(example(PaymentReversalRecorded), source="bank", payment_id="p-1"), START + HOUR)
    return story


def shown(story: Story) -> tuple[ShownLine, ...]:
    return present(timeline(story.case_id, story.entries), "en").lines


def test_below_the_sentence_stand_the_three_times_and_the_links(reversed_payment: Story) -> None:
    payment, reversal = shown(reversed_payment)
    assert notes(payment, "en") == ["Occurred 2026-03-01 01:00 UTC", "Business date 2026-03-09", "Corrected by #2"]
    assert notes(reversal, "en") == ["Business date 2026-03-09", "Corrects #1"]
    assert notes(reversal, "zh-CN") == ["业务日期 2026-03-09", "更正 #1"]


def test_the_terminal_shows_them(reversed_payment: Story) -> None:
    text = timeline_table(present(timeline("case-1", reversed_payment.entries), "en"), width=160)
    for told in ("[late]", "Occurred 2026-03-01 01:00 UTC", "Corrected by #2", "Corrects #1"):
        assert told in text


def test_so_does_paper(reversed_payment: Story) -> None:
    assert FONT
    assert pdf(present(timeline("case-1", reversed_payment.entries), "en")).startswith(b"%PDF")
