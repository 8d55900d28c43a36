"""The path an answer tells is the one that the engine's trace tells."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from escalation.domain.strategy import strategy
from escalation.domain.strategy.decision_path import GraphEngine
from escalation.domain.strategy.graph import plain
from escalation.domain.strategy.validation import JSON, samples

FILE = Path(strategy.__file__).parent / "strategies" / "default.json"
GRAPH = json.loads(FILE.read_text(encoding="utf-8"))
STAGE, WILLINGNESS, WORTH, TOTAL, NEXT_STEP = range(1, 6)
Change = Callable[[dict[str, Any]], object]


def content(told: dict[str, Any], node: int) -> dict[str, Any]:
    found: dict[str, Any] = told["nodes"][node]["content"]
    return found


def as_it_is(told: dict[str, Any]) -> None:
    pass


def tables_pass_on_what_they_see(told: dict[str, Any]) -> None:
    for node in (STAGE, WORTH, NEXT_STEP):
        content(told, node)["passThrough"] = True


def a_table_answers_in_a_field(told: dict[str, Any]) -> None:
    content(told, WORTH)["outputPath"] = "asked.worth"


def a_table_collects_in_no_field(told: dict[str, Any]) -> None:
    content(told, WILLINGNESS)["outputPath"] = None
    for one in content(told, TOTAL)["expressions"]:
        one["value"] = {"willingness": "50", "reasons": "[]"}[one["key"]]


def no_rule_fits_in_some_tables(told: dict[str, Any]) -> None:
    for node in (STAGE, WORTH):
        content(told, node)["rules"] = content(told, node)["rules"][:2]


def a_rule_has_an_odd_name(told: dict[str, Any]) -> None:
    content(told, NEXT_STEP)["rules"][-1]["_id"] = """'it' + "is" """


def two_nodes_have_one_name(told: dict[str, Any]) -> None:
    told["nodes"][WORTH]["name"] = told["nodes"][STAGE]["name"]


def nothing_gathers_the_answer(told: dict[str, Any]) -> None:
    told["nodes"] = [node for node in told["nodes"] if node["type"] != "outputNode"]
    told["edges"] = [edge for edge in told["edges"] if edge["targetId"] != "decision"]


def a_cell_cannot_be_evaluated_for_some(told: dict[str, Any]) -> None:
    content(told, TOTAL)["expressions"][0]["value"] = "kept > 0 ? 50 : sum(kept)"


@pytest.mark.parametrize(
    "change",
    [
        as_it_is,
        tables_pass_on_what_they_see,
        a_table_answers_in_a_field,
        a_table_collects_in_no_field,
        no_rule_fits_in_some_tables,
        a_rule_has_an_odd_name,
        two_nodes_have_one_name,
        nothing_gathers_the_answer,
        a_cell_cannot_be_evaluated_for_some,
    ],
)
def test_an_answer_and_its_path_are_those_of_the_trace(change: Change) -> None:
    told = deepcopy(GRAPH)
    change(told)
    cases = [JSON.encode({**one, "bucket": "1-30"}) for one in samples(GRAPH, strategy.DOMAIN)]
    trail = GraphEngine(told, cases[0])
    for case in cases[::3]:
        assert said(trail.follow, case) == said(trail._traced, case)


def said(how: Callable[[bytes], Any], case: bytes) -> Any:
    """What was said, without the rows it was told by; the node that failed, where one did."""
    try:
        answer, path = how(case)
    except RuntimeError as error:
        return plain(error)
    return {key: value for key, value in answer.items() if not key.startswith("doorstep_rows")}, path
