"""One borrower is erased: nobody finds them again, in no database, file, topic or log; and every proof still holds."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from audit.disclosure.opening import ERASED
from audit.log.writer import signer
from audit.store.settings import AuditSettings
from doorstep.infra import database, telemetry
from doorstep.infra.access import Role
from doorstep.infra.vault import CACHE_FOR
from doorstep.kernel import http
from doorstep_demo.portfolio import Person
from sqlalchemy import text
from tlog.folder import Folder
from tlog.verify import verify

from tests.support.plaintext import Gossip, contents, found_in, leaking_files, leaks, personal
from tests.support.story import Story, played

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Archive:
    """A story that was played to its end, in which a borrower can be erased."""

    story: Story
    folder: Path

    async def ask(self, method: str, path: str, role: Role = "compliance", **more: Any) -> Any:
        """What the audit answers."""
        doorstep = self.story.doorstep
        transport = httpx.ASGITransport(http.build(doorstep.services, doorstep.access, drive=False))
        headers = {"authorization": f"Bearer {doorstep.token('wang.li', role)}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://doorstep", headers=headers) as client:
            return (await client.request(method, f"/audit{path}", **more)).raise_for_status().json()

    async def opened(self, case_id: str) -> list[Any]:
        """The timeline with personal data, but for what follows from looking and from erasing, a remark of the monitor
        among it: this borrower is erased earlier than the rule packs would have it."""
        shown = await self.ask("POST", f"/cases/{case_id}/timeline", json={"reason": "to compare"})
        later = ("personal-data.opened", "erasure.ordered", "erasure.completed", "violation.found")
        return [line for line in shown["lines"] if not line["type"].endswith(later)]

    async def erase(self, person: Person) -> str:
        """In the morning; the next day has come."""
        body = {"tenant": self.story.town.tenant, "borrower_id": person.borrower_id, "reason": "asked by letter"}
        answer = await self.ask("POST", "/erasures", json=body | {"early": True})
        await self.wait(timedelta(days=1))
        return str(answer["case_id"])

    def case_of(self, person: Person) -> str:
        """The borrower's case."""
        return self.story.doorstep.tokens.case_id(self.story.town.tenant, person.borrower_id)

    def where(self, *plaintexts: str) -> set[str]:
        """The folders of PostgreSQL and of the log in whose files one of them stands."""
        folders = (self.postgres, self.folder / "log")
        return {Path(file).parts[0] for folder in folders for file, _ in leaking_files(folder, plaintexts)}

    def files_with(self, key: bytes) -> list[str]:
        """PostgreSQL's files that hold it."""
        return [name for name, content in contents(self.postgres) if key in content]

    async def wait(self, time: timedelta) -> None:
        await self.story.simulation.advance(self.story.simulation._clock.now() + time)

    async def ended(self) -> Person:
        """The borrower with the most entries of those whose case has ended."""
        cases = (await self.ask("GET", "/cases"))["cases"]
        longest = max((case for case in cases if case["status"] == "cured"), key=lambda case: case["entries"])
        return self.story.town._who[longest["case_id"]]

    @property
    def postgres(self) -> Path:
        """PostgreSQL's own folder: tables, write-ahead log, whatever else it leaves there."""
        return self.folder / "postgres"

    async def flush(self) -> None:
        """What PostgreSQL has in memory is in its tables' files, and its log goes on in a fresh one."""
        engine = database.engine(self.story.doorstep._postgres.url("postgres", owner="postgres"))
        async with engine.connect() as connection:
            single = await connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in ("checkpoint", "select pg_switch_wal()", "checkpoint"):
                await single.execute(text(statement))
        await engine.dispose()

    async def key_of(self, case_id: str) -> bytes | None:
        """The borrower's key, as its database has it."""
        async with self.story.doorstep._engine("doorstep_vault").connect() as connection:
            sql = text("select wrapped from vault_key where key_id = :id")
            wrapped: bytes | None = (await connection.execute(sql, {"id": case_id})).scalar_one()
            return wrapped


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Everything is logged, that of the libraries too."""
    telemetry.configure_logging("DEBUG")
    logging.getLogger().setLevel(logging.DEBUG)
    yield capsys
    logging.basicConfig(level=logging.WARNING, force=True)
    structlog.reset_defaults()


@pytest.fixture
async def archive(folder: Path, logged: Any) -> AsyncIterator[Archive]:
    """See Archive."""
    async with played(folder, borrowers=8, days=40, seed=647, town_type=Gossip) as story:
        yield Archive(story, folder)


async def test_an_erased_borrower_is_found_nowhere(archive: Archive, logged: pytest.CaptureFixture[str]) -> None:
    story, person = archive.story, await archive.ended()
    assert isinstance(story.town, Gossip)
    assert story.town.said
    wanted = [*personal(person), *story.town.said]
    (loan, *_) = story.portfolio.loans_by_borrower[person.borrower_id]
    assert archive.where(loan.loan_id) >= {"pg_wal", "tile"}, "the search finds what stands there in clear"

    case_id = await archive.erase(person)

    databases = [one.engine for one in story.doorstep.services]
    databases += [story.doorstep._engine(f"doorstep_{name}") for name in ("vault", "bus", "intake")]
    assert [leak for engine in databases for leak in await leaks(engine, wanted)] == []
    assert archive.where(*wanted) == set()
    await archive.flush()
    assert archive.where(*wanted) == set()
    assert found_in(logged.readouterr().err.encode(), wanted) == []
    assert archive.where(loan.loan_id) >= {"base", "tile"}
    assert await archive.key_of(case_id) is None


async def test_the_key_itself_is_in_no_file_of_its_database(archive: Archive) -> None:
    person = await archive.ended()
    key = await archive.key_of(archive.case_of(person))
    assert key is not None
    await archive.flush()
    assert archive.files_with(key) != []
    await archive.erase(person)
    await archive.flush()
    assert archive.files_with(key) == []


async def test_every_proof_holds_and_everything_that_is_not_personal_still_reads(archive: Archive) -> None:
    person = await archive.ended()
    case_id = archive.case_of(person)
    others = [one for one in archive.story.town._who if one != case_id][:2]
    before = {one: await archive.opened(one) for one in (case_id, *others)}
    settings = archive.story.doorstep.running("audit").settings
    assert isinstance(settings, AuditSettings)
    log = Folder(settings.log_folder)
    earlier = log.checkpoint()

    await archive.erase(person)
    await archive.wait(CACHE_FOR)

    assert verify(log, signer(settings).verifier, earlier=earlier).checkpoint.size > 0
    after = {one: await archive.opened(one) for one in before}
    assert found_in(str(before[case_id]).encode(), [person.phone])
    assert {one: after[one] == before[one] for one in others} == dict.fromkeys(others, True)
    assert [_masked(line) for line in after[case_id]] == [_masked(line) for line in before[case_id]]
    assert {told for line in after[case_id] for told in _sealed(line).values()} == {ERASED}


def _sealed(line: Any) -> Any:
    return line["personal"] or {}


def _masked(line: Any) -> Any:
    return line | {"personal": dict.fromkeys(_sealed(line))}
