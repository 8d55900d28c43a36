"""Each rule of each pack at its edge. The numbers are written by hand, from the sources, not read from the packs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from babel.core import get_global
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.values import ContactMethod, Span, Verdict
from escalation.domain.case.contacts import LedgerEntry
from escalation.domain.case.holds import Hold, HoldTerms
from escalation.domain.case.preferences import Block, Consent
from escalation.domain.rules.pack import Pack, builtin, load
from escalation.domain.rules.request import ContactRequest
from escalation.domain.rules.rules import (
    duties,
    earliest,
    hold_terms,
    notice_hours,
    open_spans,
    staff,
    verdicts,
    zones_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WAYS: tuple[ContactMethod, ...] = get_args(ContactMethod)
MESSAGES: tuple[ContactMethod, ...] = ("sms", "email", "push", "letter")
SHANGHAI, URUMQI = ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Urumqi")
NEW_YORK, SEOUL, LONDON = ZoneInfo("America/New_York"), ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/London")
HOME = {
    "house": SHANGHAI,
    "cn": SHANGHAI,
    "us": NEW_YORK,
    "in": ZoneInfo("Asia/Kolkata"),
    "uk": LONDON,
    "kr": SEOUL,
    "ru": ZoneInfo("Europe/Moscow"),
    "au": ZoneInfo("Australia/Sydney"),
    "id": ZoneInfo("Asia/Jakarta"),
    "th": ZoneInfo("Asia/Bangkok"),
    "ph": ZoneInfo("Asia/Manila"),
    "tw": ZoneInfo("Asia/Taipei"),
    "jp": ZoneInfo("Asia/Tokyo"),
}
HOLIDAY = {
    "house": "2026-02-17",
    "cn": "2026-02-17",
    "us": "2026-12-25",
    "in": "2026-01-26",
    "kr": "2026-09-24",
    "ru": "2026-05-01",
    "au": "2026-12-25",
    "id": "2026-12-25",
    "th": "2026-04-13",
    "ph": "2026-12-25",
    "tw": "2026-02-17",
    "jp": "2026-05-04",
}
"""A weekday on which the country rests."""
WORKDAY, SATURDAY, SUNDAY = "2026-03-10", "2026-03-14", "2026-03-15"


def at(day: str | date, clock: str = "12:00", zone: ZoneInfo = SHANGHAI) -> datetime:
    """The instant of a wall clock."""
    on = day if isinstance(day, date) else date.fromisoformat(day)
    return datetime.combine(on, time.fromisoformat(clock), zone).astimezone(UTC)


NOON = at(WORKDAY)


def asked(
    way: ContactMethod = "sms", now: datetime = NOON, *zones: ZoneInfo, lines: Sequence[LedgerEntry] = (), **more: Any
) -> ContactRequest:
    """About the loan L1, of a borrower in Shanghai unless said otherwise. `lines` are in every ledger."""
    known = {
        "purpose": "reminder",
        "loans": ("L1",),
        "dpd": 10,
        "person": lines,
        "number": lines,
        "address": lines,
        **more,
    }
    return ContactRequest(way=way, now=now, zones=zones or (SHANGHAI,), **known)


def packs(*ids: str) -> tuple[Pack, ...]:
    return tuple(builtin()[one] for one in ids)


def word(name: str, about: ContactRequest, *, among: Sequence[str] = ()) -> Verdict:
    """The one verdict of the rule `pack/rule`; it is given whatever others say."""
    pack, rule = name.split("/")
    (found,) = [v for v in verdicts(packs(*(among or (pack,))), about) if (v.pack, v.rule) == (pack, rule)]
    if found.allowed:
        assert found.earliest_next is None
    return found


def allows(name: str, about: ContactRequest) -> bool:
    return word(name, about).allowed


def rules_for(way: ContactMethod, *ids: str) -> set[str]:
    return {f"{one.pack}/{one.rule}" for one in verdicts(packs(*ids), asked(way, NOON + 365 * DAY))}


# Hours: workday, saturday, sunday, holiday.

NIGHT = ("08:00-22:00",) * 4
HOURS: dict[str, tuple[tuple[ContactMethod, ...], tuple[str | None, ...]]] = {
    "house/contact-hours": (WAYS, NIGHT),
    "house/visit-hours": (("visit",), ("09:00-18:00", "09:00-18:00", None, None)),
    "cn/quiet-hours": (WAYS, NIGHT),
    "cn/quiet-hours-guideline": (WAYS, NIGHT),
    "us/calling-hours": (WAYS, ("08:00-21:00",) * 4),
    "in/contact-hours": (WAYS, ("08:00-19:00",) * 4),
    "kr/night": (("voice", "visit"), ("08:00-21:00",) * 4),
    "ru/contact-hours": (WAYS, ("08:00-22:00", "09:00-20:00", "09:00-20:00", "09:00-20:00")),
    "au/phone-hours": (("voice",), ("07:30-21:00", "09:00-21:00", "09:00-21:00", None)),
    "au/face-to-face-hours": (("visit",), ("09:00-21:00", "09:00-21:00", "09:00-21:00", None)),
    "id/contact-hours": (WAYS, ("08:00-20:00", "08:00-20:00", None, None)),
    "th/contact-hours": (WAYS, ("08:00-20:00", "08:00-18:00", "08:00-18:00", "08:00-18:00")),
    "ph/contact-hours": (WAYS, ("06:00-22:00",) * 4),
    "tw/contact-hours": (WAYS, ("07:00-22:00",) * 4),
    "jp/night": (("voice", "visit"), ("08:00-21:00",) * 4),
}
EACH_CLASS = [
    (name, way, day, windows[place])
    for name, (ways, windows) in HOURS.items()
    for way in ways
    for place, day in enumerate((WORKDAY, SATURDAY, SUNDAY, HOLIDAY[name.split("/")[0]]))
]


@pytest.mark.parametrize(("name", "way", "day", "window"), EACH_CLASS)
def test_a_minute_before_and_after_each_window(name: str, way: ContactMethod, day: str, window: str | None) -> None:
    pack = name.split("/", maxsplit=1)[0]
    zone, among = HOME[pack], (pack, "cn") if pack == "house" else (pack,)

    def found(when: datetime) -> Verdict:
        return word(name, asked(way, when, zone), among=among)

    if window is None:
        for clock in ("00:00", "12:00", "23:59"):
            assert not found(at(day, clock, zone)).allowed
        return
    opens, closes = (at(day, clock, zone) for clock in window.split("-"))
    early = found(opens - MINUTE)
    assert (early.allowed, early.earliest_next) == (False, opens)
    assert [found(opens).allowed, found(closes - MINUTE).allowed, found(closes).allowed] == [True, True, False]
    late = found(closes).earliest_next
    assert late is not None
    assert late > closes
    assert found(late).allowed
    assert not found(late - MINUTE).allowed


@pytest.mark.parametrize("name", HOURS)
def test_hours_bind_the_ways_the_source_names_and_no_others(name: str) -> None:
    assert {way for way in WAYS if name in rules_for(way, name.split("/", maxsplit=1)[0])} == set(HOURS[name][0])


def test_a_sunday_that_is_a_working_day_in_china_is_one() -> None:
    """2026-01-04 and 2026-09-20 make up for holidays; 2026-02-14 is a Saturday that does."""
    for day in ("2026-01-04", "2026-09-20"):
        assert date.fromisoformat(day).isoweekday() == 7
        assert word("house/visit-hours", asked("visit", at(day)), among=("house", "cn")).allowed
        assert not word("house/visit-hours", asked("visit", at(day)), among=("house", "us")).allowed
    assert word("house/visit-hours", asked("visit", at("2026-02-14")), among=("house", "cn")).allowed


def test_china_s_holidays_are_known_beyond_the_published_years() -> None:
    for day, allowed in (("2031-10-01", False), ("2031-10-12", False), ("2031-10-16", True)):
        assert word("house/visit-hours", asked("visit", at(day)), among=("house", "cn")).allowed == allowed


def test_the_house_rests_on_the_holidays_of_every_pack_asked_with_it() -> None:
    """Spring festival, and Christmas."""
    for day in ("2026-02-17", "2026-12-25"):
        assert not word("house/visit-hours", asked("visit", at(day)), among=("cn", "us", "house")).allowed
    refused = word("house/visit-hours", asked("visit", at("2026-12-25")), among=("cn", "us", "house"))
    assert (refused.detail, refused.detail_zh) == ("not on a holiday", "节假日不联系")


CONSENT = {
    "house/contact-hours",
    "cn/quiet-hours",
    "cn/quiet-hours-guideline",
    "id/contact-hours",
    "ph/contact-hours",
    "tw/contact-hours",
}


@pytest.mark.parametrize("name", HOURS)
def test_consent_overrides_hours_only_where_the_source_says_so(name: str) -> None:
    way, zone = HOURS[name][0][0], HOME[name.split("/", maxsplit=1)[0]]
    night = asked(way, at(WORKDAY, "03:00", zone), zone)
    agreed = Consent("hours", (way, "letter"), night.now + MINUTE)
    assert allows(name, replace(night, consents=[agreed])) == (name in CONSENT)
    for nothing in (
        structs.replace(agreed, until=night.now),
        structs.replace(agreed, kind="place"),
        structs.replace(agreed, ways=("push",)),
    ):
        assert not allows(name, replace(night, consents=[nothing]))


def test_consent_to_every_way_without_an_end_opens_the_night_unless_another_pack_closes_it() -> None:
    agreed = asked("voice", at(WORKDAY, "03:00"), consents=[Consent("hours", (), None)])
    assert earliest(packs("cn", "house"), agreed) == agreed.now
    assert earliest(packs("cn", "us", "house"), agreed) == at(WORKDAY, "08:00")


@pytest.mark.parametrize(("dpd", "allowed"), [(0, False), (15, False), (16, True)])
def test_the_philippines_protect_the_night_up_to_15_days_past_due(dpd: int, allowed: bool) -> None:
    night = at(WORKDAY, "03:00", HOME["ph"])
    assert allows("ph/contact-hours", asked("sms", night, HOME["ph"], dpd=dpd)) == allowed
    assert allows("ph/contact-hours", asked("sms", night + 6 * HOUR, HOME["ph"], dpd=dpd))


# Counters.


@dataclass(frozen=True)
class Counted:
    """A counter: what fills it (`way`, `outcome`), what it is asked about, its limit and its window: `days` local days
    (or rolling ones), as of the wall clock of the pack's home."""

    way: ContactMethod
    outcome: str
    limit: int
    days: int
    rolling: bool
    ledger: str = "person"
    binds: tuple[ContactMethod, ...] = ()


COUNTERS: dict[str, Counted] = {
    "house/messages-a-day": Counted("email", "sent", 1, 1, False, binds=MESSAGES),
    "house/contacts-a-week": Counted("visit", "completed", 3, 7, True, binds=WAYS),
    "house/visit-spacing": Counted("visit", "completed", 1, 30, True, binds=("visit",)),
    "cn/effective-calls-a-day": Counted("voice", "answered", 3, 1, False, binds=("voice",)),
    "cn/unanswered-dials-a-day": Counted("voice", "no-answer", 6, 1, False, "number", binds=("voice",)),
    "us/calls-in-seven-days": Counted("voice", "no-answer", 7, 7, False, binds=("voice",)),
    "kr/contacts-in-seven-days": Counted("visit", "completed", 7, 7, True, binds=WAYS),
    "ru/meetings-a-week": Counted("visit", "completed", 1, 7, True, binds=("visit",)),
    "ru/calls-a-day": Counted("voice", "no-answer", 1, 1, False, binds=("voice",)),
    "ru/calls-a-week": Counted("voice", "no-answer", 2, 7, True, binds=("voice",)),
    "ru/calls-a-month": Counted("voice", "no-answer", 8, 31, True, binds=("voice",)),
    "au/face-to-face-a-month": Counted("visit", "completed", 1, 31, True, binds=("visit",)),
    "au/contacts-a-week": Counted("sms", "sent", 3, 7, True, binds=WAYS),
    "au/contacts-a-month": Counted("voice", "answered", 10, 31, True, binds=WAYS),
    "th/contacts-a-day": Counted("visit", "completed", 1, 1, False, binds=WAYS),
}


def filled(rule: Counted, number: int, when: datetime) -> Sequence[LedgerEntry]:
    return [LedgerEntry(rule.way, when, rule.outcome, ("L1",))] * number


@pytest.mark.parametrize("name", COUNTERS)
def test_the_last_allowed_and_the_first_refused(name: str) -> None:
    rule, zone = COUNTERS[name], HOME[name.split("/", maxsplit=1)[0]]
    noon = at(WORKDAY, "12:00", zone)
    local = at(date.fromisoformat(WORKDAY) + rule.days * DAY, "00:00", zone)
    release = noon + rule.days * DAY if rule.rolling else local
    for way in rule.binds:
        last = word(name, asked(way, noon + HOUR, zone, lines=filled(rule, rule.limit - 1, noon)))
        first = word(name, asked(way, noon + HOUR, zone, lines=filled(rule, rule.limit, noon)))
        assert (last.allowed, first.allowed, first.earliest_next) == (True, False, release)
        assert last.detail.startswith(f"{rule.limit - 1} of {rule.limit} ")
        assert f" {rule.limit} 次" in first.detail_zh
        full = asked(way, release - MINUTE, zone, lines=filled(rule, rule.limit, noon))
        assert not allows(name, full)
        assert allows(name, replace(full, now=release))


@pytest.mark.parametrize("name", COUNTERS)
def test_one_that_drops_out_of_a_window_makes_room_for_one(name: str) -> None:
    rule, zone = COUNTERS[name], HOME[name.split("/", maxsplit=1)[0]]
    noon = at(WORKDAY, "12:00", zone)
    lines = [*filled(rule, 1, noon - rule.days * DAY), *filled(rule, rule.limit - 1, noon - HOUR)]
    assert allows(name, asked(rule.binds[0], noon, zone, lines=lines))
    assert not allows(name, asked(rule.binds[0], noon, zone, lines=[*lines, *filled(rule, 1, noon - HOUR)]))


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_binds_and_counts_its_own_ways(name: str) -> None:
    rule, zone = COUNTERS[name], HOME[name.split("/", maxsplit=1)[0]]
    assert {way for way in WAYS if name in rules_for(way, name.split("/", maxsplit=1)[0])} == set(rule.binds)
    for way in set(WAYS) - set(rule.binds):
        noon = at(WORKDAY, "12:00", zone)
        lines = [LedgerEntry(way, noon, rule.outcome, ("L1",))] * 20
        assert allows(name, asked(rule.binds[0], noon, zone, lines=lines))


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_looks_into_its_own_ledger(name: str) -> None:
    rule, zone = COUNTERS[name], HOME[name.split("/", maxsplit=1)[0]]
    noon = at(WORKDAY, "12:00", zone)
    lines = filled(rule, rule.limit, noon)
    empty: dict[str, Any] = {"person": (), "number": (), "address": ()}
    assert not allows(name, asked(rule.binds[0], noon, zone, **{**empty, rule.ledger: lines}))
    assert allows(name, asked(rule.binds[0], noon, zone, lines=lines, **{rule.ledger: ()}))


@pytest.mark.parametrize("name", ["us/calls-in-seven-days", "kr/contacts-in-seven-days"])
def test_a_cap_per_debt_counts_what_was_about_that_debt(name: str) -> None:
    rule = COUNTERS[name]
    for loans, counted in [(("L1",), True), (("L2",), False), (("L2", "L1"), True), ((), True)]:
        lines = [LedgerEntry(rule.way, NOON, rule.outcome, loans)] * rule.limit
        assert allows(name, asked("voice", lines=lines)) != counted


SENT = {"open", "sent", "unknown", "failed", "delivered", "answered", "no-answer", "undeliverable"}
MADE = {"open", "noticed", "started", "completed", "failed"}


@pytest.mark.parametrize(
    ("name", "way", "outcomes", "counted"),
    [
        ("us/calls-in-seven-days", "voice", SENT, SENT),
        ("cn/effective-calls-a-day", "voice", SENT, {"answered"}),
        ("cn/unanswered-dials-a-day", "voice", SENT, SENT - {"answered"}),
        ("house/messages-a-day", "sms", SENT, SENT),
        ("house/contacts-a-week", "visit", MADE, MADE),
        ("house/visit-spacing", "visit", MADE, MADE),
    ],
)
def test_what_counts_as_an_attempt_a_conversation_and_a_visit(
    name: str, way: ContactMethod, outcomes: set[str], counted: set[str]
) -> None:
    """An open permit and an unknown outcome count as sent; a failed dial is an attempt; collectors who found
    nobody home were at the door."""
    full = {one: [LedgerEntry(way, NOON, one)] * COUNTERS[name].limit for one in outcomes}
    assert {one for one, lines in full.items() if not allows(name, asked(way, lines=lines))} == counted


def test_a_day_is_the_borrower_s_day() -> None:
    """23:30 and 00:30 UTC are one day in Shanghai; 15:30 and 16:30 UTC are two."""
    night, evening = datetime(2026, 3, 9, 23, 30, tzinfo=UTC), datetime(2026, 3, 9, 15, 30, tzinfo=UTC)
    for sent, allowed in ((night, False), (evening, True)):
        lines = [LedgerEntry("sms", sent, "sent")]
        assert allows("house/messages-a-day", asked("sms", sent + HOUR, lines=lines)) == allowed


def test_a_borrower_who_moves_is_seen_from_the_new_place() -> None:
    """At 21:00 in Shanghai it is 09:00 in New York: another day there, other hours, and the same ledger."""
    sent = at("2026-03-10", "21:00")
    about = asked("sms", at("2026-03-11", "08:30"), lines=[LedgerEntry("sms", sent, "sent")])
    assert allows("house/messages-a-day", about)
    moved = replace(about, zones=(NEW_YORK,))
    assert not allows("house/messages-a-day", moved)
    assert word("house/messages-a-day", moved).earliest_next == at("2026-03-11", "00:00", NEW_YORK)
    assert earliest(packs("house"), about) == about.now
    assert earliest(packs("house"), moved) == at("2026-03-11", "08:00", NEW_YORK)


def test_where_the_zone_is_unknown_the_same_day_anywhere_counts() -> None:
    """Past midnight in Shanghai, not yet in Urumqi, which is two hours behind."""
    about = asked("sms", at("2026-03-11", "01:00"), *zones_of(None, "CN", "CN"))
    counted = replace(about, person=[LedgerEntry("sms", at("2026-03-10", "21:00"), "sent")])
    assert word("house/messages-a-day", counted).earliest_next == at("2026-03-11", "02:00")
    late = replace(about, person=[LedgerEntry("sms", at("2026-03-11", "00:30"), "sent")])
    assert word("house/messages-a-day", late).earliest_next == at("2026-03-12", "00:00")
    assert earliest(packs("house"), late) == at("2026-03-12", "10:00")


def test_seven_local_days_are_days_also_when_one_has_23_hours() -> None:
    """Summer time begins in New York on 2026-03-08: seven rolling days would end an hour later."""
    calls = [LedgerEntry("voice", at("2026-03-05", "20:59", NEW_YORK), "no-answer", ("L1",))] * 7
    found = word("us/calls-in-seven-days", asked("voice", at("2026-03-11", "12:00", NEW_YORK), NEW_YORK, lines=calls))
    assert found.earliest_next == at("2026-03-12", "00:00", NEW_YORK)
    assert earliest(packs("us"), asked("voice", calls[0].at, NEW_YORK, lines=calls, episode_at=NOON + 90 * DAY)) == at(
        "2026-03-12", "08:00", NEW_YORK
    )


# After a conversation.


@pytest.mark.parametrize("clock", ["08:00", "20:59"])
def test_the_day_of_a_conversation_is_the_first_of_seven(clock: str) -> None:
    spoke = LedgerEntry("voice", at("2026-03-02", clock, NEW_YORK), "answered", ("L1",))
    last = asked("voice", at("2026-03-08", "20:59", NEW_YORK), NEW_YORK, lines=[spoke])
    found = word("us/after-conversation", last)
    assert (found.allowed, found.earliest_next) == (False, at("2026-03-09", "00:00", NEW_YORK))
    assert found.detail == "7 days after a conversation, the last on 2026-03-02"
    assert allows("us/after-conversation", replace(last, now=at("2026-03-09", "08:00", NEW_YORK)))


def test_a_conversation_counts_from_when_it_took_place_and_about_its_debt() -> None:
    dialled, spoke = at("2026-03-02", "12:00", NEW_YORK), at("2026-03-03", "09:00", NEW_YORK)
    line = LedgerEntry("voice", dialled, "answered", ("L1",), answered_at=spoke)
    about = asked("voice", spoke, NEW_YORK, lines=[line])
    assert word("us/after-conversation", about).earliest_next == at("2026-03-10", "00:00", NEW_YORK)
    assert allows("us/after-conversation", replace(about, loans=("L2",)))
    assert allows("us/after-conversation", replace(about, person=[structs.replace(line, outcome="no-answer")]))
    assert "us/after-conversation" not in rules_for("sms", "us")


def test_where_day_one_does_not_count_it_is_a_day_more(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "escalation/domain/rules/packs/us.yaml").read_text()
    (tmp_path / "us.yaml").write_text(text.replace("day_one: counts", "day_one: not"))
    spoke = LedgerEntry("voice", at("2026-03-02", "12:00", NEW_YORK), "answered")
    (found,) = [
        one
        for one in verdicts([load(tmp_path)["us"]], asked("voice", spoke.at, NEW_YORK, lines=[spoke]))
        if one.rule == "after-conversation"
    ]
    assert found.earliest_next == at("2026-03-10", "00:00", NEW_YORK)


# Notices.


def notice(purpose: str, when: datetime, way: ContactMethod = "letter", outcome: str = "sent") -> LedgerEntry:
    return LedgerEntry(way, when, outcome, ("L1",), purpose)


def korean(now: datetime, *lines: LedgerEntry, way: ContactMethod = "voice", **more: Any) -> ContactRequest:
    return asked(way, now, SEOUL, lines=lines, **more)


@pytest.mark.parametrize(
    ("given_on", "first"),
    [
        ("2026-03-09", "2026-03-12"),
        ("2026-03-12", "2026-03-17"),
        ("2026-03-14", "2026-03-19"),
        ("2026-09-22", "2026-09-29"),
        ("2026-09-23", "2026-09-30"),
        ("2026-09-24", "2026-10-01"),
    ],
)
def test_korea_wants_the_notice_three_business_days_before(given_on: str, first: str) -> None:
    """Over a weekend, and over Chuseok: 2026-09-24 to 26, Thursday to Saturday. A notice given on a day that is none
    counts as given on the next business day."""
    told = notice("collection-notice", at(given_on, "20:59", SEOUL))
    before = word("kr/notice-before", korean(at(first, "00:00", SEOUL) - MINUTE, told))
    assert (before.allowed, before.earliest_next) == (False, at(first, "00:00", SEOUL))
    assert allows("kr/notice-before", korean(at(first, "00:00", SEOUL), told))
    assert earliest(packs("kr"), korean(told.at + HOUR, told)) == at(first, "08:00", SEOUL)


def test_without_a_notice_nothing_but_the_notice_may_go() -> None:
    for way in WAYS:
        found = word("kr/notice-before", korean(NOON, way=way))
        assert (found.allowed, found.earliest_next) == (False, None)
        itself = korean(NOON, way=way, purpose="collection-notice")
        assert allows("kr/notice-before", itself) == (way in {"letter", "email", "sms"})
    assert earliest(packs("kr", "house"), korean(NOON)) is None


def test_a_notice_counts_when_it_was_given_in_this_episode_in_writing() -> None:
    given_on, now = at("2026-03-09", "12:00", SEOUL), at("2026-03-20", "12:00", SEOUL)
    told = notice("collection-notice", given_on)
    assert allows("kr/notice-before", korean(now, told, episode_at=given_on))
    assert not allows("kr/notice-before", korean(now, told, episode_at=given_on + MINUTE))
    for no in ("open", "unknown", "failed", "undeliverable"):
        assert not allows("kr/notice-before", korean(now, structs.replace(told, outcome=no)))
    assert not allows("kr/notice-before", korean(now, structs.replace(told, way="voice", outcome="answered")))
    assert not allows("kr/notice-before", korean(now, structs.replace(told, purpose="reminder")))


def american(now: datetime, *lines: LedgerEntry, way: ContactMethod = "sms", **more: Any) -> ContactRequest:
    return asked(way, now, NEW_YORK, lines=lines, **more)


def test_in_the_united_states_only_the_validation_follows_the_first_contact() -> None:
    first = LedgerEntry("voice", at("2026-03-02", "12:00", NEW_YORK), "no-answer", ("L1",), "reminder")
    now = first.at + DAY
    assert allows("us/validation", american(now))
    for way in WAYS:
        found = word("us/validation", american(now, first, way=way))
        assert (found.allowed, found.earliest_next) == (False, None)
        itself = american(now, first, way=way, purpose="validation-notice")
        assert allows("us/validation", itself) == (way in {"letter", "email", "sms"})
    assert found.detail == "the notice is due by 2026-03-07; nothing else goes before it"
    assert earliest(packs("us"), american(now, first)) is None


def test_five_days_and_the_notice_is_still_due_and_still_goes_first() -> None:
    first = LedgerEntry("sms", at("2026-03-02", "12:00", NEW_YORK), "delivered", ("L1",), "reminder")
    for late in (4, 5, 6, 60):
        assert not allows("us/validation", american(first.at + late * DAY, first))
        told = notice("validation-notice", first.at + late * DAY)
        assert allows("us/validation", american(told.at + MINUTE, first, told))
        assert not allows("us/validation", american(told.at + MINUTE, first, structs.replace(told, outcome="unknown")))


def test_the_first_contact_is_one_of_this_episode_that_may_have_reached_somebody() -> None:
    first = LedgerEntry("sms", at("2026-03-02", "12:00", NEW_YORK), "sent", ("L1",), "reminder")
    assert allows("us/validation", american(NOON, first, episode_at=first.at + MINUTE))
    assert not allows("us/validation", american(NOON, first, episode_at=first.at))
    assert allows("us/validation", american(NOON, structs.replace(first, outcome="undeliverable")))
    assert not allows("us/validation", american(NOON, structs.replace(first, outcome="open")))


# Holds.

KINDS: tuple[HoldKind, ...] = get_args(HoldKind)
SUSPENSIONS: dict[str, tuple[set[HoldKind], tuple[ContactMethod, ...]]] = {
    "house/holds": (set(KINDS), WAYS),
    "cn/objection": ({"dispute"}, WAYS),
    "us/dispute": ({"dispute"}, WAYS),
    "us/cease": ({"cease-contact"}, WAYS),
    "us/attorney": ({"attorney"}, WAYS),
    "in/draft-occasions": ({"bereavement", "family-event", "disaster"}, WAYS),
    "uk/vulnerable-no-visit": ({"vulnerability"}, ("visit",)),
}


@pytest.mark.parametrize("name", SUSPENSIONS)
def test_a_hold_stops_what_the_rule_names_and_nothing_else(name: str) -> None:
    kinds, ways = SUSPENSIONS[name]
    for way in WAYS:
        assert (name in rules_for(way, name.split("/", maxsplit=1)[0])) == (way in ways)
        for kind in KINDS if way in ways else ():
            assert allows(name, asked(way, holds=[Hold(kind, None)])) == (kind not in kinds)


@pytest.mark.parametrize("name", SUSPENSIONS)
def test_a_hold_holds_from_its_start_to_its_end(name: str) -> None:
    kind, way = min(SUSPENSIONS[name][0]), SUSPENSIONS[name][1][-1]
    hold = Hold(kind, NOON + DAY, NOON)
    for now, allowed in [
        (NOON - MINUTE, True),
        (NOON, False),
        (NOON + DAY - MINUTE, False),
        (NOON + DAY, True),
    ]:
        found = word(name, asked(way, now, holds=[hold]))
        assert (found.allowed, found.earliest_next) == (allowed, None if allowed else NOON + DAY)
    assert word(name, asked(way, holds=[hold, Hold(kind, None)])).earliest_next is None
    chained = [hold, Hold(kind, NOON + 2 * DAY, NOON + DAY)]
    assert word(name, asked(way, holds=chained)).earliest_next == NOON + 2 * DAY


def test_a_hold_about_a_loan_or_a_way_stops_that_one() -> None:
    def held(way: ContactMethod, *loans: str, **scope: Any) -> bool:
        hold = Hold("dispute", None, **scope)
        return not allows("house/holds", asked(way, holds=[hold], loans=loans))

    assert held("sms", "L1", loans=("L1",))
    assert held("sms", "L2", "L1", loans=("L1",))
    assert not held("sms", "L2", loans=("L1",))
    assert held("voice", "L1", ways=("voice", "visit"))
    assert not held("sms", "L1", ways=("voice", "visit"))


def test_a_hold_says_its_kinds_in_both_languages() -> None:
    found = word("house/holds", asked(holds=[Hold(kind, None) for kind in ("dispute", "hardship", "dispute")]))
    assert (found.detail, found.detail_zh) == ("hold: dispute, hardship", "停止联系：债务异议、经济困难")


def test_a_draft_advises_and_the_house_holds() -> None:
    """India's draft refuses nothing, so that the house's rule is the one that does."""
    about = asked(holds=[Hold("bereavement", None)])
    draft, house = (word(name, about, among=("in", "house")) for name in ("in/draft-occasions", "house/holds"))
    assert (draft.allowed, draft.refuses(), draft.status) == (False, False, "draft")
    assert (house.allowed, house.refuses()) == (False, True)
    assert earliest(packs("in"), about) == NOON


def test_the_house_leaves_a_hold_to_the_pack_that_names_it() -> None:
    """A vulnerable customer in the United Kingdom is not visited, and may be written to."""
    ways: tuple[ContactMethod, ContactMethod] = ("letter", "visit")
    vulnerable = [Hold("vulnerability", None)]
    letter, visit = (asked(way, NOON, LONDON, holds=vulnerable) for way in ways)
    assert word("house/holds", letter, among=("uk", "house")).allowed
    assert not word("uk/vulnerable-no-visit", visit, among=("uk", "house")).allowed
    assert not allows("house/holds", letter)
    assert not word("house/holds", letter, among=("us", "house")).allowed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("country", [one for one in HOME if one != "house"])
def test_every_hold_stops_visits_everywhere(kind: HoldKind, country: str) -> None:
    found = verdicts(packs(country, "house"), asked("visit", holds=[Hold(kind, None)]))
    assert any(one.refuses() for one in found if one.earliest_next is None)


def test_how_long_a_hold_lasts_is_the_longest_of_the_packs_that_name_it() -> None:
    assert hold_terms(packs("cn", "house"), "hardship") == HoldTerms(30, (), "house/holds", renewable=True)
    assert hold_terms(packs("cn", "house"), "bereavement").days == 60
    assert hold_terms(packs("cn", "house"), "disaster").days == 60
    assert hold_terms(packs("cn", "house"), "family-event").days == 7
    assert hold_terms(packs("cn", "house"), "complaint") == HoldTerms(None, (), "house/holds", renewable=True)
    assert hold_terms(packs("cn", "house"), "dispute").rule == "cn/objection"
    assert hold_terms(packs("in", "house"), "bereavement").rule == "house/holds"
    assert hold_terms(packs("uk", "house"), "vulnerability") == HoldTerms(
        None, ("visit",), "uk/vulnerable-no-visit", renewable=False
    )
    assert hold_terms(packs("us"), "hardship") == HoldTerms(None, (), "", renewable=True)


# Blocks.

BLOCKS = {"house/blocks": HOME["house"], "us/inconvenient": NEW_YORK, "kr/debtor-blocks": SEOUL}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_minute_before_and_after_what_the_borrower_blocked(name: str) -> None:
    zone = BLOCKS[name]
    tuesday = Block(("voice", "visit"), (2,), time(12), time(14))
    for clock, allowed in [("11:59", True), ("12:00", False), ("13:59", False), ("14:00", True)]:
        found = word(name, asked("voice", at(WORKDAY, clock, zone), zone, blocks=[tuesday]))
        assert (found.allowed, found.earliest_next) == (allowed, None if allowed else at(WORKDAY, "14:00", zone))
    at_noon = at(WORKDAY, "12:30", zone)
    assert allows(name, asked("sms", at_noon, zone, blocks=[tuesday]))
    assert allows(name, asked("voice", at_noon + DAY, zone, blocks=[tuesday]))
    assert not allows(name, asked("voice", at_noon + DAY, zone, blocks=[structs.replace(tuesday, weekdays=())]))


@pytest.mark.parametrize("name", BLOCKS)
def test_a_way_that_is_blocked_altogether_waits_for_the_borrower(name: str) -> None:
    found = word(name, asked("visit", blocks=[Block(("visit",))]))
    assert (found.allowed, found.earliest_next) == (False, None)


def test_a_block_may_go_past_midnight_and_begin_or_end_with_the_day() -> None:
    night = Block((), (2,), time(22), time(6))
    for day, clock, allowed in [(WORKDAY, "05:59", True), (WORKDAY, "22:00", False), ("2026-03-11", "05:59", False)]:
        assert allows("house/blocks", asked("sms", at(day, clock), blocks=[night])) == allowed
    assert allows("house/blocks", asked("sms", at("2026-03-11", "06:00"), blocks=[night]))
    morning, evening = Block((), (), None, time(9)), Block((), (), time(20), None)
    for clock, allowed in [("00:00", False), ("08:59", False), ("09:00", True), ("19:59", True), ("20:00", False)]:
        assert allows("house/blocks", asked("sms", at(WORKDAY, clock), blocks=[morning, evening])) == allowed


def test_blocks_that_meet_are_one() -> None:
    both = [Block((), (), time(8), time(12)), Block((), (), time(12), time(23))]
    assert word("house/blocks", asked(blocks=both)).earliest_next == at(WORKDAY, "23:00")
    assert earliest(packs("house"), asked(blocks=both)) is None


# Visits.

VISITS = {"house/visit-terms", "cn/visit-staff"}


def test_a_visit_is_told_what_its_permit_demands() -> None:
    for name in VISITS:
        found = word(name, asked("visit"))
        assert found.allowed
        assert "at least 2 collectors together" in found.detail
        assert "至少 2 名催收员同行" in found.detail_zh
        assert not any(name in rules_for(way, name.split("/")[0]) for way in MESSAGES)
    assert "24 hours before" in word("house/visit-terms", asked("visit")).detail
    found = word("cn/visit-staff", asked("visit"))
    assert (found.status, found.source) == ("must", "China Banking Association guideline, 2026-01-30 (trial), Art. 22")


def test_staff_notice_and_duties_are_the_strictest_of_all_packs() -> None:
    assert [staff(packs("cn")), staff(packs("house")), staff(packs("us"))] == [2, 2, 1]
    assert staff(packs("cn"), date(2026, 1, 29)) == 1
    assert [notice_hours(packs("us", "house")), notice_hours(packs("cn"))] == [24, 0]
    assert duties(packs("house", "us")) == ()
    assert duties(packs("uk")) == ("no-entry-without-consent", "explain-purpose")
    assert duties(packs("jp")) == ("leave-when-asked",)
    assert duties(packs("cn", "tw")) == (
        "show-identity",
        "show-authorisation",
        "record-throughout",
        "no-entry-without-consent",
        "take-no-money",
    )


# All rules together.


def test_every_rule_that_gives_a_verdict_is_tested_above() -> None:
    tested = (
        set(HOURS)
        | set(COUNTERS)
        | set(SUSPENSIONS)
        | set(BLOCKS)
        | VISITS
        | {"us/after-conversation", "us/validation", "kr/notice-before"}
    )
    assert {name for way in WAYS for pack in builtin() for name in rules_for(way, pack)} == tested


def test_what_no_source_gives_is_never_called_law() -> None:
    for way in WAYS:
        for one in verdicts(tuple(builtin().values()), asked(way)):
            assert (one.status == "policy") == (one.source == "tenant policy") == (one.confidence == "own")
            assert one.detail.isascii()
            assert not one.detail_zh.isascii()


def test_a_rule_holds_from_its_first_day_wherever_that_day_is() -> None:
    """The guideline is of 2026-01-30, which begins on Kiritimati at 10:00 UTC of the day before."""

    def named(when: datetime) -> set[str]:
        return {one.rule for one in verdicts(packs("cn"), asked("voice", when))}

    first = datetime(2026, 1, 29, 10, tzinfo=UTC)
    assert "unanswered-dials-a-day" not in named(first - MINUTE)
    assert "unanswered-dials-a-day" in named(first)
    assert named(datetime(2025, 2, 1, tzinfo=UTC)) == {"objection"}


def test_a_rule_that_ends_refuses_no_longer(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "escalation/domain/rules/packs/house.yaml").read_text()
    (tmp_path / "house.yaml").write_text(text.replace("effective: {}", "effective: {to: 2026-03-10}"))
    pack = load(tmp_path)["house"]
    end = datetime(2026, 3, 11, 12, tzinfo=UTC)
    held = asked(holds=[Hold("dispute", None)])
    assert earliest([pack], held) == end
    assert verdicts([pack], replace(held, now=end)) == []
    assert open_spans([pack], replace(held, now=end), end + DAY) == (Span(end, end + DAY),)


@pytest.mark.parametrize(
    ("clock", "cn_and_us", "cn"), [("08:00", True, True), ("20:59", True, True), ("21:00", False, True)]
)
def test_two_packs_combine_by_the_strictest_value(clock: str, cn_and_us: bool, cn: bool) -> None:
    about = asked("sms", at(WORKDAY, clock))
    assert (earliest(packs("cn", "us"), about) == about.now) == cn_and_us
    assert (earliest(packs("cn"), about) == about.now) == cn
    both = [one for one in verdicts(packs("cn", "us"), about) if "hours" in one.rule]
    assert [one.pack for one in both] == ["cn", "cn", "us"]


def test_the_third_effective_call_in_china_and_the_first_in_the_united_states() -> None:
    spoke = LedgerEntry("voice", at("2026-03-10", "10:00"), "answered", ("L1",), "reminder")
    told = notice("validation-notice", spoke.at)
    about = asked("voice", at("2026-03-10", "12:00"), lines=[spoke, told])
    assert earliest(packs("cn"), about) == about.now
    assert earliest(packs("cn", "us"), about) == at("2026-03-17", "08:00")


def test_the_earliest_instant_is_free_of_every_rule_at_once() -> None:
    """Three contacts in seven days, a hold over the day that would be free, and then the night."""
    lines = [LedgerEntry("sms", NOON - days * DAY, "sent") for days in (1, 2, 3)]
    hold = Hold("hardship", NOON + 4 * DAY + 11 * HOUR)
    about = asked("sms", lines=lines, holds=[hold])
    assert earliest(packs("cn", "house"), about) == at("2026-03-15", "08:00")
    assert (
        earliest(packs("cn", "house"), replace(about, holds=[structs.replace(hold, until=NOON + 60 * DAY)]))
        == NOON + 60 * DAY
    )
    assert earliest(packs("cn", "house"), replace(about, holds=[structs.replace(hold, until=None)])) is None


def test_spring_festival_is_waited_for() -> None:
    """2026-02-15 to 23 is free in China; 2026-02-14, a Saturday, is worked."""
    about = asked("visit", at("2026-02-14", "18:00"))
    assert earliest(packs("cn", "house"), about) == at("2026-02-24", "09:00")


# Zones and summer time.


def test_an_unknown_zone_means_the_hours_of_all_zones_of_the_country() -> None:
    zones = zones_of(None, "CN-GD", "CN")
    assert set(zones) == {SHANGHAI, URUMQI}
    for clock, allowed in [("09:59", False), ("10:00", True), ("21:59", True), ("22:00", False)]:
        assert allows("cn/quiet-hours", asked("sms", at(WORKDAY, clock), *zones)) == allowed


def test_a_known_zone_counts_more_than_the_region_and_the_region_more_than_home() -> None:
    assert zones_of("America/New_York", "CN-GD", "CN") == (NEW_YORK,)
    assert zones_of(None, "KR-11", "CN") == (SEOUL,)
    assert zones_of(None, None, "KR") == zones_of(None, "XX-1", "KR") == (SEOUL,)


def test_zones_without_a_common_hour_are_never_open() -> None:
    zones = (ZoneInfo("Etc/GMT-8"), ZoneInfo("Etc/GMT"), ZoneInfo("Etc/GMT+8"))
    about = asked("sms", NOON, *zones)
    found = word("cn/quiet-hours", about)
    assert (found.allowed, found.earliest_next) == (False, None)
    assert earliest(packs("cn"), about) is None
    assert open_spans(packs("cn"), about, NOON + 14 * DAY) == ()


def test_wherever_it_opens_it_is_open_in_every_zone() -> None:
    for country in filter(str.isalpha, get_global("territory_zones")):
        zones = zones_of(None, country, "CN")
        for month in (3, 7, 11):
            now = datetime(2026, month, 8, 5, 30, tzinfo=UTC)
            opening = earliest(packs("house"), asked("sms", now, *zones)) or now
            found = allows("house/contact-hours", asked("sms", opening, *zones))
            assert found == all(8 <= opening.astimezone(zone).hour < 22 for zone in zones), country


@pytest.mark.parametrize(("day", "opens_utc"), [("2026-03-07", 13), ("2026-03-08", 12), ("2026-11-01", 13)])
def test_summer_time_moves_the_opening(day: str, opens_utc: int) -> None:
    """In New York it begins on 2026-03-08 and ends on 2026-11-01."""
    opens = datetime.combine(date.fromisoformat(day), time(opens_utc), UTC)
    assert earliest(packs("us"), asked("sms", opens - 8 * HOUR, NEW_YORK)) == opens
    assert not allows("us/calling-hours", asked("sms", opens - MINUTE, NEW_YORK))
    assert allows("us/calling-hours", asked("sms", opens, NEW_YORK))
    closes = opens + 13 * HOUR
    assert allows("us/calling-hours", asked("sms", closes - MINUTE, NEW_YORK))
    assert not allows("us/calling-hours", asked("sms", closes, NEW_YORK))


@pytest.mark.parametrize(("evening", "hours"), [("2026-03-07", 10), ("2026-03-08", 11), ("2026-10-31", 12)])
def test_the_night_of_a_change_is_an_hour_shorter_or_longer(evening: str, hours: int) -> None:
    closing = at(evening, "21:00", NEW_YORK)
    assert earliest(packs("us"), asked("sms", closing, NEW_YORK)) == closing + hours * HOUR


def test_a_block_is_in_the_borrower_s_time_on_both_sides_of_the_change() -> None:
    lunch = [Block((), (), time(12), time(13))]
    for day in ("2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01"):
        noon = at(day, "12:00", NEW_YORK)
        assert word("us/inconvenient", asked("sms", noon, NEW_YORK, blocks=lunch)).earliest_next == noon + HOUR


# Spans for permits.


def test_the_open_spans_are_the_hours_of_all_packs_less_what_is_blocked() -> None:
    about = asked("visit", at("2026-03-13", "12:00"), blocks=[Block(("visit",), (6,), time(12), time(14))])
    assert open_spans(packs("cn", "house"), about, at("2026-03-17", "10:00")) == (
        Span(at("2026-03-13", "12:00"), at("2026-03-13", "18:00")),
        Span(at("2026-03-14", "09:00"), at("2026-03-14", "12:00")),
        Span(at("2026-03-14", "14:00"), at("2026-03-14", "18:00")),
        Span(at("2026-03-16", "09:00"), at("2026-03-16", "18:00")),
        Span(at("2026-03-17", "09:00"), at("2026-03-17", "10:00")),
    )


def test_a_span_over_midnight_utc_is_one() -> None:
    spans = open_spans(packs("us"), asked("sms", at("2026-03-09", "06:00", NEW_YORK), NEW_YORK), NOON + DAY)
    assert spans[0] == Span(at("2026-03-09", "08:00", NEW_YORK), at("2026-03-09", "21:00", NEW_YORK))


def test_consent_opens_the_night_until_it_ends() -> None:
    now = at(WORKDAY, "21:00")
    about = asked("sms", now, consents=[Consent("hours", (), at(WORKDAY, "23:30"))])
    assert open_spans(packs("cn", "house"), about, now + 12 * HOUR) == (
        Span(now, at(WORKDAY, "23:30")),
        Span(at("2026-03-11", "08:00"), at("2026-03-11", "09:00")),
    )


ZONES = st.sampled_from(["Asia/Shanghai", "Asia/Urumqi", "America/New_York", "Pacific/Honolulu", "Europe/London"])
INSTANTS = st.datetimes(datetime(2026, 2, 10), datetime(2026, 4, 10)).map(  # noqa: DTZ001 - given a zone at once
    lambda when: when.replace(minute=when.minute // 15 * 15, second=0, microsecond=0, tzinfo=UTC)
)
LINES = st.builds(
    LedgerEntry,
    way=st.sampled_from(WAYS),
    at=INSTANTS,
    outcome=st.sampled_from(["open", "sent", "answered", "no-answer", "completed", "failed"]),
    loans=st.sampled_from([("L1",), ("L2",), ()]),
    purpose=st.sampled_from(["reminder", "validation-notice", "collection-notice"]),
)
BLOCKED = st.builds(
    Block,
    ways=st.sampled_from([(), ("sms",), ("visit", "voice")]),
    weekdays=st.sets(st.integers(1, 7), max_size=3).map(tuple),
    opens=st.sampled_from([time(9), time(12), time(20)]),
    closes=st.sampled_from([time(10), time(13), None]),
)
HELD = st.builds(
    Hold,
    kind=st.sampled_from(KINDS),
    starts=st.none() | INSTANTS,
    until=INSTANTS,
    loans=st.sampled_from([(), ("L2",)]),
    ways=st.sampled_from([(), ("voice",)]),
)


@st.composite
def anything(draw: st.DrawFn) -> ContactRequest:
    """A ledger in the past of an instant, somewhere."""
    now = draw(INSTANTS)
    lines = sorted((line for line in draw(st.lists(LINES, max_size=12)) if line.at <= now), key=lambda line: line.at)
    zones = tuple(ZoneInfo(name) for name in draw(st.lists(ZONES, min_size=1, max_size=2, unique=True)))
    return asked(
        draw(st.sampled_from(WAYS)),
        now,
        *zones,
        lines=lines,
        blocks=draw(st.lists(BLOCKED, max_size=2)),
        holds=draw(st.lists(HELD, max_size=2)),
        dpd=draw(st.integers(0, 30)),
    )


SOME = st.lists(st.sampled_from(sorted(builtin())), min_size=1, max_size=3, unique=True)


@settings(max_examples=150, deadline=None)
@given(anything(), SOME)
def test_nothing_refuses_at_the_earliest_instant_and_something_does_before(
    about: ContactRequest, ids: list[str]
) -> None:
    def refused(when: datetime) -> bool:
        return any(one.refuses() for one in verdicts(packs(*ids), replace(about, now=when)))

    first = earliest(packs(*ids), about)
    step, when = 6 * HOUR if first is None else max(15 * MINUTE, (first - about.now) / 50), about.now
    while when < (first or about.now + 10 * DAY):
        assert refused(when)
        when += step
    if first is not None:
        assert not refused(first)
        assert first == about.now or refused(first - timedelta(microseconds=1))


@settings(max_examples=100, deadline=None)
@given(anything(), SOME)
def test_a_span_is_open_exactly_when_no_rule_of_hours_or_blocks_refuses(about: ContactRequest, ids: list[str]) -> None:
    timely = {name.split("/")[1] for name in (*HOURS, *BLOCKS)}
    spans = open_spans(packs(*ids), about, about.now + 3 * DAY)
    for quarter in range(0, 288, 7):
        when = about.now + quarter * 15 * MINUTE
        found = verdicts(packs(*ids), replace(about, now=when))
        refused = any(one.refuses() for one in found if one.rule in timely)
        assert any(span.starts <= when < span.ends for span in spans) != refused
