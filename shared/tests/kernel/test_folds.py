"""A state that was folded by older code is folded anew, wherever the code lies that has changed."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from doorstep.kernel.decider import Decider, Routed
from doorstep.kernel.runtime import Running

from tests.support.counting import Count, Counted, Counter, World, counter

FOLD = """
import msgspec
from tests.support.counting import evolve as plain, Counted
from weighing import scale

def evolve(state, event):
    return plain(state, Counted(number=event.number * scale.FACTOR))
"""


@pytest.fixture
def weighing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that folds with a constant of another module; the folder of its files."""
    folder = tmp_path / "weighing"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "domain.py").write_text(FOLD)
    (folder / "scale.py").write_text("FACTOR = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "weighing"]:
        del sys.modules[name]


def _decider() -> Decider[Counter]:
    """As a process would have it that starts now."""
    _forget()
    importlib.invalidate_caches()
    fold = importlib.import_module("weighing.domain")
    return Decider("counter", Counter(), Counter, _counted, fold.evolve)


def _counted(_: Counter, command: Count, __: object) -> list[Counted]:
    return [Counted(number=command.number)]


async def _state(counting: World, decider: Decider[Counter], *numbers: int) -> tuple[int, ...]:
    service = replace(counting.running.service, deciders={"counter": decider})
    running = Running(service, counting.running.settings, bus=counting.bus, clock=counting.clock)
    await running.prepare()
    try:
        await running.execute(*(Routed(counter("a"), Count(number)) for number in numbers))
        return (await running.state(decider, counter("a"))).numbers
    finally:
        await running.close()


async def test_a_constant_in_another_module_changes_what_a_state_is(counting: World, weighing: Path) -> None:
    before = _decider()
    assert await _state(counting, before, 1, 2) == (1, 2)
    (weighing / "scale.py").write_text("FACTOR = 10\n")
    after = _decider()
    assert before.fold_id != after.fold_id
    assert await _state(counting, after) == (10, 20)


def test_the_same_code_is_the_same_fold_in_every_process(weighing: Path) -> None:
    assert _decider().fold_id == _decider().fold_id
    (weighing / "elsewhere.py").write_text("FACTOR = 10\n")
    assert _decider().fold_id == _decider().fold_id
