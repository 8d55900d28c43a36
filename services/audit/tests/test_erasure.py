"""Erasing on a running audit: the key goes, the record stays, and nothing is kept longer than a rule wants it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from audit.disclosure.opening import ERASED, open_personal
from audit.erasure import effects
from audit.erasure.domain import Kept, Ordered, erasure
from audit.erasure.workers import KeyRetention, Retention
from audit.main import service
from audit.store import views
from audit.store.react import absorb
from audit.store.settings import AuditSettings
from audit.timeline.domain import timeline
from doorstep.bus.postgres import PostgresBus
from doorstep.events.audit import ErasureOrdered
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.disputes import DisputeOpened
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.kernel import ArtifactPublished
from doorstep.events.values import PackRef, Sealed
from doorstep.infra import database, failpoints
from doorstep.infra.access import EVERY_TENANT, Access, Issuer, Principal, Role
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import CACHE_FOR, Erased
from doorstep.kernel import http, parking
from doorstep.kernel.decider import NO_TENANT
from doorstep.kernel.runtime import Running
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.audit import START, Story, decision, example, records

ISSUER = Issuer.generate()
ERASING = replace(service, workers=lambda runtime: [Retention(runtime), KeyRetention(runtime)])
"""The audit without its log."""
OFFICER = Principal("wang.li", "compliance", tenants=EVERY_TENANT)
ENDED = (example(CaseOpened), example(CaseCured))
NewDatabase = Callable[..., Awaitable[AsyncEngine]]


@dataclass
class Archive:
    """An audit driven by hand, and a borrower of its."""

    running: Running[AuditSettings]
    keys: AsyncEngine
    clock: SimulatedClock

    @property
    def case_id(self) -> str:
        return self.running.vault.tokens.case_id("demo-bank", "C-1")

    async def heard(self, *events: Any) -> None:
        """What is told of the borrower's case, an hour apart."""
        story = Story(self.case_id)
        for n, one in enumerate(events):
            story.tell(one, START + timedelta(hours=n))
        await self.hear(story)

    async def hear(self, story: Story) -> None:
        async with self.running.engine.begin() as connection:
            await absorb(connection, records(story.entries), self.clock)

    def decided_by(self, *hashes: str) -> ContactDenied:
        """A decision that cites these packs."""
        made = msgspec.structs.replace(decision(), packs=tuple(PackRef("pack", "7", one) for one in hashes))
        denied: ContactDenied = msgspec.structs.replace(example(ContactDenied), decision=made)
        return denied

    async def published(self, hash_: str, days: int) -> None:
        """The pack of this hash, with how long it wants records kept."""
        story = Story(hash_, tenant=NO_TENANT)
        story.tell(ArtifactPublished("contact-rules", f"pack-{hash_[0]}", hash_, "?", "7", days), START, stream=hash_)
        await self.hear(story)

    async def opened(self) -> Any:
        """What is sealed in the case, as compliance reads it, by position."""
        async with self.running.engine.connect() as connection:
            known = timeline(self.case_id, await views.entries(connection, self.case_id))
        return await open_personal(self.running, known, OFFICER, "to read it")

    async def order(self) -> tuple[str, str | None, int | None]:
        """Why the borrower was erased."""
        async with self.running.engine.connect() as connection:
            entries = await views.entries(connection, self.case_id)
        (event,) = [one.event for one in entries if isinstance(one.event, ErasureOrdered)]
        return event.cause, event.rule, event.days

    async def erased(self) -> Sequence[str]:
        """Every case whose erasure is complete."""
        async with self.running.engine.connect() as connection:
            sql = text("select stream from events where type = 'doorstep.erasure.completed' order by stream")
            return [str(one).removeprefix("custody/") for one in (await connection.execute(sql)).scalars()]

    async def key(self) -> Sequence[bytes]:
        """The borrower's key, as the vault has it."""
        async with self.keys.connect() as connection:
            sql = text("select wrapped from vault_key where key_id = :id")
            return [bytes(one) for one in (await connection.execute(sql, {"id": self.case_id})).scalars()]

    async def restore(self, wrapped: bytes) -> None:
        """The borrower's key is there again, as from a backup."""
        async with self.keys.begin() as connection:
            sql = text("update vault_key set wrapped = :wrapped, destroyed_at = null where key_id = :id")
            await connection.execute(sql, {"id": self.case_id, "wrapped": wrapped})

    async def pages(self) -> bytes:
        """The file of the table of keys."""
        async with self.keys.connect() as connection:
            single = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await single.execute(text("checkpoint"))
            sql = "select pg_read_binary_file(pg_relation_filepath('vault_key'))"
            return bytes((await single.execute(text(sql))).scalar_one())

    async def seal(self, plain: str = "张三") -> Sealed:
        return (await self.running.vault.seal([(self.case_id, plain.encode())]))[0]

    async def ask(self, path: str, role: Role = "compliance", **body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(http.build([self.running], Access(ISSUER.public_key), drive=False))
        headers = {"authorization": f"Bearer {ISSUER.token('wang.li', role, datetime.now(UTC))}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://audit.test") as client:
            return await client.post(path, headers=headers, json=body)

    async def erase(self, **more: Any) -> httpx.Response:
        body = {"tenant": "demo-bank", "borrower_id": "C-1", "reason": "asked by letter"}
        return await self.ask("/erasures", **body | more)

    async def settle(self) -> None:
        while await self.running.turn():
            pass

    async def later(self, by: timedelta) -> None:
        self.clock.jump(self.clock.now() + by)
        await self.settle()

    async def state(self) -> Any:
        return await self.running.state(erasure, effects.stream(self.case_id, "demo-bank"))

    async def said(self) -> Sequence[str]:
        """What the custody of the case has said, short."""
        async with self.running.engine.connect() as connection:
            sql = text("select type from events where stream = :stream order by version")
            rows = await connection.execute(sql, {"stream": f"custody/{self.case_id}"})
            return [str(one).removeprefix("doorstep.") for one in rows.scalars()]


@pytest.fixture
async def make(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Archive]]]:
    """Makes an archive; `more` are settings."""
    made: list[Archive] = []

    async def one(**more: Any) -> Archive:
        engines = [await new_database(database.KERNEL, service.migrations), await new_database(database.VAULT)]
        urls = [engine.url.render_as_string(hide_password=False) for engine in engines]
        settings = AuditSettings(
            database_url=urls[0],
            vault_url=urls[1],
            vault_key="k" * 32,
            tenant_secret="s" * 32,
            jwt_public_key=ISSUER.public_key,
            gateway_folder=tmp_path / "gateway",
            **more,
        )
        clock = SimulatedClock(START + timedelta(days=1))
        running = Running(ERASING, settings, bus=PostgresBus(await new_database(database.BUS)), clock=clock)
        await running.prepare()
        made.append(Archive(running, engines[1], clock))
        return made[-1]

    yield one
    for archive in made:
        await archive.running.close()


@pytest.fixture
async def archive(make: Callable[..., Awaitable[Archive]]) -> Archive:
    """One that keeps everything."""
    return await make()


async def test_an_erasure_destroys_the_key_and_is_on_record(archive: Archive) -> None:
    await archive.heard(*ENDED)
    sealed = await archive.seal()
    assert (await archive.erase()).json() == {"case_id": archive.case_id}
    await archive.settle()
    assert await archive.said() == ["erasure.ordered", "erasure.completed"]
    with pytest.raises(Erased):
        await archive.running.vault.open([sealed])


async def test_an_erasure_asked_for_twice_is_one(archive: Archive) -> None:
    await archive.heard(*ENDED)
    for _ in range(2):
        assert (await archive.erase()).status_code == 200
        await archive.settle()
    assert await archive.said() == ["erasure.ordered", "erasure.completed"]


@pytest.mark.parametrize(
    "place", ["effects.before-begin", "effects.before-call", "effects.after-call", "effects.before-done"]
)
async def test_a_crash_in_between_ends_in_an_erased_key(archive: Archive, place: str) -> None:
    await archive.heard(*ENDED)
    sealed = await archive.seal()
    await archive.erase()
    failpoints.arm(place)
    with pytest.raises(failpoints.Crash):
        await archive.settle()
    await archive.running.effects.close()
    await archive.later(CACHE_FOR)
    assert await archive.said() == ["erasure.ordered", "erasure.completed"]
    with pytest.raises(Erased):
        await archive.running.vault.open([sealed])


async def test_an_erasure_waits_for_the_legal_hold_to_be_lifted(archive: Archive) -> None:
    await archive.heard(*ENDED)
    holds = f"/cases/{archive.case_id}/legal-holds"
    assert (await archive.ask(holds, hold_id="court-7", reason="file 7 of the court")).status_code == 200
    refused = await archive.erase()
    assert (refused.status_code, "legal hold court-7" in refused.json()["detail"]) == (409, True)
    assert (await archive.ask(f"{holds}/court-7/lift", reason="judged on Monday")).status_code == 200
    assert (await archive.erase()).status_code == 200
    assert isinstance(await archive.state(), Ordered)


@pytest.mark.parametrize("past", [(example(CaseOpened),), (*ENDED, example(DisputeOpened))])
async def test_what_is_still_going_on_is_not_erased(archive: Archive, past: Sequence[Any]) -> None:
    await archive.heard(*past)
    assert (await archive.erase()).status_code == 409
    assert await archive.state() == Kept()


async def test_nobody_unknown_is_erased(archive: Archive) -> None:
    await archive.heard(*ENDED)
    for wrong in ({"borrower_id": "C-2"}, {"tenant": "other-bank"}):
        assert (await archive.erase(**wrong)).status_code == 404
    assert (await archive.ask("/cases/nobody/legal-holds", hold_id="h", reason="no case")).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor"])
async def test_only_compliance_erases_and_holds(archive: Archive, role: Role) -> None:
    await archive.heard(*ENDED)
    assert (await archive.erase(role=role)).status_code == 403
    assert (
        await archive.ask(f"/cases/{archive.case_id}/legal-holds", role, hold_id="h", reason="why")
    ).status_code == 403


async def test_what_was_sealed_reads_erased_and_everything_else_as_before(archive: Archive) -> None:
    loan = msgspec.structs.replace(
        example(LoanOverdueRecorded), personal=await archive.seal(), original=await archive.seal()
    )
    await archive.heard(loan, *ENDED)
    before = await archive.opened()
    await archive.erase()
    await archive.settle()
    after = await archive.opened()
    assert [*before.values()] == [{"personal": "张三", "original": "张三"}]
    assert [*after.values()] == [{"personal": ERASED, "original": ERASED}]


async def test_the_packs_keeping_time_is_waited_for_unless_somebody_answers_for_it(archive: Archive) -> None:
    await archive.heard(*ENDED, archive.decided_by("a" * 64))
    await archive.published("a" * 64, days=1827)
    refused = await archive.erase()
    assert "until 2031-03-03" in refused.json()["detail"]
    assert (await archive.erase(early=True)).status_code == 200


class TestRetention:
    """Nobody asks; the time has come."""

    @pytest.fixture
    async def archive(self, make: Callable[..., Awaitable[Archive]]) -> Archive:
        return await make(retention_days=100)

    async def test_an_ended_case_is_erased_when_the_lender_says(self, archive: Archive) -> None:
        await archive.heard(*ENDED)
        sealed = await archive.seal()
        await archive.later(timedelta(days=98))
        assert await archive.said() == []
        await archive.later(timedelta(days=2))
        assert await archive.said() == ["erasure.ordered", "erasure.completed"]
        with pytest.raises(Erased):
            await archive.running.vault.open([sealed])

    async def test_not_before_every_pack_it_was_decided_by_agrees(self, archive: Archive) -> None:
        await archive.heard(archive.decided_by("a" * 64, "b" * 64), *ENDED)
        await archive.published("a" * 64, days=150)
        await archive.later(timedelta(days=160))
        assert await archive.said() == [], "what the other pack says is not known yet"
        await archive.published("b" * 64, days=200)
        await archive.later(timedelta(days=1))
        assert await archive.said() == []
        await archive.later(timedelta(days=40))
        assert await archive.said() == ["erasure.ordered", "erasure.completed"]
        assert (await archive.order()) == ("retention", "pack-b 7", 200)

    async def test_a_case_that_opened_again_is_kept(self, archive: Archive) -> None:
        await archive.heard(*ENDED, example(CaseOpened))
        await archive.later(timedelta(days=400))
        assert await archive.said() == []

    async def test_an_open_dispute_keeps_it_and_its_end_counts(self, archive: Archive) -> None:
        await archive.heard(example(CaseOpened), example(DisputeOpened), example(CaseCured))
        await archive.later(timedelta(days=400))
        assert await archive.said() == []

    async def test_a_legal_hold_keeps_it_until_it_is_lifted(self, archive: Archive) -> None:
        await archive.heard(*ENDED)
        await effects.place_hold(archive.running, archive.case_id, "court-7", OFFICER, "file 7")
        await archive.later(timedelta(days=400))
        assert await archive.said() == ["legal-hold.placed"]
        await effects.lift_hold(archive.running, archive.case_id, "court-7", OFFICER, "judged")
        await archive.later(timedelta(hours=1))
        assert await archive.said() == [
            "legal-hold.placed",
            "legal-hold.lifted",
            "erasure.ordered",
            "erasure.completed",
        ]

    async def test_a_case_with_a_gap_is_kept(self, archive: Archive) -> None:
        story = Story(archive.case_id)
        told = [story.tell(one, START) for one in (ENDED[0], example(DisputeOpened), ENDED[1])]
        story.entries.remove(told[1])
        await archive.hear(story)
        await archive.later(timedelta(days=400))
        assert await archive.said() == []

    async def test_more_cases_than_a_page_are_all_looked_through(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views, "PAGE", 2)
        for name in "edcba":
            story = Story(f"case-{name}")
            for one in ENDED:
                story.tell(one, START)
            await archive.hear(story)
        await archive.later(timedelta(days=101))
        assert await archive.erased() == [f"case-{name}" for name in "abcde"]


async def test_without_a_setting_everything_is_kept(archive: Archive) -> None:
    await archive.heard(*ENDED)
    await archive.later(timedelta(days=36_000))
    assert await archive.said() == []


async def test_a_restored_backup_of_the_keys_brings_nobody_back(archive: Archive) -> None:
    await archive.heard(*ENDED)
    sealed = await archive.seal()
    (wrapped,) = await archive.key()
    await archive.erase()
    await archive.settle()
    await archive.restore(wrapped)
    assert await archive.running.vault.open([sealed]) == ["张三".encode()]
    await archive.later(timedelta(days=1))
    with pytest.raises(Erased):
        await archive.running.vault.open([sealed])


async def test_parked_bytes_that_name_nobody_can_be_opened_for_thirty_days(archive: Archive) -> None:
    vault = archive.running.vault
    sealed = await vault.seal_of_the_day("intake", [b"?"])
    await archive.later(parking.KEPT_FOR)
    assert await vault.open(sealed) == [b"?"]
    await archive.later(timedelta(days=1))
    with pytest.raises(Erased):
        await vault.open(sealed)


async def test_a_destroyed_key_is_gone_from_the_pages_of_its_table_within_a_day(archive: Archive) -> None:
    await archive.heard(*ENDED)
    await archive.seal()
    (wrapped,) = await archive.key()
    assert wrapped in await archive.pages()
    await archive.erase()
    await archive.later(timedelta(days=1))
    assert wrapped not in await archive.pages()
