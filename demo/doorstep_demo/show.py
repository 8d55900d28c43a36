"""What the demo shows: progress while it runs, then a summary, one case in full, and the pages."""

import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from doorstep.app import terminal
from doorstep.events.values import Language
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from doorstep_demo import routes
from doorstep_demo.places import COUNTRIES, Jurisdiction
from doorstep_demo.run import RunSummary, staged, summarize
from doorstep_demo.town import Town


async def demo(
    folder: Path,
    borrowers: int,
    days: int,
    seed: int,
    dump: Path | None,
    port: int | None,
    *,
    jurisdiction: Jurisdiction = "cn",
    as_json: bool,
) -> None:
    """Run it and show it. Stays up on `port` unless that is None. With `as_json` the last line of standard
    output is the summary as JSON and everything else goes to standard error."""
    console = Console(stderr=as_json)
    started = time.monotonic()
    asked: dict[str, Any] = {"jurisdiction": jurisdiction, "eventful": jurisdiction != "cn"}
    async with staged(folder, borrowers=borrowers, days=days, seed=seed, **asked) as stage:
        with _progress(console, days) as moved:
            await stage.run(moved)
        summary = await summarize(stage.doorstep, started, dump)
        console.print(_table(summary, borrowers, days, seed))
        if not as_json:
            await _case(console, stage.town, summary.most_told(), COUNTRIES[jurisdiction].language)
        else:
            line = {"borrowers": borrowers, "days": days, "seed": seed, **summary.as_dict()}
            print(msgspec.json.encode(line).decode(), flush=True)  # noqa: T201
        if port is not None:
            console.print(
                f"\nIt stays up, its clock standing still. Open {terminal.link(stage.doorstep.secrets, port)}",
                soft_wrap=True,
            )
            console.print(
                f"In another terminal: doorstep timeline {summary.most_told()} --folder {folder}", style="dim"
            )
            await terminal.serve(stage.doorstep, port)


@contextmanager
def _progress(console: Console, days: int) -> Any:
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days, {task.fields[facts]} facts from the bank"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("days", total=days, facts=0)

        def moved(day: int, _: int, counts: Counter[str]) -> None:
            progress.update(task, completed=day, facts=counts["facts_overdue"] + counts["facts_cured"])

        yield moved


def _table(summary: RunSummary, borrowers: int, days: int, seed: int) -> Table:
    table = Table("what happened", "how often", title=f"{borrowers} borrowers, {days} days, seed {seed}")
    table.columns[1].justify = "right"
    figures = summary.as_dict()
    denied = figures.pop("denied_by")
    for name, count in figures.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    table.add_section()
    for rule, count in sorted(denied.items(), key=lambda item: -item[1]):
        table.add_row(f"refused by {rule}", f"{count:,}")
    return table


async def _case(console: Console, town: Town, case_id: str, language: Language) -> None:
    answer = await town.call(routes.TIMELINE, case_id=case_id, lang=language)
    table = Table("when", "who", Column("what", overflow="fold"), title=f"case {case_id}")
    for line in answer["lines"]:
        table.add_row(*_cells(line))
    console.print(table)


def _cells(line: dict[str, Any]) -> tuple[str, str, str]:
    when, who = line["recorded"] or "", line["actor"] or {}
    return when[:16].replace("T", " "), who.get("id", ""), line["sentence"]
