"""What the borrower reads."""

import hashlib
from itertools import product
from typing import get_args

import pytest
from doorstep.events.values import Language
from visit_scheduler.domain.notices import ARTIFACTS, Lender, NoticeChannel, render, template

from tests.support.visits import BORROWER, appointment, terms

LENDER = Lender("示例银行", "400-000-0000")


def notice(language: Language, channel: NoticeChannel) -> str:
    visit = appointment(terms=terms(language=language))
    return render(template(language, channel), visit, BORROWER, LENDER)


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("channel", get_args(NoticeChannel))
def test_every_notice_names_who_comes_and_where_to_complain(language: Language, channel: NoticeChannel) -> None:
    text = notice(language, channel)
    for named in ("张三", "A-017", "A-032", "Harbour Collections", "示例银行", "400-000-0000", "12,500.00"):
        assert named in text
    assert "{" not in text


def test_the_chinese_notice_tells_the_local_time_and_that_entry_needs_consent() -> None:
    text = notice("zh-CN", "sms")
    assert "2026年11月24日（星期二）14:00-15:00" in text
    assert "未经您同意不会进入您的住所" in text
    assert "改期" in text


def test_the_english_notice_tells_the_local_time_and_that_entry_needs_consent() -> None:
    text = notice("en", "sms")
    assert "Tuesday 24 November 2026, 14:00-15:00" in text
    assert "enter only with your consent" in text
    assert "reschedule" in text


@pytest.mark.parametrize(
    "word", ["律师", "起诉", "法院", "公安", "后果", "失信", "lawyer", "court", "police", "consequence"]
)
@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("channel", get_args(NoticeChannel))
def test_no_notice_threatens(language: Language, channel: NoticeChannel, word: str) -> None:
    assert word not in notice(language, channel).lower()


def test_a_template_is_named_by_version_and_hash() -> None:
    chosen = template("zh-CN", "sms")
    assert (chosen.id, chosen.version, len(chosen.hash)) == ("zh-CN/sms/visit-notice", 1, 64)


def test_what_is_put_on_record_hashes_to_what_notices_cite() -> None:
    chosen = [template(*one) for one in product(get_args(Language), get_args(NoticeChannel))]
    cited = {(one.id, str(one.version), one.hash) for one in chosen}
    assert {(one.name, one.version, hashlib.sha256(one.content.encode()).hexdigest()) for one in ARTIFACTS} == cited
    assert {one.hash for one in ARTIFACTS} == {one.hash for one in chosen}
