"""`doorstep demo`."""

from pathlib import Path
from typing import Annotated

import typer
from doorstep.app import terminal
from doorstep.infra import gc_tuning, telemetry

from doorstep_demo import show
from doorstep_demo.places import Jurisdiction

commands = typer.Typer()


@commands.command()
def demo(
    borrowers: Annotated[int, typer.Option(min=1, help="people in the synthetic portfolio")] = 200,
    days: Annotated[int, typer.Option(min=1, help="days to simulate")] = 90,
    seed: Annotated[int, typer.Option(help="same seed, same events")] = 7,
    jurisdiction: Annotated[Jurisdiction, typer.Option(help="whose borrowers, and whose rules")] = "cn",
    exit_: Annotated[bool, typer.Option("--exit", help="end when the simulation has ended")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as one JSON line")] = False,
    dump: Annotated[Path | None, typer.Option(help="write every event as published, one a line")] = None,
    port: Annotated[int, typer.Option(help="port of the pages")] = 8080,
    folder: Annotated[Path, typer.Option(help="folder of the embedded system")] = Path(".doorstep/demo"),
) -> None:
    """Run a synthetic portfolio through the whole system, months in a minute."""
    if not exit_:
        terminal.demand_port(port)
    telemetry.configure_logging("ERROR")
    gc_tuning.collect_rarely()
    shown = None if exit_ else port
    terminal.loop(show.demo(folder, borrowers, days, seed, dump, shown, jurisdiction=jurisdiction, as_json=as_json))
