"""What people tell a case over HTTP."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import httpx
import pytest
from doorstep.events.envelope import decode
from doorstep.events.registry import decode_event
from doorstep.infra.access import Access, Issuer, Role
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Routed
from doorstep.kernel.http import build
from doorstep.kernel.runtime import Running
from escalation.domain.case.loans import RecordFact
from escalation.domain.decider import DECIDER
from escalation.domain.policy import Policies
from escalation.react import case_stream
from sqlalchemy import text

from tests.support.escalation import at, overdue

ISSUER = Issuer.generate()


Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def clients(running: Running) -> AsyncIterator[Clients]:
    """Ask of two cases, in any role; Olga does, unless somebody else is named."""
    for case_id in ("case-1", "case-2"):
        await running.execute(Routed(case_stream(case_id, "acme"), RecordFact(overdue(1))))
    transport = httpx.ASGITransport(build([running], Access(ISSUER.public_key), drive=False))
    async with AsyncExitStack() as stack:
        made: dict[tuple[Role, str], httpx.AsyncClient] = {}
        for role in get_args(Role):
            for who in ("olga", "chen"):
                headers = {"authorization": f"Bearer {ISSUER.token(who, role, datetime.now(UTC))}"}
                client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
                made[role, who] = await stack.enter_async_context(client)
        yield lambda role, who="olga": made[role, who]


@pytest.fixture
def operator(clients: Clients) -> httpx.AsyncClient:
    """Asks as an operator."""
    return clients("operator")


async def test_the_same_request_again_places_no_second_hold(operator: httpx.AsyncClient) -> None:
    for events in (1, 0):
        hold = {"hold_id": f"h{events}", "kind": "hardship"}
        answer = await operator.post("/cases/acme/case-1/holds", json=hold, headers={"idempotency-key": "k"})
        assert (answer.status_code, answer.json()) == (201, {"events": events})


async def test_one_key_may_serve_two_cases(operator: httpx.AsyncClient) -> None:
    for case_id in ("case-1", "case-2"):
        hold = {"hold_id": "h1", "kind": "hardship"}
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


async def test_an_unknown_loan_cannot_be_held(operator: httpx.AsyncClient) -> None:
    hold = {"hold_id": "h1", "kind": "dispute", "loans": ["L9"]}
    answer = await operator.post("/cases/acme/case-1/holds", json=hold)
    assert (answer.status_code, answer.json()["detail"]) == (409, "the case has no loan L9; it has L1")


async def test_a_complaint_waits_for_compliance_who_closes_its_review(clients: Clients) -> None:
    ended = {"hold_id": "c1", "kind": "complaint", "until": "2026-03-03T10:00:00Z"}
    answer = await clients("operator").post("/cases/acme/case-1/holds", json=ended)
    assert (answer.status_code, "leave out until" in answer.text) == (409, True)
    await clients("operator").post("/cases/acme/case-1/holds", json={"hold_id": "c1", "kind": "complaint"})
    (waiting,) = (await clients("viewer").get("/reviews")).json()
    assert (waiting["case_id"], waiting["about"]) == ("case-1", "complaint")
    result = {"outcome": "upheld", "reason": "the call was rude"}
    assert (await clients("operator").post("/cases/acme/case-1/reviews/c1/close", json=result)).status_code == 403
    closed = await clients("compliance").post("/cases/acme/case-1/reviews/c1/close", json=result)
    assert closed.json() == {"events": 2}
    assert (await clients("viewer").get("/reviews")).json() == []


async def test_an_override_is_asked_for_by_one_person_and_approved_by_another(
    clients: Clients, running: Running
) -> None:
    await assess(running)
    wanted = {"override_id": "o1", "way": "voice", "reason": "asked to be called"}
    assert (await clients("operator").post("/cases/acme/case-1/overrides", json=wanted)).json() == {"events": 1}
    approve = "/cases/acme/case-1/overrides/o1/approve"
    assert (await clients("operator").post(approve)).status_code == 403
    same = await clients("compliance", "olga").post(approve)
    assert same.status_code == 409
    assert "a second person" in same.json()["detail"]
    assert (await clients("compliance", "chen").post(approve)).json() == {"events": 1}


async def test_consents_blocks_and_assignments_are_told(clients: Clients) -> None:
    case = "/cases/acme/case-1"
    told: list[tuple[str, dict[str, object]]] = [
        ("consents", {"consent_id": "k1", "kind": "hours", "until": "2026-04-01T00:00:00+08:00"}),
        ("blocks", {"block_id": "b1", "weekdays": [1, 7], "opens": "12:00", "closes": "14:00"}),
        ("assignment", {"agency": "harbour", "reason": "capacity"}),
        ("holds", {"hold_id": "h1", "kind": "hardship"}),
        ("holds/h1/renew", {"reason": "still ill", "until": "2026-06-01T00:00:00+08:00"}),
    ]
    for what, body in told:
        answer = await clients("operator").post(f"{case}/{what}", json=body)
        assert answer.json() == {"events": 1}, what
    for what in ("consents/k1", "blocks/b1"):
        assert (await clients("operator").delete(f"{case}/{what}")).json() == {"events": 1}
    shown = (await clients("viewer").get(case)).json()
    assert (shown["agency"], shown["holds"]["h1"]["until"][:10]) == ("harbour", "2026-06-01")


@pytest.mark.parametrize("weekday", [0, 8])
async def test_a_weekday_that_does_not_exist_is_refused_at_the_door(clients: Clients, weekday: int) -> None:
    block = {"block_id": "b1", "weekdays": [weekday]}
    assert (await clients("operator").post("/cases/acme/case-1/blocks", json=block)).status_code == 422


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("holds", {"hold_id": "h1", "kind": "hardship", "until": "9999-12-31T23:59:59Z"}, "until"),
        ("holds", {"hold_id": "h1", "kind": "hardship", "starts": "0001-01-01T00:00:00+14:00"}, "starts"),
        ("consents", {"consent_id": "k1", "kind": "hours", "until": "9999-12-31T00:00:00Z"}, "until"),
        ("blocks", {"block_id": "b1", "opens": "12:00+08:00", "closes": "14:00"}, "opens"),
    ],
)
async def test_an_edge_of_the_calendar_is_refused_at_the_door_by_the_name_of_its_field(
    clients: Clients, what: str, body: dict[str, object], field: str
) -> None:
    answer = await clients("operator").post(f"/cases/acme/case-1/{what}", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])


async def test_a_tenant_is_stopped_by_operators_and_started_again_by_compliance(clients: Clients) -> None:
    stop = {"way": "sms", "reason": "wrong text"}
    assert (await clients("operator").post("/tenants/acme/stop", json=stop)).json() == {"events": 1}
    assert (await clients("operator").post("/tenants/acme/allow", json=stop)).status_code == 403
    for what, body in (
        ("allow", stop),
        ("shadow", {"on": True, "reason": "trial"}),
        ("ramp", {"first_contacts_a_day": 50, "reason": "slowly"}),
    ):
        assert (await clients("compliance").post(f"/tenants/acme/{what}", json=body)).json() == {"events": 1}
    shown = (await clients("viewer").get("/tenants/acme")).json()
    assert (shown["shadow"], shown["ramp"], shown["stopped"]) == (True, 50, [])
    assert shown["policy"]["terms"]["home"] == "CN"


async def test_whoever_stops_a_tenant_says_why(clients: Clients) -> None:
    short = await clients("operator").post("/tenants/acme/stop", json={"way": "sms", "reason": "bad"})
    assert short.status_code == 422
    blank = await clients("operator").post("/tenants/acme/stop", json={"way": "sms", "reason": "      "})
    assert blank.status_code == 409
    assert blank.json()["detail"].startswith("say why, in at least 4 characters")


async def test_a_decision_explains_itself_in_both_languages(clients: Clients, running: Running) -> None:
    await assess(running)
    decision_id = (await running.state(DECIDER, case_stream("case-1", "acme"))).contacts.ledger[-1].decision_id
    for lang, word in (("en", "SMS"), ("zh-CN", "短信")):
        told = (await clients("viewer").get(f"/decisions/{decision_id}", params={"lang": lang})).json()
        assert told["case_id"] == "case-1"
        assert word in told["text"]
    assert (await clients("viewer").get("/decisions/nothing")).status_code == 404


async def test_the_policy_is_read_again_when_compliance_says_so(clients: Clients) -> None:
    assert (await clients("operator").post("/policy/reload")).status_code == 403
    assert (await clients("compliance").post("/policy/reload")).status_code == 200


async def assess(running: Running) -> None:
    """The cases' first assessment."""
    assert isinstance(running.clock, SimulatedClock)
    running.clock.jump(at(2, "10:15"))
    await running.timers.turn()


TENANT_COMMANDS: Sequence[tuple[Role, str, dict[str, object]]] = (
    ("operator", "stop", {"reason": "wrong text"}),
    ("compliance", "allow", {"reason": "text is right"}),
    ("compliance", "shadow", {"on": True, "reason": "going live"}),
    ("compliance", "ramp", {"first_contacts_a_day": 5, "reason": "going live"}),
)


@pytest.mark.parametrize(("role", "what", "body"), TENANT_COMMANDS)
async def test_nobody_controls_a_tenant_that_is_not_there(
    clients: Clients, role: Role, what: str, body: dict[str, object]
) -> None:
    answer = await clients(role).post(f"/tenants/acmee/{what}", json=body)
    assert (answer.status_code, "no tenant acmee" in answer.json()["detail"]) == (404, True)
    assert (await clients("viewer").get("/tenants/acmee")).status_code == 404


async def test_a_tenant_is_there_before_its_first_fact_when_the_policy_names_it(
    clients: Clients, running: Running, tmp_path: Path
) -> None:
    (tmp_path / "tenants.yaml").write_text("nova: {}\n")
    running.resources = Policies(tmp_path)
    shadow = {"on": True, "reason": "going live"}
    assert (await clients("compliance").post("/tenants/nova/shadow", json=shadow)).json() == {"events": 1}
    running.resources = Policies()
    shadow["on"] = False
    assert (await clients("compliance").post("/tenants/nova/shadow", json=shadow)).json() == {"events": 1}


async def test_a_case_is_not_reached_by_the_name_of_another_tenant(clients: Clients) -> None:
    hold = {"hold_id": "h1", "kind": "hardship"}
    for tenant in ("other", "acmee"):
        answer = await clients("operator").post(f"/cases/{tenant}/case-1/holds", json=hold)
        assert (answer.status_code, f"tenant {tenant} has no case" in answer.json()["detail"]) == (404, True)
        assert (await clients("viewer").get(f"/cases/{tenant}/case-1")).status_code == 404


async def test_no_word_of_a_person_about_a_case_stands_in_clear_anywhere(clients: Clients, running: Running) -> None:
    await assess(running)
    words = "told by Wang Xiaoming of 13800000000"
    case = "/cases/acme/case-1"
    why: dict[str, object] = {"reason": words}
    hold: dict[str, object] = {"kind": "hardship", **why}
    override: dict[str, object] = {"way": "voice", **why}
    told: Sequence[tuple[Role, str, dict[str, object]]] = (
        ("operator", "holds", {"hold_id": "h1", **hold}),
        ("operator", "holds/h1/renew", {"until": "2026-09-01T00:00:00+08:00", **why}),
        ("compliance", "holds/h1/lift", why),
        ("operator", "holds", {"hold_id": "c1", **hold, "kind": "complaint"}),
        ("compliance", "reviews/c1/close", {"outcome": "upheld", **why}),
        ("compliance", "disputes", {"dispute_id": "d1", "about": "amount", "text": words}),
        ("compliance", "disputes/d1/close", {"outcome": "withdrawn", **why}),
        ("operator", "overrides", {"override_id": "o1", **override}),
        ("compliance", "overrides/o1/reject", why),
        ("operator", "assignment", {"agency": "harbour", **why}),
    )
    for role, what, body in told:
        answer = await clients(role).post(f"{case}/{what}", json=body)
        assert answer.status_code in (200, 201), f"{what}: {answer.text}"

    async with running.engine.connect() as connection:
        values = (await connection.execute(text("select value from events order by stream, version"))).scalars().all()
        states = (await connection.execute(text("select state from streams"))).scalars().all()
        outbox = (await connection.execute(text("select value from outbox"))).scalars().all()
    assert [value for value in (*values, *states, *outbox) if words.encode() in value] == []
    events = [decode_event(decode(value)) for value in values]
    sealed = [found for event in events for name in ("said", "text") if (found := getattr(event, name, None))]
    assert await running.vault.open(sealed) == [words.encode()] * len(told)
