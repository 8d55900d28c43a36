"""The mildest means first, a visit last; and a graph that cannot be relied on is not taken."""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from doorstep.events.escalation.permits import Purpose
from doorstep.events.values import ContactMethod, Money
from escalation.domain.rules.pack import InvalidPolicy, PolicyProblem
from escalation.domain.strategy import graph as files
from escalation.domain.strategy import strategy
from escalation.domain.strategy.strategy import InvalidStep, Situation, Step, Strategy, bucket, builtin
from escalation.domain.strategy.validation import samples
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

FILE = Path(strategy.__file__).parent / "strategies" / "default.json"
EARLY = Situation(
    dpd=1,
    amount=Money(Decimal("1000.00"), "CNY"),
    stage_reached=0,
    unanswered=0,
    contacts=0,
    answers=0,
    kept=0,
    partly_kept=0,
    broken=0,
    attitude=None,
    promise_broken=False,
    promise_due_in=None,
    notice_wanted=False,
    validation_wanted=False,
    visit_possible=True,
    products=("card",),
    segment=None,
    episode=1,
)
MIDDLE = replace(EARLY, dpd=45, stage_reached=1)
LATE = replace(EARLY, dpd=100, stage_reached=2)
SILENT = replace(LATE, dpd=61, amount=Money(Decimal("5000.00"), "CNY"), unanswered=3)
WILLING: dict[str, Any] = {"kept": 2}


def step(situation: Situation, **other: Any) -> str | None:
    chosen = builtin().choose(replace(situation, **other)).step
    return chosen.name if chosen else None


def stage(situation: Situation, **other: Any) -> str:
    return builtin().choose(replace(situation, **other)).path[0]


def money(amount: str, currency: str = "CNY") -> Money:
    return Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("dpd", "name"),
    [(1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, "91+"), (999, "91+")],
)
def test_the_bucket_of_a_number_of_days(dpd: int, name: str) -> None:
    assert bucket(dpd) == name


# The stage, and the step it comes to.


@pytest.mark.parametrize(
    ("dpd", "reached", "expected"),
    [
        (1, 3, "early-sms"),
        (30, 3, "early-sms"),
        (31, 3, "middle-call"),
        (60, 3, "middle-call"),
        (61, 3, "late-call"),
        (400, 3, "late-call"),
    ],
)
def test_the_step_follows_the_days_past_due(dpd: int, reached: int, expected: str) -> None:
    assert step(EARLY, dpd=dpd, stage_reached=reached) == expected


@pytest.mark.parametrize(
    ("reached", "expected", "path"),
    [
        (0, "early-sms", "Stage: early-first"),
        (1, "middle-call", "Stage: middle-first"),
        (2, "late-call", "Stage: late"),
        (3, "late-call", "Stage: late"),
    ],
)
def test_a_case_that_comes_late_starts_early_and_skips_no_stage(reached: int, expected: str, path: str) -> None:
    assert (step(LATE, stage_reached=reached), stage(LATE, stage_reached=reached)) == (expected, path)


@pytest.mark.parametrize(
    ("situation", "way", "purpose", "days", "of_stage"),
    [
        (EARLY, "sms", "reminder", 7, 1),
        (replace(EARLY, **WILLING), "push", "reminder", 10, 1),
        (replace(EARLY, segment="vip"), "push", "reminder", 10, 1),
        (replace(EARLY, segment="vip", has_push_token=False), "sms", "reminder", 7, 1),
        (MIDDLE, "voice", "firm-reminder", 5, 2),
        (replace(MIDDLE, **WILLING), "sms", "firm-reminder", 7, 2),
        (replace(MIDDLE, products=("card", "mortgage")), "voice", "firm-reminder", 10, 2),
        (LATE, "voice", "firm-reminder", 7, 3),
        (SILENT, "visit", None, 7, 3),
        (replace(EARLY, promise_broken=True), "sms", "promise-broken", 1, 1),
        (replace(MIDDLE, notice_wanted=True), "letter", "collection-notice", 1, 0),
        (replace(MIDDLE, notice_wanted=True, has_address=False), "sms", "collection-notice", 1, 0),
        (replace(MIDDLE, validation_wanted=True), "letter", "validation-notice", 1, 0),
        (replace(MIDDLE, validation_wanted=True, has_address=False), "sms", "validation-notice", 1, 0),
    ],
)
def test_each_step_has_its_way_purpose_patience_and_stage(
    situation: Situation, way: ContactMethod, purpose: Purpose | None, days: int, of_stage: int
) -> None:
    chosen = builtin().choose(situation).step
    assert chosen is not None
    assert (chosen.way, chosen.purpose, chosen.every, chosen.stage) == (way, purpose, timedelta(days=days), of_stage)


@pytest.mark.parametrize(
    ("attitude", "early", "middle"), [(89, "early-sms", "middle-call"), (90, "early-push", "middle-sms")]
)
def test_whoever_is_willing_from_70_on_is_treated_more_gently(attitude: int, early: str, middle: str) -> None:
    willingness = builtin().choose(replace(EARLY, attitude=attitude)).willingness
    assert willingness == (70 if attitude == 90 else 69)
    assert (step(EARLY, attitude=attitude), step(MIDDLE, attitude=attitude)) == (early, middle)


def test_what_comes_first_when_several_things_are_due() -> None:
    everything: dict[str, Any] = {"notice_wanted": True, "validation_wanted": True, "promise_broken": True}
    assert step(SILENT, **everything) == "collection-notice"
    assert step(SILENT, **everything | {"notice_wanted": False}) == "validation-notice"
    assert step(SILENT, promise_broken=True) == "promise-broken-sms"


def test_nothing_is_sent_before_a_loan_is_overdue() -> None:
    choice = builtin().choose(replace(EARLY, dpd=0))
    assert (choice.step, choice.path[0], choice.path[-1]) == (None, "Stage: not-due", "Next step: pre-due-sms")


def test_the_gentle_notice_is_switched_on_by_its_way(tmp_path: Path) -> None:
    told = deepcopy(GRAPH)
    cell(5, 13, "way", '"sms"')(told)
    chosen = Strategy.load(saved(tmp_path, json.dumps(told))).choose(replace(EARLY, dpd=-3)).step
    assert chosen == Step("pre-due-sms", "sms", "reminder", timedelta(days=30), 0)


# The visit.


@pytest.mark.parametrize(
    ("less", "why"),
    [
        ({"dpd": 60}, "too early"),
        ({"amount": money("4999.99")}, "a cent too little"),
        ({"unanswered": 2}, "not silent"),
        ({"visit_possible": False}, "one is on its way, or was just made"),
        ({"stage_reached": 1}, "the middle stage was not tried"),
        ({"amount": money("1000000000", "XAU")}, "nobody has said what is worth a visit"),
    ],
)
def test_a_visit_needs_all_of_stage_days_amount_and_silence(less: dict[str, Any], why: str) -> None:
    assert step(SILENT) == "visit"
    assert step(SILENT, **less) != "visit", why


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        ("CNY", 5_000),
        ("TWD", 20_000),
        ("USD", 700),
        ("INR", 25_000),
        ("GBP", 600),
        ("KRW", 900_000),
        ("RUB", 50_000),
        ("AUD", 1_000),
        ("IDR", 8_000_000),
        ("THB", 20_000),
        ("PHP", 30_000),
        ("JPY", 100_000),
    ],
)
def test_what_is_worth_a_visit_in_each_currency(currency: str, amount: int) -> None:
    exactly = Money(Decimal(amount), currency)
    assert step(SILENT, amount=exactly) == "visit"
    assert step(SILENT, amount=a_cent_less(exactly)) == "late-call"


def a_cent_less(amount: Money) -> Money:
    return Money(amount.amount - Decimal("0.01"), amount.currency)


@pytest.mark.parametrize("amount", ["5000", "5000.00", "5E+3", "5000.0000000000000001", "12345678901234567.89"])
def test_amounts_are_compared_as_the_decimals_they_are(amount: str) -> None:
    assert step(SILENT, amount=money(amount)) == "visit"


def test_an_amount_that_a_float_would_round_up_is_still_too_little() -> None:
    assert float("4999.9999999999999999") == 5000
    assert step(SILENT, amount=money("4999.9999999999999999")) == "late-call"


# Willingness.


@pytest.mark.parametrize(
    ("history", "willingness", "reasons"),
    [
        ({}, 50, ("first-time",)),
        ({"episode": 2}, 50, ()),
        ({"kept": 1}, 60, ("first-time", "promise-kept")),
        ({"kept": 3}, 80, ("first-time", "promise-kept")),
        ({"kept": 30}, 80, ("first-time", "promise-kept")),
        ({"partly_kept": 1}, 54, ("first-time", "promise-partly-kept")),
        ({"partly_kept": 30}, 62, ("first-time", "promise-partly-kept")),
        ({"broken": 1}, 35, ("first-time", "promise-broken")),
        ({"broken": 4}, 0, ("first-time", "promise-broken")),
        ({"answers": 1}, 52, ("first-time", "answers")),
        ({"answers": 30}, 60, ("first-time", "answers")),
        ({"unanswered": 2}, 50, ("first-time",)),
        ({"unanswered": 3}, 44, ("first-time", "silent")),
        ({"attitude": 49}, 49, ("first-time", "visit-hostile")),
        ({"attitude": 50}, 50, ("first-time", "visit-cooperative")),
        ({"attitude": 80}, 65, ("first-time", "visit-cooperative")),
        ({"attitude": 0}, 25, ("first-time", "visit-hostile")),
        (
            {"attitude": 100, "kept": 9, "answers": 9},
            100,
            ("first-time", "promise-kept", "answers", "visit-cooperative"),
        ),
    ],
)
def test_the_scorecard_gives_points_with_their_reasons(
    history: dict[str, Any], willingness: int, reasons: tuple[str, ...]
) -> None:
    choice = builtin().choose(replace(EARLY, **history))
    assert (choice.willingness, choice.reasons) == (willingness, reasons)


# What is kept with a decision.


def test_the_path_names_each_node_that_decided_and_its_rules() -> None:
    assert builtin().choose(replace(SILENT, kept=2)).path == (
        "Stage: late",
        "Willingness: first-time+promise-kept+silent",
        "Worth a visit: CNY",
        "Next step: visit",
    )


def test_a_reference_holds_the_graph_its_hash_and_the_engine() -> None:
    ref = builtin().ref(("Stage: early",))
    assert (ref.graph, ref.hash, ref.path) == ("default", builtin().hash, ("Stage: early",))
    assert (ref.engine, len(ref.hash)) == (version("zen-engine"), 64)


def test_what_is_put_on_record_of_a_strategy_hashes_to_what_decisions_cite() -> None:
    published = builtin().artifact
    assert hashlib.sha256(published.content.encode()).hexdigest() == published.hash == builtin().ref(()).hash
    assert (published.kind, published.name, published.version) == ("strategy", "default", None)
    assert json.loads(published.content) == json.loads(FILE.read_text(encoding="utf-8"))


def test_the_hash_is_of_what_the_file_says_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    told = json.loads(FILE.read_text(encoding="utf-8"))
    same = saved(tmp_path, json.dumps(dict(reversed(told.items())), indent=7))
    assert Strategy.load(same).hash == builtin().hash
    told["nodes"][0]["position"]["x"] += 1
    moved = Strategy.load(saved(tmp_path, json.dumps(told)))
    assert moved.hash != builtin().hash
    assert moved.choose(SILENT) == builtin().choose(SILENT)


def situations() -> st.SearchStrategy[Situation]:
    count = st.integers(0, 10_000)
    amounts = st.decimals(min_value="0.01", max_value=10**12, places=2, allow_nan=False)
    return st.builds(
        Situation,
        dpd=st.integers(-30, 10_000),
        amount=st.builds(Money, amounts, st.sampled_from(["CNY", "USD", "JPY", "XAU", "EUR"])),
        stage_reached=st.integers(0, 3),
        unanswered=count,
        contacts=count,
        answers=count,
        kept=count,
        partly_kept=count,
        broken=count,
        attitude=st.none() | st.integers(0, 100),
        promise_due_in=st.none() | st.integers(-10, 100),
        products=st.lists(st.sampled_from(["card", "mortgage"]) | st.text(max_size=5), max_size=4).map(tuple),
        segment=st.none() | st.just("vip") | st.text(max_size=5),
        episode=st.integers(1, 100),
    )


AGAIN = Strategy.load(FILE)


@given(situations())
def test_every_situation_gets_a_step_that_may_be_and_the_same_one_each_time(situation: Situation) -> None:
    choice = builtin().choose(situation)
    assert AGAIN.choose(situation) == AGAIN._choose(situation) == choice
    assert AGAIN.step(situation) == choice.step
    assert 0 <= choice.willingness <= 100
    if choice.step is None:
        assert situation.dpd <= 0
        return
    assert choice.step.way in get_args(ContactMethod)
    assert (choice.step.purpose is None) == (choice.step.way == "visit")
    assert choice.step.stage <= situation.stage_reached + 1
    assert choice.step.way != "visit" or (choice.step.stage == 3 and situation.dpd >= 61 and situation.unanswered >= 3)


def test_when_a_graph_is_loaded_each_of_its_rules_is_tried() -> None:
    graph = json.loads(FILE.read_text(encoding="utf-8"))
    said = {rule for case in samples(graph, strategy.DOMAIN) for rule in _path(case)}
    ids = {f"{table['name']}: {rule['_id']}" for table in files.tables(graph) for rule in table["content"]["rules"]}
    assert said >= ids


def _path(case: dict[str, Any]) -> list[str]:
    known = {key: value for key, value in case.items() if key not in ("amount", "currency")}
    path = builtin().choose(Situation(**known, amount=Money(case["amount"], case["currency"]))).path
    return [
        f"{name}: {rule}" for line in path for name, _, rules in [line.partition(": ")] for rule in rules.split("+")
    ]


# What is refused.


def saved(folder: Path, text: str | bytes) -> Path:
    file = folder / "ours.json"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def refused(folder: Path, change: Callable[[Any], object]) -> tuple[PolicyProblem, ...]:
    told = json.loads(FILE.read_text(encoding="utf-8"))
    change(told)
    with pytest.raises(InvalidPolicy) as error:
        Strategy.load(saved(folder, json.dumps(told)))
    assert "backtrace" not in str(error.value)
    assert all(problem.file == "ours.json" for problem in error.value.problems)
    return error.value.problems


def cell(table: int, rule: int, column: str, text: str) -> Callable[[Any], None]:
    def change(told: Any) -> None:
        told["nodes"][table]["content"]["rules"][rule][column] = text

    return change


VISIT = 'nodes[5] "Next step" rules[5] "visit"'
LAST = 'nodes[5] "Next step" rules[12] "late-call"'


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (cell(5, 5, "dpd", ">= "), f"{VISIT} dpd", "cannot be read"),
        (cell(5, 5, "dpd", "> dpb"), f"{VISIT} dpd", "`dpb` is not known here"),
        (cell(5, 5, "worth_a_visit", "$ == scores"), f"{VISIT} worth_a_visit", "`scores` is not known here"),
        (cell(5, 12, "way", '"voice'), f"{LAST} way", "cannot be read"),
        (cell(5, 12, "way", '"phone"'), f"{LAST} way", "phone is not one of email, letter, none, push, sms, visit"),
        (cell(5, 12, "way", "segment"), LAST, "at `$.way`"),
        (cell(5, 12, "way", ""), LAST, "missing required field `way`"),
        (cell(5, 12, "purpose", '"threat"'), f"{LAST} purpose", "threat is not one of collection-notice"),
        (cell(5, 12, "purpose", "null"), LAST, "a contact needs a purpose"),
        (cell(5, 12, "way", '"email"'), LAST, "add the condition that has_email is true"),
        (cell(5, 6, "has_push_token", ""), 'nodes[5] "Next step" rules[6]', "add the condition that has_push_token"),
        (cell(5, 5, "purpose", '"reminder"'), VISIT, "a visit has none"),
        (cell(5, 12, "every_days", "0"), LAST, "`int` >= 1 - at `$.every_days`"),
        (cell(5, 12, "every_days", "1.5"), LAST, "Expected `int`, got `float` - at `$.every_days`"),
        (cell(5, 12, "step_stage", "4"), LAST, "`int` <= 3 - at `$.stage`"),
        (cell(5, 12, "step_stage", ""), LAST, "missing required field `stage`"),
        (cell(5, 12, "step", '""'), LAST, "at `$.step`"),
        (cell(5, 12, "colour", '"red"'), f"{LAST} colour", "belongs to no column"),
        (cell(5, 5, "_id", ""), 'nodes[5] "Next step" rules[5] ""', "an _id of its own"),
        (cell(5, 5, "_id", "late-call"), 'nodes[5] "Next step" rules[5] "late-call"', "an _id of its own"),
        (cell(5, 5, "step_stage", "2"), VISIT, "a visit outside stage 3"),
        (cell(5, 12, "way", '"visit"'), LAST, "a visit has none"),
        (cell(1, 2, "stage", "3"), LAST, "a stage is skipped"),
        (cell(2, 1, "points", "10 * rand(3)"), 'nodes[2] "Willingness" rules[1] "promise-kept" points', "`rand` would"),
        (cell(2, 1, "points", '"ten"'), 'nodes[4] "Willingness total"', "Failed to evaluate expression"),
        (
            lambda told: told["nodes"][5]["content"]["inputs"][5].update(field="days"),
            'nodes[5] "Next step" inputs[5]',
            "`days` is not known here; known are: amount, answers",
        ),
        (
            lambda told: told["nodes"][4]["content"]["expressions"][0].update(value="50 +"),
            'nodes[4] "Willingness total" expressions[0] "willingness"',
            "cannot be read",
        ),
        (
            lambda told: told["nodes"][4]["content"]["expressions"][0].update(value="50 + sum(map(scores, #.points))"),
            "nodes",
            "`$.willingness`",
        ),
        (lambda told: told["nodes"][5]["content"]["rules"].pop(12), 'nodes[5] "Next step"', "no rule fits"),
        (
            lambda told: told["nodes"][4].update(type="functionNode", content="export const handler = () => 1"),
            'nodes[4] "Willingness total"',
            "a functionNode is not allowed here",
        ),
        (
            lambda told: told["nodes"][5]["content"].update(inputField="case"),
            'nodes[5] "Next step"',
            "clear its input field",
        ),
        (lambda told: told["nodes"][5]["content"].pop("rules"), 'nodes[5] "Next step"', "missing field `rules`"),
        (lambda told: told["nodes"][5]["content"].update(hitPolicy="last"), 'nodes[5] "Next step"', "unknown variant"),
        (lambda told: told.pop("edges"), "", "missing field `edges`"),
        (lambda told: told["edges"][0].update(targetId="gone"), 'node "gone"', "an arrow leads from or to a node"),
        (lambda told: told["edges"].append({**told["edges"][3], "id": "back", "sourceId": "next-step",
                                            "targetId": "stage"}), "", "the arrows run in a circle"),
        (lambda told: told["nodes"].append({**told["nodes"][0], "id": "second"}), "", "exactly one input node"),
    ],
)  # fmt: skip
def test_a_broken_graph_is_refused_with_its_place_and_what_is_wrong(
    tmp_path: Path, change: Callable[[Any], object], path: str, reason: str
) -> None:
    found = refused(tmp_path, change)
    assert any(one.path.startswith(path) and reason in one.reason for one in found), [str(one) for one in found]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{\n "nodes": [,]\n}', "line 2", "no JSON"),
        ("[]", "", "no decision graph"),
        ('{"nodes": [], "edges": []}', "", "exactly one input node"),
        (b'{"nodes": "\xff"}', "", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, text: str | bytes, path: str, reason: str) -> None:
    with pytest.raises(InvalidPolicy) as error:
        Strategy.load(saved(tmp_path, text))
    [problem] = error.value.problems
    assert (problem.file, problem.path) == ("ours.json", path)
    assert reason in problem.reason


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="cannot be read"):
        Strategy.load(tmp_path / "gone.json")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    def change(told: Any) -> None:
        cell(5, 5, "dpd", "> dpb")(told)
        cell(5, 12, "way", '"phone"')(told)
        cell(2, 1, "points", "rand(9)")(told)

    assert len(refused(tmp_path, change)) == 3


def test_what_is_wrong_with_a_step_comes_with_a_case_to_try(tmp_path: Path) -> None:
    [problem, *_] = refused(tmp_path, cell(5, 12, "every_days", "0"))
    assert "(as with dpd " in problem.reason


def pieces(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as its holder and key."""
    here = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(value, key) for key, _ in here] + [piece for _, child in here for piece in pieces(child)]


GRAPH = json.loads(FILE.read_text(encoding="utf-8"))


@given(st.data())
def test_whatever_is_missing_or_odd_is_refused_in_words_or_taken(data: st.DataObject) -> None:
    told = deepcopy(GRAPH)
    holder, key = data.draw(st.sampled_from(pieces(told)))
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from([None, 3, "", "x", [], {}, True]))
    said = ""
    try:
        files.check("ours.json", told, strategy.OFFERED, strategy.CHOICES)
    except InvalidPolicy as error:
        said = str(error)
    assert "backtrace" not in said


def test_a_graph_that_was_never_tried_says_so_when_it_gives_no_step() -> None:
    told = deepcopy(GRAPH)
    cell(5, 12, "way", '"phone"')(told)
    with pytest.raises(InvalidStep, match=r"strategy ours .*way"):
        Strategy("ours", told).choose(LATE)


# Other graphs.


def test_a_graph_may_branch_at_a_switch(tmp_path: Path) -> None:
    told = deepcopy(GRAPH)
    switch = {
        "id": "split",
        "type": "switchNode",
        "name": "Split",
        "position": {"x": 1150, "y": 150},
        "content": {"hitPolicy": "first", "statements": [{"id": "vip", "condition": 'way == "voice"'},
                                                        {"id": "else", "condition": "", "isDefault": True}]},
    }  # fmt: skip
    told["nodes"].append(switch)
    told["edges"] = [edge for edge in told["edges"] if edge["id"] != "next-step-decision"]
    told["edges"].append({"id": "a", "type": "edge", "sourceId": "next-step", "targetId": "split"})
    told["edges"] += [
        {"id": handle, "type": "edge", "sourceId": "split", "targetId": "decision", "sourceHandle": handle}
        for handle in ("vip", "else")
    ]
    split = Strategy.load(saved(tmp_path, json.dumps(told)))
    assert (split.choose(LATE).path[-1], split.choose(EARLY).path[-1]) == ("Split: vip", "Split: else")


def test_a_cell_may_compare_with_what_else_is_known(tmp_path: Path) -> None:
    told = deepcopy(GRAPH)
    cell(5, 7, "dpd", "$ > contacts and bucket == '1-30' and promise_due_in == null")(told)
    cell(5, 7, "segment", "")(told)
    ours = Strategy.load(saved(tmp_path, json.dumps(told)))
    paths = [ours.choose(replace(EARLY, contacts=contacts)).path[-1] for contacts in (0, 1)]
    assert paths == ["Next step: early-push-vip", "Next step: early-sms"]


@pytest.mark.parametrize(
    "text",
    ["$.kept + kept", "map(products as one, one)", "len(products) > 1 ? kept : broken", "`${kept} of 9`", "{a: kept}"],
)
def test_names_that_an_expression_makes_itself_are_known(tmp_path: Path, text: str) -> None:
    told = deepcopy(GRAPH)
    told["nodes"][4]["content"]["expressions"].append({"id": "more", "key": "more", "value": text})
    told["edges"].append({"id": "more", "type": "edge", "sourceId": "case", "targetId": "total"})
    files.check("ours.json", told, strategy.OFFERED, strategy.CHOICES)
