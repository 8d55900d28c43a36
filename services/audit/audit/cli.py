"""`timeline`: a case, as a person reads it, in the terminal."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from doorstep import local
from doorstep.events.common import Language
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit import views
from audit.domain import timeline as timeline_of
from audit.figures import instant
from audit.labels import label
from audit.present import ShownLine, ShownTimeline, present

commands = typer.Typer(no_args_is_help=True, help="Read what the audit keeps.")
_COLOURS = {
    "gap": "bold red",
    "denied": "yellow",
    "late": "magenta",
    "reevaluated": "magenta",
    "override": "cyan",
    "suspended": "red",
    "conflict": "bold red",
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
    folder: Annotated[Path, typer.Option(help="folder of the embedded system")] = local.FOLDER,
) -> None:
    """Everything known of CASE, in causal order."""
    until = _moment(as_of)
    try:
        shown = asyncio.run(_read(case, "zh-CN" if lang == "zh" else "en", until, folder))
    except local.NotHere as error:
        raise typer.BadParameter(str(error)) from None
    if not shown.lines:
        typer.echo(f"no entries of case {case}" + (f" by {as_of}" if as_of else ""), err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    else:
        Console().print(table(shown))


def table(shown: ShownTimeline) -> Table:
    """Time, who, what. A flag or a gap stands out by colour and by a word."""
    title = f"{label('case', shown.language)} {shown.case_id} · {shown.zone}"
    drawn = Table(title=title, title_justify="left", header_style="bold", expand=True, show_lines=False)
    drawn.add_column(label("time", shown.language), no_wrap=True)
    drawn.add_column(label("who", shown.language), max_width=24, overflow="fold")
    # Chinese has no spaces to break at; without folding, amounts would give way to an ellipsis.
    drawn.add_column(label("what", shown.language), ratio=1, overflow="fold")
    for line in shown.lines:
        drawn.add_row(_when(line), _who(line), _what(line, shown.language))
    return drawn


def _when(line: ShownLine) -> str:
    return instant(line.occurred, line.occurred.tzinfo) if line.occurred and line.occurred.tzinfo else "—"


def _who(line: ShownLine) -> Text:
    return Text(f"{line.actor.id} ({line.actor.role})" if line.actor else "—")


def _what(line: ShownLine, language: Language) -> Text:
    marks: tuple[str, ...] = ("gap",) if line.kind == "gap" else line.flags
    said = Text()
    for mark in marks:
        said.append(f"[{label(mark, language)}] ", _COLOURS.get(mark, "bold"))
    return said.append(line.sentence)


def _moment(told: str | None) -> datetime | None:
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        raise typer.BadParameter(f"{told} is no ISO 8601 instant") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("say the zone too: 2026-03-01T10:00+08:00")
    return moment


async def _read(case: str, language: Language, as_of: datetime | None, folder: Path) -> ShownTimeline:
    async with local.reading("audit", folder) as engine, engine.connect() as connection:
        found = await views.entries(connection, case, as_of)
    return present(timeline_of(case, found), language, as_of=as_of)
