"""The checker itself: each kind of wrong that a dump can hold is found, and what is right is left alone."""

import ast
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conformance import checker as conformance
from conformance.report import Assumptions

from tests.support.conformance import RIGHT, WRONG, Dump


def rules(dump: Dump) -> set[str]:
    return {violation.rule for violation in dump.report().violations}


@pytest.mark.parametrize(("home", "tell", "rule"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_it_finds_what_is_wrong(home: str, tell: Callable[[Dump], object], rule: str) -> None:
    dump = Dump(home).overdue()
    assert not dump.report().violations

    tell(dump)

    assert rule in rules(dump)


@pytest.mark.parametrize(("home", "tell"), [one[1:] for one in RIGHT], ids=[one[0] for one in RIGHT])
def test_it_leaves_alone_what_is_right(home: str, tell: Callable[[Dump], object]) -> None:
    dump = Dump(home).overdue()

    tell(dump)

    assert not dump.report().violations


def test_of_an_unknown_zone_every_candidate_counts() -> None:
    dump = Dump("us")
    dump.fact("2026-03-01", known=False).contact("2026-03-02 09:00")

    assert rules(dump) == {"Reg F: 08-21", "house hours"}


def test_facts_older_than_the_bound_permit_nothing() -> None:
    dump = Dump("uk").fact("2026-03-01")

    assert not dump.contact("2026-03-08 10:00").report().violations
    assert rules(dump.contact("2026-03-09 10:00")) == {"stale facts"}


def test_unanswered_dials_count_by_number_across_cases() -> None:
    first = Dump("cn").overdue()
    second = Dump("cn", "case-2", first.lines).overdue()
    for hour in (9, 10, 11, 12):
        first.call(f"2026-03-02 {hour:02}:00")
        second.call(f"2026-03-02 {hour:02}:30")

    assert "guideline: 6 unanswered dials a day" in rules(first)


def test_what_crossed_in_flight_is_counted_apart() -> None:
    dump = Dump("uk").overdue().permit("2026-03-02 10:00", "a")
    dump.tell("2026-03-02 10:00", "hold.placed", hold_id="h", kind="dispute").start("2026-03-02 10:00", "a")

    report = dump.report()

    assert not report.violations
    assert report.crossed == {"hold": 1}


def test_denials_are_counted_by_rule() -> None:
    verdicts = [
        {"pack": "us", "rule": "calling-hours", "allowed": False, "status": "must"},
        {"pack": "us", "rule": "some-draft", "allowed": False, "status": "draft"},
        {"rule": "no-payment-pending", "allowed": True, "status": "policy"},
    ]
    dump = Dump("us").overdue().tell("2026-03-02 10:00", "contact.denied", decision={"verdicts": verdicts})

    assert dump.report().denied == {"us/calling-hours": 1}


def test_every_reason_is_told_in_both_languages() -> None:
    for _, home, tell, _ in WRONG:
        dump = Dump(home).overdue()
        tell(dump)
        for violation in dump.report().violations:
            assert violation.why
            assert any("\u4e00" <= sign <= "\u9fff" for sign in violation.why_zh), violation


def test_an_event_that_cannot_be_judged_does_not_pass_for_right() -> None:
    dump = Dump("uk").overdue().permit("2026-03-02 09:00", "a").tell("2026-03-02 10:00", "contact.started")

    assert rules(dump) == {"unreadable"}


# -- whose rules


def decided(packs: str = "house/1", countries: tuple[str, ...] = ()) -> dict[str, object]:
    """A decision that cites packs, each with its version, and countries."""
    cited = [{"id": one.partition("/")[0], "version": one.partition("/")[2]} for one in packs.split()]
    return {"packs": cited, "inputs": {"countries": countries} if countries else {}}


TOLD = Assumptions()


def told(dump: Dump) -> set[str]:
    return {violation.rule for violation in dump.report(TOLD).violations}


def test_a_decision_tells_the_countries_whose_rules_hold() -> None:
    """A lender at home in India writes to a borrower in New York."""
    dump = Dump("us").overdue()
    dump.contact("2026-03-02 20:30", decision=decided("in/1 us/1 house/1", ("IN", "US")))

    assert told(dump) == {"RBI 2022: 08-19"}


def test_the_rules_of_the_borrowers_place_hold_whether_they_were_asked_or_not() -> None:
    dump = Dump("th").overdue()
    for hour in (9, 15):
        dump.call(f"2026-03-02 {hour:02}:00", region="TH-10", decision=decided("in/1 house/1", ("IN",)))

    assert told(dump) == {"Thailand: 1 contact a day"}


def test_a_decision_that_names_no_country_is_held_against_the_packs_it_cites() -> None:
    dump = Dump("in").overdue().contact("2026-03-02 19:30", decision=decided("in/1 house/1"))

    assert told(dump) == {"RBI 2022: 08-19"}


def test_a_decision_that_tells_nothing_is_held_against_the_lenders_default_home() -> None:
    dump = Dump("cn").fact("2026-03-01", known=False).contact("2026-03-02 22:30")

    assert "GB/T 45251-2025: none 22-08" in told(dump)


def test_a_lender_with_a_policy_of_its_own_is_not_held_to_ours() -> None:
    dump = Dump("uk").overdue()
    for hour in (9, 15):
        dump.contact(f"2026-03-02 {hour:02}:00", "email", decision=decided("uk/1 acme/3", ("GB",)))

    assert told(dump) == set()


def test_the_house_rests_on_the_holidays_of_every_country_that_is_asked() -> None:
    """Labour Day is one in China, not in Britain."""
    dump = Dump("uk").overdue()
    dump.visit("2026-05-01 10:00", decision=decided("cn/2 uk/1 house/1", ("CN", "GB")))

    assert told(dump) == {"house visit hours"}


# -- what is under way


def test_what_was_under_way_within_the_leeway_crossed() -> None:
    dump = Dump("uk").overdue().permit("2026-03-02 10:00", "a")
    dump.tell("2026-03-02 10:00", "hold.placed", hold_id="h", kind="dispute")
    dump.tell("2026-03-02 10:00", "permit.cancelled", permit_id="a").start("2026-03-02 10:01", "a")

    report = dump.report(Assumptions.of("uk", leeway=timedelta(minutes=1)))

    assert not report.violations
    assert report.crossed == {"hold": 1}
    assert rules(dump) == {"hold", "permit"}


def test_a_permit_counts_though_its_clock_was_ahead() -> None:
    dump = Dump("uk").overdue().start("2026-03-02 10:00", "a").permit("2026-03-02 10:01", "a")

    assert not dump.report(Assumptions.of("uk", leeway=timedelta(minutes=1))).violations
    assert rules(dump) == {"permit"}


# -- what is kept


def kept(dump: Dump, today: str, days: int = 365) -> set[str]:
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    return {one.rule for one in dump.report(Assumptions.of(dump.home, retention_days=days, now=now)).violations}


def test_what_the_lender_wants_erased_is_kept_no_longer() -> None:
    dump = Dump("uk").overdue().end("2026-03-02 06:15")

    assert not kept(dump, "2027-03-04")
    assert kept(dump, "2027-03-05") == {"retention"}
    assert not kept(dump.erase("2027-03-02 10:00"), "2027-03-05")


def test_it_is_kept_as_long_as_the_law_wants_it() -> None:
    dump = Dump("cn").overdue().end("2026-03-02 06:15")

    assert not kept(dump, "2031-03-03")
    assert kept(dump, "2031-03-05") == {"retention"}


def test_a_legal_hold_a_dispute_and_a_case_that_opens_again_stop_the_erasure() -> None:
    held = Dump("uk").overdue().end("2026-03-02 06:15").tell("2026-05-01 10:00", "legal-hold.placed", hold_id="h")
    disputed = Dump("uk").overdue().end("2026-03-02 06:15").tell("2026-05-01 10:00", "dispute.opened", dispute_id="d")
    opened = Dump("uk").overdue().end("2026-03-02 06:15").tell("2026-05-01 10:00", "case.opened", episode=2)

    assert not kept(held, "2028-01-01") | kept(disputed, "2028-01-01") | kept(opened, "2028-01-01")


def test_once_the_legal_hold_is_lifted_it_is_erased_within_two_days() -> None:
    dump = Dump("uk").overdue().end("2026-03-02 06:15").tell("2026-05-01 10:00", "legal-hold.placed", hold_id="h")
    dump.tell("2028-05-01 10:00", "legal-hold.lifted", hold_id="h")

    assert not kept(dump, "2028-05-03")
    assert kept(dump, "2028-05-04") == {"retention"}


# -- independence


def test_it_imports_nothing_but_the_standard_library_and_calendars() -> None:
    package = Path(conformance.__file__).parent
    allowed = {*sys.stdlib_module_names, "holidays", "chinese_calendar"}
    for module in package.glob("*.py"):
        for name in imported(ast.parse(module.read_text(encoding="utf-8"))):
            assert name.startswith("conformance") or name.partition(".")[0] in allowed, (module.name, name)


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (one.name for one in names)
            case ast.ImportFrom(module=module):
                yield module or "."
