"""One row of an overdue file: what a loan owes at the end of a business date, or what is wrong with it.

No reason quotes a value: where a delimiter is missing, the value in a date column is somebody's name.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import msgspec

from doorstep.events import bounds
from doorstep.events.intake import LoanOverdue, known_time_zones
from doorstep.events.money import known_currencies
from doorstep.events.values import EMAIL, Borrower
from doorstep.intake.mapping import OPTIONAL, REQUIRED
from doorstep.locales.languages import DEFAULT, LANGUAGES

Value = str | float | date | None
"""What a cell says: None where an optional column is empty."""


@dataclass(frozen=True)
class RowError:
    """What is wrong at `line`, in `column` where it is one column's fault."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.column + ' ' if self.column else ''}{self.reason}"


@dataclass(frozen=True)
class GoodRow:
    """A good row."""

    line: int
    tenant: str
    loan: LoanOverdue


@dataclass(frozen=True)
class BadRow:
    """A bad row, with as much as could be told of whom it speaks; None means it could be anyone."""

    errors: tuple[RowError, ...]
    tenant: str | None = None
    loan_id: str | None = None
    business_date: date | None = None


def parse(line: int, row: Mapping[str, str], date_format: str = "%Y-%m-%d") -> GoodRow | BadRow:
    """The row that begins on `line`, by our column names; other columns are ignored."""
    values: dict[str, Value] = {}
    errors: list[RowError] = []
    for column in REQUIRED + OPTIONAL:
        try:
            values[column] = _value(column, row.get(column, "").strip(), date_format)
        except ValueError as error:
            errors.append(RowError(line, column, str(error)))
    errors += [RowError(line, *problem) for problem in _together(values)]
    if not errors:
        return GoodRow(line, str(values["tenant"]), _loan(values))
    told = msgspec.convert({name: values[name] for name in _Told.__struct_fields__ if name in values}, _Told)
    return BadRow(tuple(errors), told.tenant, told.loan_id, told.business_date)


class _Told(msgspec.Struct, frozen=True):
    """What a bad row tells of whom it speaks."""

    tenant: str | None = None
    loan_id: str | None = None
    business_date: date | None = None


def _value(column: str, text: str, date_format: str) -> Value:
    if not text:
        if column in REQUIRED:
            raise ValueError("is empty")
        return None
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("is in another encoding; set `encoding` in the mapping, for example gb18030")
    if column in ("overdue_since", "business_date"):
        return _date(text, date_format)
    return _CHECKS[column](text)


def _together(values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """What columns that are good alone do not say together."""
    problems = []
    since, until = values.get("overdue_since"), values.get("business_date")
    if isinstance(since, date) and isinstance(until, date) and since > until:
        problems.append(("overdue_since", "is after business_date"))
    place = [values[name] for name in ("latitude", "longitude") if name in values]
    if len(place) == 2 and place.count(None) == 1:
        problems.append(("latitude", "and longitude come together or not at all"))
    return problems


def _loan(values: Mapping[str, Value]) -> LoanOverdue:
    who = {name: values["borrower_name" if name == "name" else name] for name in Borrower.__struct_fields__}
    what = {name: values[name] for name in _LOAN_COLUMNS}
    return msgspec.convert({**what, "borrower": who, "language": values["language"] or DEFAULT}, LoanOverdue)


def _name(text: str) -> str:
    if len(text) > 200:
        raise ValueError("is longer than 200 characters")
    return _plain(text)


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("holds a control character, such as a line break")
    return text


def _tenant(text: str) -> str:
    if not _TENANT.fullmatch(text):
        raise ValueError("wants small letters, digits and hyphens, at most 63, such as acme-bank")
    return text


def _phone(text: str) -> str:
    if not _PHONE.fullmatch(text) or len(text) > 40 or not 7 <= sum(c.isdigit() for c in text) <= 15:
        raise ValueError("is no phone number: want 7 to 15 digits, a + before a country code")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text) or len(text) > 254:
        raise ValueError("is no e-mail address such as name@example.com, at most 254 characters long")
    return _plain(text)


def _push_token(text: str) -> str:
    if len(text) > 4096:
        raise ValueError("is longer than 4,096 characters")
    return _plain(text)


def _amount(text: str) -> str:
    if _AMOUNT.fullmatch(text):
        return text
    if _AMOUNT.fullmatch(text.removeprefix("-")):
        raise ValueError("is negative; a credit is not overdue")
    if _GROUPED.fullmatch(text):
        raise ValueError("has thousands separators; want 1520.50")
    raise ValueError("is no decimal amount such as 1520.50 (at most 16 digits before and 8 after the point)")


def _currency(text: str) -> str:
    if text not in known_currencies():
        raise ValueError("is no ISO 4217 currency code such as CNY")
    return text


def _zone(text: str) -> str:
    if text not in known_time_zones():
        raise ValueError("is no IANA time zone such as Asia/Shanghai")
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("is no ISO 3166-2 region code such as CN-GD")
    return text


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise ValueError(f"must be {' or '.join(LANGUAGES)}")
    return text


def _degrees(limit: int) -> Callable[[str], float]:
    def check(text: str) -> float:
        degrees = float(text) if _DEGREES.fullmatch(text) else math.inf
        if abs(degrees) > limit:
            raise ValueError(f"wants decimal degrees between -{limit} and {limit}")
        return degrees

    return check


@lru_cache(maxsize=4096)
def _parsed_date(text: str, pattern: str) -> date | None:
    try:
        return datetime.strptime(text, pattern).date()  # noqa: DTZ007
    except ValueError:
        return None


def _date(text: str, pattern: str) -> date:
    day = _parsed_date(text, pattern)
    if day is None:
        example = date(2026, 1, 31).strftime(pattern)
        raise ValueError(f"is no date that exists, written like {example}")
    return bounds.day(day)


_LOAN_COLUMNS = tuple(n for n in LoanOverdue.__struct_fields__ if n not in ("borrower", "language"))
_TENANT = re.compile("[a-z0-9][a-z0-9-]{0,62}")
_PHONE = re.compile(r"\+?[0-9(][0-9 ()./-]*", re.ASCII)
_EMAIL = re.compile(EMAIL)
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,8})?", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}([,' ][0-9]{3})+(\.[0-9]+)?", re.ASCII)
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]+)?", re.ASCII)
_REGION = re.compile("[A-Z]{2}(-[A-Z0-9]{1,3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHECKS: Mapping[str, Callable[[str], Value]] = {
    "tenant": _tenant,
    "loan_id": _name,
    "borrower_id": _name,
    "borrower_name": _name,
    "phone": _phone,
    "product": _name,
    "currency": _currency,
    "principal_outstanding": _amount,
    "amount_overdue": _amount,
    "email": _email,
    "push_token": _push_token,
    "address": str,
    "latitude": _degrees(90),
    "longitude": _degrees(180),
    "region": _region,
    "time_zone": _zone,
    "language": _language,
    "segment": _name,
}
