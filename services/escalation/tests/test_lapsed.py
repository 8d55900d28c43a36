"""A permit of which nobody says what became of it stops its case no longer, and is seen."""

from datetime import timedelta
from typing import Any

from doorstep.events.escalation.outcomes import ContactOutcomeRecorded
from doorstep.events.escalation.permits import ContactDenied, PermitLapsed, VisitPermitted
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Routed
from doorstep.kernel.runtime import Running
from escalation import views
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.overrides import ApproveOverride, RequestOverride
from escalation.domain.decider import wake_at
from escalation.react import case_stream

from tests.support.escalation import at, overdue, told, until, woken
from tests.support.given import Given, Happened


def permitted() -> Happened:
    """A permitted SMS, at 10:15 of day 2; nobody says what became of it."""
    return woken(told(overdue(1), now=at(2)))


def waited(case: Given, to: Any) -> Given:
    """Every timer up to `to`, while the executor stays silent."""
    while (due := wake_at(case.state)) is not None and due <= to:
        case = woken(case)
    return case


def lapsed() -> Happened:
    """Two days after the permit's end."""
    case = permitted()
    end = case.state.contacts.ledger[-1].valid_until + timedelta(days=2)
    case = woken(waited(case, end - timedelta(seconds=1)))
    assert isinstance(case.events[0], PermitLapsed)
    return case


def test_two_days_after_its_end_a_permit_without_an_outcome_lapses_and_the_case_goes_on() -> None:
    case = lapsed()
    assert (case.state.contacts.ledger[-1].open(), case.state.contacts.ledger[-1].result()) == (False, "unknown")
    later = waited(case.when(RecordFact(overdue(9)), at(10)), at(10, "11:00"))
    assert [permit.result() for permit in later.state.contacts.ledger] == ["unknown", "open"]


def test_while_it_is_out_no_other_permit_is_given_and_once_it_has_lapsed_one_is() -> None:
    case = permitted().when(RequestOverride("o1", "voice", "asked to be called", "olga"), at(3))
    denied = woken(case.when(ApproveOverride("o1", "chen"), at(3))).then_types(ContactDenied).event
    assert {one.rule for one in denied.decision.verdicts if one.refuses()} == {"one-permit-at-a-time"}
    later = waited(case.when(ApproveOverride("o1", "chen"), at(3)), at(6))
    assert [permit.way for permit in later.state.contacts.ledger] == ["sms", "voice"]


def test_it_counts_as_one_that_may_have_reached_the_borrower() -> None:
    case = lapsed().state
    assert case.contacts.ledger[-1].counts()
    assert case.contacts.ledger[-1].went_out()
    assert case.contacts.unanswered() == 1


def test_it_lapses_once() -> None:
    case = lapsed()
    assert case.state.contacts.lapse_at() is None
    assert PermitLapsed not in {type(event) for event in woken(case).events}


def test_what_is_told_later_still_counts() -> None:
    case = lapsed()
    permit_id = case.state.contacts.ledger[-1].permit_id
    sent = case.when(RecordContactOutcome(permit_id, "sent", at(2, "10:30")), at(6))
    sent.then_types(ContactOutcomeRecorded)
    assert sent.state.contacts.ledger[-1].entry().at == at(2, "10:30")
    back = case.when(RecordContactOutcome(permit_id, "not-sent", at(2, "10:30")), at(6))
    back.then_types(ContactOutcomeRecorded)
    assert not back.state.contacts.ledger[-1].counts()


def test_a_visit_that_nobody_tells_of_may_have_been_made_and_the_next_one_waits() -> None:
    case = until(told(overdue(1, dpd=70), now=at(2)), at(17))
    case = woken(case.when(RecordFact(overdue(17, dpd=86)), at(18)))
    visit = case.events[-1]
    assert isinstance(visit, VisitPermitted)
    case = until(case, visit.valid_until + timedelta(days=2))
    assert case.state.contacts.last_visit == visit.valid_until
    ways = [permit.way for permit in until(case, visit.valid_until + timedelta(days=20)).state.contacts.ledger]
    assert ways.count("visit") == 1
    late = case.when(RecordVisitOutcome(visit.permit_id, "not-made", visit.valid_until), at(40))
    assert late.state.contacts.permit(visit.permit_id).outcome == "not-made"


async def test_it_is_on_the_gauge_and_on_the_list_until_its_outcome_is_told(running: Running) -> None:
    stream = case_stream("case-1", "acme")
    assert isinstance(running.clock, SimulatedClock)
    await running.execute(Routed(stream, RecordFact(overdue(1))))
    for moment in (at(2, "10:15"), at(9)):
        running.clock.jump(moment)
        await running.timers.turn()

    (waiting,) = await listed(running)
    assert (waiting.case_id, waiting.kind) == ("case-1", "contact")
    assert await gauge(running) == 1

    await running.execute(Routed(stream, RecordContactOutcome(waiting.permit_id, "sent", at(2, "10:30"))))
    assert (await listed(running), await gauge(running)) == ([], 0)


async def listed(running: Running) -> list[Any]:
    async with running.engine.connect() as connection:
        return list(await views.lapsed(connection, None))


async def gauge(running: Running) -> float | None:
    for worker in running.workers:
        await worker.turn(hurry=True)
    return running.telemetry.registry.get_sample_value("doorstep_permits_lapsed", {"service": "escalation"})
