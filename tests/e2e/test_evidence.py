"""A demo case leaves as one file, through the command line, and is checked by somebody who has no Doorstep."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from doorstep.events.envelope import decode
from doorstep.infra.access import private_key
from doorstep_demo.run import summarize
from tlog.notes import Signer
from tlog.verifier import Manifest, VerifierKey, pack, unpack

from tests.support.audit import with_cryptography_alone
from tests.support.story import Story, played

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOORSTEP = "from doorstep.app.cli import app; app()"


@dataclass(frozen=True)
class Case:
    """A case of the demo, its bundle, and the log's key as the lender publishes it."""

    story: Story
    case_id: str
    zip: Path
    key: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case() -> AsyncIterator[Case]:
    """The case that most is told of, after three weeks, exported while Doorstep is up."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-e2e-"))
    folder.chmod(0o755)
    async with played(folder, borrowers=5, days=21, seed=7) as story:
        for service in story.doorstep.services:
            await service.finish()
        story.doorstep.secrets.keep(folder)
        case_id = (await summarize(story.doorstep, 0.0, None)).most_told()
        out = folder / "case.zip"
        done = await doorstep("evidence", "export", case_id, "-o", out, "--reason", "court 8", "--folder", folder)
        assert (done.returncode, done.stderr) == (0, "")
        yield Case(story, case_id, out, (story.doorstep.folder / "log" / "vkey").read_text().strip())
    shutil.rmtree(folder, ignore_errors=True)


async def doorstep(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command `doorstep`, in a process of its own."""
    return await process(Path.cwd(), "-c", DOORSTEP, *arguments)


async def process(folder: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Python in `folder`; our own loop goes on meanwhile."""
    command = [sys.executable, *map(str, arguments)]
    told = {**os.environ, "COLUMNS": "400"}
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=told, capture_output=True, text=True, check=False, timeout=120
    )


async def test_the_bundle_of_a_demo_case_verifies_with_the_logs_key(case: Case) -> None:
    done = await doorstep("evidence", "verify", case.zip, "--key", case.key, "--lang", "en")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("VERIFIED: every file is as it was signed, and every entry is in the log.\n")
    assert f"case: {case.case_id}" in done.stdout
    assert "missing: nothing" in done.stdout


async def test_it_holds_what_the_audit_has_of_the_case_byte_for_byte(case: Case) -> None:
    kept = [value for value in await case.story.values() if decode(value).subject == case.case_id]
    files = unpack(case.zip.read_bytes())
    exported = [data for name, data in sorted(files.items()) if name.startswith("events/")]
    assert len(exported) > 10
    assert exported == kept[: len(exported)]
    assert {decode(value).type for value in kept[len(exported) :]} <= {"doorstep.evidence.exported"}
    assert {name.split("/")[1] for name in files if name.startswith("artifacts/")} >= {"contact-rules", "strategy"}


async def test_without_the_key_only_the_inner_consistency_is_claimed(case: Case) -> None:
    done = await doorstep("evidence", "verify", case.zip, "--lang", "en")
    assert done.returncode == 0
    assert "ONLY CONSISTENT WITHIN ITSELF" in done.stdout


async def test_it_verifies_where_doorstep_is_not_and_a_changed_one_does_not(case: Case, tmp_path: Path) -> None:
    with_cryptography_alone(tmp_path / "packages")
    data = case.zip.read_bytes()
    (tmp_path / "verify.py").write_bytes(unpack(data)["verify.py"])
    (tmp_path / "case.zip").write_bytes(data)
    (tmp_path / "made-over.zip").write_bytes(made_over(data, case.key))
    (tmp_path / "edited.zip").write_bytes(data.replace(b"doorstep.case.opened", b"doorstep.case.opEned", 1))
    bare = "import sys, runpy; sys.path.append('packages'); "
    run = f"{bare}runpy.run_path('verify.py', run_name='__main__')"

    async def verify(name: str) -> "subprocess.CompletedProcess[str]":
        return await process(tmp_path, "-I", "-S", "-c", run, name, "--key", case.key, "--lang", "en")

    assert "ModuleNotFoundError" in (await process(tmp_path, "-I", "-S", "-c", f"{bare}import doorstep")).stderr
    assert (await verify("case.zip")).returncode == 0
    edited = await verify("edited.zip")
    assert edited.returncode == 1
    assert re.fullmatch(r"WRONG: events/\d{10}\.json: it was changed: its SHA-256 is another\n", edited.stderr)
    over = await verify("made-over.zip")
    assert over.returncode == 1
    assert "another key made this bundle" in over.stderr


async def test_the_export_stands_in_the_case_from_then_on(case: Case) -> None:
    # Another process wrote it, and in the simulation ours does not look for such.
    await case.story.doorstep.running("audit").relay.turn()
    await case.story.simulation.settle()
    timeline = await case.story.timeline(case.case_id)
    (line,) = [one for one in timeline["lines"] if one["type"] == "doorstep.evidence.exported"]
    assert "exported the evidence" in line["sentence"]
    assert line["actor"]["id"].endswith("(command line)")


def made_over(data: bytes, key: str) -> bytes:
    """The same bundle, its manifest and checkpoint signed by somebody else under the log's name."""
    forger = Signer.from_pem(VerifierKey.parse(key).name, private_key())
    files = dict(unpack(data))
    before = Manifest.parse(files.pop("manifest").decode().partition("\n\n")[0] + "\n")
    files["key"] = f"{forger.verifier}\n".encode()
    files["checkpoint"] = forger.sign(files["checkpoint"].decode().partition("\n\n")[0] + "\n").encode()
    manifest = Manifest.of(before.origin, before.case_id, before.prefix, before.size, files)
    return pack(files | {"manifest": forger.sign(manifest.body).encode()})
