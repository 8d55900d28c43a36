"""What every command shares: how it runs, where it prints, how it says that something is wrong."""

import asyncio
import signal
import socket
import threading
from collections.abc import Coroutine
from typing import Any

import typer
import uvicorn

from doorstep.app.embedded import Embedded, Secrets
from doorstep.infra.access import Login
from doorstep.infra.clock import SystemClock
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
    """Run `work` to its end; SIGTERM ends it as an interrupt does, with all it has to close. Raises typer.Exit for
    wrong settings and for what is not installed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    try:
        asyncio.run(work) if uvloop is None else uvloop.run(work)
    except (NotInstalled, WrongSettings) as error:
        raise fault(str(error)) from None


def _end(signum: int, _: object) -> None:
    raise SystemExit(128 + signum)


def demand_port(port: int) -> None:
    """Raises typer.Exit when `port` is taken: now, not after a long start that says all is up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise fault(f"port {port} cannot be used ({error}); choose another with --port") from None


def link(secrets: Secrets, port: int) -> str:
    """A link that lets its owner in, once."""
    code = Login(secrets.issuer, SystemClock()).code("owner@this-machine", "admin")
    return f"http://127.0.0.1:{port}/?code={code}"


async def serve(doorstep: Embedded, port: int) -> None:
    """The pages and the API, with the services' loops, until interrupted."""
    home = http.Landing(HOME, Login(doorstep.secrets.issuer, SystemClock()))
    api = http.build(doorstep.services, doorstep.access, home=home)
    keeping = asyncio.create_task(doorstep.keep_postgres())
    try:
        await uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_level="warning")).serve()
    finally:
        keeping.cancel()
