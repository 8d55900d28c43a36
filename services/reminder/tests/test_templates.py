"""Every text in every language, as a borrower gets it."""

import hashlib

import jinja2
import pytest
from doorstep.locales.languages import FOLDER
from doorstep.messaging.templates import Template, parse
from reminder.templates import ARTIFACTS, TEMPLATES, template_for

VARIABLES = {"name": "王 小明", "amount": "¥12,345.67", "lender": "示例银行 Example Bank", "phone": "400-000-0000"}
THREATS = (
    *("起诉", "法院", "征信", "黑名单", "报警", "律师", "坐牢", "家人", "单位", "后果", "否则"),
    *("court", "lawyer", "legal action", "police", "credit record", "employer", "family", "consequence", "otherwise"),
)
all_of_them = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
electronic = pytest.mark.parametrize(
    "template",
    [one for name, one in TEMPLATES.items() if name.split("/")[1] in ("sms", "email", "push")],
    ids=lambda one: one.id,
)


def test_there_is_one_for_each_language_channel_and_purpose() -> None:
    assert len(TEMPLATES) == 2 * 5 * 6


@all_of_them
def test_it_says_who_what_and_whom_to_ask(template: Template) -> None:
    text = template.render(**VARIABLES)
    assert VARIABLES["lender"] in text
    assert VARIABLES["amount"] in text
    assert VARIABLES["phone"] in text


@all_of_them
def test_it_addresses_the_borrower_except_on_a_lock_screen(template: Template) -> None:
    assert (VARIABLES["name"] in template.render(**VARIABLES)) == ("/push/" not in template.id)


@all_of_them
def test_it_threatens_nobody(template: Template) -> None:
    text = template.render(**VARIABLES).lower()
    assert [word for word in THREATS if word in text] == []


@all_of_them
def test_who_has_paid_may_ignore_it(template: Template) -> None:
    text = template.render(**VARIABLES)
    assert "已" in text and "还款" in text if template.id.startswith("zh-CN") else "paid" in text


@electronic
def test_it_says_how_to_opt_out(template: Template) -> None:
    text = template.render(**VARIABLES)
    assert any(word in text for word in ("拒收", "不希望再收到", "opt out", "unsubscribe", "stop these notices"))


@pytest.mark.parametrize("template", [one for one in TEMPLATES.values() if "/sms/" in one.id], ids=lambda one: one.id)
def test_a_text_message_is_short(template: Template) -> None:
    assert len(template.render(**VARIABLES)) < 500


@pytest.mark.parametrize("template", [one for one in TEMPLATES.values() if "/voice/" in one.id], ids=lambda one: one.id)
def test_a_caller_first_makes_sure_who_answers(template: Template) -> None:
    text = template.render(**VARIABLES)
    script = text[text.index("“您好") if "“您好" in text else text.index('"Hello') :]
    assert script.index(VARIABLES["name"]) < script.index(VARIABLES["lender"]) < script.index(VARIABLES["amount"])


@all_of_them
def test_a_missing_variable_is_an_error(template: Template) -> None:
    with pytest.raises(jinja2.UndefinedError):
        template.render(name="王小明", lender="示例银行", phone="400-000-0000")


@all_of_them
def test_its_hash_is_that_of_the_file(template: Template) -> None:
    language, channel, purpose = template.id.split("/")
    content = FOLDER.joinpath(language, "messages", channel, f"{purpose}.txt").read_bytes()
    assert template.hash == hashlib.sha256(content).hexdigest()


def test_what_is_put_on_record_hashes_to_what_messages_cite() -> None:
    cited = {(one.id, str(one.version), one.hash) for one in TEMPLATES.values()}
    assert {(one.name, one.version, hashlib.sha256(one.content.encode()).hexdigest()) for one in ARTIFACTS} == cited
    assert {(one.kind, one.hash) for one in ARTIFACTS} == {("template", one.hash) for one in TEMPLATES.values()}


def of(purpose: str) -> pytest.MarkDecorator:
    texts = [one for one in TEMPLATES.values() if one.id.endswith(f"/{purpose}")]
    return pytest.mark.parametrize("template", texts, ids=lambda one: one.id)


@of("collection-notice")
def test_the_notice_of_collection_says_who_will_come_forward_and_what_one_may_do(template: Template) -> None:
    text = template.render(**VARIABLES)
    chinese = ("开始催收", "委托的机构", "异议", "投诉", "困难")
    english = ("collection", "agency", "object", "complain", "difficult")
    assert [word for word in (chinese if template.id.startswith("zh-CN") else english) if word not in text] == []


@of("validation-notice")
def test_the_notice_of_validation_names_the_creditor_and_the_thirty_days_for_a_dispute(template: Template) -> None:
    text = template.render(**VARIABLES)
    chinese = (VARIABLES["lender"], "30日内", "书面", "异议")
    english = (VARIABLES["lender"], "30 days", "in writing", "dispute")
    assert [word for word in (chinese if template.id.startswith("zh-CN") else english) if word not in text] == []


def test_names_are_data_not_templates_or_markup() -> None:
    text = template_for("sms", "reminder", "en").render(**{**VARIABLES, "name": "{{ phone }} <b>O'Neil</b>"})
    assert "{{ phone }} <b>O'Neil</b>" in text


def test_a_file_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with a line such as"):
        parse("en/sms/reminder", b"Dear {{ name }}")
