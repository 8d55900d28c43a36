"""A graph as it is asked, and the trail each answer leaves: the rules of each node that held.

The engine's own trace repeats every value of every node and takes twice as long as the answer. So the engine is also
given the graph with one more output in each table, the number of the row that held, and one more node that gathers
those. The file, its hash and what the graph decides stay as they are.
"""

from collections.abc import Sequence
from typing import Final

import zen

from escalation.domain.strategy.graph import Graph, JsonObject, Node, lean, tables

ROWS: Final = "doorstep_rows"
"""What an answer calls the rows that held, one entry for each table."""
PLAIN: Final = "plain"
TELLING: Final = "telling"
Row = float | Sequence[float] | None
"""The number of a row; of all that held, where the table collects; None where none did."""


class GraphEngine:
    """A decision graph in the engine. `usual` is a case as JSON, from which the order of the nodes is learnt."""

    def __init__(self, graph: Graph, usual: bytes) -> None:
        plain = lean(graph)
        self._engine = _engine({PLAIN: plain})
        self._tables = self._in_order(plain, usual) if _tellable(plain) else []
        self._rules = [
            (node["name"], [rule["_id"].strip() for rule in node["content"]["rules"]]) for node in self._tables
        ]
        if self._tables:
            self._engine = _engine({PLAIN: plain, TELLING: _telling(plain, self._tables)})

    def answer(self, case: bytes) -> JsonObject:
        """What the graph says. Raises RuntimeError where it cannot be evaluated."""
        result: JsonObject = self._engine.evaluate(PLAIN, case)["result"]
        return result

    def trace(self, case: bytes) -> JsonObject:
        """What the engine tells of every node."""
        return dict(self._engine.evaluate(PLAIN, case, {"trace": True})["trace"])

    def follow(self, case: bytes) -> tuple[JsonObject, tuple[str, ...]]:
        """What the graph says, and each node that decided with its rules that held. Raises RuntimeError where it
        cannot be evaluated."""
        if not self._rules:
            return self._traced(case)
        try:
            result = self._engine.evaluate(TELLING, case)["result"]
        except RuntimeError:
            return self._traced(case)  # which fails in a node of the file
        told = zip(self._rules, result[ROWS], strict=True)
        held = [(name, "+".join([rules[int(row)] for row in _rows(row)])) for (name, rules), row in told]
        return result, tuple([f"{name}: {rules}" for name, rules in held if rules])

    def _traced(self, case: bytes) -> tuple[JsonObject, tuple[str, ...]]:
        told = self._engine.evaluate(PLAIN, case, {"trace": True})
        nodes = sorted(told["trace"].values(), key=lambda node: node["order"])
        held = [(node["name"], "+".join(_hits(node["traceData"]))) for node in nodes]
        return told["result"], tuple(f"{name}: {rules}" for name, rules in held if rules)

    def _in_order(self, graph: Graph, usual: bytes) -> list[Node]:
        """The tables as they are asked, without a switch always in the same order; none, where that cannot be told."""
        try:
            trace = self.trace(usual)
        except RuntimeError:
            return []
        known = {node["id"]: node for node in tables(graph)}
        asked = sorted(trace.values(), key=lambda node: node["order"])
        return [known[node["id"]] for node in asked if node["id"] in known]


def _engine(graphs: dict[str, Graph]) -> zen.ZenEngine:
    return zen.ZenEngine({"loader": {"type": "static", "content": graphs}})


def _tellable(graph: Graph) -> bool:
    """Whether an answer can tell its path. It cannot where a switch leaves nodes out, or a node has no name of its own
    to be asked by, or nothing gathers the answer."""
    names = [node["name"] for node in graph["nodes"]]
    kinds = [node["type"] for node in graph["nodes"]]
    plain = all('"' not in name for name in names) and len(set(names)) == len(names)
    return plain and "outputNode" in kinds and "switchNode" not in kinds


def _telling(graph: Graph, asked: Sequence[Node]) -> Graph:
    """The same decisions, with the rows that held in the tables `asked`, in that order, under ROWS."""
    numbered = {node["id"]: _numbered(node, f"{ROWS}_{nth}") for nth, node in enumerate(asked)}
    rows = ", ".join(_told(node, f"{ROWS}_{nth}") for nth, node in enumerate(asked))
    gathers = {
        "id": ROWS,
        "name": ROWS,
        "type": "expressionNode",
        "content": {"expressions": [{"id": ROWS, "key": ROWS, "value": f"[{rows}]"}], "passThrough": False},
    }
    output = next(node["id"] for node in graph["nodes"] if node["type"] == "outputNode")
    edges = [_edge(name, ROWS) for name in numbered] + [_edge(ROWS, output)]
    nodes = [numbered.get(node["id"], node) for node in graph["nodes"]]
    return {"nodes": [*nodes, gathers], "edges": [*graph["edges"], *edges]}


def _numbered(table: Node, field: str) -> Node:
    content = table["content"]
    rules = [{**rule, field: str(row)} for row, rule in enumerate(content["rules"])]
    outputs = [*content["outputs"], {"id": field, "name": "", "field": field}]
    return {**table, "content": {**content, "outputs": outputs, "rules": rules}}


def _told(table: Node, field: str) -> str:
    """The expression for the rows of `table` that held."""
    content = table["content"]
    said = f'$nodes["{table["name"]}"]' + (f".{content['outputPath']}" if content.get("outputPath") else "")
    return f"map({said} ?? [], #.{field})" if content["hitPolicy"] == "collect" else f"{said}.{field}"


def _edge(source: str, target: str) -> dict[str, str]:
    return {"id": f"{ROWS}-{source}-{target}", "type": "edge", "sourceId": source, "targetId": target}


def _rows(row: Row) -> Sequence[float]:
    if row is None:
        return ()
    return (row,) if isinstance(row, float | int) else row


def _hits(data: object) -> Sequence[str]:
    """The ids of the rules that held in a node, in their order."""
    match data:
        case {"rule": {"_id": str(rule)}}:
            return (rule,)
        case {"statements": list(statements)}:
            return [statement["id"] for statement in statements]
        case list():
            return [one["rule"]["_id"] for one in data]
        case _:
            return ()
