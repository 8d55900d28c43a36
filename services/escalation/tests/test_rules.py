"""Each rule at its edge."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.core import get_global
from doorstep.events.common import Verdict
from escalation.rules import Asked, Past, contact_verdicts, next_opening, pack_hash, visit_verdicts, windows, zones_of
from escalation.testing import SHANGHAI, at

URUMQI, NEW_YORK = ZoneInfo("Asia/Urumqi"), ZoneInfo("America/New_York")
NOON = at(10, "12:00")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def asked(now: datetime = NOON, channel: str = "sms", **more: Any) -> Asked:
    return Asked(channel=channel, now=now, **{"zones": (SHANGHAI,), **more})


def verdict(rule: str, about: Asked) -> Verdict:
    """The one verdict of `rule`; it is given whatever the others say."""
    verdicts = visit_verdicts(about) if about.channel == "visit" else contact_verdicts(about)
    (found,) = [one for one in verdicts if one.rule == rule]
    assert found.allowed == (found.earliest_next is None) or found.earliest_next is None
    return found


def past(*instants: datetime, channel: str = "sms", answered: bool = False, open: bool = False) -> Sequence[Past]:
    return [Past(channel, instant, answered, open) for instant in instants]


@pytest.mark.parametrize(
    ("clock", "allowed", "earliest"),
    [
        ("07:59", False, at(10, "08:00")),
        ("08:00", True, None),
        ("08:01", True, None),
        ("21:59", True, None),
        ("22:00", False, at(11, "08:00")),
        ("22:01", False, at(11, "08:00")),
        ("00:00", False, at(10, "08:00")),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "voice", "visit"])
def test_quiet_hours(clock: str, allowed: bool, earliest: datetime | None, channel: str) -> None:
    found = verdict("quiet-hours", asked(at(10, clock), channel))
    assert (found.allowed, found.earliest_next, found.status) == (allowed, earliest, "must")


@pytest.mark.parametrize(("zone", "opens"), [(URUMQI, "10:00"), (NEW_YORK, "20:00")])
def test_the_hours_are_those_of_the_borrower_not_ours(zone: ZoneInfo, opens: str) -> None:
    opening = at(10, opens)
    assert opening.astimezone(zone).time() == time(8)
    assert not verdict("quiet-hours", asked(opening - MINUTE, zones=(zone,))).allowed
    assert verdict("quiet-hours", asked(opening, zones=(zone,))).allowed


@pytest.mark.parametrize(("on", "opens_utc"), [(7, 13), (8, 12), (9, 12)])
def test_summer_time_moves_the_opening(on: int, opens_utc: int) -> None:
    """In New York it begins on 2026-03-08."""
    opening = datetime(2026, 3, on, opens_utc, tzinfo=UTC)
    assert next_opening(opening - timedelta(hours=8), (NEW_YORK,)) == opening
    assert next_opening(opening - MINUTE, (NEW_YORK,)) == opening
    assert next_opening(opening, (NEW_YORK,)) == opening


def test_the_night_before_summer_time_is_an_hour_shorter() -> None:
    closing = datetime(2026, 3, 7, 22, tzinfo=NEW_YORK).astimezone(UTC)
    assert next_opening(closing, (NEW_YORK,)) == closing + timedelta(hours=9)


def test_an_unknown_zone_means_the_hours_of_all_zones_of_the_country() -> None:
    zones = zones_of(None, "CN-GD")
    assert set(zones) == {SHANGHAI, URUMQI}
    assert windows(zones, NOON).opens == time(10)
    assert windows(zones, NOON).closes == time(22)
    for clock, allowed in [("09:59", False), ("10:00", True), ("21:59", True), ("22:00", False)]:
        assert verdict("quiet-hours", asked(at(10, clock), zones=zones)).allowed == allowed


def test_a_known_zone_counts_more_than_the_region() -> None:
    assert zones_of("America/New_York", "CN-GD") == (NEW_YORK,)


@pytest.mark.parametrize("region", [None, "CN", "XX", "XX-1"])
def test_an_unknown_region_is_china(region: str | None) -> None:
    assert set(zones_of(None, region)) == {SHANGHAI, URUMQI}


def test_the_united_states_share_eight_hours_in_summer() -> None:
    hours = windows(zones_of(None, "US-NY"), datetime(2026, 7, 1, tzinfo=UTC))
    span = timedelta(hours=hours.closes.hour - hours.opens.hour)
    assert span == timedelta(hours=8)
    opening = next_opening(datetime(2026, 7, 1, 4, tzinfo=UTC), zones_of(None, "US-NY"))
    assert opening is not None
    assert opening.astimezone(ZoneInfo("Pacific/Honolulu")).time() == time(8)


def test_wherever_it_opens_it_is_open_in_every_zone() -> None:
    for country in filter(str.isalpha, get_global("territory_zones")):
        zones = zones_of(None, country)
        for month in (1, 3, 7, 11):
            now = datetime(2026, month, 8, 5, 30, tzinfo=UTC)
            opening = next_opening(now, zones) or now
            found = verdict("quiet-hours", asked(opening, zones=zones))
            assert found.allowed == all(8 <= opening.astimezone(zone).hour < 22 for zone in zones), country


def test_zones_without_a_common_hour_are_never_open() -> None:
    zones = (ZoneInfo("Etc/GMT-8"), ZoneInfo("Etc/GMT"), ZoneInfo("Etc/GMT+8"))
    found = verdict("quiet-hours", asked(zones=zones))
    assert (found.allowed, found.earliest_next) == (False, None)
    hours = windows(zones, NOON)
    assert hours.opens == hours.closes


def test_hours_for_two_weeks_hold_on_both_sides_of_summer_time() -> None:
    """Told in Honolulu's clock, which knows none."""
    zones = (ZoneInfo("Pacific/Honolulu"), NEW_YORK)
    before, after = datetime(2026, 3, 1, 20, tzinfo=UTC), datetime(2026, 3, 15, 20, tzinfo=UTC)
    assert windows(zones, before).closes == time(17)
    assert windows(zones, after).closes == time(16)
    assert windows(zones, before, after).closes == time(16)


def test_a_hold_refuses_until_its_end_where_that_is_known() -> None:
    assert verdict("no-hold", asked()).allowed
    found = verdict("no-hold", asked(holds=("dispute", "hardship"), hold_until=NOON + DAY))
    assert (found.allowed, found.earliest_next) == (False, NOON + DAY)
    assert (found.detail, found.detail_zh) == ("hold: dispute, hardship", "停止联系：债务异议、经济困难")


def test_a_parked_message_and_a_pending_payment_refuse_until_there_is_news() -> None:
    news: dict[str, dict[str, Any]] = {
        "nothing-parked": {"parked": ("k @ escalation",)},
        "no-payment-pending": {"payment_pending": True},
    }
    for rule, more in news.items():
        assert verdict(rule, asked()).allowed
        found = verdict(rule, asked(**more))
        assert (found.allowed, found.earliest_next) == (False, None)


def test_a_promise_protects_to_the_end_of_its_grace_and_no_longer() -> None:
    assert verdict("no-promise-running", asked()).allowed
    found = verdict("no-promise-running", asked(promise_until=NOON + MINUTE))
    assert (found.allowed, found.earliest_next) == (False, NOON + MINUTE)
    assert verdict("no-promise-running", asked(promise_until=NOON)).allowed


def test_one_permit_at_a_time() -> None:
    assert verdict("one-permit-at-a-time", asked(ledger=past(NOON - DAY))).allowed
    assert not verdict("one-permit-at-a-time", asked(ledger=past(NOON - DAY, open=True))).allowed


def test_the_third_contact_in_seven_days_is_the_last() -> None:
    two = past(NOON - 6 * DAY, NOON - 5 * DAY)
    three = [*two, *past(NOON - DAY, channel="visit")]
    for channel in ("sms", "voice", "visit"):
        assert verdict("contacts-a-week", asked(channel=channel, ledger=two)).allowed
        found = verdict("contacts-a-week", asked(channel=channel, ledger=three))
        assert (found.allowed, found.earliest_next) == (False, NOON + DAY)


def test_seven_days_are_seven_days_to_the_minute() -> None:
    oldest = [*past(NOON - 7 * DAY), *past(NOON - DAY, NOON - 2 * DAY)]
    assert verdict("contacts-a-week", asked(ledger=oldest)).allowed
    assert not verdict("contacts-a-week", asked(NOON - MINUTE, ledger=oldest)).allowed


def test_one_message_a_day_whatever_its_channel() -> None:
    assert verdict("messages-a-day", asked()).allowed
    found = verdict("messages-a-day", asked(ledger=past(at(10, "08:00"), channel="email")))
    assert (found.allowed, found.earliest_next, found.status) == (False, at(11, "08:00"), "policy")
    assert verdict("messages-a-day", asked(ledger=past(at(10, "08:00"), channel="voice"))).allowed
    assert verdict("messages-a-day", asked(ledger=past(at(10, "08:00"), channel="visit"))).allowed


def test_a_day_is_the_borrower_s_day() -> None:
    """23:30 UTC and 00:30 UTC are one day in Shanghai; 15:30 and 16:30 UTC are two."""
    night = past(datetime(2026, 3, 9, 23, 30, tzinfo=UTC))
    assert not verdict("messages-a-day", asked(datetime(2026, 3, 10, 0, 30, tzinfo=UTC), ledger=night)).allowed
    evening = past(datetime(2026, 3, 9, 15, 30, tzinfo=UTC))
    assert verdict("messages-a-day", asked(datetime(2026, 3, 9, 16, 30, tzinfo=UTC), ledger=evening)).allowed


def test_where_the_zone_is_unknown_the_same_day_anywhere_counts() -> None:
    """Past midnight in Shanghai, not yet in Urumqi."""
    now, zones = at(11, "01:00"), zones_of(None, "CN")
    found = verdict("messages-a-day", asked(now, zones=zones, ledger=past(at(10, "21:00"))))
    assert not found.allowed
    assert found.earliest_next == at(12, "10:00")


def calls(answered: int, unanswered: int) -> Asked:
    ledger = [
        *past(*[at(10, "09:00")] * answered, channel="voice", answered=True),
        *past(*[at(10, "09:00")] * unanswered, channel="voice"),
    ]
    return asked(channel="voice", ledger=ledger)


@pytest.mark.parametrize(
    ("rule", "last", "first", "status"),
    [
        ("effective-calls-a-day", calls(2, 0), calls(3, 0), "must"),
        ("unanswered-dials-a-day", calls(2, 5), calls(0, 6), "should"),
    ],
)
def test_the_last_call_of_a_day_and_the_first_too_many(rule: str, last: Asked, first: Asked, status: str) -> None:
    assert verdict(rule, last).allowed
    found = verdict(rule, first)
    assert (found.allowed, found.earliest_next, found.status) == (False, at(11, "08:00"), status)


def test_yesterday_s_calls_do_not_count() -> None:
    yesterday = past(*[at(9, "21:59")] * 6, channel="voice", answered=True)
    assert verdict("effective-calls-a-day", asked(channel="voice", ledger=yesterday)).allowed


def test_a_message_is_not_asked_about_calls_nor_a_call_about_messages() -> None:
    rules = {channel: {one.rule for one in contact_verdicts(asked(channel=channel))} for channel in ("sms", "voice")}
    assert rules["sms"] ^ rules["voice"] == {"messages-a-day", "effective-calls-a-day", "unanswered-dials-a-day"}


def test_thirty_days_lie_between_two_visits() -> None:
    assert verdict("visit-spacing", asked(channel="visit")).allowed
    assert verdict("visit-spacing", asked(channel="visit", last_visit=NOON - 30 * DAY)).allowed
    found = verdict("visit-spacing", asked(channel="visit", last_visit=NOON - 30 * DAY + MINUTE))
    assert (found.allowed, found.earliest_next) == (False, NOON + MINUTE)


def test_a_visit_always_says_that_two_go_together() -> None:
    found = verdict("visit-staff", asked(channel="visit"))
    assert "2" in found.detail
    assert "2" in found.detail_zh
    assert (found.status, found.source) == ("must", "China Banking Association guideline, 2026-01-30 (trial), Art. 22")


def test_what_no_source_gives_is_never_called_law() -> None:
    for one in [*contact_verdicts(asked()), *contact_verdicts(asked(channel="voice")), *visit_verdicts(asked())]:
        assert (one.status == "policy") == (one.source == "tenant policy") == (one.confidence == "own")
        assert one.detail.isascii()
        assert not one.detail_zh.isascii()


def test_the_pack_is_known_by_its_hash() -> None:
    assert len(pack_hash()) == 64
