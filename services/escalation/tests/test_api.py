"""What people tell a case over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from doorstep.access import Access, Issuer
from doorstep.app import build
from doorstep.decider import Routed
from doorstep.runtime import Running
from escalation.domain import RecordFact
from escalation.react import case_stream
from escalation.testing import overdue

ISSUER = Issuer.generate()


@pytest.fixture
async def operator(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Asks as an operator, of two cases."""
    for case_id in ("case-1", "case-2"):
        await running.execute(Routed(case_stream(case_id, "acme"), RecordFact(overdue(1))))
    headers = {"authorization": f"Bearer {ISSUER.token('olga', 'operator', datetime.now(UTC))}"}
    transport = httpx.ASGITransport(build([running], Access(ISSUER.public_key), drive=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


async def test_the_same_request_again_places_no_second_hold(operator: httpx.AsyncClient) -> None:
    for events in (1, 0):
        hold = {"hold_id": f"h{events}", "kind": "dispute"}
        answer = await operator.post("/cases/acme/case-1/holds", json=hold, headers={"idempotency-key": "k"})
        assert (answer.status_code, answer.json()) == (201, {"events": events})


async def test_one_key_may_serve_two_cases(operator: httpx.AsyncClient) -> None:
    for case_id in ("case-1", "case-2"):
        hold = {"hold_id": "h1", "kind": "dispute"}
        answer = await operator.post(f"/cases/acme/{case_id}/holds", json=hold, headers={"idempotency-key": "k"})
        assert answer.json() == {"events": 1}


async def test_a_case_nobody_knows_is_not_found_and_takes_no_hold(operator: httpx.AsyncClient) -> None:
    assert (await operator.get("/cases/acme/case-9")).status_code == 404
    answer = await operator.post("/cases/acme/case-9/holds", json={"hold_id": "h1", "kind": "dispute"})
    assert answer.status_code == 404


async def test_a_case_is_shown_without_its_personal_data(operator: httpx.AsyncClient) -> None:
    shown = (await operator.get("/cases/acme/case-1")).json()
    assert shown["dpd"] > 0
    assert "personal" not in shown
