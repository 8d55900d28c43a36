"""Packs as files: what they must say, how they are known, and what is said of one that cannot be taken."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from escalation.domain.rules.pack import FOLDER, SCHEMA, InvalidPolicy, Pack, PolicyProblem, builtin, load, schema

GOOD = """\
id: xx
version: "1"
title: {en: Nowhere, zh: 某地}
countries: ["GB"]
holidays: {calendar: holidays, country: GB}
rules:
  - id: hours
    kind: hours
    text: {en: Hours., zh: 时段。}
    source: somebody
    status: must
    legal: law
    confidence: secondary
    effective: {from: 2026-01-01}
    windows: {workday: ["08:00-12:00", "13:00-24:00"], saturday: ["08:00-21:00"], sunday: none, holiday: none}
  - id: calls
    kind: counter
    text: {en: Calls., zh: 电话。}
    source: somebody
    status: should
    legal: standard
    confidence: primary
    effective: {}
    scope: person
    unit: attempt
    window: {rolling_days: 7}
    limit: 3
  - id: holds
    kind: suspension
    text: {en: Holds., zh: 暂停。}
    source: somebody
    status: must
    legal: law
    confidence: secondary
    effective: {}
    holds:
      dispute: {days: 30}
"""
COUNTRIES = {"cn", "us", "in", "uk", "kr", "ru", "au", "id", "th", "ph", "tw", "jp"}
FROM_MEMORY = {
    "cn/credit-report-notice",
    "cn/credit-report-retention",
    "us/dispute",
    "us/attorney",
    "jp/night",
    "jp/leave",
    "jp/workplace",
}


def written(folder: Path, text: str, name: str = "xx.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def problems(folder: Path) -> tuple[PolicyProblem, ...]:
    with pytest.raises(InvalidPolicy) as caught:
        load(folder)
    return caught.value.problems


def every_rule() -> dict[str, Any]:
    return {f"{pack.id}/{rule.id}": rule for pack in builtin().values() for rule in pack.rules}


def test_there_is_a_pack_for_every_jurisdiction_and_the_house() -> None:
    assert set(builtin()) == COUNTRIES | {"house"}
    assert {one: pack.countries for one, pack in builtin().items() if one in {"uk", "cn", "house"}} == {
        "uk": ("GB",),
        "cn": ("CN",),
        "house": (),
    }
    for pack in builtin().values():
        assert (pack.holidays is None) == (pack.id == "house")
        assert pack.title.en.isascii()
        assert not pack.title.zh.isascii()


def test_every_rule_says_in_both_languages_where_it_is_from_and_how_sure_we_are() -> None:
    for name, rule in every_rule().items():
        assert rule.source, name
        assert rule.text.en.isascii(), name
        assert not rule.text.zh.isascii(), name
        own = name.startswith("house/")
        assert (rule.status == "policy", rule.legal == "policy", rule.confidence == "own") == (own,) * 3, name
        assert (rule.status == "draft") == (rule.legal == "draft"), name


def test_what_is_known_from_memory_is_never_called_law() -> None:
    unverified = {name: rule for name, rule in every_rule().items() if rule.confidence == "unverified"}
    assert set(unverified) == FROM_MEMORY
    for rule in unverified.values():
        assert rule.legal == "unverified"
        assert "from memory" in rule.source
        assert "To be confirmed by counsel." in rule.text.en
        assert "尚待法务确认" in rule.text.zh
        assert "law" not in rule.text.en.lower()
        assert "法律规定" not in rule.text.zh


def test_a_pack_is_known_by_id_version_and_the_hash_of_its_content() -> None:
    hashes = {pack.ref.hash for pack in builtin().values()}
    assert len(hashes) == len(builtin())
    pack = builtin()["cn"]
    assert (pack.ref.id, pack.ref.version, pack.ref.hash) == ("cn", pack.version, pack.hash)
    raw = yaml.safe_load((FOLDER / "cn.yaml").read_bytes())
    assert pack.hash == hashlib.sha256(msgspec.json.encode(raw, order="sorted")).hexdigest()


def test_comments_layout_and_the_order_of_keys_do_not_change_the_hash(tmp_path: Path) -> None:
    first = load(written(tmp_path, GOOD))["xx"]
    assert first.hash == load(written(tmp_path, "# said otherwise\n\n" + GOOD))["xx"].hash
    turned = yaml.safe_dump(dict(reversed(yaml.safe_load(GOOD).items())), sort_keys=False, allow_unicode=True)
    assert turned != GOOD
    assert first.hash == load(written(tmp_path, turned))["xx"].hash
    assert first.hash == load(written(tmp_path, GOOD.replace("2026-01-01", '"2026-01-01"')))["xx"].hash


@pytest.mark.parametrize(("was", "becomes"), [('"1"', '"2"'), ("limit: 3", "limit: 4"), ("Calls.", "Calls")])
def test_whatever_a_pack_says_is_in_its_hash(tmp_path: Path, was: str, becomes: str) -> None:
    first = load(written(tmp_path, GOOD))["xx"]
    assert first.hash != load(written(tmp_path, GOOD.replace(was, becomes)))["xx"].hash


def test_what_is_put_on_record_of_a_pack_hashes_to_what_decisions_cite() -> None:
    for pack in builtin().values():
        published = pack.artifact
        assert hashlib.sha256(published.content.encode()).hexdigest() == published.hash == pack.ref.hash
        assert (published.kind, published.name, published.version) == ("contact-rules", pack.id, pack.version)
        assert json.loads(published.content)["rules"][0]["id"] == pack.rules[0].id


def test_a_pack_says_how_long_it_wants_records_kept() -> None:
    kept = {pack.id: (pack.artifact.retention_days, pack.artifact.source) for pack in builtin().values()}
    assert {name: said for name, said in kept.items() if said != (None, None)} == {
        "cn": (1827, "cn/record-retention: consumer-finance company rules (2024)"),
        "us": (1096, "us/evidence-retention: Reg F, 12 CFR 1006.100"),
        "ru": (1096, "ru/recording-retention: 230-FZ"),
    }


@pytest.mark.parametrize(("years", "days"), [(1, 366), (2, 731), (3, 1096), (4, 1461), (5, 1827)])
def test_years_are_kept_to_the_last_day_wherever_they_begin(tmp_path: Path, years: int, days: int) -> None:
    assert load(written(tmp_path, GOOD + keeping(years)))["xx"].artifact.retention_days == days


def test_a_draft_lets_nobody_keep_anything(tmp_path: Path) -> None:
    draft = keeping(3).replace("must", "draft").replace("law", "draft")
    assert load(written(tmp_path, GOOD + draft))["xx"].artifact.retention_days is None


def keeping(years: int) -> str:
    """A rule that wants records kept."""
    return f"""
  - id: records
    kind: retention
    text: {{en: Records., zh: 记录。}}
    source: somebody
    status: must
    legal: law
    confidence: secondary
    effective: {{}}
    years: {years}
"""


def test_the_built_in_packs_are_read_once() -> None:
    assert builtin() is builtin()
    assert all(isinstance(pack, Pack) for pack in builtin().values())


def test_the_schema_is_up_to_date() -> None:
    """`python -m escalation.domain.rules.pack` writes it."""
    assert SCHEMA.read_bytes() == schema()


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_schema_takes_every_pack(file: Path) -> None:
    said = json.loads(msgspec.json.encode(yaml.safe_load(file.read_bytes())))
    jsonschema.Draft202012Validator(json.loads(schema())).validate(said)


BAD = {
    "unknown kind": (
        "kind: counter",
        "kind: countr",
        "$.rules[1].kind",
        "unknown kind 'countr'; known: hours",
    ),
    "no kind": ("    kind: counter\n", "", "$.rules[1].kind", "unknown kind None"),
    "bad time": ("08:00-21:00", "08:00-25:00", "$.rules[0].windows.saturday", "'08:00-25:00' is no time span"),
    "short time": ("08:00-21:00", "8:00-21:00", "$.rules[0].windows.saturday", "write it as 08:00-21:00"),
    "closes before it opens": ("08:00-21:00", "21:00-08:00", "$.rules[0].windows.saturday", "closes before it opens"),
    "spans that overlap": ("13:00-24:00", "11:00-24:00", "$.rules[0].windows.workday", "begins before the one before"),
    "unknown country": ('["GB"]', '["GB", "XX"]', "$.countries[1]", "unknown country 'XX': use ISO 3166 codes"),
    "a country yaml takes for no": ('["GB"]', "[NO]", "$.countries[0]", "Expected `str`, got `bool`; put it in quotes"),
    "unknown calendar": ("calendar: holidays", "calendar: moon", "$.holidays.calendar", "known: chinesecalendar"),
    "unknown calendar country": ("country: GB}", "country: XX}", "$.holidays.country", "unknown country 'XX'"),
    "negative limit": ("limit: 3", "limit: -3", "$.rules[1].limit", "Expected `int` >= 1"),
    "limit that is no number": ("limit: 3", "limit: three", "$.rules[1].limit", "Expected `int`, got `str`"),
    "double rule id": ("id: calls", "id: hours", "$.rules[1].id", "there is a rule hours already"),
    "unknown hold": (
        "dispute:",
        "quarrel:",
        "$.rules[2].holds",
        "'quarrel'; known: dispute, complaint",
    ),
    "unknown way": ("unit: attempt", "unit: attempt\n    ways: [fax]", "$.rules[1].ways[0]", "known: sms, voice"),
    "two windows": ("rolling_days: 7", "rolling_days: 7, calendar: day", "$.rules[1].window", "say exactly one of"),
    "no window": ("{rolling_days: 7}", "{}", "$.rules[1].window", "say exactly one of"),
    "missing source": (
        "    source: somebody\n    status: should",
        "    status: should",
        "$.rules[1].source",
        "is missing",
    ),
    "missing name of a field": ("limit: 3", "limits: 3", "$.rules[1].limits", "unknown name; known: id, text"),
    "ends before it begins": (
        "{from: 2026-01-01}",
        "{from: 2026-01-01, to: 2025-12-31}",
        "$.rules[0].effective",
        "ends",
    ),
    "no date": ("{from: 2026-01-01}", "{from: soon}", "$.rules[0].effective.from", "Invalid RFC3339"),
    "unverified law": ("confidence: primary", "confidence: unverified", "$.rules[1].legal", "is not called law"),
    "half a policy": (
        "status: should",
        "status: policy",
        "$.rules[1].status",
        "has status policy, legal policy",
    ),
    "another file's id": ("id: xx", "id: yy", "$.id", "the id and the file's name have to be the same"),
    "a version that is a number": ('version: "1"', "version: 1", "$.version", "got `int`; put it in quotes"),
    "a text in one language": (
        "{en: Calls., zh: 电话。}",
        "{en: Calls.}",
        "$.rules[1].text",
        "missing required field",
    ),
    "no rules": ("rules:", "rule:", "$.rules", "is missing"),
    "a syntax error": ("countries: [", "countries: [[", "$", "line "),
    "a key said twice": ("limit: 3", "limit: 3\n    limit: 9", "$", "'limit' is said twice"),
    "a date that is none": ("2026-01-01", "2026-13-01", "$.rules[0].effective.from", "write it as 2026-01-31"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_file_path_and_reason(tmp_path: Path, what: str) -> None:
    was, becomes, path, reason = BAD[what]
    assert GOOD.count(was) >= 1
    found = problems(written(tmp_path, GOOD.replace(was, becomes, 1)))
    assert any(one.path == path and reason in one.reason for one in found), found
    assert {one.file for one in found} == {"xx.yaml"}


def test_a_syntax_error_says_its_line(tmp_path: Path) -> None:
    (found,) = problems(written(tmp_path, GOOD.replace("status: should", "status: : should")))
    assert found.reason.startswith("line 20: ")


@pytest.mark.parametrize("text", ["", "# nothing", "- a list", "only a word", "rules: 3\nid: xx"])
def test_what_is_no_pack_at_all_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(written(tmp_path, text))


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("limit: 3", "limit: 0").replace("rolling_days: 7", "rolling_days: x").replace("dispute", "debt")
    written(tmp_path, text)
    written(tmp_path, GOOD.replace("id: xx", "id: yy").replace("kind: hours", "kind: hour"), "yy.yaml")
    written(tmp_path, GOOD.replace("id: xx", "id: zz"), "zz.yaml")
    assert [(one.file, one.path) for one in problems(tmp_path)] == [
        ("xx.yaml", "$.rules[1].window.rolling_days"),
        ("xx.yaml", "$.rules[1].limit"),
        ("xx.yaml", "$.rules[2].holds"),
        ("yy.yaml", "$.rules[0].kind"),
    ]


def test_the_error_reads_as_a_list(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        load(written(tmp_path, GOOD.replace("limit: 3", "limit: 0")))
    assert str(caught.value) == "xx.yaml: $.rules[1].limit: Expected `int` >= 1"


def test_a_folder_without_packs_is_no_policy(tmp_path: Path) -> None:
    (found,) = problems(tmp_path)
    assert "there is no pack here" in found.reason


def documented() -> str:
    return (Path(__file__).parents[3] / "docs/contact-rules.md").read_text()


def test_the_documentation_names_every_rule_and_no_other() -> None:
    named = {word for word in documented().split("`") if word.split("/")[0] in builtin() and word.count("/") == 1}
    assert named == set(every_rule())


def test_the_documentation_names_tests_that_exist() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    named = {word for word in documented().split("`") if word.startswith("test_")}
    assert named
    assert {name for name in named if f"def {name}(" not in tests} == set()
