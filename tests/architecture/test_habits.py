"""What a release, a commit and a newcomer rely on."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from doorstep.app.cli import app
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [
    ROOT / "pyproject.toml",
    *sorted(ROOT.glob("*/pyproject.toml")),
    *sorted(ROOT.glob("services/*/pyproject.toml")),
]


def newest_release() -> str:
    found = re.search(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_every_distribution_has_the_version_of_the_newest_release(path: Path) -> None:
    assert tomllib.loads(path.read_text())["project"]["version"] == newest_release(), "run `make version`"


def test_the_command_says_which_release_it_is() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"doorstep {newest_release()}\n"


def test_every_target_of_make_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert set(re.findall(r"^(\w+):.*## \w", text, re.MULTILINE)) == set(phony[1].split())


def test_the_hooks_before_a_commit_fetch_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in hooks} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for repo in hooks for hook in repo["hooks"])


def test_the_forge_runs_what_everyone_can_run() -> None:
    [job] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
