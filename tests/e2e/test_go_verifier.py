"""An exported log is checked by a program in another language that has nothing of ours: examples/verify-go."""

import os
import random
import shutil
import string
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from audit.log import writer
from doorstep.infra.access import private_key
from tlog.folder import Folder
from tlog.notes import Signer
from tlog.verifier import VerifierKey

from tests.support.audit_log import ORIGIN, Audit, NewDatabase, fresh, started, value, values

BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
SOURCE = Path(__file__).resolve().parents[2] / "examples" / "verify-go"


@dataclass(frozen=True)
class Verifier:
    """The program."""

    path: Path

    def accepts(self, export: Path, key: VerifierKey, *, earlier: Path | None = None) -> str:
        """What it says of a log without a fault."""
        done = self.run(export, key, earlier)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refuses(self, export: Path, key: VerifierKey, *, earlier: Path | None = None) -> str:
        """What it says is wrong."""
        done = self.run(export, key, earlier)
        assert done.returncode == 1, f"accepted: {done.stdout}"
        assert done.stderr.startswith("WRONG: ")
        return done.stderr

    def run(self, export: Path, key: VerifierKey | None, earlier: Path | None) -> "subprocess.CompletedProcess[str]":
        """On an exported log."""
        more = [*(["-key", str(key)] if key else []), *(["-earlier", str(earlier)] if earlier else [])]
        return subprocess.run([self.path, *more, export], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    """Built by the Go of this machine. Without one the test is skipped; with DOORSTEP_REQUIRE_GO=1 it fails."""
    path = tmp_path_factory.mktemp("go") / "verify"
    if fault := _build(path):
        if os.environ.get("DOORSTEP_REQUIRE_GO") == "1":
            pytest.fail(f"DOORSTEP_REQUIRE_GO=1, but {fault}")
        pytest.skip(fault)
    return Verifier(path)


def _build(path: Path) -> str | None:
    """Why it could not be built. Go keeps what it has compiled, so only the first time takes long."""
    if shutil.which("go") is None:
        return "there is no Go here: install golang-go and golang-golang-x-mod-dev, or a Go that reaches its modules"
    command = ["go", "build", "-buildvcs=false", "-o", str(path), "."]
    told = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(command, cwd=SOURCE, env=told, capture_output=True, text=True, check=False, timeout=240)
    return None if done.returncode == 0 else f"Go cannot build {SOURCE.name}: {done.stderr}"


@pytest.fixture
async def audit(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Audit]:
    """An audit with an empty log."""
    async with another(new_database, tmp_path / "log") as audit:
        yield audit


@asynccontextmanager
async def another(new_database: NewDatabase, folder: Path) -> AsyncIterator[Audit]:
    """One with another database, and the same key and name: its log is a fork of any other here."""
    async with started(await fresh(new_database), folder) as audit:
        await writer.create(audit.running)
        yield audit


async def kept(audit: Audit, told: Sequence[bytes], first: int = 0) -> Path:
    """The checkpoint, in a file, once `told` is in the log."""
    await audit.hear(told, first)
    await audit.keep()
    path = audit.folder.path.parent / f"{audit.folder.path.name}-{first + len(told)}.checkpoint"
    path.write_text(audit.folder.checkpoint(), encoding="utf-8")
    return path


def exported(audit: Audit) -> Path:
    """The log as it leaves the house."""
    path = audit.folder.path.with_suffix(".export")
    audit.folder.export(path)
    return path


async def test_it_verifies_every_entry_of_an_exported_log(verifier: Verifier, audit: Audit) -> None:
    empty = await kept(audit, [])
    assert f"{ORIGIN}: all 0 entries are as signed" in verifier.accepts(audit.folder.path, audit.key, earlier=empty)
    before = await kept(audit, values(257))
    last = await kept(audit, [*values(343, 257), b"nobody can read this"], 257)
    export = exported(audit)
    assert f"{ORIGIN}: all 601 entries are as signed" in verifier.accepts(export, audit.key)
    for earlier in (empty, before, last):
        assert "are as signed, and go on from the" in verifier.accepts(export, audit.key, earlier=earlier)


async def test_it_finds_any_flipped_bit_of_any_file(verifier: Verifier, audit: Audit) -> None:
    await kept(audit, [*values(600), b"nobody can read this"])
    export = exported(audit)
    dice = random.Random(11)
    names = [name for name in Folder(export).files() if name != "vkey"]
    assert {name.split("/")[0] for name in names} == {"checkpoint", "tile", "blob"}
    for name in names:
        path = export / name
        content = path.read_bytes()
        for at in {0, len(content) - 2, *dice.sample(range(len(content)), 6)}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :])
            verifier.refuses(export, audit.key)
        path.write_bytes(content)
    verifier.accepts(export, audit.key)


async def test_it_names_the_entry_the_tile_or_the_blob_that_was_changed(verifier: Verifier, audit: Audit) -> None:
    await kept(audit, [*values(600), b"nobody can read this"])
    export = exported(audit)

    def changed(name: str, old: bytes, new: bytes) -> str:
        path = export / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        said = verifier.refuses(export, audit.key)
        path.write_bytes(content)
        return said

    assert "entry 300 was changed" in changed("tile/entries/001", b'"episode":300', b'"episode":301')
    second = (export / "tile/0/001").read_bytes()[32:64]
    assert "entry 257 was changed: it does not have the hash that is in tile/0/001" in changed(
        "tile/0/001", second, second[::-1]
    )
    upper = (export / "tile/1/000.p/2").read_bytes()
    assert "tile/1/000.p/2 does not have the hashes" in changed("tile/1/000.p/2", upper, upper[::-1])
    (blob,) = [name for name in Folder(export).files() if name.startswith("blob/")]
    assert f"{blob}, which entry 600 names, was changed" in changed(blob, b"nobody", b"anyone")


async def test_it_refuses_an_edited_checkpoint_and_another_key(verifier: Verifier, audit: Audit) -> None:
    await kept(audit, values(600))
    export = exported(audit)
    signed = (export / "checkpoint").read_text(encoding="utf-8")
    (export / "checkpoint").write_text(signed.replace("\n600\n", "\n599\n"), encoding="utf-8")
    assert f"checkpoint is not as {ORIGIN} signed it: invalid signature" in verifier.refuses(export, audit.key)
    (export / "checkpoint").write_text(spare_bit_flipped(signed), encoding="utf-8")
    assert "its signature is no canonical base64" in verifier.refuses(export, audit.key)
    stranger = Signer.from_pem(ORIGIN, private_key())
    (export / "checkpoint").write_text(stranger.sign(signed.partition("\n\n")[0] + "\n"), encoding="utf-8")
    assert f"checkpoint is not as {ORIGIN} signed it" in verifier.refuses(export, audit.key)


def spare_bit_flipped(note: str) -> str:
    """The same signature in other letters: base64 has bits to spare in the last one."""
    head, letter, end = note[:-3], note[-3], note[-2:]
    assert end == "=\n"
    return f"{head}{BASE64[BASE64.index(letter) ^ 1]}{end}"


async def test_it_refuses_a_history_that_was_rewritten_and_signed_again(
    verifier: Verifier, audit: Audit, new_database: NewDatabase, tmp_path: Path
) -> None:
    before = await kept(audit, values(500))
    signed = await kept(audit, values(100, 500), 500)
    told = [value(99_999) if number == 7 else value(number) for number in range(600)]
    async with another(new_database, tmp_path / "rewritten") as rewritten:
        await kept(rewritten, told)
        export = exported(rewritten)
        verifier.accepts(export, audit.key)
        said = verifier.refuses(export, audit.key, earlier=before)
        assert "the first 500 entries are not those of the earlier checkpoint: history was rewritten" in said
        shutil.copy(signed, export / "checkpoint")
        assert "the entries do not have the root that the checkpoint states" in verifier.refuses(export, audit.key)


async def test_it_refuses_a_forked_log(
    verifier: Verifier, audit: Audit, new_database: NewDatabase, tmp_path: Path
) -> None:
    """One key, one name, one beginning, and two histories from there on."""
    await kept(audit, values(600))
    async with another(new_database, tmp_path / "fork") as fork:
        beginning = await kept(fork, values(300))
        shorter = await kept(fork, values(200, 1_000), 300)
        longer = await kept(fork, values(200, 1_200), 500)
        verifier.accepts(exported(fork), audit.key, earlier=shorter)
    export = exported(audit)
    verifier.accepts(export, audit.key, earlier=beginning)
    assert "or one of them is a fork" in verifier.refuses(export, audit.key, earlier=shorter)
    assert "700 entries and this log 600" in verifier.refuses(export, audit.key, earlier=longer)


async def test_without_a_key_from_outside_it_says_what_that_is_worth(verifier: Verifier, audit: Audit) -> None:
    await kept(audit, values(3))
    done = verifier.run(exported(audit), None, None)
    assert done.returncode == 0
    assert "only that the log fits itself" in done.stderr
