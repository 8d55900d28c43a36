"""The policy in force: what comes with Doorstep, what a folder changes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from doorstep.app.embedded import Embedded, Secrets
from doorstep.infra.settings import WrongSettings
from escalation.domain.case.borrower import BorrowerProfile
from escalation.domain.policy import Policies, builtin, describe
from escalation.domain.rules.pack import InvalidPolicy
from escalation.main import policies, service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty policy folder."""
    for name in ("packs", "strategies"):
        (tmp_path / name).mkdir()
    return tmp_path


def ids(packs: Any) -> list[str]:
    return [pack.id for pack in packs]


def test_a_tenant_nobody_speaks_of_is_at_home_in_china() -> None:
    assert ids(builtin().of("anyone").packs_at(None)) == ["cn", "house"]


@pytest.mark.parametrize(
    ("place", "asked"),
    [(None, ["uk", "house"]), ("GB", ["uk", "house"]), ("US", ["uk", "us", "house"]), ("FR", ["uk", "house"])],
)
def test_the_home_s_pack_the_place_s_and_the_house_s_are_asked(
    folder: Path, place: str | None, asked: list[str]
) -> None:
    (folder / "tenants.yaml").write_text("acme: {home: GB}", encoding="utf-8")
    assert ids(Policies(folder).of("acme").packs_at(place)) == asked


def test_every_jurisdiction_comes_with_doorstep() -> None:
    known = set(builtin().of("acme").packs)
    assert known == {*("cn", "us", "in", "uk", "kr", "ru", "au", "id", "th", "ph", "tw", "jp"), "house"}


def test_a_folder_s_pack_stands_in_place_of_the_one_with_its_id(folder: Path) -> None:
    (folder / "packs" / "house.yaml").write_text(house(limit=1), encoding="utf-8")
    changed = Policies(folder).of("acme").packs["house"]
    assert (changed.version, len(changed.rules)) == ("mine", 1)
    assert changed.hash != builtin().of("acme").packs["house"].hash


def house(limit: int, kind: str = "counter") -> str:
    """A house pack of one rule."""
    return f"""
id: house
version: mine
title: {{en: House, zh: 本行}}
countries: []
holidays: {{calendar: holidays, country: CN}}
rules:
  - id: contacts-a-week
    kind: {kind}
    text: {{en: At most {limit} contacts a week., zh: 每周最多联系 {limit} 次。}}
    source: tenant policy
    status: policy
    legal: policy
    confidence: own
    effective: {{}}
    scope: person
    unit: attempt
    window: {{rolling_days: 7}}
    limit: {limit}
"""


def test_every_problem_of_every_file_is_named_with_its_path_and_reason(folder: Path) -> None:
    (folder / "packs" / "house.yaml").write_text(house(limit=-1), encoding="utf-8")
    (folder / "packs" / "other.yaml").write_text(house(limit=1, kind="weather"), encoding="utf-8")
    (folder / "strategies" / "default.json").write_text("{", encoding="utf-8")
    (folder / "tenants.yaml").write_text("acme: {home: ZZ, packs: [nowhere], strategy: none}", encoding="utf-8")
    with pytest.raises(InvalidPolicy) as caught:
        Policies(folder)
    said = [(problem.file, problem.path) for problem in caught.value.problems]
    assert {file for file, _ in said} == {"house.yaml", "other.yaml", "default.json", "tenants.yaml"}
    assert ("tenants.yaml", "$.acme.packs") in said
    assert all(problem.reason for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("acme: {home: China}", "acme", "regex"),
        ("acme: {home: CN, stale_after: 3}", "acme", "unknown field"),
        ("acme: {stale_after_days: 0}", "acme", ">= 1"),
        ("acme: [", "", "no YAML"),
    ],
)
def test_a_wrong_tenants_file_says_where_and_why(folder: Path, text: str, path: str, reason: str) -> None:
    (folder / "tenants.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPolicy) as caught:
        Policies(folder)
    (problem,) = caught.value.problems
    assert problem.file == "tenants.yaml"
    assert path in problem.path or "..." in problem.path
    assert reason in problem.reason


def test_a_reload_that_is_refused_leaves_the_old_policy_in_force(folder: Path) -> None:
    (folder / "packs" / "house.yaml").write_text(house(limit=2), encoding="utf-8")
    policies = Policies(folder)
    before = policies.of("acme").packs["house"].hash
    (folder / "packs" / "house.yaml").write_text(house(limit=0), encoding="utf-8")
    with pytest.raises(InvalidPolicy):
        policies.reload()
    assert policies.of("acme").packs["house"].hash == before
    (folder / "packs" / "house.yaml").write_text(house(limit=1), encoding="utf-8")
    policies.reload()
    assert policies.of("acme").packs["house"].hash != before


def test_everything_in_force_is_to_be_put_on_record_also_after_a_reload(folder: Path) -> None:
    policies = Policies(folder)
    of_old = policies.of("acme").packs["house"]
    on_record = {one.hash for one in policies.artifacts}
    assert on_record == {*(pack.hash for pack in policies.of("acme").packs.values()), policies.of("acme").strategy.hash}
    (folder / "packs" / "house.yaml").write_text(house(limit=1), encoding="utf-8")
    policies.reload()
    changed = {one.hash for one in policies.artifacts}
    assert on_record - changed == {of_old.hash}
    assert changed - on_record == {policies.of("acme").packs["house"].hash}


def test_another_policy_can_be_tried_beside_the_one_in_force(folder: Path) -> None:
    (folder / "packs" / "house.yaml").write_text(house(limit=1), encoding="utf-8")
    changed = Policies(folder).of("acme").packs
    other = builtin().replaced({"house": changed["house"]}, None)
    assert other.of("acme").packs["house"].version == "mine"
    assert builtin().of("acme").packs["house"].version != "mine"


def test_a_policy_is_described_by_names_and_hashes() -> None:
    told = describe(builtin(), "acme")
    assert json.loads(json.dumps(told)) == told
    assert told["terms"]["home"] == "CN"
    assert len(told["strategy"]["hash"]) == 64
    assert {len(pack["hash"]) for pack in told["packs"]} == {64}


def test_a_region_is_in_its_country() -> None:
    assert [BorrowerProfile(region=region).country for region in ("US-NY", "CN", None)] == ["US", "CN", None]


async def test_a_service_does_not_start_with_a_wrong_policy_and_says_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "up" / "policy" / "packs"
    folder.mkdir(parents=True)
    (folder / "house.yaml").write_text(house(limit=-1), encoding="utf-8")
    tmp_path.chmod(0o755)
    settings = Embedded(tmp_path / "up", Secrets.from_seed(1)).settings(service)
    with pytest.raises(WrongSettings, match=r"mend it and start again:\nhouse.yaml: \$.rules"):
        policies(settings)
