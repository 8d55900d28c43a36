"""What escalation says, as commands of ours."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from doorstep.events.envelope import Actor, Envelope
from doorstep.events.escalation.cases import CaseOpened
from doorstep.events.escalation.permits import ContactPermitted, PermitCancelled
from doorstep.events.registry import Event
from doorstep.events.reminder import ContactTerms
from doorstep.events.values import Decision, Inputs, Money, PackRef, Sealed, Windows
from doorstep.kernel.decider import Routed, StreamId
from reminder.domain import Schedule, Withdraw
from reminder.react import react

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
STREAM = StreamId("contact", "p1", "case-1", "bank")
TERMS = ContactTerms(
    purpose="firm-reminder",
    language="en",
    loan_ids=("L1", "L2"),
    amount=Money(Decimal("12.00"), "USD"),
    windows=Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai"),
    valid_until=NOW,
    personal=Sealed("case-1", b"commitment", b"box"),
    region="US-CA",
)


def decision() -> Decision:
    inputs = Inputs(
        dpd=3,
        bucket="1-30",
        amount_overdue=TERMS.amount,
        business_date=date(2026, 3, 2),
        local_time=NOW,
        episode=1,
        contacts_today=0,
        unanswered=0,
        willingness=50,
    )
    return Decision(decision_id="d1", step="s1", packs=(PackRef("cn", "1", "h"),), inputs=inputs, verdicts=())


def heard(event: Event) -> list[Routed]:
    envelope = Envelope(
        id="e1",
        source="escalation",
        type=event.event_type,
        subject="case-1",
        time=NOW,
        recordedat=NOW,
        tenant="bank",
        stream="case/case-1",
        streamversion=1,
        partitionkey="case-1",
        correlationid="c1",
        schemaversion=1,
        data=msgspec.Raw(b"{}"),
        actor=Actor(id="doorstep"),
    )
    return list(react(envelope, event))


def test_a_permit_is_scheduled_with_all_it_says() -> None:
    permitted = ContactPermitted(
        permit_id="p1",
        channel="voice",
        purpose=TERMS.purpose,
        decision=decision(),
        loan_ids=TERMS.loan_ids,
        amount=TERMS.amount,
        language=TERMS.language,
        windows=TERMS.windows,
        valid_until=TERMS.valid_until,
        personal=TERMS.personal,
        region=TERMS.region,
    )
    assert heard(permitted) == [Routed(STREAM, Schedule("p1", "voice", TERMS))]


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("payment", "cancelled"), ("cure", "cancelled"), ("hold", "cancelled"), ("suspended", "suspended")],
)
def test_a_cancelled_contact_is_cancelled(reason: Any, ours: Any) -> None:
    cancelled = PermitCancelled(permit_id="p1", kind="contact", reason=reason)
    assert heard(cancelled) == [Routed(STREAM, Withdraw("p1", ours))]


def test_a_cancelled_visit_is_for_others() -> None:
    assert heard(PermitCancelled(permit_id="p1", kind="visit", reason="cure")) == []


def test_everything_else_is_for_others() -> None:
    assert heard(CaseOpened(episode=1, business_date=date(2026, 3, 2))) == []
