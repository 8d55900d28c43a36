"""What escalation hears, as commands."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from doorstep.events import audit, kernel, reminder, visits
from doorstep.events.envelope import Actor, Envelope
from doorstep.events.registry import Event
from doorstep.events.values import Sealed
from doorstep.kernel.decider import SYSTEM
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.disputes import OpenDispute
from escalation.domain.case.holds import PlaceHold, ResumeSending, SuspendSending
from escalation.domain.case.promises import RecordPromise
from escalation.react import case_stream, react

TIME = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
AGENT = Actor(id="agent-7", role="agent")


def heard(event: Event, source: str = "/doorstep/reminder") -> list[Any]:
    """The commands, which all go to the case of the envelope."""
    envelope = Envelope(
        id="1",
        source=source,
        type=event.event_type,
        subject="case-1",
        time=TIME,
        recordedat=TIME,
        tenant="acme",
        stream="contact/p",
        streamversion=1,
        partitionkey="case-1",
        correlationid="c",
        schemaversion=1,
        data=msgspec.Raw(b"{}"),
        actor=AGENT,
    )
    routed = list(react(envelope, event))
    assert all(one.stream == case_stream("case-1", "acme") for one in routed)
    assert all(one.actor in (AGENT, SYSTEM) for one in routed)
    return [one.command for one in routed]


def reply(kind: Any, **more: Any) -> reminder.ReplyReceived:
    return reminder.ReplyReceived(reply_id="r", permit_id="p", kind=kind, at=AT, **more)


SENT = reminder.ContactSent(permit_id="p", channel="sms", provider="x", provider_message_id="1", rendered_mac="m")
ANSWERED = RecordContactOutcome("p", "answered", AT)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (SENT, "sent"),
        (reminder.ContactNotSent(permit_id="p", channel="sms", reason="expired"), "not-sent"),
        (reminder.ContactFailed(permit_id="p", channel="sms", provider="x", reason="no"), "failed"),
        (reminder.ContactUnknown(permit_id="p", channel="sms", provider="x"), "unknown"),
    ],
)
def test_what_became_of_a_contact(event: Event, outcome: Any) -> None:
    assert heard(event) == [RecordContactOutcome("p", outcome, TIME)]


@pytest.mark.parametrize("status", ["delivered", "answered", "no-answer", "undeliverable"])
def test_a_receipt_counts_from_when_the_provider_says_it_happened(status: Any) -> None:
    receipt = reminder.ReceiptRecorded(permit_id="p", channel="voice", status=status, at=AT)
    assert heard(receipt) == [RecordContactOutcome("p", status, AT)]


def test_a_promise_is_an_answer_too() -> None:
    said = reply("promise", promise_due=date(2026, 3, 9), promise_amount=Decimal(5))
    assert heard(said) == [ANSWERED, RecordPromise("r", date(2026, 3, 9), Decimal(5), AT)]


@pytest.mark.parametrize(
    ("kind", "hold"),
    [("complaint", "complaint"), ("hardship", "hardship"), ("opt-out", "cease-contact")],
)
def test_some_replies_stop_contact(kind: str, hold: Any) -> None:
    assert heard(reply(kind)) == [ANSWERED, PlaceHold("r", hold)]


def test_a_reply_may_open_a_dispute_with_what_was_said_still_under_seal() -> None:
    said = Sealed("case-1", b"commitment", b"box")
    assert heard(reply("dispute", text=said)) == [ANSWERED, OpenDispute("r", "other", text=said)]


def test_whoever_says_wrong_number_is_not_the_borrower() -> None:
    assert heard(reply("wrong-number")) == [PlaceHold("r", "wrong-number")]


def test_any_other_reply_is_an_answer() -> None:
    assert heard(reply("other")) == [ANSWERED]


def test_what_became_of_a_visit() -> None:
    noticed = visits.VisitNoticed(visit_id="v", channel="sms", provider="x", provider_message_id="1", rendered_mac="m")
    failed = visits.VisitFailed(visit_id="v", at=AT, reason="nobody-home", agent_id="a")
    cancelled = visits.VisitCancelled(visit_id="v", reason="no-plan")
    assert heard(noticed) == [RecordVisitOutcome("v", "noticed", TIME)]
    assert heard(failed) == [RecordVisitOutcome("v", "failed", AT)]
    assert heard(cancelled) == [RecordVisitOutcome("v", "not-made", TIME)]


def test_a_report_may_hold_a_promise() -> None:
    report = visits.VisitCompleted(
        visit_id="v",
        at=AT,
        attitude="neutral",
        willingness=70,
        cause="forgot",
        agent_id="a",
        promise_due=date(2026, 3, 9),
    )
    assert heard(report) == [
        RecordVisitOutcome("v", "completed", AT, 70),
        RecordPromise("v", date(2026, 3, 9), None, AT),
    ]


def test_a_notice_of_which_nobody_knows_uses_the_visit_up_and_a_failed_one_waits_for_the_cancellation() -> None:
    unknown = visits.NoticeFailed(visit_id="v", provider="x", reason="timeout", unknown=True)
    refused = visits.NoticeFailed(visit_id="v", provider="x", reason="no such number")
    assert heard(unknown) == [RecordVisitOutcome("v", "failed", TIME)]
    assert heard(refused) == []


def parked(case_id: str | None) -> kernel.MessageParked:
    return kernel.MessageParked(
        parked_id=1, key="acme:L1", origin_topic="t", origin_partition=0, origin_offset=1, reason="r", case_id=case_id
    )


def test_a_message_parked_anywhere_suspends_its_case() -> None:
    assert heard(parked("case-1"), "/doorstep/audit") == [SuspendSending("audit", "acme:L1")]
    released = kernel.MessageReleased(key="acme:L1", how="replayed", by="op", case_id="case-1")
    assert heard(released, "/doorstep/audit") == [ResumeSending("audit", "acme:L1")]


def test_a_parked_message_of_nobody_suspends_no_case() -> None:
    assert heard(parked(None)) == []


def test_what_does_not_concern_the_case_is_passed_over() -> None:
    opened = audit.PersonalDataOpened
    assert heard(reminder.ContactWithdrawn(permit_id="p", channel="sms", reason="cancelled")) == []
    assert opened.topic is not None
