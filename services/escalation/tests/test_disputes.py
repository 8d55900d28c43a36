"""A dispute, from its opening to what came of it: contact is frozen meanwhile, and somebody has to answer in time."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from doorstep.events.envelope import decode
from doorstep.events.escalation.disputes import (
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOverdue,
)
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, PermitCancelled
from doorstep.events.registry import decode_event
from doorstep.events.values import Sealed
from doorstep.infra.access import Access, Issuer, Role
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Refused, Routed
from doorstep.kernel.http import build
from doorstep.kernel.runtime import Running
from escalation.backtest.recorded import command as command_of
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.disputes import AnswerDispute, AttachToDispute, CloseDispute, OpenDispute
from escalation.domain.case.holds import LiftHold, PlaceHold, RenewHold
from escalation.domain.case.loans import RecordFact
from escalation.domain.decider import wake_at
from escalation.domain.policy import Policy, TenantTerms
from escalation.react import case_stream
from sqlalchemy import text

from tests.support.escalation import PATIENT, advised_by, at, cured, overdue, told, until, woken
from tests.support.given import Given, Happened

NOON = at(2, "12:00")
OPEN = OpenDispute("d1", "amount", "chen")
ANSWER = AnswerDispute("d1", "a1", "chen", Sealed("case-1", b"commitment", b"answer"))
CLOSE = CloseDispute("d1", "rejected", "chen", "the books are right")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


BILL = AttachToDispute(
    DisputeAttached(dispute_id="d1", attachment_id="bill", by="chen", media_type="image/png", size=3, token="t")
)


def permitted() -> Happened:
    """A case with a permitted SMS, at 10:15 of day 2."""
    return woken(told(overdue(1), now=at(2)))


def disputed(command: OpenDispute = OPEN) -> Happened:
    """At noon the borrower contests the amount."""
    return permitted().when(command, NOON)


def answered() -> Happened:
    """On day 5 the borrower was answered."""
    return disputed().when(ANSWER, at(5))


def given_back(case: Happened) -> Happened:
    """The executor has not sent what was cancelled."""
    return case.when(RecordContactOutcome(case.state.contacts.ledger[-1].permit_id, "not-sent", NOON), NOON)


def said(case: Given, end: datetime) -> list[DisputeOverdue]:
    """What every timer up to `end` says of deadlines."""
    found: list[DisputeOverdue] = []
    while (due := wake_at(case.state)) is not None and due <= end:
        case = woken(case)
        found += [event for event in case.events if isinstance(event, DisputeOverdue)]
    return found


# -- opening


def test_opening_a_dispute_sets_its_deadlines_places_its_hold_and_cancels_what_has_not_left() -> None:
    opened, placed, cancelled = disputed().events
    assert opened == DisputeOpened(
        dispute_id="d1",
        about="amount",
        answer_by=NOON + timedelta(days=15),
        close_by=NOON + timedelta(days=60),
        opened_by="chen",
    )
    assert placed == HoldPlaced(hold_id="d1", kind="dispute")
    assert isinstance(cancelled, PermitCancelled)


def test_deadlines_of_its_own_are_kept() -> None:
    opened = disputed(replace(OPEN, answer_by=at(4), close_by=at(9))).events[0]
    assert isinstance(opened, DisputeOpened)
    assert (opened.answer_by, opened.close_by) == (at(4), at(9))


def test_opened_again_it_changes_nothing_not_even_after_it_was_closed() -> None:
    disputed().when(OPEN, at(3)).then_nothing()
    answered().when(CLOSE, at(6)).when(OPEN, at(7)).then_nothing()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (replace(OPEN, loans=("L9",)), "the case has no loan L9; it has L1"),
        (replace(OPEN, answer_by=at(1)), "give answer_by and close_by"),
        (replace(OPEN, close_by=at(3)), "give answer_by and close_by"),
    ],
)
def test_a_dispute_about_nothing_or_with_deadlines_that_cannot_be_kept_is_refused(
    command: OpenDispute, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        disputed(command)


def test_a_dispute_does_not_take_the_name_of_a_hold() -> None:
    held = permitted().when(PlaceHold("d1", "hardship"), at(2, "11:00"))
    with pytest.raises(Refused, match="give the dispute another id"):
        held.when(OPEN, NOON)


# -- the freeze


def test_while_it_is_open_nothing_is_permitted_however_long_that_is() -> None:
    case: Given = given_back(disputed())
    for number in range(3, 120, 9):
        case = until(case.when(RecordFact(overdue(number, dpd=8 + number)), at(number)), at(number + 8))
    assert [permit.at for permit in case.state.contacts.ledger if permit.counts()] == []
    assert case.state.lifecycle.denial is not None
    assert case.state.lifecycle.denial.refusing == ("no-dispute-open", "cn/objection")


def test_no_pack_thaws_it() -> None:
    """Where no pack says a word of disputes, the guard still does."""
    silent = advised_by(Policy(TenantTerms(stale_after_days=366, packs=()), {}, PATIENT.strategy))
    case = woken(given_back(woken(told(overdue(1), now=at(2), decider=silent)).when(OPEN, NOON)))
    denied = case.then_types(ContactDenied).event
    assert [one.rule for one in denied.decision.verdicts if one.refuses()] == ["no-dispute-open"]


def test_a_dispute_about_one_loan_leaves_the_others_to_be_collected() -> None:
    case = woken(told(overdue(1), overdue(1, loan="L2", amount="70"), now=at(2)))
    case = case.when(replace(OPEN, loans=("L1",)), NOON)
    permit = woken(given_back(case)).then_types(ContactPermitted).event
    assert (permit.loan_ids, permit.amount.amount) == (("L2",), 70)


def test_its_hold_can_be_neither_lifted_nor_given_a_length() -> None:
    for forbidden in (LiftHold("d1", "let us go on"), RenewHold("d1", "a little longer", at(9))):
        with pytest.raises(Refused, match="close dispute d1 and say what came of it"):
            disputed().when(forbidden, at(3))


def test_a_cure_does_not_end_it() -> None:
    case = woken(disputed().when(RecordFact(cured(2)), at(3)))
    assert not case.state.lifecycle.open
    assert [one.deadline for one in said(case, at(99))] == ["answer", "close"]


def test_a_hold_of_before_there_were_disputes_is_lifted_as_before() -> None:
    old = permitted().when(PlaceHold("h1", "dispute"), NOON).then_types(HoldPlaced, PermitCancelled)
    old.when(LiftHold("h1", "settled"), at(3)).then_types(HoldLifted)


# -- attaching


def test_what_is_attached_is_kept_once() -> None:
    attached = disputed().when(BILL, at(3)).then(BILL.attached)
    attached.when(BILL, at(4)).then_nothing()
    answered().when(BILL, at(5)).when(CLOSE, at(6)).when(BILL, at(7)).then_nothing()


def test_nothing_is_attached_to_a_dispute_that_is_closed_or_not_there() -> None:
    with pytest.raises(Refused, match="closed as rejected: open another one"):
        answered().when(CLOSE, at(6)).when(BILL, at(7))
    with pytest.raises(Refused, match="no dispute d1; its disputes: none"):
        permitted().when(BILL, NOON)


# -- answering


def test_an_answer_in_time_is_not_late_and_counts_once() -> None:
    case = answered().then_types(DisputeAnswered)
    assert not case.event.late
    case.when(ANSWER, at(6)).then_nothing()


def test_a_second_answer_is_kept_beside_the_first_and_is_never_late() -> None:
    case = answered().when(replace(ANSWER, answer_id="a2"), at(40)).then_types(DisputeAnswered)
    assert not case.event.late


def test_no_answer_is_given_to_a_dispute_that_is_closed_or_not_there() -> None:
    with pytest.raises(Refused, match="open another one"):
        answered().when(CLOSE, at(6)).when(replace(ANSWER, answer_id="a2"), at(7))
    with pytest.raises(Refused, match="its disputes: d1"):
        disputed().when(replace(ANSWER, dispute_id="d2"), at(3))


# -- deadlines


def test_each_deadline_that_passes_is_said_once_at_its_instant() -> None:
    assert said(disputed(), at(200)) == [
        DisputeOverdue(dispute_id="d1", deadline="answer", was_due=NOON + timedelta(days=15)),
        DisputeOverdue(dispute_id="d1", deadline="close", was_due=NOON + timedelta(days=60)),
    ]


def test_a_deadline_that_was_kept_is_not_missed() -> None:
    assert [one.deadline for one in said(answered(), at(200))] == ["close"]
    assert said(answered().when(CLOSE, at(6)), at(200)) == []


def test_whoever_is_late_before_the_timer_comes_is_late_all_the_same() -> None:
    case = disputed().when(ANSWER, at(20)).then_types(DisputeOverdue, DisputeAnswered)
    assert case.events[-1].late  # type: ignore[attr-defined]
    case = case.when(CLOSE, at(70)).then_types(DisputeOverdue, DisputeClosed, HoldLifted)
    assert case.events[1].late  # type: ignore[attr-defined]
    assert said(case, at(200)) == []


# -- closing


def test_closing_says_what_came_of_it_and_lifts_the_hold() -> None:
    case = answered().when(CLOSE, at(6)).then_types(DisputeClosed, HoldLifted)
    assert (case.state.holds.by_id, case.state.disputes.open()) == ({}, {})
    case.when(CLOSE, at(7)).then_nothing()
    assert woken(given_back(case)).then_types(ContactPermitted)


def test_before_the_borrower_was_answered_only_a_dispute_taken_back_is_closed() -> None:
    with pytest.raises(Refused, match="answer dispute d1, then close it"):
        disputed().when(CLOSE, at(3))
    disputed().when(replace(CLOSE, outcome="withdrawn"), at(3)).then_types(DisputeClosed, HoldLifted)


def test_what_came_of_it_stands() -> None:
    with pytest.raises(Refused, match="closed as rejected: open another one"):
        answered().when(CLOSE, at(6)).when(replace(CLOSE, outcome="upheld"), at(7))
    with pytest.raises(Refused, match="no dispute d1"):
        permitted().when(CLOSE, NOON)


# -- read for another policy


def test_told_again_from_the_record_it_comes_to_the_same_events() -> None:
    told_first = [OPEN, BILL, replace(ANSWER, text=None), CLOSE]
    case: Given = permitted()
    recorded: list[tuple[datetime, Any]] = []
    for day, one in enumerate(told_first, 3):
        case = case.when(one, at(day))
        recorded += [(at(day), event) for event in case.events]
    again: Given = permitted()
    before = None
    for now, event in recorded:
        if (command := command_of(event, before)) is not None:
            again = again.when(command, now)
        before = event
    assert again.state == case.state


# -- over HTTP

ISSUER = Issuer.generate()
DISPUTES = "/cases/acme/case-1/disputes"
WORDS = "我早就还过了"


class Desk:
    """Asks of case-1, as somebody in a role."""

    def __init__(self, clients: dict[Role, httpx.AsyncClient], running: Running) -> None:
        self.clients, self.running = clients, running

    async def post(self, path: str, role: Role = "compliance", key: str | None = None, **body: Any) -> httpx.Response:
        """POST as JSON."""
        headers = {} if key is None else {"idempotency-key": key}
        return await self.clients[role].post(path, json=body, headers=headers)

    async def events(self) -> list[Any]:
        """What was said of the case, in order."""
        async with self.running.engine.connect() as connection:
            rows = await connection.execute(
                text("select value from events where stream = 'case/case-1' order by version")
            )
            return [decode_event(decode(bytes(row.value))) for row in rows]


@pytest.fixture
async def desk(running: Running) -> AsyncIterator[Desk]:
    """See Desk."""
    await running.execute(Routed(case_stream("case-1", "acme"), RecordFact(overdue(1))))
    transport = httpx.ASGITransport(build([running], Access(ISSUER.public_key), drive=False))
    roles: tuple[Role, ...] = ("compliance", "operator", "viewer")
    async with AsyncExitStack() as stack:
        clients = {}
        for role in roles:
            headers = {"authorization": f"Bearer {ISSUER.token('chen', role, datetime.now(UTC))}"}
            client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
            clients[role] = await stack.enter_async_context(client)
        yield Desk(clients, running)


async def test_a_dispute_is_opened_attached_to_answered_and_closed(desk: Desk) -> None:
    steps: list[tuple[str, dict[str, Any], int]] = [
        ("", {"dispute_id": "d1", "about": "amount", "text": WORDS}, 2),
        ("/d1/attachments", {"attachment_id": "b", "media_type": "image/png", "content": _base64(b"bill")}, 1),
        ("/d1/answers", {"answer_id": "a", "text": "the books are right, see the enclosed"}, 1),
        ("/d1/close", {"outcome": "rejected", "reason": "paid on another loan"}, 2),
    ]
    for path, body, events in steps:
        assert (await desk.post(DISPUTES + path, **body)).json() == {"events": events}, path
        assert (await desk.post(DISPUTES + path, **body)).json() == {"events": 0}, path


async def test_what_was_said_and_attached_travels_under_seal_alone(desk: Desk) -> None:
    await desk.post(DISPUTES, dispute_id="d1", about="amount", text=WORDS)
    bill: dict[str, Any] = {"attachment_id": "b", "media_type": "image/png", "content": _base64(b"the bill")}
    await desk.post(DISPUTES + "/d1/attachments", **bill, name="王小明.png")
    events = await desk.events()
    (opened,) = [one for one in events if isinstance(one, DisputeOpened)]
    (attached,) = [one for one in events if isinstance(one, DisputeAttached)]
    vault = desk.running.vault
    sealed = [one for one in (opened.text, attached.name, attached.content) if one is not None]
    assert await vault.open(sealed) == [
        WORDS.encode(),
        "王小明.png".encode(),
        b"the bill",
    ]
    assert (attached.size, attached.uri) == (8, None)
    assert attached.token == vault.tokens.text("acme", hashlib.sha256(b"the bill").hexdigest())


async def test_what_is_too_large_to_travel_is_named_by_where_it_lies_and_its_token(desk: Desk) -> None:
    await desk.post(DISPUTES, dispute_id="d1", about="amount")
    where: dict[str, Any] = {"attachment_id": "b", "media_type": "audio/wav", "size": 9_000_000, "sha256": "ab" * 32}
    assert (await desk.post(DISPUTES + "/d1/attachments", uri="s3://evidence/d1/b", **where)).json() == {"events": 1}
    attached = (await desk.events())[-1]
    assert (attached.uri, attached.size, attached.content) == ("s3://evidence/d1/b", 9_000_000, None)
    assert "ab" * 32 not in attached.token


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": _base64(b"x" * (256 * 1024 + 1))},
        {"content": _base64(b"x"), "uri": "s3://evidence/b"},
        {"uri": "s3://evidence/b", "size": 3},
        {"uri": "https://key:secret@evidence/b?token=1", "size": 3, "sha256": "ab" * 32},
    ],
)
async def test_an_attachment_comes_whole_or_by_its_place_size_and_hash(desk: Desk, body: dict[str, Any]) -> None:
    await desk.post(DISPUTES, dispute_id="d1", about="amount")
    answer = await desk.post(DISPUTES + "/d1/attachments", attachment_id="b", media_type="image/png", **body)
    assert answer.status_code == 422


async def test_the_same_request_again_is_no_second_one_and_one_key_serves_every_step(desk: Desk) -> None:
    for dispute_id, events in (("d1", 2), ("d1", 0)):
        answer = await desk.post(DISPUTES, key="k", dispute_id=dispute_id, about="conduct")
        assert answer.json() == {"events": events}
    answer = await desk.post(DISPUTES + "/d1/answers", key="k", answer_id="a", text="we are sorry")
    assert answer.json() == {"events": 1}


async def test_disputes_are_the_business_of_compliance_and_of_cases_there_are(desk: Desk) -> None:
    body: dict[str, Any] = {"dispute_id": "d1", "about": "amount"}
    assert (await desk.post(DISPUTES, role="operator", **body)).status_code == 403
    assert (await desk.post("/cases/acme/case-9/disputes", **body)).status_code == 404
    refused = await desk.post(DISPUTES + "/d1/close", outcome="upheld", reason="the fee was wrong")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "the case has no dispute d1; its disputes: none",
    )


async def test_a_hold_of_kind_dispute_opens_one_so_that_operators_can_freeze_a_case_at_once(desk: Desk) -> None:
    hold = {"hold_id": "h1", "kind": "dispute", "reason": "says it was paid"}
    longer = await desk.post("/cases/acme/case-1/holds", role="operator", until="2027-01-01T00:00:00Z", **hold)
    assert longer.status_code == 409
    assert "leave out starts, until and ways" in longer.json()["detail"]
    assert (await desk.post("/cases/acme/case-1/holds", role="operator", **hold)).json() == {"events": 2}
    shown = (await desk.clients["viewer"].get("/cases/acme/case-1")).json()
    assert shown["disputes"]["h1"]["outcome"] is None
    lifted = await desk.post("/cases/acme/case-1/holds/h1/lift", reason="settled")
    assert (lifted.status_code, "close dispute h1" in lifted.json()["detail"]) == (409, True)


async def test_a_missed_deadline_is_said_by_the_timer_alone(desk: Desk) -> None:
    await desk.post(DISPUTES, dispute_id="d1", about="amount")
    assert isinstance(desk.running.clock, SimulatedClock)
    for number in (17, 18):
        desk.running.clock.jump(at(number, "10:00"))
        await desk.running.timers.turn()
    assert [one.deadline for one in await desk.events() if isinstance(one, DisputeOverdue)] == ["answer"]
