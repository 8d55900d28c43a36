"""What every command shares: how it runs, where it prints, how it says that something is wrong."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import typer
import uvicorn

from doorstep.app.embedded import Embedded
from doorstep.infra.database import NotInstalled
from doorstep.infra.settings import WrongSettings
from doorstep.kernel import http

try:
    import uvloop
except ImportError:  # There is none for Windows.
    uvloop = None  # type: ignore[assignment]

HOME = "/audit/"


def fault(message: str) -> typer.Exit:
    """Says `message` in red; to be raised."""
    typer.secho(message, fg="red", err=True)
    return typer.Exit(2)


def loop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end. Raises typer.Exit for wrong settings and for what is not installed."""
    try:
        asyncio.run(work) if uvloop is None else uvloop.run(work)
    except (NotInstalled, WrongSettings) as error:
        raise fault(str(error)) from None


def demand_port(port: int) -> None:
    """Raises typer.Exit when `port` is taken: now, not after a long start that says all is up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise fault(f"port {port} cannot be used ({error}); choose another with --port") from None


def link(doorstep: Embedded, port: int) -> str:
    """The one link that lets its owner in."""
    return f"http://127.0.0.1:{port}/?token={doorstep.token('owner@this-machine', 'admin')}"


async def serve(doorstep: Embedded, port: int) -> None:
    """The pages and the API, with the services' loops, until interrupted."""
    api = http.build(doorstep.services, doorstep.access, home=HOME)
    await uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_level="warning")).serve()
