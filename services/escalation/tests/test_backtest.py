"""The record replayed: nothing changes under the same policy, and what another one changes is named."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter

import pytest
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.tenants import RampSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.values import Sealed
from doorstep_demo.run import staged
from escalation.backtest.backtest import Period, Replay
from escalation.backtest.differences import changes
from escalation.backtest.in_memory import InMemoryStore
from escalation.backtest.recorded import Assessment, RecordedEvent, Refusal
from escalation.cli import another, history
from escalation.domain.case.case import Command
from escalation.domain.case.contacts import RecordContactOutcome, RecordVisitOutcome
from escalation.domain.case.disputes import AnswerDispute, CloseDispute, OpenDispute
from escalation.domain.case.holds import LiftHold, PlaceHold, ResumeSending, SuspendSending
from escalation.domain.case.loans import Fact, RecordFact
from escalation.domain.case.overrides import RequestOverride
from escalation.domain.case.preferences import RecordConsent
from escalation.domain.case.promises import RecordPromise
from escalation.domain.policy import Policies, builtin
from escalation.domain.rules import pack
from escalation.domain.rules.pack import InvalidPolicy
from escalation.domain.strategy import strategy
from msgspec.structs import replace

from tests.support.escalation import at, cured, day, overdue, paid

DAYS = 110
CASES = ("ann", "bo", "cy", "di")
NO_VISITS = (
    'windows: {workday: ["09:00-18:00"], saturday: ["09:00-18:00"]',
    "windows: {workday: none, saturday: none",
)
ALL = Period(day(1), day(DAYS))


def about(case_id: str, fact: Fact, phone: str | None = None) -> RecordFact:
    """A fact about one of several borrowers."""
    if isinstance(fact, LoanOverdueRecorded):
        personal = Sealed(case_id, b"commitment", b"personal")
        fact = replace(fact, personal=personal, phone_token=phone or case_id, address_token=phone or case_id)
    return RecordFact(replace(fact, loan_id=f"{case_id}-1", fact_id=f"{case_id} {fact.fact_id}"))


def lived(policies: Policies, days: int = DAYS, *, eventful: bool = True) -> list[RecordedEvent]:
    """Two who share a number, and two others: they answer, promise, pay, complain, contest, and are visited. Some
    timers run late. Whoever falls due is late from day 1 on, one more each week."""
    made = InMemoryStore(policies)
    for number in range(1, days + 1):
        for nth, case_id in enumerate(CASES):
            if number > nth * 7:
                fact = overdue(number, dpd=number + 20 - nth * 7, amount="60000", loan=f"{case_id}-1")
                made.tell(case_id, about(case_id, fact, "shared" if nth < 2 else None), at(number, "06:00"))
        late = timedelta(minutes=7 if eventful and number % 9 == 0 else 0)
        made.pass_time(at(number, "10:30"), late=late)
        if eventful:
            happens(made, number)
        made.pass_time(at(number, "22:30"), late=late)
        answers(made, number)
    return made.rows()


def happens(made: InMemoryStore, number: int) -> None:
    """What people do on a day, at eleven."""
    now = at(number, "11:00")
    commands: Mapping[int, tuple[str, Command]] = {
        9: ("ann", RecordPromise("p1", day(14), Decimal(3000))),
        12: ("bo", PlaceHold("h1", "hardship")),
        16: ("cy", about("cy", paid(16, loan="cy-1"))),
        20: ("cy", RecordConsent("c1", "hours")),
        25: ("bo", LiftHold("h1", "back at work")),
        30: ("di", RequestOverride("o1", "voice", "asked for a call", "eve")),
        48: ("cy", SuspendSending("reminder", "k")),
        52: ("cy", ResumeSending("reminder", "k")),
        33: ("di", about("di", cured(33, loan="di-1"))),
        60: ("ann", OpenDispute("d1", "amount", "chen")),
        78: ("ann", AnswerDispute("d1", "a1", "chen")),
        84: ("ann", CloseDispute("d1", "rejected", "chen", "the books are right")),
    }
    if number in commands:
        case_id, command = commands[number]
        made.tell(case_id, command, now)
    if number == 5:
        made.control(RampSet(first_contacts_a_day=1, reason="slowly"), now)
    if number == 40:
        made.control(SendingStopped(way="sms", reason="the provider fails"), now)
    if number == 44:
        made.control(SendingAllowed(way="sms", reason="it works again"), now)


def answers(made: InMemoryStore, number: int) -> None:
    """Collectors go and find somebody at home; some contacts are answered."""
    now = at(number, "23:30")
    for case_id, case in list(made.states.items()):
        for permit in case.contacts.ledger:
            if permit.way == "visit" and permit.open():
                for outcome in ("noticed", "started", "completed"):
                    made.tell(case_id, RecordVisitOutcome(permit.permit_id, outcome, now, 40), now)
            elif permit.outcome == "sent" and number % 10 == 0 and number < 50 and "/" not in permit.permit_id:
                made.tell(case_id, RecordContactOutcome(permit.permit_id, "answered", now), now)


def replayed(rows: Sequence[RecordedEvent], policies: Policies, span: Period = ALL) -> Replay:
    replay = Replay(policies, span, perf_counter)
    replay.fold(rows)
    list(replay.run())
    return replay


def other(tmp_path: Path, name: str, was: str, now: str) -> Policies:
    """The built-in policy with a few words of one pack changed."""
    text = (pack.FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert was in text
    (tmp_path / f"{name}.yaml").write_text(text.replace(was, now), encoding="utf-8")
    return builtin().replaced(pack.load(tmp_path), None)


@pytest.fixture(scope="module")
def record() -> list[RecordedEvent]:
    return lived(builtin())


def test_under_the_same_policy_every_look_comes_out_as_it_was(record: list[RecordedEvent]) -> None:
    replay = replayed(record, builtin())
    for case in replay.cases.values():
        assert case.decided == list(case.assessments.values())
        assert case.same
        assert not case.refused
    found = replay.differences(3)
    assert found.changed == {}
    assert found.before == found.after
    assert found.before.contacts > 20
    assert found.before.visits > 0
    assert found.before.denials > 5


@pytest.mark.parametrize("first", [2, 10, 33, 60])
def test_the_same_policy_changes_nothing_from_any_day_on(record: list[RecordedEvent], first: int) -> None:
    replay = replayed(record, builtin(), Period(day(first), day(70)))
    assert all(case.decided == list(case.assessments.values()) for case in replay.cases.values())
    assert replay.decisions > 0


def test_replaying_twice_gives_the_same_report(record: list[RecordedEvent], tmp_path: Path) -> None:
    policies = other(tmp_path, "house", "limit: 3", "limit: 1")
    once, again = (replayed(record, policies).differences(5) for _ in range(2))
    assert once == again
    assert once.changed


def test_the_order_of_the_streams_plays_no_part(record: list[RecordedEvent], tmp_path: Path) -> None:
    policies = other(tmp_path, "house", "limit: 3", "limit: 1")
    streams: dict[tuple[str, str], list[RecordedEvent]] = {}
    for row in record:
        streams.setdefault((row.category, row.case_id), []).append(row)
    turned = [row for rows in reversed(streams.values()) for row in rows]
    assert replayed(turned, policies).differences(5) == replayed(record, policies).differences(5)


def test_a_lower_cap_denies_contacts_and_names_the_rule(record: list[RecordedEvent], tmp_path: Path) -> None:
    found = replayed(record, other(tmp_path, "house", "limit: 3", "limit: 1")).differences(3)
    assert found.after.contacts < found.before.contacts
    rules = {count.rule for count in found.counts if count.kind in ("contact-now-denied", "moved")}
    assert "house/contacts-a-week" in rules
    assert found.after.refusals["house/contacts-a-week"] > 0


def test_later_hours_move_contacts_and_lose_none(tmp_path: Path) -> None:
    record = lived(builtin(), days=3, eventful=False)
    hours = "08:00-22:00"
    found = replayed(record, other(tmp_path, "house", hours, "10:00-22:00"), Period(day(1), day(3))).differences(3)
    assert set(found.changed) == {"moved"}
    assert {count.rule for count in found.counts} == {"house/contact-hours"}
    (example, *_) = found.examples
    assert example.to_at is not None
    assert example.to_at - example.at == timedelta(hours=2)


def test_visits_that_are_never_allowed_are_lost_and_named(record: list[RecordedEvent], tmp_path: Path) -> None:
    found = replayed(record, other(tmp_path, "house", *NO_VISITS)).differences(3)
    assert found.before.visits > 0
    assert found.changed["visit-lost"] == found.before.visits
    assert {count.rule for count in found.counts if count.kind == "visit-lost"} == {"house/visit-hours"}


def test_visits_that_are_allowed_after_all_are_gained_and_nobody_is_home(tmp_path: Path) -> None:
    record = lived(other(tmp_path, "house", *NO_VISITS))
    replay = replayed(record, builtin())
    found = replay.differences(3)
    assert found.changed["visit-gained"] == found.after.visits > 0
    visits = [one for case in replay.cases.values() for one in case.state.contacts.ledger if one.way == "visit"]
    assert {one.outcome for one in visits} == {"failed"}
    assert all(one.went_at is not None and one.went_at - one.at >= timedelta(hours=24) for one in visits)


def test_nothing_is_decided_while_a_message_is_parked_whatever_the_policy(
    record: list[RecordedEvent], tmp_path: Path
) -> None:
    case = replayed(record, other(tmp_path, "house", "limit: 3", "limit: 1")).cases["cy"]
    assert not case.same
    assert not [look for look in case.decided if at(48, "11:00") < look.at < at(52, "11:00")]


def test_what_one_policy_denies_the_other_allows(record: list[RecordedEvent], tmp_path: Path) -> None:
    strict = other(tmp_path, "house", "limit: 3", "limit: 1")
    forth = replayed(record, strict).differences(0)
    back = replayed(lived(strict), builtin()).differences(0)
    assert forth.changed["contact-now-denied"] > 0
    assert back.changed["contact-now-allowed"] > 0


def test_before_the_first_day_the_record_holds(record: list[RecordedEvent], tmp_path: Path) -> None:
    policies = other(tmp_path, "house", "limit: 3", "limit: 1")
    replay = replayed(record, policies, Period(day(50), day(DAYS)))
    assert min(look.at for case in replay.cases.values() for look in case.decided) >= at(50, "00:00")
    assert all(change.at >= at(50, "00:00") for change in replay.differences(100).examples)


def graph(tmp_path: Path, was: str, now: str) -> Path:
    """The built-in strategy with one cell changed."""
    text = (Path(strategy.__file__).parent / "strategies" / "default.json").read_text(encoding="utf-8")
    assert was in text
    file = tmp_path / "ours.json"
    file.write_text(text.replace(was, now), encoding="utf-8")
    return file


def test_another_strategy_is_named_with_its_step(record: list[RecordedEvent], tmp_path: Path) -> None:
    rarer = another(None, None, graph(tmp_path, '"every_days": "5"', '"every_days": "15"'), None)
    found = replayed(record, rarer).differences(3)
    assert found.after.contacts < found.before.contacts
    assert "strategy/middle-call" in {count.rule for count in found.counts}


def test_other_terms_may_name_the_other_packs(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    house = (pack.FOLDER / "house.yaml").read_text(encoding="utf-8")
    (packs / "ours.yaml").write_text(house.replace("id: house", "id: ours"), encoding="utf-8")
    (tmp_path / "tenants.yaml").write_text("acme: {home: US, packs: [ours]}\n", encoding="utf-8")
    policy = another(None, packs, None, tmp_path / "tenants.yaml").of("acme")
    assert [one.id for one in policy.packs_at(None)] == ["us", "ours"]


def test_every_problem_of_every_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "xx.yaml").write_text("id: xx\n", encoding="utf-8")
    (tmp_path / "tenants.yaml").write_text("acme: {strategy: none-such}\n", encoding="utf-8")
    wrong = graph(tmp_path, '"every_days": "5"', '"every_days": "0"')
    with pytest.raises(InvalidPolicy) as raised:
        another(None, tmp_path, wrong, tmp_path / "nowhere.yaml")
    files = {problem.file for problem in raised.value.problems}
    assert {"xx.yaml", "ours.json"} <= files
    assert any("nowhere.yaml" in file for file in files)


async def test_a_recorded_demo_run_comes_out_the_same_to_the_last_look() -> None:
    folder = Path(tempfile.mkdtemp(prefix="doorstep-test-"))
    # The embedded server drops root's rights and must still reach its data.
    folder.chmod(0o755)
    try:
        async with staged(folder / "demo", borrowers=25, days=30, seed=5, eventful=True) as stage:
            await stage.run(lambda *_: None)
            async with stage.doorstep.engine("escalation").connect() as connection:
                rows = [row async for chunk in history(connection, None) for row in chunk]
        replay = replayed(rows, builtin(), Period(date(2026, 1, 1), date(2026, 12, 31)))
        assert all(case.decided == list(case.assessments.values()) for case in replay.cases.values())
        assert replay.differences(0).before.contacts > 20
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seen(clock: str, outcome: str, way: str = "sms", *rules: str, until: str | None = None) -> Assessment:
    """What came of a look on day 1; a denial by `rules`, `until` a time."""
    now, end = at(1, clock), at(1, until) if until else None
    refusals = tuple(Refusal(rule, "no", "不", "sms", end) for rule in rules)
    return Assessment(now, outcome, None, way, f"a-{way}", "1-30", refusals, now, clock)  # type: ignore[arg-type]


def changed(was: Sequence[Assessment], now: Sequence[Assessment]) -> list[tuple[str, Sequence[str]]]:
    return [(one.kind, one.rules()) for one in changes("acme", "ann", was, now)]


def test_another_channel_at_the_same_instant_is_another_step() -> None:
    was, now = [seen("09:00", "permitted", "sms")], [seen("09:00", "permitted", "voice")]
    assert changed(was, now) == [("step-changed", ["strategy/a-voice"])]


def test_what_goes_later_is_moved_by_the_rule_that_still_refused_then() -> None:
    early = seen("06:00", "denied", "sms", "cn/night", "us/dawn", until="10:00")
    still = replace_night(early, "08:00")
    was = [early, seen("08:00", "permitted")]
    assert changed(was, [still, seen("10:00", "permitted")]) == [("moved", ["us/dawn"])]


def replace_night(look: Assessment, until: str) -> Assessment:
    """The same denial, of which the first rule ends earlier."""
    first, *others = look.refusals
    return look._replace(refusals=(replace(first, until=at(1, until)), *others))


def test_a_denial_that_is_not_said_again_still_explains_what_is_gone() -> None:
    was = [seen("09:00", "permitted")]
    now = [seen("08:00", "denied", "sms", "xx/cap"), Assessment(at(1, "09:00"), "nothing", None)]
    assert changed(was, now) == [("contact-now-denied", ["xx/cap"])]


def test_what_was_denied_before_explains_what_is_new() -> None:
    was, now = [seen("09:00", "denied", "visit", "xx/cap")], [seen("09:00", "permitted", "visit")]
    assert changed(was, now) == [("visit-gained", ["xx/cap"])]


def test_a_denial_for_another_reason_changes_no_contact() -> None:
    assert changed([seen("09:00", "denied", "sms", "a/b")], [seen("09:00", "denied", "sms", "c/d")]) == []
