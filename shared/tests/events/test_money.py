"""Money reads as the CLDR has it."""

from decimal import Decimal

import pytest
from babel.core import Locale
from babel.numbers import format_currency
from doorstep.events.money import Money, known_currencies

AMOUNTS = [Decimal(one) for one in ("0", "0.005", "12.5", "-3.75", "999999.995", "1234567.895", "1E+3")]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_currency_is_written_as_the_cldr_writes_it(language: str) -> None:
    locale = Locale.parse(language, sep="-")
    for currency in known_currencies():
        for amount in AMOUNTS:
            assert Money(amount, currency).text(language) == format_currency(amount, currency, locale=locale)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0", "CNY"), ("0.004", "CNY"), ("0.4", "JPY"), ("-1", "CNY"), ("100", "XXX"), ("1", "QQQ")],
)
def test_nobody_can_be_asked_for_nothing_or_in_no_currency(amount: str, currency: str) -> None:
    assert not Money(Decimal(amount), currency).payable()


@pytest.mark.parametrize(("amount", "currency"), [("0.01", "CNY"), ("1", "JPY"), ("0.6", "JPY"), ("0.001", "KWD")])
def test_the_smallest_unit_of_a_currency_can_be_asked_for(amount: str, currency: str) -> None:
    assert Money(Decimal(amount), currency).payable()


def test_codes_of_no_currency_and_of_tests_are_unknown() -> None:
    assert not {"XXX", "XTS"} & known_currencies()
