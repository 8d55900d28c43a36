"""What the source must look like, so that whoever knows one service knows them all."""

import ast
import gc
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from doorstep.app import event_docs, openapi
from doorstep.app.embedded import installed

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {service.name: ROOT / "services" / service.name for service in installed()}
PACKAGES = {service.name: SERVICES[service.name] / service.package.partition(".")[0] for service in installed()}
FILES = ("react.py", "views.py", "api.py", "main.py")
SOURCES = sorted(
    path
    for top in (
        ROOT / "shared" / "doorstep",
        ROOT / "shared" / "tlog",
        ROOT / "shared" / "conformance",
        ROOT / "demo" / "doorstep_demo",
        *PACKAGES.values(),
    )
    for path in top.rglob("*.py")
    if "migrations" not in path.parts
)
NOW = re.compile(r"datetime\.now\(|datetime\.utcnow\(|\btime\.time\(|date\.today\(|datetime\.today\(")
MAY_READ_THE_CLOCK = {
    "shared/doorstep/infra/clock.py": "the clock itself",
    "shared/doorstep/app/cli.py": "the life of a token is a matter of the wall clock",
    "shared/doorstep/app/embedded.py": "the life of a token is a matter of the wall clock",
}
CLASS = re.compile(r"^ *class (\w+)[(:]", re.MULTILINE)
PYTHON_FILE = re.compile(r"`([\w/-]+\.py)`")


def tracked() -> list[Path]:
    """What git holds, or will with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git here")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def foreign(folder: Path) -> set[str]:
    """What the package in `folder` imports that is neither Python's nor its own."""
    found = set()
    for path in (path for path in folder.glob("*/**/*.py") if "tests" not in path.parts):
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Import(names=names):
                    found |= {one.name.partition(".")[0] for one in names}
                case ast.ImportFrom(module=str(module)):
                    found.add(module.partition(".")[0])
    return found - sys.stdlib_module_names - {path.name for path in folder.iterdir()}


def provided_by(distribution: str, folder: Path) -> dict[str, list[str]]:
    """The import packages of `distribution`; an editable install does not tell."""
    backend = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["uv"]["build-backend"]
    return {package: [distribution] for package in backend["module-name"]}


def deciders(package: Path) -> list[Path]:
    """The files that decide: domain.py, at the top or in each room, or decider.py in the folder `domain`."""
    return [*package.rglob("domain.py"), *package.glob("domain/**/decider.py")]


def parsed(path: Path) -> ast.AST:
    """With the collector at rest: when it ends a greenlet of a crash test meanwhile, Python 3.11 miscounts its
    recursion and ast.parse raises SystemError."""
    gc.collect()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_files_a_reader_expects(name: str) -> None:
    missing = [file for file in FILES if not any(PACKAGES[name].rglob(file))]
    assert deciders(PACKAGES[name])
    missing += [
        file for file in ("README.md", "pyproject.toml", "tests/test_domain.py") if not (SERVICES[name] / file).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_registered_under_the_name_of_its_folder(name: str) -> None:
    project = tomllib.loads((SERVICES[name] / "pyproject.toml").read_text())["project"]
    assert project["name"] == name
    assert project["entry-points"]["doorstep.services"].keys() == {name}


def test_every_service_folder_is_installed() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert folders == {one.name for one in importlib.metadata.entry_points(group="doorstep.services")}


@pytest.mark.parametrize("folder", [ROOT / "shared", ROOT / "demo", *SERVICES.values()], ids=lambda folder: folder.name)
def test_a_package_declares_what_it_imports_and_nothing_else(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain.from_iterable(project.get("optional-dependencies", {}).values())]
    declared = {re.split(r"[^\w-]", one)[0] for one in wanted}
    owners = dict(importlib.metadata.packages_distributions()) | provided_by("doorstep", ROOT / "shared")
    imported = {
        name: {owner.lower().replace("_", "-") for owner in owners.get(name, [name])} for name in foreign(folder)
    }
    assert {name for name, makers in imported.items() if not makers & declared} == set()
    assert declared - set().union(*imported.values()) == set()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_in_its_readme_what_it_hears_decides_and_says(name: str) -> None:
    text = (SERVICES[name] / "README.md").read_text().lower()
    assert all(word in text for word in ("hears", "decides", "says", "```mermaid", "ten minutes"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_readme_names_at_most_eight_files_for_a_first_understanding_and_no_file_that_is_not_there(name: str) -> None:
    text = (SERVICES[name] / "README.md").read_text()
    first = re.split(r"As you need|if you need|\n\| |\n## ", text.split("ten minutes\n")[1])[0]
    assert 4 <= len(set(PYTHON_FILE.findall(first))) <= 8
    there = [f"/{short(path)}" for top in (SERVICES[name], ROOT / "shared") for path in top.rglob("*.py")]
    named = set(PYTHON_FILE.findall(text))
    assert {one for one in named if not any(path.endswith(f"/{one}") for path in there)} == set()


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for name in CLASS.findall(path.read_text()):
            places[name].append(short(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", sorted(PACKAGES.values()), ids=lambda path: path.name)
def test_a_domain_is_short_enough_to_be_read_at_a_sitting(path: Path) -> None:
    assert all(len(one.read_text().splitlines()) <= 260 for one in deciders(path))


def test_nothing_reads_the_time_of_day_but_the_clock() -> None:
    found = {short(path) for path in SOURCES if NOW.search(path.read_text())}
    assert found == MAY_READ_THE_CLOCK.keys()


def test_the_type_checker_is_strict_everywhere() -> None:
    checker = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert checker["strict"] is True
    loosened = [one for one in checker.get("overrides", []) if one.keys() - {"module", "ignore_missing_imports"}]
    assert not [one for one in loosened if any("domain" in name or "doorstep" in name for name in one["module"])]


@pytest.mark.parametrize("cls", event_docs.published().values(), ids=lambda cls: cls.event_type)
def test_an_event_is_frozen_and_explained(cls: type[msgspec.Struct]) -> None:
    assert cls.__struct_config__.frozen
    assert cls.__doc__
    assert len(cls.__doc__) > 10


def test_no_tracked_file_names_a_registry_or_a_path_of_someones_machine() -> None:
    # Put together here, so that this file does not find itself.
    hosts = "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "repo1" + r"\.maven", "registry" + r"\.npmjs"))
    homes = "|".join(("/ro" + "ot/", "/ho" + r"me/\w", "/Us" + r"ers/\w", "/wo" + "rk/(?:main|shared)"))
    forbidden = re.compile(f"{hosts}|{homes}|--index" + "-url|--extra-index" + "-url")
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{short(path)}:{n}" for n, line in enumerate(text.splitlines(), 1) if forbidden.search(line)]
    assert found == []


def test_the_event_catalogue_is_up_to_date() -> None:
    assert event_docs.generate() == (ROOT / "docs" / event_docs.FILE).read_text(encoding="utf-8"), "run `make schema`"


@pytest.mark.parametrize("name", SERVICES)
def test_the_api_of_a_service_is_written_down_as_it_is(name: str) -> None:
    written = (ROOT / "docs" / openapi.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert openapi.generate(name) == written, "run `make schema`"


def test_every_decision_has_a_number_of_its_own_and_says_what_follows() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [path.name[:4] for path in records]
    assert numbers == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. ")
        assert "## What follows" in text


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in (path for path in tracked() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{short(path)} -> {target}")
    assert broken == []
