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
