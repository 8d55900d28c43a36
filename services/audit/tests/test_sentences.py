"""Every event reads as a sentence in both languages."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from audit.presentation.formatting import closed_values, instant
from audit.presentation.sentences import gap_sentence, sentence
from audit.timeline.domain import Gap
from doorstep.events.escalation.cases import CaseAssigned, CaseOpened, CaseReevaluated, Change
from doorstep.events.escalation.holds import HoldPlaced
from doorstep.events.escalation.overrides import OverrideRequested
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitPermitted
from doorstep.events.escalation.preferences import BlockRecorded, ConsentRecorded
from doorstep.events.escalation.promises import PromiseRecorded
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event, known
from doorstep.events.values import Language, Verdict
from doorstep.locales.languages import LANGUAGES
from doorstep.locales.text import LOCALES

from tests.support.audit import START, Story, decision, example

TYPES = sorted(name for name in known() if name.startswith("doorstep."))
"""Other tests in the same process may have registered events of their own."""
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("language", LANGUAGES)
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
    for locale in LOCALES.values():
        assert {name for name in locale.groups if name.startswith("doorstep.")} == set(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_every_value_of_a_closed_set_has_a_word(name: str) -> None:
    for locale in LOCALES.values():
        assert closed_values(known()[name]) <= locale.groups["words"].keys()


@pytest.mark.parametrize("group", ["words", "acts", "willingness", "stages", "labels", *TYPES])
def test_both_languages_are_there(group: str) -> None:
    for locale in LOCALES.values():
        assert all(locale.groups[group].values())


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
    hold = HoldPlaced(hold_id="h", kind="dispute")
    assert sentence(Story().tell(hold, START), "zh-CN") == "停止联系：债务异议，直至解除"


def test_a_rule_of_a_pack_is_named_behind_its_pack() -> None:
    refuses = Verdict(
        rule="quiet-hours",
        allowed=False,
        status="must",
        source="s",
        confidence="high",
        detail="22:10 local",
        detail_zh="当地 22:10",
        pack="us",
    )
    denied = ContactDenied(channel="sms", decision=decision(refuses))
    assert "us/quiet-hours (22:10 local)" in sentence(Story().tell(denied, START), "en")


TOLD: list[tuple[Event, str, str]] = [
    (
        CaseOpened(episode=2, business_date=date(2026, 3, 1), after_reversal=True),
        "案件开启（第 2 次逾期），因一笔还款被撤销",
        "Case opened (episode 2), because a payment did not stand",
    ),
    (
        HoldPlaced(
            hold_id="h",
            kind="bereavement",
            starts=datetime(2026, 3, 3, tzinfo=UTC),
            until=datetime(2026, 4, 2, tzinfo=UTC),
            loans=("L-1",),
            ways=("sms", "visit"),
            rule="in/bereavement",
            reason="told by a relative",
        ),
        "停止联系：亲属去世（贷款 L-1，仅短信、上门），自 2026-03-03 08:00 UTC+8 起，至 2026-04-02 08:00 UTC+8；"
        "依据 in/bereavement；told by a relative",
        "Contact stopped: bereavement (loans L-1, only SMS, visit), from 2026-03-03 08:00 UTC+8, "
        "until 2026-04-02 08:00 UTC+8; by in/bereavement; told by a relative",
    ),
    (
        CaseReevaluated(
            fact_id="f",
            cause="backdated-payment",
            effective=date(2026, 2, 20),
            changes=(Change("amount", "800.00 CNY", "300.00 CNY"), Change("dpd", "40", "12")),
            decisions=("d1", "d2"),
        ),
        "重新评估：补报的还款，影响自 2026-02-20 起；逾期金额 800.00 CNY → 300.00 CNY、逾期天数 40 → 12；"
        "此后已有 2 项决定，作出时尚不知此事，维持原样",
        "Case looked at again: a payment was told late, from 2026-02-20 on; amount overdue 800.00 CNY → 300.00 CNY, "
        "days past due 40 → 12; 2 decisions since then, without knowing it, and standing as made",
    ),
    (
        CaseReevaluated(fact_id="f", cause="late-fact", effective=date(2026, 2, 20)),
        "重新评估：补报的事实，影响自 2026-02-20 起；所知情况不变；此后尚无决定",
        "Case looked at again: a fact came late, from 2026-02-20 on; nothing else is seen otherwise; "
        "no decision was made since",
    ),
    (
        ConsentRecorded(consent_id="c", kind="hours", ways=("voice",)),
        "借款人同意在常规时段之外联系（电话），直至收回",
        "Borrower agreed to contact outside the usual hours (voice call), until it is taken back",
    ),
    (
        BlockRecorded(block_id="b", weekdays=(1, 7), opens=time(9), closes=time(12, 30), ways=("voice",)),
        "借款人表示不便联系：周一、周日 09:00 至 12:30（电话）",
        "Borrower called it inconvenient: Monday, Sunday from 09:00 to 12:30 (voice call)",
    ),
    (
        BlockRecorded(block_id="b"),
        "借款人表示不便联系：每天（所有方式）",
        "Borrower called it inconvenient: every day (every way)",
    ),
    (
        OverrideRequested(override_id="o", way="visit", reason="asked for it", by="olga"),
        "olga 请求改为上门：asked for it；待第二人同意",
        "olga wants another step, visit: asked for it; waits for a second person",
    ),
    (
        OverrideRequested(override_id="o", way="voice", reason="asked for it", by="olga", purpose="firm-reminder"),
        "olga 请求改为拨打电话（严肃提醒）：asked for it；待第二人同意",
        "olga wants another step, voice call (firm reminder): asked for it; waits for a second person",
    ),
    (
        CaseAssigned(agency=None, reason="back in house"),
        "案件交由本机构人员处理：back in house",
        "Case assigned to the lender's own people: back in house",
    ),
    (ShadowSet(on=True, reason="go-live"), "影子模式开启：go-live", "Shadow mode on: go-live"),
    (
        RampSet(first_contacts_a_day=None, reason="week two"),
        "每日首次联系上限：不限；week two",
        "First contacts a day: any number; week two",
    ),
    (SendingStopped(way="sms", reason="wrong texts"), "停用短信：wrong texts", "Sending stopped on SMS: wrong texts"),
    (
        SendingAllowed(way=None, reason="it is over"),
        "恢复所有方式：it is over",
        "Sending allowed again on every way: it is over",
    ),
]


@pytest.mark.parametrize(("event", "chinese", "english"), TOLD)
def test_what_happened_reads_like_this(event: Event, chinese: str, english: str) -> None:
    entry = Story().tell(event, START)
    assert sentence(entry, "zh-CN", SHANGHAI) == chinese
    assert sentence(entry, "en", SHANGHAI) == english


def test_a_visit_permit_says_what_to_do_at_the_door() -> None:
    permitted = msgspec.structs.replace(example(VisitPermitted), duties=("show-identity", "take-no-money"))
    entry = Story().tell(permitted, START)
    assert sentence(entry, "en").endswith("; at the door: show identity, take no money")
    assert sentence(entry, "zh-CN").endswith("；须遵守：出示身份证件、不收取钱款")


def test_an_unknown_type_is_shown_raw_with_its_seals_closed() -> None:
    story = Story()
    value = story.tell(example(ContactPermitted), START).value
    entry = story.keep(value.replace(b"doorstep.contact.permitted", b"doorstep.drone.dispatched"), START)
    said = sentence(entry, "en")
    assert said.startswith("doorstep.drone.dispatched v2 {")
    assert '"personal": "«sealed»"' in said


def test_a_version_from_the_future_is_shown_raw() -> None:
    story = Story()
    value = story.tell(example(ContactPermitted), START).value
    entry = story.keep(value.replace(b'"schemaversion":2', b'"schemaversion":9'), START)
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
