"""A year of 2,000 borrowers in each of twelve jurisdictions, and an independent checker over every event.

    make year
    make year ARGS="--borrowers 50 --days 120 --jurisdictions cn,us"

Each jurisdiction has a process, a folder and a PostgreSQL of its own. There the demo's borrowers live through the year
with everything that may happen to them (see demo.circumstances): the bank's daily file through the importer,
four services, receipts, replies and visit reports through the HTTP API. Then `conformance`, which shares no code
with what decides, reads what was published and holds it against the contact rules.

Exit status 1 means that a contact or visit should not have happened, or that none did. `--keep FOLDER` keeps the dumps,
`--json` ends with the result as one line."""

import argparse
import gc
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from multiprocessing import Manager, get_context
from os import cpu_count
from pathlib import Path
from queue import Queue
from typing import Any

import msgspec
import uvloop
from conformance.checker import check
from conformance.record import read
from conformance.report import Assumptions, Violation
from doorstep.infra import gc_tuning, telemetry
from doorstep_demo.places import COUNTRIES, Jurisdiction
from doorstep_demo.run import staged, summarize
from doorstep_demo.world import MemoryGateway
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

EVERY = timedelta(hours=3)
"""How often providers and the bank's core pass on what they have: a year has fewer instants so."""
SHOWN = 10


@dataclass(frozen=True)
class Asked:
    """What to run. Dumps stay in `keep`, where one is given."""

    borrowers: int
    days: int
    seed: int
    keep: Path | None


@dataclass(frozen=True)
class Result:
    """What came of one jurisdiction. `parked` messages are broken ones; `seconds` by the clock, `processor` of this
    process alone, without PostgreSQL."""

    jurisdiction: str
    events: int
    left: Mapping[str, int]
    denials: int
    denied: Mapping[str, int]
    crossed: Mapping[str, int]
    parked: int
    violations: Sequence[Violation]
    seconds: float
    processor: float
    checking: float

    @property
    def contacts(self) -> int:
        """Messages and calls."""
        return sum(count for way, count in self.left.items() if way not in ("visit", "notice"))

    def failed(self) -> bool:
        """Whether something should not have happened, or nothing did."""
        return bool(self.violations or self.parked or not self.contacts)


def live_through(jurisdiction: Jurisdiction, asked: Asked, moved: "Queue[tuple[str, int]]") -> Result:
    """The whole year of one jurisdiction, in this process."""
    telemetry.configure_logging("ERROR")
    gc_tuning.collect_rarely()
    gc.collect()
    before, started = _processor(), time.monotonic()
    with _scratch() as scratch:
        dump = (asked.keep or scratch) / f"{jurisdiction}.ndjson"
        parked = uvloop.run(_lived(jurisdiction, asked, scratch / "year", dump, moved))
        lived = time.monotonic()
        report = check(read(dump), Assumptions.of(jurisdiction))
    return Result(
        jurisdiction,
        report.events,
        report.left,
        report.denials,
        report.denied,
        report.crossed,
        parked,
        report.violations,
        round(lived - started, 1),
        round(_processor() - before, 1),
        round(time.monotonic() - lived, 1),
    )


async def _lived(
    jurisdiction: Jurisdiction, asked: Asked, folder: Path, dump: Path, moved: "Queue[tuple[str, int]]"
) -> int:
    def progress(day: int, _: int, counts: Counter[str]) -> None:
        moved.put((jurisdiction, day))

    async with staged(
        folder,
        borrowers=asked.borrowers,
        days=asked.days,
        seed=asked.seed,
        jurisdiction=jurisdiction,
        eventful=True,
        gateway=MemoryGateway(),
        every=EVERY,
        terse=True,
    ) as stage:
        await stage.run(progress)
        summary = await summarize(stage.doorstep, time.monotonic(), dump)
    return summary.figures["parked"]


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder of our own, open to the user that PostgreSQL runs as, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-year-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(jurisdictions: Sequence[Jurisdiction], asked: Asked, jobs: int, console: Console) -> list[Result]:
    """Every jurisdiction, `jobs` at a time, each in a process that does nothing else meanwhile."""
    with Manager() as manager:
        moved: Queue[tuple[str, int]] = manager.Queue()
        with (
            _bars(jurisdictions, asked.days, console) as progress,
            ProcessPoolExecutor(min(jobs, len(jurisdictions)), get_context("spawn")) as pool,
        ):
            waiting = [pool.submit(live_through, one, asked, moved) for one in jurisdictions]
            while not all(one.done() for one in waiting):
                _show(moved, progress)
                time.sleep(0.2)
            return [one.result() for one in waiting]


@contextmanager
def _bars(jurisdictions: Sequence[str], days: int, console: Console) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        tasks = {one: progress.add_task(one, total=days, start=False) for one in jurisdictions}

        def update(jurisdiction: str, day: int) -> None:
            progress.start_task(tasks[jurisdiction])
            progress.update(tasks[jurisdiction], completed=day)

        yield update


def _show(moved: "Queue[tuple[str, int]]", update: Any) -> None:
    while not moved.empty():
        update(*moved.get())


def table(results: Sequence[Result], asked: Asked) -> Table:
    """What happened, a row for each jurisdiction."""
    names = ("", "events", "contacts", "visits", "notices", "denied", "crossed", "wrong", "seconds")
    shown = Table(*names, title=f"{asked.borrowers:,} borrowers, {asked.days} days, seed {asked.seed}")
    for column in shown.columns[1:]:
        column.justify = "right"
    for one in results:
        figures = (
            *(one.events, one.contacts, one.left.get("visit", 0), one.left.get("notice", 0)),
            *(one.denials, sum(one.crossed.values()), len(one.violations), round(one.seconds)),
        )
        shown.add_row(one.jurisdiction, *(f"{figure:,}" for figure in figures))
    return shown


def denials(results: Sequence[Result]) -> Table:
    """Who refused how often: a row for each rule."""
    shown = Table("refused by", *(one.jurisdiction for one in results))
    for column in shown.columns[1:]:
        column.justify = "right"
    total = sum((Counter(one.denied) for one in results), Counter[str]())
    for rule, _ in total.most_common():
        shown.add_row(rule, *(f"{one.denied[rule]:,}" if one.denied.get(rule) else "" for one in results))
    return shown


def _complain(results: Sequence[Result], console: Console) -> None:
    for one in results:
        for violation in islice(one.violations, SHOWN):
            said = f"{one.jurisdiction}: {violation.at} case {violation.case}, event {violation.event}: "
            console.print(f"{said}{violation.rule}: {violation.why}", style="red", markup=False, soft_wrap=True)
        if not one.violations and one.failed():
            console.print(f"{one.jurisdiction}: {one.contacts} contacts, {one.parked} parked messages", style="red")


def _jurisdictions(text: str) -> Sequence[Jurisdiction]:
    wanted = [one for one in COUNTRIES if one in text.split(",")]
    if len(wanted) != len(set(text.split(","))):
        raise argparse.ArgumentTypeError(f"want some of {','.join(COUNTRIES)}")
    return wanted


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make year", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--borrowers", type=int, default=2_000, help="in each jurisdiction")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=7, help="same seed, same events")
    parser.add_argument("--jurisdictions", type=_jurisdictions, default=list(COUNTRIES), metavar="CN,US,...")
    parser.add_argument("--jobs", type=int, default=cpu_count() or 1, help="jurisdictions at a time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep every dump there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, on the last line")
    return parser.parse_args()


def main() -> None:
    """Run, check, show."""
    given = _arguments()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    asked = Asked(given.borrowers, given.days, given.seed, given.keep)
    console = Console(stderr=given.json)
    results = run(given.jurisdictions, asked, given.jobs, console)
    for shown in (table(results, asked), denials(results)):
        console.print(shown)
    _complain(results, console)
    if given.json:
        print(msgspec.json.encode(results).decode())
    sys.exit(1 if any(map(Result.failed, results)) else 0)


if __name__ == "__main__":
    main()
