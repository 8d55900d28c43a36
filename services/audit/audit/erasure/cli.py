"""`erase` and `legal-hold` in the terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from doorstep.app import local
from doorstep.infra import telemetry
from doorstep.infra.settings import WrongSettings
from doorstep.kernel.decider import Refused, Unknown
from doorstep.kernel.runtime import Running

from audit.erasure import effects
from audit.erasure.domain import KeyGone, erasure
from audit.store.settings import AuditSettings

_GONE = "the key is destroyed; processes that have used it forget it within a minute"
_ORDERED = "the erasure is ordered; the process that runs the audit destroys the key within seconds"
legal_hold = typer.Typer(no_args_is_help=True, help="Cases that must not be erased.")
Reason = Annotated[str, typer.Option(help="why; it is kept")]
Hold = Annotated[str, typer.Option(help="the hold's name, a court's file number for example")]
Case = Annotated[str, typer.Argument(help="case id")]
Folder = Annotated[Path, typer.Option(help="folder of the embedded system")]


def erase(
    borrower: Annotated[str, typer.Argument(help="the borrower, as the bank names them")],
    reason: Reason,
    tenant: Annotated[str, typer.Option(help="whose borrower")],
    early: Annotated[bool, typer.Option(help="do not wait as long as the rule packs want the case kept")] = False,
    folder: Folder = local.FOLDER,
) -> None:
    """Destroy the key of BORROWER: nobody will ever read their personal data again. The case and its proofs stay."""

    async def run(audit: Running[AuditSettings]) -> None:
        case_id = await effects.erase(audit, tenant, borrower, local.whoever(), reason, early=early)
        await audit.effects.turn()
        state = await audit.state(erasure, effects.stream(case_id, tenant))
        typer.echo(f"case {case_id}: {_GONE if isinstance(state, KeyGone) else _ORDERED}")

    _with_audit(folder, run)


@legal_hold.command()
def place(case: Case, reason: Reason, hold: Hold = "legal-hold", folder: Folder = local.FOLDER) -> None:
    """Nothing of CASE may be erased until the hold is lifted."""

    async def run(audit: Running[AuditSettings]) -> None:
        await effects.place_hold(audit, case, hold, local.whoever(), reason)
        typer.echo(f"legal hold {hold} stands on case {case}")

    _with_audit(folder, run)


@legal_hold.command()
def lift(case: Case, reason: Reason, hold: Hold = "legal-hold", folder: Folder = local.FOLDER) -> None:
    """CASE may be erased again, unless another hold stands."""

    async def run(audit: Running[AuditSettings]) -> None:
        await effects.lift_hold(audit, case, hold, local.whoever(), reason)
        typer.echo(f"legal hold {hold} on case {case} is lifted")

    _with_audit(folder, run)


def _with_audit(folder: Path, work: Callable[[Running[AuditSettings]], Awaitable[None]]) -> None:
    telemetry.configure_logging("ERROR")

    async def run() -> None:
        async with local.service("audit", AuditSettings, folder) as audit:
            await work(audit)

    try:
        asyncio.run(run())
    except (local.NotHere, Refused, Unknown, WrongSettings, ConnectionError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
