"""`log`: make, open, verify and export the log; `witness`: keep those of others."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from doorstep.app import local
from doorstep.app.printing import progress
from doorstep.kernel.decider import Refused
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Halt
from tlog.folder import Broken, Folder
from tlog.paths import KEY
from tlog.verifier import VerifierKey, Wrong
from tlog.verify import Verified, verify

from audit.log import scrub, writer
from audit.store.settings import AuditSettings

T = TypeVar("T")
commands = typer.Typer(no_args_is_help=True, help="The log of all events that nobody can quietly change.")
Where = Annotated[Path, typer.Option(help="folder of the embedded system")]


@commands.command()
def create(folder: Where = local.FOLDER) -> None:
    """Make an empty log, once and for ever. DOORSTEP_LOG_KEY signs it, as DOORSTEP_LOG_ORIGIN."""
    log = _with(folder, writer.create)
    typer.echo(f"the log {log.signer.name} lies in {log.folder.path}. Make its key known to whoever is to verify it:")
    typer.echo(str(log.signer.verifier))


@commands.command("open")
def open_(folder: Where = local.FOLDER) -> None:
    """Verify the end of the log against what was signed last, as its writer does; nothing is repaired."""
    log = _with(folder, writer.open_)
    typer.echo(f"{log.signer.name}: {log.head.size} entries, root {log.head.root.hex()}, in {log.folder.path}")
    typer.echo(str(log.signer.verifier))


@commands.command("verify")
def verify_(
    exported: Annotated[Path | None, typer.Argument(metavar="DIR", help="an exported log; without: our own")] = None,
    key: Annotated[str | None, typer.Option(help="the log's key, from whom you trust")] = None,
    earlier: Annotated[Path | None, typer.Option(help="a checkpoint that was kept: the log must go on from it")] = None,
    folder: Where = local.FOLDER,
) -> None:
    """Every entry, every tile and the checkpoint; of our own log every row of the database too."""
    kept = earlier.read_text(encoding="utf-8") if earlier else None
    if exported is not None:
        found = _verified(exported, key, kept)
    else:
        found = _with(folder, lambda running: _own(running, key, kept))
    before = f", and goes on from {found.earlier.size}" if found.earlier else ""
    typer.echo(f"{found.checkpoint.origin}: all {found.checkpoint.size} entries are as signed{before}")
    typer.echo(f"root {found.checkpoint.root.hex()}")


@commands.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="where to; for one who verifies elsewhere")],
    folder: Where = local.FOLDER,
) -> None:
    """Copy the log: checkpoint, vkey, tile/, blob/. It holds every event: sealed, but not for everyone's eyes."""

    async def copy(running: Running[AuditSettings]) -> str:
        return await asyncio.to_thread(Folder(running.settings.log_folder).export, target)

    typer.echo(_with(folder, copy), nl=False)


def witness(
    name: Annotated[str, typer.Option(help="what it signs as, for ever: witness.example/w1")],
    folder: Annotated[Path, typer.Option(help="its key and all it has seen; never bring back an older copy")],
    log: Annotated[list[str], typer.Option(help="key of a log it cosigns (vkey); more than once for several")],
    port: Annotated[int, typer.Option(help="port it listens on")] = 8090,
    host: Annotated[str, typer.Option(help="address it listens on")] = "127.0.0.1",
) -> None:
    """Keep the checkpoints of other people's logs, and cosign those that only grow."""
    import uvicorn
    from doorstep.infra import failpoints
    from doorstep.infra.clock import SystemClock
    from doorstep.infra.telemetry import configure_logging
    from tlog import witness_folder, witness_server
    from tlog.verifier import VerifierKey, Wrong

    configure_logging()
    try:
        keys = map(VerifierKey.parse, log)
        notary = witness_server.Notary(name, folder, keys, SystemClock().now, failpoints.hit)
    except (Wrong, witness_folder.Spoilt) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(notary.verifier)
    uvicorn.run(witness_server.app(notary), host=host, port=port, log_level="warning")


async def _own(running: Running[AuditSettings], key: str | None, earlier: str | None) -> Verified:
    log = Folder(running.settings.log_folder)
    found = await asyncio.to_thread(_verified, log.path, key or str(writer.signer(running.settings).verifier), earlier)
    with progress() as moved:
        done, size = 0, found.checkpoint.size
        while done < size:
            done = await scrub.slice_(running, log, done, size)
            moved("entries", done, size)
    return found


def _verified(path: Path, key: str | None, earlier: str | None) -> Verified:
    try:
        if key is None:
            key = (path / KEY).read_text(encoding="utf-8")
            typer.secho(
                "The key is the one in the folder itself, so this shows only that the log fits itself: whoever rewrote"
                " it could have replaced the key too. Give --key from somebody you trust.",
                fg="yellow",
                err=True,
            )
        with progress() as moved:
            entries = partial(moved, "entries")
            return verify(Folder(path), VerifierKey.parse(key), earlier=earlier, progress=entries)
    except Wrong as error:
        raise _fault(str(error), 1) from None
    except OSError as error:
        raise _fault(f"could not be read, which says nothing of the log: {error}", 2) from None


def _with(folder: Path, work: Callable[[Running[AuditSettings]], Awaitable[T]]) -> T:
    async def run() -> T:
        async with local.service("audit", AuditSettings, folder) as running:
            return await work(running)

    try:
        return asyncio.run(run())
    except (Halt, Broken, writer.Exists, Refused) as error:
        raise _fault(str(error), 1) from None
    except (local.NotHere, OSError) as error:
        raise _fault(str(error), 2) from None


def _fault(message: str, status: int) -> typer.Exit:
    typer.secho(message, fg="red", err=True)
    return typer.Exit(status)
