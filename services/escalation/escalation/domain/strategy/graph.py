"""A decision graph's file (JDM, as the GoRules editor writes it): read, and refused whole unless every cell of it can
be evaluated, and to the same answer each time.

The engine itself finds a broken structure, but neither a cell that cannot be parsed nor a misspelt name, which it takes
for an empty value. Both would turn a case away from its step in silence, so they are looked for here.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import zen

from escalation.domain.rules.pack import InvalidPolicy, PolicyProblem

JsonObject = dict[str, Any]
"""What the editor writes and the engine says: checked here and by the engine, not by types."""
Graph = JsonObject
Node = JsonObject

KINDS = ("inputNode", "outputNode", "decisionTableNode", "expressionNode", "switchNode")
"""What may be in a graph. A function node runs a program, a decision node another file: neither is in the hash."""
VOLATILE = {"rand", "d", "date", "time"}
"""Functions of the language that give another answer the next time."""
WORDS = {"and", "or", "not", "in", "as", "true", "false", "null"}
STRUCTURE = {
    "cyclicGraph": "the arrows run in a circle; a case must get from the input to the output",
    "invalidInputCount": "a graph has exactly one input node",
    "invalidOutputCount": "a graph has at most one output node",
    "missingNode": "an arrow leads from or to a node that is not there; delete the arrow, or draw it anew",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One expression of a graph, and where it stands. `unary`: a condition on the value of its column."""

    node: str
    path: str
    text: str
    unary: bool = False


def read(file: Path, offered: frozenset[str], choices: Mapping[str, frozenset[str]]) -> JsonObject:
    """The graph in `file`, which may use the names in `offered`; an output column named in `choices` may say those
    values. Raises InvalidPolicy with every problem that is found."""
    graph = _parsed(file)
    check(file.name, graph, offered, choices)
    return graph


def check(file: str, graph: Graph, offered: frozenset[str], choices: Mapping[str, frozenset[str]]) -> None:
    """The same for a graph that has been parsed."""
    _structure(file, graph)
    problems = [*_nodes(graph), *_cells(graph, offered), *_values(graph, choices)]
    if problems:
        raise InvalidPolicy([PolicyProblem(file, path, reason) for path, reason in problems])


def label(graph: Graph, node_id: str, rule: int | None = None) -> str:
    """How a person finds a node, and one rule of it, in the file."""
    index, node = next((i, node) for i, node in enumerate(graph["nodes"]) if node["id"] == node_id)
    place = f'nodes[{index}] "{node["name"]}"'
    return place if rule is None else f'{place} rules[{rule}] "{node["content"]["rules"][rule].get("_id", "")}"'


def tables(graph: Graph) -> Iterator[Node]:
    """The decision tables of `graph`."""
    return (node for node in graph["nodes"] if node["type"] == "decisionTableNode")


def lean(graph: Graph) -> JsonObject:
    """The same decisions without what only people read. The engine copies rules into every trace: a third of its
    time."""
    return {"nodes": [_lean(node) for node in graph["nodes"]], "edges": graph["edges"]}


def plain(error: BaseException) -> JsonObject:
    """What the engine said, as `source` and perhaps `nodeId`, without the stack of the engine that follows it."""
    said = str(error).partition("\n\nStack backtrace")[0].strip()
    try:
        told = json.loads(said)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"source": " ".join(said.split())}


def _parsed(file: Path) -> JsonObject:
    try:
        graph = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        raise InvalidPolicy([PolicyProblem(file.name, f"line {error.lineno}", f"no JSON: {error.msg}")]) from None
    except UnicodeDecodeError:
        raise InvalidPolicy([PolicyProblem(file.name, "", "not UTF-8; save it as UTF-8")]) from None
    except OSError:
        raise InvalidPolicy(
            [PolicyProblem(file.name, "", "cannot be read; check that it is there and readable")]
        ) from None
    if not isinstance(graph, dict):
        raise InvalidPolicy(
            [PolicyProblem(file.name, "", "no decision graph: an object with nodes and edges is expected")]
        )
    return graph


def _structure(file: str, graph: Graph) -> None:
    try:
        zen.ZenEngine().create_decision(json.dumps(graph)).validate()
    except RuntimeError as error:
        told = plain(error)
        raise InvalidPolicy([PolicyProblem(file, *_broken(graph, told))]) from None
    if not graph["nodes"]:
        raise InvalidPolicy([PolicyProblem(file, "nodes", "the graph is empty")])


def _broken(graph: Graph, told: JsonObject) -> tuple[str, str]:
    if "type" in told:
        reason = STRUCTURE.get(told["type"], f"the engine refuses it: {told['type']}")
        return f'node "{told["nodeId"]}"' if "nodeId" in told else "", reason
    found = re.search(r"(nodes|edges)\[(\d+)\]", told["source"])
    reason = told["source"].removeprefix("Invalid JSON Caused by: ")
    if not found:
        return "", reason
    named = graph[found[1]][int(found[2])]
    name = f' "{named["name"]}"' if isinstance(named, dict) and "name" in named else ""
    return found[0] + name, reason.removeprefix(f"{found[0]}: ")


def _nodes(graph: Graph) -> Iterator[tuple[str, str]]:
    for node in graph["nodes"]:
        place, content = label(graph, node["id"]), _content(node)
        if node["type"] not in KINDS:
            yield place, f"a {node['type']} is not allowed here: its outcome would not follow from this file alone"
        if content.get("executionMode") == "loop" or content.get("inputField"):
            yield place, "clear its input field and let it run once: a node sees the whole case"
    for node in tables(graph):
        yield from _rows(label(graph, node["id"]), node["content"])


def _rows(place: str, content: JsonObject) -> Iterator[tuple[str, str]]:
    columns = {column["id"] for column in (*content["inputs"], *content["outputs"])}
    ids = Counter(rule.get("_id", "") for rule in content["rules"])
    for index, rule in enumerate(content["rules"]):
        where, name = f'{place} rules[{index}] "{rule.get("_id", "")}"', rule.get("_id", "")
        if not name or ids[name] > 1:
            yield where, "give each rule an _id of its own: a decision names the rules that it was made by"
        for key in sorted(rule.keys() - columns - {"_id", "_description"}):
            yield f"{where} {key}", "belongs to no column of the table; delete it, or add the column"


def _cells(graph: Graph, offered: frozenset[str]) -> Iterator[tuple[str, str]]:
    seen = _seen(graph, offered)
    for cell in _expressions(graph):
        if wrong := _unreadable(cell):
            yield cell.path, f"`{cell.text}` cannot be read: {wrong}"
            continue
        for name in sorted(_called(cell.text) & VOLATILE):
            yield cell.path, f"`{name}` would give another answer the next time; use what is known of the case"
        for name in sorted(_named(cell.text) - seen(cell.node)):
            yield cell.path, f"`{name}` is not known here; known are: {', '.join(sorted(seen(cell.node)))}"


def _unreadable(cell: Cell) -> str | None:
    # zen-engine 2.1.3: validate_unary_expression refuses every comparison; compiling does not.
    try:
        (zen.compile_unary_expression if cell.unary else zen.compile_expression)(cell.text)
    except RuntimeError as error:
        return str(plain(error)["source"])
    return None


def _expressions(graph: Graph) -> Iterator[Cell]:
    for node in graph["nodes"]:
        place, content = label(graph, node["id"]), _content(node)
        for index, one in enumerate(content.get("expressions", ())):
            yield Cell(node["id"], f'{place} expressions[{index}] "{one["key"]}"', one["value"])
        for index, one in enumerate(content.get("statements", ())):
            if one.get("condition"):
                yield Cell(node["id"], f"{place} statements[{index}]", one["condition"])
    for node in tables(graph):
        yield from _table(graph, node)


def _table(graph: Graph, node: Node) -> Iterator[Cell]:
    inputs, outputs = node["content"]["inputs"], node["content"]["outputs"]
    for index, column in enumerate(inputs):
        if column.get("field"):
            yield Cell(node["id"], f"{label(graph, node['id'])} inputs[{index}]", column["field"])
    for index, rule in enumerate(node["content"]["rules"]):
        where = label(graph, node["id"], index)
        for column in (*inputs, *outputs):
            if rule.get(column["id"], "").strip():
                unary = column in inputs and bool(column.get("field"))
                yield Cell(node["id"], f"{where} {_name(column)}", rule[column["id"]], unary)


def _values(graph: Graph, choices: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    for node in tables(graph):
        for index, rule in enumerate(node["content"]["rules"]):
            for column in node["content"]["outputs"]:
                said = re.fullmatch(r"""\s*(["'])(.*)\1\s*""", rule.get(column["id"], ""))
                allowed = choices.get(column.get("field", ""))
                if said and allowed and said[2] not in allowed:
                    where = f"{label(graph, node['id'], index)} {_name(column)}"
                    yield where, f"{said[2]} is not one of {', '.join(sorted(allowed))}"


def _seen(graph: Graph, offered: frozenset[str]) -> Callable[[str], frozenset[str]]:
    """Which names a node sees, as a function of its id."""
    nodes = {node["id"]: node for node in graph["nodes"]}

    @cache
    def seen(node_id: str) -> frozenset[str]:
        sources = [edge["sourceId"] for edge in graph["edges"] if edge["targetId"] == node_id]
        return frozenset().union(*map(given, sources))

    @cache
    def given(node_id: str) -> frozenset[str]:
        node = nodes[node_id]
        content = _content(node)
        if node["type"] == "inputNode":
            return offered
        passed = content.get("passThrough", True) or node["type"] == "switchNode"
        return _made(content) | (seen(node_id) if passed else frozenset())

    return seen


def _made(content: JsonObject) -> frozenset[str]:
    if content.get("outputPath"):
        return frozenset({content["outputPath"].partition(".")[0]})
    made = [one["key"] for one in content.get("expressions", ())]
    made += [one.get("field") or "" for one in content.get("outputs", ())]
    return frozenset(name.partition(".")[0] for name in made)


def _bare(text: str) -> str:
    """The expression without its texts; of a template, what stands in its braces."""
    inside = re.sub(r"`([^`]*)`", lambda found: " ".join(re.findall(r"\$\{([^}]*)\}", found[1])), text)
    return re.sub(r"""'[^']*'|"[^"]*\"""", "''", inside).replace("$root.", "")


def _called(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])([A-Za-z_]\w*)\s*\(", _bare(text)))


def _named(text: str) -> set[str]:
    """The values that an expression asks for: no members, functions, keys, nor what it names itself."""
    bare = re.sub(r"([{,]\s*)\w+\s*:", r"\1", _bare(text))
    asked = re.findall(r"(?<![\w#$])(?<!(?<!\.)\.)([A-Za-z_]\w*)\b(?!\s*\()", bare)
    own = re.findall(r"\bas\s+(\w+)", bare) + re.findall(r"(\w+)\s*=(?!=)", bare)
    return set(asked) - set(own) - WORDS


def _content(node: Node) -> JsonObject:
    content = node.get("content")
    return content if isinstance(content, dict) else {}


def _name(column: JsonObject) -> str:
    return str(column.get("field") or column.get("name") or column["id"])


def _lean(node: Node) -> Node:
    if node["type"] != "decisionTableNode":
        return node
    content = node["content"]
    rules = [{key: cell for key, cell in rule.items() if cell and key != "_description"} for rule in content["rules"]]
    unnamed = {side: [{**column, "name": ""} for column in content[side]] for side in ("inputs", "outputs")}
    return {**node, "content": {**content, **unnamed, "rules": rules}}
