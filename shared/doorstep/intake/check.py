"""Telling a bank's developers, before anything is sent, what is wrong with their facts and where."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from doorstep.events.intake import Malformed, broken_rules, parse_fact
from doorstep.intake.schema import BY_TYPE, generate


@dataclass(frozen=True)
class Problem:
    """What is wrong in line `line`, at JSON path `path`. The reason quotes no value: it may be a name."""

    line: int
    path: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path}: {self.reason}"


def check(lines: Iterable[bytes]) -> Iterator[Problem]:
    """Every problem of the facts in `lines` (NDJSON; blank lines are skipped). None means that escalation
    will accept the form of every one of them."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield from (Problem(number, path, reason) for path, reason in problems(line.strip()))


def problems(value: bytes) -> Iterator[tuple[str, str]]:
    """(JSON path, reason) of everything wrong with one fact: its form, or else the rules it breaks."""
    try:
        content = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield "$", f"not JSON: {error}"
        return
    except RecursionError:
        yield "$", "not JSON: nested too deeply"
        return
    against_schema = sorted(schema_problems(content))
    yield from against_schema or _against_rules(value)


def schema_problems(content: object) -> Iterator[tuple[str, str]]:
    """What the JSON Schema says of `content`, as one person would tell another."""
    if not isinstance(content, dict):
        yield "$", f"wants an object, has {_kind(content)}"
    elif "type" not in content:
        yield "$", "type is missing"
    elif not isinstance(content["type"], str) or content["type"] not in BY_TYPE:
        yield "$.type", f"must be one of {', '.join(BY_TYPE)}"
    else:
        for error in _validator(content["type"]).iter_errors(content):
            yield _told(error)


def _against_rules(value: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from broken_rules(parse_fact(value))
    except Malformed as error:
        reason, _, path = str(error).partition(" - at ")
        yield path.strip("`") or "$", reason


@lru_cache(maxsize=len(BY_TYPE))
def _validator(fact_type: str) -> Draft202012Validator:
    """For one type alone: against all of them a single slip reads as three."""
    schema = {key: value for key, value in generate().items() if key != "oneOf"}
    return Draft202012Validator(schema | {"$ref": f"#/$defs/{BY_TYPE[fact_type]}"})


def _told(error: ValidationError) -> tuple[str, str]:
    if error.validator == "anyOf":
        # An optional field: null or something that fits; what does not fit is worth telling.
        return _told(next(e for e in error.context or () if e.validator_value != "null"))
    return error.json_path, _reason(error)


def _reason(error: ValidationError) -> str:  # noqa: PLR0911
    wanted: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "required":
            return f"{next(name for name in wanted if repr(name) in error.message)} is missing"
        case "type":
            return f"wants {_KINDS[wanted]}, has {_kind(error.instance)}"
        case "enum":
            return f"must be {' or '.join(str(value) for value in wanted)}"
        case "pattern":
            return f"wants: {schema.get('description') or wanted}"
        case "minLength":
            return "is empty" if not error.instance else f"is shorter than {wanted} characters"
        case "maxLength":
            return f"is longer than {wanted} characters"
        case "minimum" | "maximum":
            return f"lies outside {schema['minimum']} to {schema['maximum']}"
        case other:
            return f"breaks `{other}` of the schema"


_KINDS = {
    "object": "an object",
    "string": "a string",
    "number": "a number",
    "array": "a list",
    "null": "null",
}


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
