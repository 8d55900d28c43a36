"""Going live slowly, and stopping at once: a tenant's sending controls, and facts that are too old."""

from datetime import datetime
from typing import Any

import pytest
from doorstep.events.escalation.cases import CaseAssessed, CaseOpened
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted
from doorstep.events.values import ContactMethod, ContactPoint
from doorstep.messaging.channels import CHANNELS
from escalation.domain.assessment.decision_context import TenantCounter
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.loans import RecordFact
from escalation.domain.case.overrides import ApproveOverride, RequestOverride

from tests.support.escalation import AS_IT_COMES, advised_by, at, overdue, told, woken
from tests.support.given import Happened


def under(controls: TenantCounter, **changes: Any) -> Happened:
    """The first assessment of a case whose tenant set `controls`, at 10:15 of day 2."""
    return woken(told(overdue(1, **changes), now=at(2), decider=advised_by(AS_IT_COMES, controls)))


def refused(case: Happened) -> set[str]:
    """The rules that refused in the last decision."""
    decision: Any = case.events[-1]
    return {verdict.rule for verdict in decision.decision.verdicts if verdict.refuses()}


def test_in_shadow_mode_everything_is_decided_and_nothing_permitted() -> None:
    case = under(TenantCounter(shadow=True)).then_types(CaseOpened, ContactDenied)
    assert refused(case) == {"shadow-mode"}
    assert case.state.contacts.ledger == ()


def test_in_shadow_mode_the_strategy_keeps_its_pace_and_each_look_is_a_denial_of_its_own() -> None:
    case = under(TenantCounter(shadow=True))
    assert case.state.lifecycle.assess_at == at(9, "10:15")
    woken(case.when(RecordFact(overdue(8)), at(9))).then_types(ContactDenied)


def test_out_of_shadow_mode_no_verdict_mentions_it() -> None:
    permit: Any = under(TenantCounter()).events[-1]
    assert "shadow-mode" not in {verdict.rule for verdict in permit.decision.verdicts}


def firsts(count: int, clock: str = "09:00", on: int = 2) -> dict[datetime, int]:
    """So many first contacts of other cases."""
    return {at(on, clock): count}


def test_the_last_first_contact_of_a_day_and_the_first_too_many() -> None:
    under(TenantCounter(ramp=3, firsts=firsts(2))).then_types(CaseOpened, ContactPermitted)
    case = under(TenantCounter(ramp=3, firsts=firsts(3)))
    assert refused(case) == {"ramp-limit"}
    assert case.state.lifecycle.assess_at == at(3, "08:00"), "tomorrow, when the hours allow it"


def test_yesterday_s_first_contacts_do_not_count() -> None:
    under(TenantCounter(ramp=3, firsts=firsts(9, on=1))).then_types(CaseOpened, ContactPermitted)


def test_a_ramp_of_none_sends_nothing_new_and_lets_old_cases_go_on() -> None:
    assert refused(under(TenantCounter(ramp=0))) == {"ramp-limit"}
    case = under(TenantCounter())
    case = case.when(
        RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "sent", at(2, "10:15")), at(2, "10:15")
    )
    later = told_again(case, TenantCounter(ramp=0)).when(RecordFact(overdue(8)), at(9, "10:10"))
    woken(later).then_types(ContactPermitted)


def told_again(case: Happened, controls: TenantCounter) -> Happened:
    """The same case, its tenant with other controls."""
    return Happened(advised_by(AS_IT_COMES, controls), case.state, ())


@pytest.mark.parametrize(
    ("stopped", "denied"), [(("sms",), True), (("*",), True), (("voice", "visit"), False), ((), False)]
)
def test_the_kill_switch_denies_its_own_way_and_no_other(stopped: tuple[str, ...], denied: bool) -> None:
    case = under(TenantCounter(stopped=stopped))
    assert isinstance(case.events[-1], ContactDenied) == denied
    if denied:
        assert refused(case) == {"kill-switch"}
        assert case.events[-1].decision.earliest_next is None  # type: ignore[attr-defined]


def test_facts_of_seven_days_ago_are_fresh_and_of_eight_days_ago_are_not() -> None:
    decider = advised_by(AS_IT_COMES)
    case = told(overdue(1), now=at(8), decider=decider)
    woken(case).then_types(CaseOpened, ContactPermitted)
    stale = woken(told(overdue(1), now=at(9), decider=decider))
    assert refused(stale) == {"facts-fresh"}
    woken(stale.when(RecordFact(overdue(8)), at(9, "10:30"))).then_types(ContactPermitted)


def test_each_guard_s_word_is_in_both_languages_and_never_law() -> None:
    for controls in (TenantCounter(), TenantCounter(shadow=True, ramp=0, stopped=("*",))):
        decision: Any = under(controls).events[-1]
        guards = [verdict for verdict in decision.decision.verdicts if not verdict.pack]
        assert len(guards) >= 7
        for verdict in guards:
            assert (verdict.status, verdict.confidence) == ("policy", "own")
            assert verdict.detail.isascii()
            assert not verdict.detail_zh.isascii()


def test_what_is_stale_is_told_by_the_borrower_s_day() -> None:
    """At 08:30 of day 9 in Shanghai it is still day 8 in New York."""
    case = told(overdue(1, time_zone="America/New_York"), now=at(9, "08:20"), decider=advised_by(AS_IT_COMES))
    assert "facts-fresh" not in refused(woken(case))


KNOWN: tuple[ContactPoint, ...] = ("phone", "email", "push_token", "address")


@pytest.mark.parametrize(
    ("way", "needed"),
    [("sms", "phone"), ("voice", "phone"), ("email", "email"), ("push", "push_token"), ("letter", "address")],
)
def test_a_contact_that_two_persons_want_is_denied_where_the_borrower_has_no_such_contact_point(
    way: ContactMethod, needed: ContactPoint
) -> None:
    assert "contact-point-known" not in forced(way, KNOWN)
    assert "contact-point-known" in forced(way, tuple(point for point in KNOWN if point != needed))


def test_of_a_fact_from_before_there_were_contact_points_telephone_and_address_are_known() -> None:
    assert [way for way in CHANNELS if "contact-point-known" in forced(way, None)] == ["email", "push"]
    assert "contact-point-known" in forced("letter", None, without_address=True)


def forced(way: ContactMethod, known: tuple[ContactPoint, ...] | None, **changes: Any) -> set[str]:
    """The rules that refuse what two persons want of a borrower of whom these contact points are known."""
    case = told(overdue(1, contact_points=known, **changes), now=at(2), decider=advised_by(AS_IT_COMES))
    opened = woken(case)
    wanted = opened.when(RequestOverride("o1", way, "as the borrower asked", "olga"), at(2, "10:20"))
    return refused(woken(wanted.when(ApproveOverride("o1", "chen"), at(2, "10:20"))))


@pytest.mark.parametrize(
    ("known", "way"), [(("email", "address"), "email"), (("push_token",), "push"), (("address",), "letter")]
)
def test_whoever_has_no_telephone_is_reached_by_what_there_is(
    known: tuple[ContactPoint, ...], way: ContactMethod
) -> None:
    permit: Any = under(TenantCounter(), contact_points=known).events[-1]
    assert (permit.channel, permit.purpose) == (way, "reminder")


def test_whoever_has_nothing_is_not_contacted() -> None:
    assert "contact-point-known" in refused(under(TenantCounter(), contact_points=()))


def test_without_a_telephone_to_announce_it_nobody_is_visited() -> None:
    assert "contact-point-known" in forced("visit", ("address",))


@pytest.mark.parametrize(("amount", "currency"), [("0.4", "JPY"), ("100.00", "XXX")])
def test_nobody_is_asked_for_nothing_or_in_no_currency(amount: str, currency: str) -> None:
    case = under(TenantCounter(), amount=amount, currency=currency).then_types(CaseOpened, CaseAssessed)
    assert case.state.contacts.ledger == ()


@pytest.mark.parametrize(("known", "way"), [(KNOWN, "push"), (("phone", "email"), "sms")])
def test_a_push_message_is_wanted_only_where_there_is_an_app_to_push_to(
    known: tuple[ContactPoint, ...], way: ContactMethod
) -> None:
    permit: Any = under(TenantCounter(), contact_points=known, segment="vip").events[-1]
    assert permit.channel == way
