"""Where a command finds a service: in the environment (DOORSTEP_...), or on this machine, in the folder of
`doorstep up` or `doorstep demo`."""

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.app.embedded import Embedded, Secrets, installed_as
from doorstep.infra import database
from doorstep.infra.access import EVERY_TENANT, Principal
from doorstep.infra.clock import SystemClock
from doorstep.infra.settings import Settings
from doorstep.intake.publisher import IntakePublisher
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import T

FOLDER = Path(".doorstep/up")


class NotHere(Exception):
    """Neither the environment nor the folder has what a command needs; the message says what to do."""


def whoever() -> Principal:
    """The person at this terminal, as events name them: whoever may run commands here may do everything."""
    return Principal(f"{getpass.getuser()} (command line)", "admin", tenants=EVERY_TENANT)


@asynccontextmanager
async def service(name: str, settings: type[T], folder: Path = FOLDER) -> AsyncIterator[Running[T]]:
    """The service called `name`, which reads `settings`: prepared, its loops at rest. Raises NotHere, WrongSettings,
    Unknown."""
    chosen = installed_as(name, settings)
    if os.environ.get("DOORSTEP_DATABASE_URL"):
        running = Running(chosen, chosen.settings.read())
        await running.prepare()
        try:
            yield running
        finally:
            await running.close()
            await running.bus.close()
        return
    doorstep = _embedded(folder)
    await doorstep.open(clock=SystemClock())
    try:
        yield await doorstep.add(chosen, clock=SystemClock())
    finally:
        await doorstep.close()


@asynccontextmanager
async def reading(name: str, folder: Path = FOLDER) -> AsyncIterator[AsyncEngine]:
    """The database of the service called `name`, for looking at. Raises NotHere."""
    if url := os.environ.get("DOORSTEP_DATABASE_URL"):
        engine = database.engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
        try:
            yield engine
        finally:
            await engine.dispose()
        return
    doorstep = _embedded(folder)
    try:
        yield doorstep.engine(name)
    finally:
        await doorstep.close()


@asynccontextmanager
async def desk(folder: Path = FOLDER) -> AsyncIterator[IntakePublisher]:
    """The intake publisher. With DOORSTEP_KAFKA set, DOORSTEP_DATABASE_URL is the importer's own database."""
    if not os.environ.get("DOORSTEP_KAFKA"):
        doorstep = _embedded(folder)
        await doorstep.open(clock=SystemClock())
        try:
            yield doorstep.desk
        finally:
            await doorstep.close()
        return
    settings = Settings.read()
    async with IntakePublisher.from_settings(settings, SystemClock()) as opened:
        yield opened


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Embedded]:
    """The embedded system in `folder`, beside the process that runs it, if one does. Raises NotHere."""
    doorstep = _embedded(folder)
    await doorstep.start(clock=SystemClock())
    try:
        yield doorstep
    finally:
        await doorstep.close()


def _embedded(folder: Path) -> Embedded:
    if not (folder / "secrets.json").exists():
        raise NotHere(
            f"there is no Doorstep in {folder}: start one with `doorstep up`, name another with --folder, or set"
            " DOORSTEP_DATABASE_URL and the other variables of a running service"
        )
    try:
        return Embedded(folder, Secrets.kept_in(folder))
    except database.NotInstalled as error:
        raise NotHere(str(error)) from None
