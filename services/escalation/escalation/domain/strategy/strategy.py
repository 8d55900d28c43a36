"""What a case needs next: a decision graph that business users change (docs/strategy.md), and what may come out of it.

The graph wants; the rules (rules.py) allow. It is given nothing but a Situation, so the same situation gets the same
step for ever, and the path through the graph says why.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

import msgspec
from doorstep.events.escalation.permits import Purpose
from doorstep.events.values import ContactMethod, Money, StrategyRef
from doorstep.kernel.artifacts import Publish
from doorstep.messaging.channels import CHANNELS

from escalation.domain.rules.pack import InvalidPolicy, PolicyProblem
from escalation.domain.strategy import graph as files
from escalation.domain.strategy.decision_path import GraphEngine
from escalation.domain.strategy.graph import Graph, JsonObject
from escalation.domain.strategy.validation import JSON, samples

ENGINE: Final = version("zen-engine")
NO_STEP: Final[Literal["none"]] = "none"
"""What a graph says as its way when nothing is to be done."""
REMEMBERED: Final = 8192


class Situation(msgspec.Struct, frozen=True):
    """What a strategy may know of a case. `dpd` in days, `amount` is what is overdue. `stage_reached` is the highest
    stage in which a contact of this episode went out: 0 none, 1 early, 2 middle, 3 late. `unanswered` of the episode's
    `contacts` that went out had no answer, in a row. `answers`, and the promises `kept`, `partly_kept` and `broken`,
    are the borrower's history; `attitude` is what the last visit found, 0-100. `promise_broken`: and not yet said to
    the borrower. `promise_due_in`: days until the nearest running promise is due. `notice_wanted`,
    `validation_wanted`: the packs ask for this notice, and it has not gone out. `visit_possible`: none is on its way,
    and spacing allows one. `has_...`: the bank knows this contact point; there is always a telephone."""

    dpd: int
    amount: Money
    stage_reached: int
    unanswered: int
    contacts: int
    answers: int
    kept: int
    partly_kept: int
    broken: int
    attitude: int | None
    promise_broken: bool
    promise_due_in: int | None
    notice_wanted: bool
    validation_wanted: bool
    visit_possible: bool
    products: tuple[str, ...]
    segment: str | None
    episode: int
    has_address: bool = True
    has_email: bool = True
    has_push_token: bool = True


class Step(msgspec.Struct, frozen=True):
    """What to do next, and how long to wait after the contact before it. `stage` 1-3 is the stage whose means it is, 0
    belongs to none, such as a notice. A visit has no purpose, a contact has one."""

    name: str
    way: ContactMethod
    purpose: Purpose | None
    every: timedelta
    stage: int


class Choice(msgspec.Struct, frozen=True):
    """What the graph chose (None: nothing is to be done), the borrower's willingness (0-100) with the codes behind it,
    and the `path`: each node that decided, with the rules of it that held."""

    step: Step | None
    willingness: int
    reasons: tuple[str, ...]
    path: tuple[str, ...]


class InvalidStep(ValueError):
    """The graph said something that is no step. Try the case in the editor, mend the graph, and load it again."""


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    way: ContactMethod | Literal["none"]
    willingness: Annotated[int, msgspec.Meta(ge=0, le=100)]
    reasons: tuple[str, ...]
    step: Annotated[str, msgspec.Meta(min_length=1)]
    purpose: Purpose | None = None
    every_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    stage: Annotated[int, msgspec.Meta(ge=0, le=3)]


_READ = {name: name for name in Situation.__struct_fields__}
_READ |= {"amount": "amount.amount", "currency": "amount.currency"}
_values = attrgetter(*_READ.values())

DOMAIN: Final[Mapping[str, tuple[object, ...]]] = {
    "dpd": (1, 0, 30, 31, 60, 61, 90, 91, 400),
    "amount": (Decimal("1000.00"), Decimal("0.01"), Decimal(10**9)),
    "currency": ("CNY", "USD", "XXX"),
    "stage_reached": (0, 1, 2, 3),
    "unanswered": (0, 2, 3, 30),
    "contacts": (0, 1, 30),
    "answers": (0, 1, 30),
    "kept": (0, 1, 30),
    "partly_kept": (0, 1, 30),
    "broken": (0, 1, 30),
    "attitude": (None, 0, 49, 50, 100),
    "promise_broken": (False, True),
    "promise_due_in": (None, 0, 1, 30),
    "notice_wanted": (False, True),
    "validation_wanted": (False, True),
    "visit_possible": (True, False),
    "products": (("card",), (), ("mortgage", "card")),
    "segment": (None, "vip", "other"),
    "episode": (1, 2, 30),
    "has_address": (True, False),
    "has_email": (True, False),
    "has_push_token": (True, False),
}
"""The names a graph may use, with values it is tried on when it is loaded."""
OFFERED: Final = frozenset({*DOMAIN, "bucket"})
CHOICES: Final = {"way": frozenset({*get_args(ContactMethod), NO_STEP}), "purpose": frozenset(get_args(Purpose))}


class Strategy:
    """A decision graph, ready to be asked. `name` is its file's, `engine` the version of zen-engine, `content` the
    whole file as canonical JSON, `hash` its SHA-256: indentation and the order of keys play no part in it; anything
    else does, even where a node is drawn."""

    def __init__(self, name: str, graph: Graph) -> None:
        canonical = json.dumps(graph, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.name: Final = name
        self.content: Final = canonical
        self.hash: Final = hashlib.sha256(canonical.encode()).hexdigest()
        self.engine: Final = ENGINE
        self._tables = {node["id"] for node in files.tables(graph)}
        self._engine = GraphEngine(graph, _encoded({key: values[0] for key, values in DOMAIN.items()}))
        self._chosen = lru_cache(REMEMBERED)(self._choose)
        self._stepped = lru_cache(REMEMBERED)(self._step)

    @classmethod
    def load(cls, file: Path) -> Self:
        """The strategy in `file`. Raises InvalidPolicy with every problem found: what cannot be read, a name that is
        not known; and, tried on a few thousand cases, whatever is no step, skips a stage, or visits before the last."""
        graph = files.read(file, OFFERED, CHOICES)
        strategy = cls(file.stem, graph)
        problems = strategy._tried(graph)
        if problems:
            raise InvalidPolicy([PolicyProblem(file.name, path, reason) for path, reason in problems])
        return strategy

    @property
    def artifact(self) -> Publish:
        """This strategy, to be put on record."""
        return Publish("strategy", self.name, None, self.content)

    def choose(self, situation: Situation) -> Choice:
        """The next step for `situation`. Raises InvalidStep where the graph gives none that is allowed to be."""
        return self._chosen(situation)

    def step(self, situation: Situation) -> Step | None:
        """The step that `choose` would choose, in less time. Raises InvalidStep."""
        return self._stepped(situation)

    def ref(self, path: tuple[str, ...]) -> StrategyRef:
        """This strategy, and the `path` a choice took through it, as a decision keeps them."""
        return StrategyRef(graph=self.name, hash=self.hash, engine=self.engine, path=path)

    def _choose(self, situation: Situation) -> Choice:
        try:
            case = _case(situation)
            answer, path = self._engine.follow(_encoded(case))
            said = _said(answer, case)
        except (RuntimeError, InvalidStep) as error:
            raise self._wrong(error) from None
        return Choice(_step(said), said.willingness, said.reasons, path)

    def _step(self, situation: Situation) -> Step | None:
        try:
            case = _case(situation)
            return _step(_said(self._engine.answer(_encoded(case)), case))
        except (RuntimeError, InvalidStep) as error:
            raise self._wrong(error) from None

    def _wrong(self, error: Exception) -> InvalidStep:
        return InvalidStep(f"strategy {self.name} ({self.hash[:12]}): {files.plain(error)['source']}")

    def _tried(self, graph: Graph) -> list[tuple[str, str]]:
        found: dict[tuple[str, str], str] = {}
        for case in samples(graph, DOMAIN):
            context = _encoded(case)
            try:
                _said(self._engine.follow(context)[0], case)
            except (RuntimeError, InvalidStep) as error:
                found.setdefault(self._blamed(graph, context, error), _described(case))
        return [(path, f"{reason} (as with {case})") for (path, reason), case in found.items()]

    def _blamed(self, graph: Graph, context: bytes, error: Exception) -> tuple[str, str]:
        """The node and rule that spoke last, and what is wrong with what it said."""
        told = files.plain(error)
        if "nodeId" in told:
            return files.label(graph, told["nodeId"]), told["source"]
        trace = self._engine.trace(context)
        asked = [node for node in trace.values() if node["id"] in self._tables]
        if not asked:
            return "nodes", told["source"]
        last = max(asked, key=lambda node: node["order"])
        if last["traceData"] is None:
            return files.label(graph, last["id"]), "no rule fits; end the table with one that has no conditions"
        rule = last["traceData"]["index"] if isinstance(last["traceData"], dict) else None
        return files.label(graph, last["id"], rule), told["source"]


@lru_cache(maxsize=1)
def builtin() -> Strategy:
    """The strategy that comes with Doorstep: the mildest means first, a visit last."""
    return Strategy.load(Path(__file__).parent / "strategies" / "default.json")


def bucket(dpd: int) -> str:
    """The delinquency bucket of `dpd` days past due."""
    for limit in (30, 60, 90):
        if dpd <= limit:
            return f"{limit - 29}-{limit}"
    return "91+"


def _case(situation: Situation) -> JsonObject:
    return dict(zip(_READ, _values(situation), strict=True))


def _encoded(case: JsonObject) -> bytes:
    return JSON.encode({**case, "bucket": bucket(case["dpd"])})


def _said(result: JsonObject, case: JsonObject) -> _Said:
    # The engine's numbers are decimals; where one is whole, it may come as a float all the same.
    whole = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in result.items()}
    try:
        said = msgspec.convert(whole, _Said)
    except msgspec.ValidationError as error:
        raise InvalidStep(str(error)) from None
    if said.way == "visit" and said.stage != 3:
        raise InvalidStep("a visit outside stage 3; add the condition that the stage is 3")
    if said.stage > case["stage_reached"] + 1:
        raise InvalidStep("a stage is skipped; the step's stage is at most the stage reached and one more")
    if said.way == NO_STEP:
        return said
    if (said.way == "visit") == (said.purpose is not None):
        raise InvalidStep("a contact needs a purpose, and a visit has none")
    channel = CHANNELS.get(said.way)
    if channel and not case.get(needed := f"has_{channel.point}", True):
        raise InvalidStep(f"{said.way} where there is nothing to send it to; add the condition that {needed} is true")
    return said


def _step(said: _Said) -> Step | None:
    if said.way == NO_STEP:
        return None
    return Step(said.step, said.way, said.purpose, timedelta(days=said.every_days), said.stage)


def _described(case: JsonObject) -> str:
    """What is not as usual about `case`; with its days past due in any case."""
    unusual = {name: value for name, value in case.items() if name == "dpd" or value != DOMAIN[name][0]}
    return ", ".join(f"{name} {value}" for name, value in unusual.items())
