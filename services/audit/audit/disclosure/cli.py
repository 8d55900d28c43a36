"""`timeline`: a case, as a person reads it, in the terminal."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from doorstep.app import local
from doorstep.app.printing import Lang
from doorstep.events.values import Language
from doorstep.infra.access import EVERY_TENANT
from doorstep.infra.clock import SystemClock

from audit.disclosure.arguments import AsOf, moment
from audit.presentation.present import ShownTimeline, present
from audit.presentation.terminal import timeline_table
from audit.timeline.as_of import NotYet, timeline_as_of


def timeline(
    case: Annotated[str, typer.Argument(help="case id")],
    lang: Lang = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON value instead of a table")] = False,
    as_of: AsOf = None,
    pdf: Annotated[Path | None, typer.Option(help="a file to print it into, as A4 pages")] = None,
    folder: Annotated[Path, typer.Option(help="folder of the embedded system")] = local.FOLDER,
) -> None:
    """Everything known of CASE, in causal order."""
    until = moment(as_of)
    try:
        shown = asyncio.run(_read(case, lang, until, folder))
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
        typer.echo(msgspec.json.format(msgspec.json.encode(shown.merged()), indent=2).decode())
    else:
        typer.echo(timeline_table(shown))


def _print(shown: ShownTimeline, file: Path) -> None:
    # Typst takes a moment to load, which no other command needs.
    from audit.presentation import pdf

    try:
        file.write_bytes(pdf.pdf(shown))
    except pdf.NoFont as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(str(file))


async def _read(case: str, language: Language, as_of: datetime | None, folder: Path) -> ShownTimeline:
    now = SystemClock().now()
    async with local.reading("audit", folder) as engine:
        return present(await timeline_as_of(engine, case, now, as_of, tenants=EVERY_TENANT), language, as_of=as_of)
