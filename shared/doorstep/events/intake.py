"""What a bank says on intake.v1: CloudEvents keyed by loan, the one place with plaintext personal data.

These are facts, not our events: escalation decodes them strictly and either accepts them (published
sealed on loans.v1) or parks them. docs/schema/intake.schema.json is generated from here.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from doorstep.events import bounds
from doorstep.events.envelope import UNREADABLE, Instant
from doorstep.events.money import Money, known_currencies
from doorstep.events.values import EMAIL, Borrower, Language
from doorstep.locales.languages import DEFAULT

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
LoanId = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=200, description="The bank's own reference, unique in a tenant."),
]
BorrowerId = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=200, description="The bank's own reference of the borrower."),
]
_AMOUNT, _CURRENCY, _TENANT = r"^[0-9]{1,16}(\.[0-9]{1,8})?$", "^[A-Z]{3}$", "^[a-z0-9][a-z0-9-]{0,62}$"
_REGION = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$"
Amount = Annotated[
    str,
    msgspec.Meta(
        pattern=_AMOUNT,
        description="A decimal string, zero or more, such as 1520.50; no JSON number, which may be a float.",
    ),
]
Currency = Annotated[str, msgspec.Meta(pattern=_CURRENCY, description="ISO 4217 code, such as CNY.")]
Region = Annotated[
    str,
    msgspec.Meta(
        pattern=_REGION,
        description="ISO 3166-2 code of the home, such as CN-GD; without it the strictest rules hold.",
    ),
]
TimeZone = Annotated[
    str,
    msgspec.Meta(description="IANA name, such as Asia/Shanghai; without it the hours of every candidate zone hold."),
]


# An object of its own: msgspec leaves out a field whose value is the very object of its default, and an imported row
# always tells its language. Its fingerprint, and the id of its fact, are made of these bytes.
_UNSAID = str(DEFAULT.encode(), "ascii")


class LoanOverdue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A loan is overdue at the end of `business_date`; `overdue_since` is its first day past due."""

    loan_id: LoanId
    borrower: Borrower
    product: Name
    currency: Currency
    principal_outstanding: Amount
    amount_overdue: Amount
    overdue_since: date
    business_date: date
    region: Region | None = None
    time_zone: TimeZone | None = None
    language: Language = _UNSAID
    segment: Name | None = None


class LoanCured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The loan is not, or no longer, overdue at the end of `business_date`."""

    loan_id: LoanId
    borrower_id: BorrowerId
    business_date: date


class PaymentReceived(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The borrower paid `amount` on `paid_on`, a business date."""

    loan_id: LoanId
    borrower_id: BorrowerId
    amount: Amount
    currency: Currency
    paid_on: date


class PaymentReversed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payment that was told as fact `payment_id` of the same source did not stand."""

    loan_id: LoanId
    borrower_id: BorrowerId
    payment_id: Name
    reversed_on: date


class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    id: Name
    source: Name
    time: Instant
    tenant: Annotated[str, msgspec.Meta(pattern=_TENANT)]
    specversion: Literal["1.0"] = "1.0"
    schemaversion: Literal[1] = 1
    datacontenttype: Literal["application/json"] = "application/json"


class LoanOverdueFact(_Fact, frozen=True, kw_only=True, tag="doorstep.fact.loan-overdue"):
    """CloudEvent around LoanOverdue."""

    data: LoanOverdue


class LoanCuredFact(_Fact, frozen=True, kw_only=True, tag="doorstep.fact.loan-cured"):
    """CloudEvent around LoanCured."""

    data: LoanCured


class PaymentReceivedFact(_Fact, frozen=True, kw_only=True, tag="doorstep.fact.payment-received"):
    """CloudEvent around PaymentReceived."""

    data: PaymentReceived


class PaymentReversedFact(_Fact, frozen=True, kw_only=True, tag="doorstep.fact.payment-reversed"):
    """CloudEvent around PaymentReversed."""

    data: PaymentReversed


Fact = LoanOverdueFact | LoanCuredFact | PaymentReceivedFact | PaymentReversedFact


class Malformed(ValueError):
    """Bytes that are no fact; the message tells a person what is wrong and where, without quoting values."""


class _Version(msgspec.Struct):
    schemaversion: int = 1


_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)
_version = msgspec.json.Decoder(_Version)
_encoder = msgspec.json.Encoder()


LARGEST_FACT = 2 * 1024 * 1024
"""Bytes of a fact. A borrower who fills it travels on twice under seal, in base64, within the 8 MiB of a bus."""


def decode_fact(value: bytes) -> Fact:
    """The fact in `value`, which fits the schema and breaks no rule. Raises Malformed."""
    fact = parse_fact(value)
    for path, reason in broken_rules(fact):
        raise Malformed(f"{reason} - at `{path}`")
    return fact


def parse_fact(value: bytes) -> Fact:
    """The fact in `value`, which fits the schema and may still break rules. Raises Malformed."""
    if len(value) > LARGEST_FACT:
        raise Malformed(f"is larger than {LARGEST_FACT:,} bytes: leave out what the schema does not ask for")
    try:
        return _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise Malformed(_explain(value, error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not JSON: {error}") from None
    except RecursionError:
        raise Malformed("not JSON: nested too deeply") from None


def encode_fact(fact: Fact) -> bytes:
    """The bytes of `fact` with the attributes CloudEvents requires spelled out."""
    return b'{"specversion":"1.0","schemaversion":1,"datacontenttype":"application/json",' + _encoder.encode(fact)[1:]


def loan_key(tenant: str, loan_id: str) -> str:
    """The message key of a loan's facts: one loan's facts stay in order."""
    return f"{tenant}:{loan_id}"


def fact_name(source: str, fact_id: str) -> str:
    """A fact's identity in its tenant: its id is unique in its source only. A source with a space in it tells its
    length, so that no two facts share a name."""
    return f" {len(source)} {source} {fact_id}" if " " in source else f"{source} {fact_id}"


def money(amount: str, currency: str) -> Money:
    """An `amount` that has passed the schema, as Money."""
    return Money(Decimal(amount), currency)


def borrower_id(fact: Fact) -> str:
    """The bank's own reference of the borrower."""
    return fact.data.borrower.borrower_id if isinstance(fact, LoanOverdueFact) else fact.data.borrower_id


@lru_cache(maxsize=1)
def known_time_zones() -> frozenset[str]:
    """The IANA time zones this machine can compute with."""
    return frozenset(available_timezones())


def zone(name: str) -> ZoneInfo:
    """The zone of a checked name."""
    return ZoneInfo(name)


def broken_rules(fact: Fact) -> Iterator[tuple[str, str]]:
    """(JSON path, reason) of each rule beyond the schema that `fact` breaks. No reason quotes a value."""
    for name in ("id", "source", "tenant"):
        if _CONTROL.search(getattr(fact, name)):
            yield f"$.{name}", "holds a control character, such as a line break"
    if reason := _outside(fact.time):
        yield "$.time", reason
    yield from _broken_data(fact.data)


def _broken_data(data: LoanOverdue | LoanCured | PaymentReceived | PaymentReversed) -> Iterator[tuple[str, str]]:
    yield from _broken_fields(data, "$.data")
    match data:
        case LoanOverdue():
            yield from _broken_fields(data.borrower, "$.data.borrower")
            if data.overdue_since > data.business_date:
                yield "$.data.overdue_since", "overdue_since is after business_date"
            if (data.borrower.latitude is None) != (data.borrower.longitude is None):
                yield "$.data.borrower", "latitude and longitude come together or not at all"
        case LoanCured() | PaymentReceived() | PaymentReversed():
            pass


def _broken_fields(struct: msgspec.Struct, path: str) -> Iterator[tuple[str, str]]:
    for name in struct.__struct_fields__:
        reason = _broken_field(name, getattr(struct, name))
        if reason is not None:
            yield f"{path}.{name}", reason


def _broken_field(name: str, value: object) -> str | None:
    match value:
        case str() if name != "address" and _CONTROL.search(value):
            return "holds a control character, such as a line break"
        case str() if name == "currency" and value not in known_currencies():
            return "unknown currency (want an ISO 4217 code)"
        case str() if name == "time_zone" and value not in known_time_zones():
            return "unknown time zone (want an IANA name)"
        case date():
            return _outside(value)
        case _:
            return None


def _outside(told: date) -> str | None:
    try:
        bounds.instant(told) if isinstance(told, datetime) else bounds.day(told)
    except bounds.OutOfBounds as error:
        return str(error)
    return None


# PostgreSQL stores no NUL, and a key or a log line with a line break reads as two.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# msgspec quotes an unknown enum value, and in a shifted column that value may be somebody's name.
_QUOTED = re.compile(r"^(Invalid (?:enum )?value) .*?( - at `[^`]*`)?$", re.DOTALL)

_WANTED = {
    _AMOUNT: "a decimal string, zero or more, such as 1520.50",
    _CURRENCY: "an ISO 4217 code, such as CNY",
    _REGION: "an ISO 3166-2 code, such as CN-GD",
    EMAIL: "an e-mail address, such as name@example.com",
    _TENANT: "a name of small letters, digits and hyphens",
}
"""What a person is told instead of the pattern."""


def _explain(value: bytes, error: msgspec.ValidationError) -> str:
    try:
        version = _version.decode(value).schemaversion
    except UNREADABLE:
        version = 1
    if version > 1:
        return f"schemaversion {version} is newer than 1, the newest this release reads: upgrade, then replay"
    said = _QUOTED.sub(r"\1\2", str(error))
    for pattern, wanted in _WANTED.items():
        said = said.replace(f"Expected `str` matching regex {pattern!r}", f"Expected {wanted}")
    return said
