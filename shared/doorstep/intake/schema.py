"""The JSON Schema of intake.v1, generated from the facts' types, so that it cannot say anything else."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from doorstep.events.intake import (
    LARGEST_FACT,
    Fact,
    LoanCured,
    LoanCuredFact,
    LoanOverdue,
    LoanOverdueFact,
    PaymentReceived,
    PaymentReceivedFact,
    PaymentReversed,
    PaymentReversedFact,
)
from doorstep.events.values import Borrower

FILE = "intake.schema.json"
BY_TYPE = {
    "doorstep.fact.loan-overdue": LoanOverdueFact.__name__,
    "doorstep.fact.loan-cured": LoanCuredFact.__name__,
    "doorstep.fact.payment-received": PaymentReceivedFact.__name__,
    "doorstep.fact.payment-reversed": PaymentReversedFact.__name__,
}
"""The definition that describes each `type`."""


def generate() -> dict[str, Any]:
    """The schema as one document, Draft 2020-12."""
    _, definitions = msgspec.json.schema_components([Fact], ref_template="#/$defs/{name}")
    for name, definition in definitions.items():
        _readable(name, definition)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:doorstep:schema:intake:v1",
        "title": "doorstep.intake.v1",
        "description": _ABOUT,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in BY_TYPE.values()],
        "examples": list(EXAMPLES.values()),
        "$defs": dict(sorted(definitions.items())),
    }


def write(folder: Path) -> list[Path]:
    """Write the schema, and one good example per type under examples/; the paths written."""
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    documents = {FILE: generate()} | {f"examples/{name}.json": example for name, example in EXAMPLES.items()}
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return [folder / name for name in documents]


def _readable(name: str, definition: dict[str, Any]) -> None:
    """Titles and descriptions for somebody who sees the schema and not our source."""
    definition["title"] = name
    definition["description"] = _DEFINITIONS.get(name) or inspect.cleandoc(definition["description"])
    for field, schema in definition["properties"].items():
        described = schema if "anyOf" not in schema else schema["anyOf"][0]
        if field in _FIELDS and "description" not in described:
            schema["description"] = _FIELDS[field]


_ABOUT = (
    "What a bank says to Doorstep: CloudEvents 1.0 in structured JSON mode, published with the key "
    "`<tenant>:<loan_id>`. Unknown fields are ignored. Rules a schema cannot state: currency and time zone "
    "must exist, overdue_since is not after business_date, latitude and longitude come together, no id "
    "holds a control character, dates lie between 1970 and 2199, and a message has "
    f"{LARGEST_FACT:,} bytes at most."
)
_DEFINITIONS = {
    Borrower.__name__: "Who owes the loan, and how to reach that person. Sealed as soon as it is accepted.",
    LoanOverdueFact.__name__: f"CloudEvent: {inspect.cleandoc(LoanOverdue.__doc__ or '')}",
    LoanCuredFact.__name__: f"CloudEvent: {inspect.cleandoc(LoanCured.__doc__ or '')}",
    PaymentReceivedFact.__name__: f"CloudEvent: {inspect.cleandoc(PaymentReceived.__doc__ or '')}",
    PaymentReversedFact.__name__: f"CloudEvent: {inspect.cleandoc(PaymentReversed.__doc__ or '')}",
}
_FIELDS = {
    "type": "Which fact this is.",
    "id": "Unique within `source`; the same fact sent again keeps its id.",
    "source": "The system that says so, for example /bank/acme/eod.",
    "time": "When it was said, RFC 3339 with an offset.",
    "tenant": "The lender: small letters, digits and hyphens, at most 63.",
    "specversion": "Version of CloudEvents.",
    "schemaversion": "Version of this schema.",
    "datacontenttype": "Media type of `data`.",
    "data": "The fact itself.",
    "borrower": "Who owes the loan.",
    "borrower_id": "The bank's own reference of the borrower.",
    "name": "As it is written on a letter.",
    "phone": "Best in international form, such as +86 199 0000 1234.",
    "push_token": "Names the borrower's app at its push service; needed for push messages.",
    "address": "Where the borrower lives, as it is written on a letter.",
    "latitude": "Decimal degrees, WGS 84.",
    "longitude": "Decimal degrees, WGS 84.",
    "product": "What the bank calls this kind of loan.",
    "overdue_since": "The first day past due.",
    "business_date": "The bank's day at whose end this holds.",
    "language": "What the borrower is addressed in.",
    "paid_on": "The business date of the payment.",
    "segment": "What the bank calls this group of borrowers; a strategy may treat it differently.",
    "payment_id": "The `id` of the payment-received fact that did not stand.",
    "reversed_on": "The business date on which it was taken back.",
}


def _event(type_: str, event_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": type_,
        "id": event_id,
        "source": "/bank/acme/eod",
        "time": "2026-03-02T22:30:00+08:00",
        "tenant": "acme",
        "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": data,
    }


EXAMPLES = {
    "loan-overdue": _event(
        "doorstep.fact.loan-overdue",
        "5f0d7f9e-2f0a-5c0e-8a53-6d1f1a1d9d01",
        {
            "loan_id": "CL-2025-000731",
            "borrower": {
                "borrower_id": "C-10482",
                "name": "陈静怡",
                "phone": "+86 199 0000 1234",
                "email": "chen.jingyi@example.com",
                "push_token": "d2hhdCBhIHB1c2ggc2VydmljZSBnYXZlIHRoZSBhcHA",
                "address": "广东省深圳市南山区创业路18号海棠花园3栋1204室",
                "latitude": 22.53,
                "longitude": 113.93,
            },
            "product": "consumer",
            "currency": "CNY",
            "principal_outstanding": "28600.00",
            "amount_overdue": "1520.50",
            "overdue_since": "2026-02-26",
            "business_date": "2026-03-02",
            "region": "CN-GD",
            "time_zone": "Asia/Shanghai",
            "language": "zh-CN",
        },
    ),
    "loan-cured": _event(
        "doorstep.fact.loan-cured",
        "5f0d7f9e-2f0a-5c0e-8a53-6d1f1a1d9d02",
        {"loan_id": "CL-2025-000731", "borrower_id": "C-10482", "business_date": "2026-03-03"},
    ),
    "payment-received": _event(
        "doorstep.fact.payment-received",
        "5f0d7f9e-2f0a-5c0e-8a53-6d1f1a1d9d03",
        {
            "loan_id": "CL-2025-000731",
            "borrower_id": "C-10482",
            "amount": "1520.50",
            "currency": "CNY",
            "paid_on": "2026-03-03",
        },
    ),
    "payment-reversed": _event(
        "doorstep.fact.payment-reversed",
        "5f0d7f9e-2f0a-5c0e-8a53-6d1f1a1d9d04",
        {
            "loan_id": "CL-2025-000731",
            "borrower_id": "C-10482",
            "payment_id": "5f0d7f9e-2f0a-5c0e-8a53-6d1f1a1d9d03",
            "reversed_on": "2026-03-06",
        },
    ),
}
