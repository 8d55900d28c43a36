"""The log as others see it: over HTTP, exported, on the command line; and the scrubber that looks at the rows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from audit.log import api, writer
from audit.log.scrub import Scrubber, slice_
from doorstep.infra.access import Access, Issuer, Role
from doorstep.infra.clock import SimulatedClock
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from tlog.folder import Broken, Folder
from tlog.merkle import inclusion_proof
from tlog.paths import CHECKPOINT, tile_path
from tlog.verifier import Proof, VerifierKey, open_checkpoint
from tlog.verify import verify

from tests.support.audit_log import Audit, NewDatabase, entries_of, fresh, started, values

ISSUER = Issuer.generate()


@pytest.fixture
async def audit(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Audit]:
    """One whose log holds 300 entries and a value that is too large for one."""
    async with started(await fresh(new_database), tmp_path / "log") as audit:
        await writer.create(audit.running)
        await audit.hear([*values(300), b"\xfe" * 70_000])
        await audit.keep()
        yield audit


@pytest.fixture
async def client(audit: Audit) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the log's routes."""
    app, router = FastAPI(), APIRouter()
    app.state.access = Access(ISSUER.public_key)
    api.routes(router, audit.running)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://log") as client:
        yield client


def bearer(role: Role) -> dict[str, str]:
    return {"authorization": f"Bearer {ISSUER.token('someone', role, datetime.now(UTC))}"}


class TestOverHttp:
    async def test_anyone_can_take_checkpoint_key_and_hashes(self, audit: Audit, client: httpx.AsyncClient) -> None:
        for name in ("checkpoint", "vkey", "tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1"):
            answer = await client.get(f"/log/{name}")
            assert answer.status_code == 200
            assert answer.content == (audit.folder.path / name).read_bytes()
        key = VerifierKey.parse((await client.get("/log/vkey")).text)
        assert open_checkpoint((await client.get("/log/checkpoint")).text, key).size == 301

    @pytest.mark.parametrize("name", ["tile/entries/000", "tile/entries/001.p/45"])
    async def test_entries_are_for_auditors_alone(self, name: str, client: httpx.AsyncClient) -> None:
        assert (await client.get(f"/log/{name}")).status_code == 401
        assert (await client.get(f"/log/{name}", headers=bearer("viewer"))).status_code == 403
        assert (await client.get(f"/log/{name}", headers=bearer("auditor"))).status_code == 200
        assert (await client.get(f"/log/{name}", headers=bearer("compliance"))).status_code == 200

    async def test_blobs_are_for_auditors_alone(self, audit: Audit, client: httpx.AsyncClient) -> None:
        (name,) = [name for name in audit.folder.files() if name.startswith("blob/")]
        assert (await client.get(f"/log/{name}", headers=bearer("viewer"))).status_code == 403
        assert (await client.get(f"/log/{name}", headers=bearer("auditor"))).content == b"\xfe" * 70_000

    @pytest.mark.parametrize(
        "path",
        [
            "tile/0/002",
            "tile/0/000.p/9",
            "tile%2f..%2fvkey",
            "tile/entries/..%2f..%2fvkey",
            "..%2fpostgres%2fPG_VERSION",
            "%2fetc%2fpasswd",
            "blob%2f..%2fvkey",
            "",
        ],
    )
    async def test_nothing_else_is_served(self, path: str, client: httpx.AsyncClient) -> None:
        assert (await client.get(f"/log/{path}", headers=bearer("admin"))).status_code == 404

    async def test_what_never_changes_may_be_kept_and_the_checkpoint_not(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/log/checkpoint")).headers["cache-control"] == "no-cache"
        assert "immutable" in (await client.get("/log/tile/0/000")).headers["cache-control"]


class TestExport:
    async def test_an_export_verifies_by_itself_and_proves_each_entry(self, audit: Audit, tmp_path: Path) -> None:
        note = audit.folder.export(tmp_path / "export")
        copy, key = Folder(tmp_path / "export"), audit.key
        assert verify(copy, key).checkpoint.size == 301
        assert sorted(copy.files()) == sorted(audit.folder.files())
        entries = entries_of(copy, 301)
        for index in (0, 255, 256, 300):
            proof = Proof.parse(str(Proof(index, inclusion_proof(copy, index, 301), note)))
            assert proof.verify(entries[index], key).size == 301

    async def test_a_log_that_grows_meanwhile_does_no_harm(self, audit: Audit, tmp_path: Path) -> None:
        note = audit.folder.checkpoint()
        await audit.hear(values(400, 300), first=301)
        await audit.keep()
        # As the export had read it, before the log grew.
        (audit.folder.path / CHECKPOINT).write_text(note, encoding="utf-8")
        assert not (audit.folder.path / tile_path(0, 1, 45)).exists()
        audit.folder.export(tmp_path / "export")
        assert verify(Folder(tmp_path / "export"), audit.key).checkpoint.size == 301

    async def test_it_never_writes_over_another_log(self, audit: Audit, tmp_path: Path) -> None:
        other = Folder(tmp_path / "other", durable=False)
        other.begin("another+key", "another checkpoint")
        with pytest.raises(Broken, match="other bytes"):
            audit.folder.export(other.path)


class TestScrubber:
    async def test_rows_that_are_as_signed_pass(self, audit: Audit) -> None:
        assert await slice_(audit.running, audit.folder, 0, 301) == 301
        scrubber = Scrubber(audit.running)
        await scrubber.turn()
        await scrubber.close()

    @pytest.mark.parametrize(
        ("crime", "found"),
        [
            ("update entry set value = 'x' where position = 270", "entry 270 of the database was changed"),
            ('update entry set "offset" = 7 where position = 300', "entry 300 of the database was changed"),
            ("delete from entry where position = 12", "rows were deleted"),
        ],
    )
    async def test_a_row_that_an_administrator_changed_is_found_and_stays_found(
        self, crime: str, found: str, audit: Audit
    ) -> None:
        async with audit.running.engine.begin() as connection:
            await connection.execute(text("alter table entry disable trigger entry_append_only"))
            await connection.execute(text(crime))
        scrubber = Scrubber(audit.running)
        for _ in range(2):
            with pytest.raises(Broken, match=found):
                await scrubber.turn()
        assert gauge(audit, "log_broken") == 1
        await scrubber.close()

    async def test_a_changed_bundle_is_found(self, audit: Audit) -> None:
        path = audit.folder.path / tile_path("entries", 0)
        content = path.read_bytes()
        path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        with pytest.raises(Broken, match="entry 0 was changed in its bundle"):
            await slice_(audit.running, audit.folder, 0, 301)

    async def test_it_goes_round_a_slice_at_a_time(self, audit: Audit) -> None:
        clock, scrubber = audit.running.clock, Scrubber(audit.running)
        assert isinstance(clock, SimulatedClock)
        await audit.hear(values(4000, 300), first=301)
        await audit.keep()
        seen: list[float] = []
        for _ in range(3):
            await scrubber.turn()
            await scrubber.turn()
            seen.append(gauge(audit, "log_scrubbed"))
            clock.jump(clock.now() + timedelta(seconds=60))
        assert seen == [4096, 4301, 4096]
        await scrubber.close()


def gauge(audit: Audit, name: str) -> float:
    value = audit.running.telemetry.registry.get_sample_value(f"doorstep_{name}", {"service": "audit"})
    assert value is not None
    return value
