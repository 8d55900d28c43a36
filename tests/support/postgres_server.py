"""A PostgreSQL of a test's own, to be stopped at once and started again under those who use it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from doorstep.infra import database
from sqlalchemy.ext.asyncio import AsyncEngine


class OwnPostgres:
    """Durable, as a bank's: what it has committed outlives its death. The addresses stay the same."""

    def __init__(self, folder: Path) -> None:
        self._embedded = database.EmbeddedPostgres(folder)
        self._folder = folder

    async def new_database(self, *versions: Path) -> AsyncEngine:
        """A fresh database with the given migrations."""
        engine = database.engine(self._embedded.url(await self._embedded.scratch(), owner="postgres"))
        await database.migrate(engine, *versions, epoch="test")
        return engine

    def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, every connection is cut off. Returns when it is dead."""
        postmaster = psutil.Process(self._embedded._server.get_pid())
        os.kill(postmaster.pid, signal.SIGQUIT)
        postmaster.wait(10)

    def start(self) -> None:
        """Returns when it has recovered, which takes a busy machine longer than the package waits."""
        for _ in range(6):
            with suppress(subprocess.TimeoutExpired):
                return self._embedded._server.ensure_postgres_running()
        raise TimeoutError("PostgreSQL has not recovered within a minute")

    def keep_replicas(self, *names: str) -> None:
        """What replicas have that follow no further: every file, as of now."""
        self.stop_immediately()
        for name in names:
            subprocess.run(["cp", "-a", self._folder, self._folder.with_name(name)], check=True)
        self.start()

    def fail_over_to(self, name: str) -> None:
        """The server is lost with all that it committed since; the replica is promoted in its place."""
        self.stop_immediately()
        shutil.rmtree(self._folder)
        self._folder.with_name(name).rename(self._folder)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        (self._folder / "standby.signal").touch()
        self.start()
        self._embedded._server.psql("select pg_promote()")

    def stop(self) -> None:
        """For good."""
        self._embedded.stop_now()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """One that runs, in a folder of its own."""
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="doorstep-test-"))
    folder.chmod(0o755)
    server = OwnPostgres(folder / "data")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
