"""Every language says the same, and a translator's slip is named."""

import pytest
from doorstep.locales.languages import DEFAULT, LANGUAGES, matching, short
from doorstep.locales.text import LOCALES, Form, IncompleteLanguage, Locale, check, holes

OF_EVENTS = ("doorstep.", "fields")
"""Groups whose holes are fields of events, which the audit's tests hold against them."""


def forms(form: Form) -> tuple[str, ...]:
    return (form,) if isinstance(form, str) else tuple(form.values())


def wanted(form: Form) -> set[str]:
    return {hole for text in forms(form) for hole in holes(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_a_hole_that_nothing_fills(language: str) -> None:
    for group, texts in LOCALES[DEFAULT].groups.items():
        if not group.startswith(OF_EVENTS):
            for name, form in texts.items():
                assert wanted(LOCALES[language].groups[group][name]) <= wanted(form) | {"count"}, (group, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_with_plural_forms_has_one_for_every_number(language: str) -> None:
    counted = [
        form
        for texts in LOCALES[language].groups.values()
        for form in texts.values()
        if isinstance(form, dict) and not form.keys() <= {"given", "absent"}
    ]
    assert counted
    assert all("other" in form for form in counted)


def test_a_number_takes_the_plural_form_of_its_language() -> None:
    assert LOCALES["en"].text("labels", "days_left", count=1) == "1 day left"
    assert LOCALES["en"].text("labels", "days_left", count=2) == "2 days left"
    assert LOCALES["zh-CN"].text("labels", "days_left", count=1) == "剩余 1 天"


def test_a_value_without_a_word_is_shown_as_it_is() -> None:
    assert LOCALES["en"].word("email") == "e-mail"
    assert LOCALES["en"].word("a-code-of-the-tenant") == "a-code-of-the-tenant"


@pytest.mark.parametrize(
    ("wanted", "found"), [("zh", "zh-CN"), ("zh-CN", "zh-CN"), ("en-GB", "en"), ("EN", "en"), ("fr", None), ("", None)]
)
def test_a_language_is_found_by_its_tag_or_a_near_one(wanted: str, found: str | None) -> None:
    assert matching(wanted) == found


def test_the_short_name_of_a_language_finds_it() -> None:
    assert [matching(short(one)) for one in LANGUAGES] == list(LANGUAGES)


def test_a_text_that_is_missing_or_said_nowhere_is_named() -> None:
    groups = {"words": {"sms": "SMS", "voice": "voice"}}
    with pytest.raises(IncompleteLanguage, match="fr: words telex is said nowhere, words voice is missing"):
        check(Locale("fr", {"words": {"sms": "SMS", "telex": "télex"}}), Locale("en", groups))
