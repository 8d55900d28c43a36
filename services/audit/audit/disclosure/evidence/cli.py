"""`evidence export` and `evidence verify` in the terminal."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer
from doorstep.app import local
from doorstep.infra import telemetry
from doorstep.infra.settings import WrongSettings
from doorstep.kernel.decider import Refused, Unknown
from tlog.files import write_new
from tlog.verifier import COSIGNATURE, ED25519, VerifierKey, Wrong, check, key_of, refusal, summary

from audit.disclosure.arguments import AsOf, moment
from audit.disclosure.evidence.export import Exported, Wanted, export
from audit.store.settings import AuditSettings
from audit.timeline.as_of import NotYet

commands = typer.Typer(no_args_is_help=True, help="The evidence of a case, as one file that anyone can check.")


@commands.command("export")
def export_(
    case: Annotated[str, typer.Argument(help="case id")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the ZIP to write; it must not be there yet")],
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    as_of: AsOf = None,
    opened: Annotated[bool, typer.Option("--open", help="with the personal data in clear; recorded too")] = False,
    folder: Annotated[Path, typer.Option(help="folder of the embedded system")] = local.FOLDER,
) -> None:
    """Write the evidence of CASE to a file. Who took it and why becomes an event of the case."""
    telemetry.configure_logging("ERROR")
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; evidence is never written over: name another file")
    wanted = Wanted(case, local.whoever(), reason, moment(as_of), opened)
    try:
        made = asyncio.run(_export(wanted, folder))
    except (local.NotHere, Refused, Unknown, WrongSettings, ConnectionError, NotYet) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    write_new(out, made.data)
    typer.echo(f"{out}: {made.entries} entries; the manifest's SHA-256 is {made.manifest}")
    if made.unsigned:
        typer.echo(
            f"{made.unsigned} entries were absorbed and not signed within seconds; what they hold of the case is not"
            " in it. Is the process that keeps the log up? Export again later",
            err=True,
        )


@commands.command()
def verify(
    file: Annotated[Path, typer.Argument(help="the ZIP", exists=True, dir_okay=False)],
    key: Annotated[str | None, typer.Option(help="the log's key, from where the lender publishes it")] = None,
    witness: Annotated[list[str] | None, typer.Option(help="key of a witness that must have cosigned")] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="language of the answer")] = "zh",
) -> None:
    """Check FILE, offline and without a database; name the first thing that is wrong."""
    trusted = _key(key, ED25519) if key else None
    witnesses = [_key(one, COSIGNATURE) for one in witness or ()]
    try:
        typer.echo(summary(check(file.read_bytes(), trusted, witnesses), lang == "zh"))
    except Wrong as error:
        typer.echo(refusal(error, lang == "zh"), err=True)
        raise typer.Exit(1) from None


async def _export(wanted: Wanted, folder: Path) -> Exported:
    async with local.service("audit", AuditSettings, folder) as audit:
        return await export(audit, wanted)


def _key(text: str, algorithm: int) -> VerifierKey:
    try:
        return key_of(text, algorithm)
    except Wrong as error:
        raise typer.BadParameter(str(error)) from None
