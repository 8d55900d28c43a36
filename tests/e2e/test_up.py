"""`doorstep up` looks after the PostgreSQL it brought along: while it runs, and when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from doorstep.app.embedded import Secrets

PATIENCE = 120.0


class Up:
    """`doorstep up` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._home, self._output = folder / "up", folder / "output"
        issuer = Secrets.kept_in(self._home).issuer
        self._headers = {"authorization": f"Bearer {issuer.token('reader', 'viewer', datetime.now(UTC))}"}
        doorstep = str(Path(sys.executable).parent / "doorstep")
        command = [doorstep, "up", "--port", str(self._port), "--folder", str(self._home)]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def postmaster(self) -> psutil.Process:
        """PostgreSQL's first process."""
        return psutil.Process(int((self._home / "postgres" / "postmaster.pid").read_text().split()[0]))

    def status(self, path: str) -> int:
        """Of an answer to a GET; 0 without any."""
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}{path}", headers=self._headers, timeout=10).status_code
        except httpx.TransportError:
            return 0

    def until(self, so: Callable[[], bool]) -> None:
        """Waits."""
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert self.process.poll() is None, self._output.read_text()
            assert time.monotonic() < deadline, self._output.read_text()
            time.sleep(0.2)


@pytest.fixture
def up(folder: Path) -> Iterator[Up]:
    started = Up(folder)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait(10)


def test_a_killed_postgresql_is_started_again_and_sigterm_ends_both(up: Up) -> None:
    up.until(lambda: up.status("/ready") == 200)
    first = up.postmaster()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    up.until(lambda: up.status("/audit/cases") == 200)
    up.until(lambda: up.status("/ready") == 200)
    second = up.postmaster()
    assert second.pid != first.pid

    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)
    second.wait(10)
