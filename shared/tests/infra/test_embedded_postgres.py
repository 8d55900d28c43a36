"""PostgreSQL in a package lets in whoever can reach its socket: so nobody else on the machine can."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
from doorstep.infra import database
from doorstep.infra.database import EmbeddedPostgres


@pytest.fixture
def home() -> Iterator[Path]:
    """A person's folder, which is theirs alone."""
    with tempfile.TemporaryDirectory(prefix="doorstep-home-") as made:
        yield Path(made)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def others_reach(path: Path) -> bool:
    """Whether somebody else gets to `path`: each folder above lets them pass."""
    return all(mode(one) & stat.S_IXOTH for one in path.parents) and bool(mode(path) & stat.S_IWOTH)


def process_of(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(server._server.get_pid())


@pytest.mark.parametrize("depth", [0, 3], ids=["a short path", "a path too long for a socket"])
async def test_its_socket_is_reached_by_its_own_user_alone_and_no_folder_is_opened(home: Path, depth: int) -> None:
    above = home.joinpath(*["a-folder-with-a-long-name-in-which-it-lies"] * depth)
    above.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(above / "postgres", durable=False)
    try:
        folder = server._server.get_postmaster_info().socket_dir
        assert folder
        socket = folder / ".s.PGSQL.5432"
        assert (folder == above / "postgres") == (not depth)
        assert stat.S_ISSOCK(socket.lstat().st_mode)
        assert not others_reach(socket)
        assert not mode(home) & (stat.S_IROTH | stat.S_IRGRP), "whoever may pass may not look"
        connection = await asyncpg.connect(server._server.get_uri(database="postgres"))
        assert await connection.fetchval("select 1") == 1
        await connection.close()
    finally:
        server.stop_now()


def test_a_folder_of_somebody_else_in_place_of_the_sockets_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    assert mode(database._private(None)) == 0o700
    (home / f"doorstep-{os.getuid()}").chmod(0o777)
    with pytest.raises(PermissionError, match="not ours alone"):
        database._private(None)


async def test_killed_it_is_started_again_with_what_it_had(home: Path) -> None:
    server = EmbeddedPostgres(home / "postgres")
    try:
        await server.create("kept")
        assert not server.revive(), "it lives"
        process = process_of(server)
        process.kill()
        process.wait(10)
        assert server.revive()
        connection = await asyncpg.connect(server._server.get_uri(database="kept"))
        await connection.close()
    finally:
        server.stop_now()


def test_it_is_stopped_by_the_last_who_lives_although_others_were_killed(home: Path) -> None:
    server = EmbeddedPostgres(home / "postgres", durable=False)
    server.stop_now()
    nobody = 2**22 + 1  # No process has such a number.
    (home / "postgres" / ".handle_pids.json").write_text(json.dumps([nobody]))
    again = EmbeddedPostgres(home / "postgres", durable=False)
    process = process_of(again)
    again.stop_now()
    process.wait(10)
