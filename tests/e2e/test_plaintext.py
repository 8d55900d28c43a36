"""No personal data in clear in any database, topic, log line or metric; only on the borrowers' phones."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from doorstep.bus.interface import Outgoing
from doorstep.bus.postgres import PostgresBus
from doorstep.events.topics import INTAKE
from doorstep.infra import database, telemetry
from doorstep.kernel import http
from doorstep.messaging.gateways import Message, Receipt
from doorstep_demo.world import ListeningGateway
from sqlalchemy import text

from tests.support.plaintext import Gossip, found_in, leaks, personal
from tests.support.story import Story, played

BROKEN = ("欧阳无忌", "13987654321", "C-777777", "上海市静安区南京西路1234号")
"""The borrower of a fact that will be parked."""


class Stumbling(ListeningGateway):
    """Raises at the first call of every second message, and tells all it knows in the exception."""

    stumbled: set[str]

    async def send(self, message: Message) -> Receipt:
        """Fails at first."""
        self.stumbled = getattr(self, "stumbled", set())
        if message.idempotency_key[0] in "02468ace" and message.idempotency_key not in self.stumbled:
            self.stumbled.add(message.idempotency_key)
            raise RuntimeError(f"no answer for {message.to}: {message.text}")
        return await super().send(message)


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Everything is logged, that of the libraries too."""
    telemetry.configure_logging("DEBUG")
    logging.getLogger().setLevel(logging.DEBUG)
    yield capsys
    logging.basicConfig(level=logging.WARNING, force=True)
    structlog.reset_defaults()


@pytest.fixture
async def story(folder: Path, logged: Any) -> AsyncIterator[Story]:
    """The demo has run, some calls to the provider have failed, two facts are parked, and someone has
    opened a case's personal data."""
    options: Any = {"borrowers": 10, "days": 30, "seed": 647}
    async with played(folder, **options, gateway_type=Stumbling, town_type=Gossip) as story:
        await story.doorstep.bus.publish([_malformed("CL-777777-1"), _unreadable("CL-777777-2")])
        await story.simulation.settle()
        yield story


async def test_personal_data_stand_in_clear_nowhere_but_on_the_borrowers_phones(
    story: Story, logged: pytest.CaptureFixture[str]
) -> None:
    await _open_personal_data(story)
    _break_with_personal_data(story)
    log = logged.readouterr().err
    planted = _planted(story)
    assert len(planted) > 50

    engines = [one.engine for one in story.doorstep.services]
    others = [story.doorstep._engine(name) for name in ("doorstep_vault", "doorstep_bus", "doorstep_intake")]
    found = [leak for engine in (*engines, *others) for leak in await leaks(engine, planted)]
    assert found == []
    assert found_in(log.encode(), planted) == []
    assert found_in(await _metrics(story), planted) == []

    assert await _left_on_intake(story) == 0
    assert await _parked(story) == 2
    assert "AnswerLost" in log, "the provider was to fail at times"
    assert "message parked" in log
    phones = b"\n".join(path.read_bytes() for path in (story.doorstep.folder / "gateway").glob("*.json"))
    assert found_in(phones, planted), "the messages name their borrowers"


@pytest.mark.parametrize(
    "hidden",
    [
        "select cast('收件人：张小明，' as text) as value",
        "select cast('x张小明' as bytea) as value",
        """select cast('{"name": "\\u5f20\\u5c0f\\u660e"}' as json) as value""",
        """select cast('{"names": ["张小明"]}' as jsonb) as value""",
        "select array['张小明'] as value",
        "select encode(cast('a张小明b' as bytea), 'base64') as value",
        "select encode(cast('ab张小明' as bytea), 'base64') as value",
        "select encode(cast('张小明' as bytea), 'hex') as value",
    ],
)
async def test_the_search_finds_what_is_planted(hidden: str, new_database: Any) -> None:
    engine = await new_database(database.KERNEL)
    assert await leaks(engine, ["张小明"]) == []
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"create table planted as {hidden}")
    assert await leaks(engine, ["张小明", "李四"]) == [("public.planted.value", "张小明")]


def test_a_loan_id_is_no_borrower_id() -> None:
    assert found_in(b"CC-100001-1", ["C-100001"]) == []
    assert found_in(b"C-1000012", ["C-100001"]) == []
    assert found_in(b'{"id":"C-100001"}', ["C-100001"]) == ["C-100001"]


def _planted(story: Story) -> list[str]:
    town = story.town
    assert isinstance(town, Gossip)
    told = [plain for one in story.portfolio.people for plain in personal(one)]
    return sorted({*told, *town.said, *BROKEN})


def _malformed(loan_id: str) -> Outgoing:
    """A fact with a negative amount."""
    name, phone, borrower, address = BROKEN
    fact = {
        "specversion": "1.0",
        "type": "doorstep.fact.loan-overdue",
        "id": loan_id,
        "source": "/bank/acme",
        "time": "2026-02-01T00:00:00Z",
        "tenant": "acme",
        "data": {
            "loan_id": loan_id,
            "borrower": {"borrower_id": borrower, "name": name, "phone": phone, "address": address},
            "product": name,
            "currency": "CNY",
            "principal_outstanding": "1.00",
            "amount_overdue": "-1.00",
            "overdue_since": "2026-01-01",
            "business_date": "2026-02-01",
        },
    }
    return Outgoing(INTAKE, f"acme:{loan_id}", json.dumps(fact, ensure_ascii=False).encode())


def _unreadable(loan_id: str) -> Outgoing:
    """Bytes that are no JSON."""
    return Outgoing(INTAKE, f"acme:{loan_id}", f"{' '.join(BROKEN)}\n".encode())


async def _open_personal_data(story: Story) -> None:
    api = http.build(story.doorstep.services, story.doorstep.access, drive=False)
    headers = {"authorization": f"Bearer {story.doorstep.token('reader', 'compliance')}"}
    (case_id, *_) = story.town._who
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://doorstep") as client:
        why = {"reason": "to see that it is not kept"}
        answer = await client.post(f"/audit/cases/{case_id}/timeline", json=why, headers=headers)
    assert found_in(answer.content, [story.town._who[case_id].phone]), "opened, it is there to read"
    await story.simulation.settle()


def _break_with_personal_data(story: Story) -> None:
    """As a library might log it."""
    person = story.portfolio.people[0]
    try:
        raise ValueError(f"{person.name} has no {person.phone}")
    except ValueError:
        logging.getLogger("some.library").exception("cannot dial %s", person.phone)
        telemetry.log.exception("cannot dial", phone=person.phone, borrower=person.name)


async def _metrics(story: Story) -> bytes:
    api = http.build(story.doorstep.services, story.doorstep.access, drive=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://doorstep") as client:
        answer = (await client.get("/metrics")).content
    assert b"messages_parked" in answer
    return answer


async def _left_on_intake(story: Story) -> int:
    bus = story.doorstep.bus
    assert isinstance(bus, PostgresBus)
    async with bus.engine.connect() as connection:
        left = await connection.execute(text("select count(*) from bus_log where topic = :topic"), {"topic": INTAKE})
        return int(left.scalar_one())


async def _parked(story: Story) -> int:
    async with story.doorstep.running("escalation").engine.connect() as connection:
        return int((await connection.execute(text("select count(*) from parked"))).scalar_one())
