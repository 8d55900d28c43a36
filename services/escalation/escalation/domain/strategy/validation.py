"""Cases that never were, to try a decision graph on before it decides about anybody."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import zen

from escalation.domain.strategy.graph import Graph, tables

AT_RANDOM = 400
FOR_EACH_RULE = 60
CENT = Decimal("0.01")
JSON = msgspec.json.Encoder(decimal_format="number")
"""Money reaches the engine as the digits it has, and the engine counts in decimals: no amount becomes a float."""

Domain = Mapping[str, Sequence[object]]
"""Values to try for each name, the most usual first."""


def samples(graph: Graph, domain: Domain) -> Iterator[dict[str, object]]:
    """Cases that lie at every edge the conditions of `graph` draw and meet what each rule asks of a case; the same for
    the same graph."""
    rng = Random(0)
    wide = _widened(graph, domain)
    for _ in range(AT_RANDOM):
        yield {name: rng.choice(values) for name, values in wide.items()}
    for table in tables(graph):
        for rule in table["content"]["rules"]:
            fitting = wide | _fitting(table["content"], rule, wide)
            for _ in range(FOR_EACH_RULE):
                yield {name: _usually(values, rng) for name, values in fitting.items()}


def _usually(values: Sequence[object], rng: Random) -> object:
    return values[0] if rng.random() < 0.6 else rng.choice(values)


def _widened(graph: Graph, domain: Domain) -> dict[str, list[object]]:
    wide = {name: list(values) for name, values in domain.items()}
    for table in tables(graph):
        for column in table["content"]["inputs"]:
            values = wide.get(column.get("field", ""), [])
            like = next((value for value in values if value is not None), None)
            values += [edge for rule in table["content"]["rules"] for edge in _edges(rule.get(column["id"], ""), like)]
    return {name: [value for i, value in enumerate(values) if value not in values[:i]] for name, values in wide.items()}


def _edges(cell: str, like: object) -> list[object]:
    """What lies on each side of a limit, and the texts that a condition names; of the kind of `like`."""
    texts = re.findall(r"""["']([^"']*)["']""", cell)
    numbers = [Decimal(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", cell)]
    match like:
        case str():
            return texts
        case tuple():
            return [(text,) for text in texts]
        case Decimal():
            return [edge for n in numbers for edge in (n, max(n - CENT, CENT))]
        case int() if not isinstance(like, bool):
            return [max(int(n) + by, 0) for n in numbers for by in (-1, 0, 1)]
        case _:
            return []


def _fitting(content: Mapping[str, Any], rule: Mapping[str, str], wide: Domain) -> dict[str, Sequence[object]]:
    """For each name, the values that `rule` accepts, as far as they can be told from its own column."""
    found: dict[str, Sequence[object]] = {}
    for column in content["inputs"]:
        cell, values = rule.get(column["id"], "").strip(), wide.get(column.get("field", ""), ())
        fit = [value for value in values if cell and _accepts(cell, value)]
        if fit:
            found[column["field"]] = fit
    return found


def _accepts(cell: str, value: object) -> bool:
    try:
        return zen.evaluate_unary_expression(cell, JSON.encode({"$": value}))
    except RuntimeError:
        return False  # needs more than its column, or a value where there is none
