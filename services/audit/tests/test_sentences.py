"""Every event reads as a sentence in both languages."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from audit.domain import Gap
from audit.labels import LABELS
from audit.sentences import SENTENCES, closed_values, gap_sentence, instant, sentence
from audit.testing import START, Story, decision, example
from audit.words import WORDS
from doorstep.events.common import Language, Verdict
from doorstep.events.escalation import ContactDenied, ContactPermitted, HoldPlaced, PromiseRecorded
from doorstep.events.registry import known

TYPES = sorted(name for name in known() if name.startswith("doorstep."))
"""Other tests in the same process may have registered events of their own."""
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_event_type_has_a_sentence(name: str, language: Language) -> None:
    said = sentence(Story().tell(example(known()[name]), START), language)
    assert said
    assert not any(leftover in said for leftover in ("{", "}", "None", "Sealed", "doorstep."))
    assert any("一" <= letter <= "鿿" for letter in said) == (language == "zh-CN")


@pytest.mark.parametrize("name", TYPES)
def test_every_event_type_has_a_sentence_when_its_optional_parts_are_absent(name: str) -> None:
    whole = example(known()[name])
    absent = {f.name: f.default for f in msgspec.structs.fields(whole) if f.default is not msgspec.NODEFAULT}
    entry = Story().tell(msgspec.structs.replace(whole, **absent), START)
    assert "None" not in sentence(entry, "en") + sentence(entry, "zh-CN")


def test_no_sentence_is_left_over_from_an_event_that_is_gone() -> None:
    assert set(SENTENCES) == {known()[name] for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_every_value_of_a_closed_set_has_a_word(name: str) -> None:
    assert closed_values(known()[name]) <= WORDS.keys()


@pytest.mark.parametrize("words", [WORDS, LABELS, dict(enumerate(SENTENCES.values()))])
def test_both_languages_are_there(words: dict[str, tuple[str, str]]) -> None:
    assert all(chinese and english for chinese, english in words.values())


def test_a_permit_tells_its_figures() -> None:
    permitted: ContactPermitted = example(ContactPermitted)
    entry = Story().tell(permitted, START)
    assert sentence(entry, "en", SHANGHAI) == (
        "SMS permitted (reminder): 31 days overdue, CN¥1,520.50 overdue; 2 contacts earlier that day; "
        "valid until 2026-03-09 10:30 UTC+8"
    )
    assert sentence(entry, "zh-CN", SHANGHAI) == (
        "准许发送短信（提醒）：逾期 31 天，逾期金额 ¥1,520.50；当日此前已联系 2 次；有效期至 2026-03-09 10:30 UTC+8"
    )


def test_a_denial_names_the_rule_its_detail_and_when_it_may_be_tried_again() -> None:
    refuses = Verdict(
        rule="cn.quiet-hours",
        allowed=False,
        status="must",
        source="s",
        confidence="high",
        detail="22:10 local",
        detail_zh="当地 22:10",
    )
    advises = msgspec.structs.replace(refuses, rule="cn.draft", status="draft")
    denied = ContactDenied(
        channel="voice", decision=decision(refuses, advises, earliest_next=datetime(2026, 3, 3, tzinfo=UTC))
    )
    said = sentence(Story().tell(denied, START), "en", SHANGHAI)
    assert said == (
        "Voice call denied (31 days overdue, CN¥1,520.50): cn.quiet-hours (22:10 local); "
        "may be tried again from 2026-03-03 08:00 UTC+8"
    )
    assert "cn.quiet-hours（当地 22:10）" in sentence(Story().tell(denied, START), "zh-CN", SHANGHAI)


def test_a_denial_that_time_alone_does_not_end_says_so() -> None:
    denied = ContactDenied(channel="sms", decision=decision())
    assert sentence(Story().tell(denied, START), "en").endswith("not again until something changes")


def test_what_is_open_ended_is_said_in_words() -> None:
    promise = msgspec.structs.replace(example(PromiseRecorded), amount=None, due=date(2026, 3, 9))
    assert sentence(Story().tell(promise, START), "en").startswith("Borrower promised to pay all that is overdue")
    hold = msgspec.structs.replace(example(HoldPlaced), until=None)
    assert sentence(Story().tell(hold, START), "zh-CN") == "停止联系：债务异议，直至解除"


def test_an_unknown_type_is_shown_raw_with_its_seals_closed() -> None:
    story = Story()
    value = story.tell(example(ContactPermitted), START).value
    entry = story.keep(value.replace(b"doorstep.contact.permitted", b"doorstep.drone.dispatched"), START)
    said = sentence(entry, "en")
    assert said.startswith("doorstep.drone.dispatched v1 {")
    assert '"personal": "«sealed»"' in said


def test_a_version_from_the_future_is_shown_raw() -> None:
    story = Story()
    value = story.tell(example(ContactPermitted), START).value
    entry = story.keep(value.replace(b'"schemaversion":1', b'"schemaversion":9'), START)
    assert sentence(entry, "en").startswith("doorstep.contact.permitted v9 {")


def test_a_gap_says_which_numbers_are_missing() -> None:
    assert gap_sentence(Gap("case/x", 3, 3), "en") == "Missing: event 3 of case/x has not arrived"
    assert "3–5" in gap_sentence(Gap("case/x", 3, 5), "zh-CN")
    assert "events 3–5" in gap_sentence(Gap("case/x", 3, 5), "en")


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "UTC"), ("Asia/Shanghai", "UTC+8"), ("Asia/Kolkata", "UTC+5:30"), ("America/St_Johns", "UTC-3:30")],
)
def test_an_instant_carries_its_zone(zone: str, shown: str) -> None:
    assert instant(START + timedelta(minutes=5), ZoneInfo(zone)).endswith(" " + shown)
