"""`timeline`: a case, as a person reads it, in the terminal."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from doorstep.app import local
from doorstep.events.values import Language
from doorstep.infra.clock import SystemClock
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.disclosure.evidence import cli as evidence_cli
from audit.erasure import cli as custody_cli
from audit.log import cli as log_cli
from audit.monitor import cli as conformance_cli
from audit.presentation.formatting import instant
from audit.presentation.labels import label
from audit.presentation.present import ShownLine, ShownTimeline, notes, present
from audit.timeline import instants
from audit.timeline.as_of import NotYet, timeline_as_of

commands = typer.Typer(no_args_is_help=True, help="Read what the audit keeps.")
commands.command()(custody_cli.erase)
commands.command()(conformance_cli.conformance)
commands.add_typer(custody_cli.legal_hold, name="legal-hold")
commands.add_typer(evidence_cli.commands, name="evidence")
commands.command()(log_cli.witness)
commands.add_typer(log_cli.commands, name="log")
_COLOURS = {
    "gap": "bold red",
    "denied": "yellow",
    "late": "magenta",
    "reevaluated": "magenta",
    "override": "cyan",
    "suspended": "red",
    "conflict": "bold red",
    "violation": "bold red",
}


@commands.command()
def timeline(
    case: Annotated[str, typer.Argument(help="case id")],
    lang: Annotated[Literal["zh", "en"], typer.Option(help="language of the sentences")] = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON value instead of a table")] = False,
    as_of: Annotated[
        str | None,
        typer.Option(help="what was known by then: ISO 8601 with an offset, 2026-03-01T10:00+08:00"),
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="a file to print it into, as A4 pages")] = None,
    folder: Annotated[Path, typer.Option(help="folder of the embedded system")] = local.FOLDER,
) -> None:
    """Everything known of CASE, in causal order."""
    until = _moment(as_of)
    try:
        shown = asyncio.run(_read(case, "zh-CN" if lang == "zh" else "en", until, folder))
    except local.NotHere as error:
        raise typer.BadParameter(str(error)) from None
    except NotYet as error:
        raise typer.BadParameter(f"--as-of: {error}") from None
    if not shown.lines:
        typer.echo(f"no entries of case {case}" + (f" by {as_of}" if as_of else ""), err=True)
        raise typer.Exit(1)
    if pdf:
        _print(shown, pdf)
    elif as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    else:
        Console().print(table(shown))


def _print(shown: ShownTimeline, file: Path) -> None:
    # Typst takes a moment to load, which no other command needs.
    from audit.presentation import pdf

    try:
        file.write_bytes(pdf.pdf(shown))
    except pdf.NoFont as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(str(file))


def table(shown: ShownTimeline) -> Table:
    """Place in the log, time, who, what. A flag or a gap stands out by colour and by a word."""
    title = f"{label('case', shown.language)} {shown.case_id} · {shown.zone}"
    drawn = Table(title=title, title_justify="left", header_style="bold", expand=True, show_lines=False)
    drawn.add_column("#", justify="right", no_wrap=True)
    drawn.add_column(label("recorded", shown.language), no_wrap=True)
    drawn.add_column(label("who", shown.language), max_width=24, overflow="fold")
    # Chinese has no spaces to break at; without folding, amounts would give way to an ellipsis.
    drawn.add_column(label("what", shown.language), ratio=1, overflow="fold")
    for line in shown.lines:
        drawn.add_row(_place(line), _when(line), _who(line), _what(line, shown.language))
    return drawn


def _place(line: ShownLine) -> str:
    return str(line.entry.position) if line.entry else ""


def _when(line: ShownLine) -> str:
    return instant(line.recorded, line.recorded.tzinfo) if line.recorded and line.recorded.tzinfo else "—"


def _who(line: ShownLine) -> Text:
    return Text(f"{line.actor.id} ({line.actor.role})" if line.actor else "—")


def _what(line: ShownLine, language: Language) -> Text:
    marks: tuple[str, ...] = ("gap",) if line.kind == "gap" else line.flags
    said = Text()
    for mark in marks:
        said.append(f"[{label(mark, language)}] ", _COLOURS.get(mark, "bold"))
    said.append(line.sentence)
    if told := notes(line, language):
        said.append("\n" + " · ".join(told), "dim")
    return said


def _moment(told: str | None) -> datetime | None:
    try:
        return instants.instant(told)
    except instants.NoInstant as error:
        raise typer.BadParameter(str(error)) from None


async def _read(case: str, language: Language, as_of: datetime | None, folder: Path) -> ShownTimeline:
    now = SystemClock().now()
    async with local.reading("audit", folder) as engine:
        return present(await timeline_as_of(engine, case, now, as_of), language, as_of=as_of)
