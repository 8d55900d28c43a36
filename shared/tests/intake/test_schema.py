"""The checked-in schema says what decode_fact does."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from doorstep.events.intake import Malformed, decode_fact
from doorstep.intake import schema
from doorstep.intake.check import check, problems, schema_problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[3] / "docs" / "schema"
GOOD = sorted((DOCS / "examples").glob("*.json"))
BAD = sorted((DOCS / "examples" / "bad").glob("*.json"))
VALIDATOR = Draft202012Validator(schema.generate())


def test_the_checked_in_documents_are_up_to_date(tmp_path: Path) -> None:
    for path in schema.write(tmp_path):
        assert (DOCS / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), "run `make schema`"


def test_the_document_is_a_valid_schema_that_stands_alone() -> None:
    Draft202012Validator.check_schema(schema.generate())
    references = set(_values(schema.generate(), "$ref"))
    assert references <= {f"#/$defs/{name}" for name in schema.generate()["$defs"]}


def test_every_field_is_described() -> None:
    for definition in schema.generate()["$defs"].values():
        for name, field in definition["properties"].items():
            assert "description" in field or "description" in field["anyOf"][0], name


def test_every_type_has_an_example() -> None:
    assert {json.loads(path.read_bytes())["type"] for path in GOOD} == set(schema.BY_TYPE)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_example_is_good_to_both(path: Path) -> None:
    value = json.dumps(json.loads(path.read_bytes())).encode()
    assert list(problems(value)) == []
    assert VALIDATOR.is_valid(json.loads(value))
    decode_fact(value)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_example_is_bad_for_its_reason(path: Path) -> None:
    expected = json.loads(path.read_bytes())
    value = json.dumps(expected["fact"]).encode()
    assert list(problems(value)) == [(expected["path"], expected["reason"])]
    assert VALIDATOR.is_valid(expected["fact"]) == (expected["found_by"] == "rules")
    with pytest.raises(Malformed):
        decode_fact(value)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12), st.just([]), st.just({})
)
PLAUSIBLE = st.sampled_from(
    ["0", "12\n", "1.5", "CNY", "XXX", "2026-03-02", "2026-03-02T00:00:00Z", "Asia/Tokyo", "en", "CN-GD", "CN\n", 45]
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_decode_fact_takes_the_schema_takes_and_both_checks_agree(data: st.DataObject) -> None:
    fact = copy.deepcopy(data.draw(st.sampled_from(list(schema.EXAMPLES.values()))))
    for _ in range(data.draw(st.integers(1, 3))):
        _mutate(data, fact)
    value = json.dumps(fact).encode()
    assert _taken(value) == (list(problems(value)) == [])
    assert VALIDATOR.is_valid(fact) or not _taken(value)


def _taken(value: bytes) -> bool:
    try:
        decode_fact(value)
    except Malformed:
        return False
    return True


def _mutate(data: st.DataObject, fact: dict[str, Any]) -> None:
    places = [fact, *(v for v in (fact.get("data"), _borrower(fact)) if isinstance(v, dict) and v)]
    place = data.draw(st.sampled_from(places))
    key = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        place[key] = data.draw(st.one_of(JUNK, PLAUSIBLE))
    elif len(place) > 1:
        del place[key]


def _borrower(fact: dict[str, Any]) -> Any:
    data = fact.get("data")
    return data.get("borrower") if isinstance(data, dict) else None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_fact_or_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        decode_fact(value)
    assert list(problems(value))


@pytest.mark.parametrize("value", [b"[" * 200_000, b'{"x":' + b"[" * 200_000, b'{"type":"' + b"a" * 200_000 + b'"}'])
def test_bytes_meant_to_hurt_are_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        decode_fact(value)
    assert list(problems(value))


def test_no_reason_quotes_a_value() -> None:
    fact = copy.deepcopy(schema.EXAMPLES["loan-overdue"])
    secret = "陈静怡 at home"
    for name in ("language", "currency", "region", "time_zone", "overdue_since", "amount_overdue"):
        changed = copy.deepcopy(fact)
        changed["data"][name] = secret
        value = json.dumps(changed).encode()
        with pytest.raises(Malformed) as malformed:
            decode_fact(value)
        assert "静" not in str(malformed.value) + str(list(problems(value)))


def test_each_line_is_checked_by_itself() -> None:
    good = json.dumps(schema.EXAMPLES["loan-cured"]).encode()
    found = list(check([good, b"\n", b"{", b'{"type": "x"}\n', good]))
    assert [(problem.line, problem.path) for problem in found] == [(3, "$"), (4, "$.type")]
    assert str(found[1]).startswith("line 4: $.type: must be one of")


def test_an_object_without_a_type_is_told_so() -> None:
    assert list(schema_problems({})) == [("$", "type is missing")]


def _values(document: Any, key: str) -> Any:
    if isinstance(document, dict):
        yield from (v for k, v in document.items() if k == key)
        document = list(document.values())
    if isinstance(document, list):
        for inner in document:
            yield from _values(inner, key)
