"""Money: a Decimal amount in a named currency. Floats never carry money."""

from decimal import Decimal
from functools import lru_cache
from typing import Self

import msgspec
from babel.core import Locale
from babel.numbers import format_currency, get_currency_precision, list_currencies


@lru_cache(maxsize=1)
def known_currencies() -> frozenset[str]:
    """Every ISO 4217 code the CLDR knows, but for those of no currency and of tests."""
    return frozenset(list_currencies()) - {"XXX", "XTS"}


@lru_cache
def _smallest(currency: str) -> Decimal:
    return Decimal(1).scaleb(-get_currency_precision(currency))


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(language, sep="-")


@lru_cache(maxsize=1000)
def _form(currency: str, language: str) -> tuple[str, int]:
    """What stands before an amount that is not negative, and its decimal places."""
    zero = format_currency(Decimal(0), currency, locale=_locale(language))
    sign, _, decimals = zero.partition("0")
    return sign, max(len(decimals) - 1, 0)


class Money(msgspec.Struct, frozen=True):
    """`amount` in major units of `currency` (ISO 4217)."""

    amount: Decimal
    currency: str

    def __add__(self, other: Self) -> "Money":
        """Raises ValueError when the currencies differ: add per currency instead."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}; sum per currency instead")
        return Money(self.amount + other.amount, self.currency)

    def payable(self) -> bool:
        """Whether somebody can be asked for it: in a currency there is, and more than nothing when it is written."""
        if self.currency not in known_currencies():
            return False
        return self.amount >= 1 or self.amount.quantize(_smallest(self.currency)) > 0

    def text(self, language: str) -> str:
        """As a borrower reads it, in `language` (a BCP 47 tag)."""
        if self.amount >= 0:
            # The same as below, thirty times as fast; a test compares them for every currency.
            sign, places = _form(self.currency, language)
            return f"{sign}{self.amount:,.{places}f}"
        return format_currency(self.amount, self.currency, locale=_locale(language))
