"""What providers bring (receipts, replies) and what people may see of contacts."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from doorstep.events.reminder import ReceiptRecorded, ReplyReceived
from doorstep.events.values import Sealed
from doorstep.infra.access import Principal, Provider, Viewer
from doorstep.infra.bodies import Day, Instant, happened
from doorstep.infra.database import reading
from doorstep.kernel.decider import Routed, StreamId
from doorstep.messaging.settings import MessagingRuntime
from fastapi import APIRouter, Header, HTTPException, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from reminder import views
from reminder.domain import CATEGORY, Hear

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
PermitId = Annotated[Id, Path(description="the idempotency key our message carried")]
RequestId = Annotated[Id | None, Header(alias="Idempotency-Key")]


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("give the amount as a string: JSON numbers lose digits")
    return value


Amount = Annotated[Decimal, BeforeValidator(_text), Field(gt=0, max_digits=19, decimal_places=4)]


class ReceiptIn(BaseModel):
    """What the provider learnt of a message it took."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["delivered", "answered", "no-answer", "undeliverable"]
    at: Instant


class ReplyIn(BaseModel):
    """What the borrower answered. A promise needs its day; no amount means all that is overdue."""

    model_config = ConfigDict(extra="forbid")

    reply_id: Id
    kind: Literal["promise", "dispute", "complaint", "hardship", "opt-out", "wrong-number", "other"]
    at: Instant
    promise_amount: Amount | None = None
    promise_due: Day | None = None
    text: Annotated[str, Field(max_length=5000)] | None = None

    @model_validator(mode="after")
    def _promise(self) -> Self:
        if (self.kind == "promise") != (self.promise_due is not None):
            raise ValueError("give promise_due with kind `promise`, and only then")
        if self.promise_amount is not None and self.kind != "promise":
            raise ValueError("give promise_amount with kind `promise` only")
        return self


class Recorded(BaseModel):
    """Whether this was new; a repeated call records nothing."""

    recorded: bool


class ContactOut(BaseModel):
    """Where a contact stands."""

    permit_id: str
    case_id: str
    channel: str
    status: str
    due: datetime
    sent_at: datetime | None


def api(runtime: MessagingRuntime) -> APIRouter:
    """The routes of reminder."""
    router = APIRouter(prefix="/contacts", tags=["contacts"])

    @router.post("/{permit_id}/receipts")
    async def receipt(
        permit_id: PermitId, body: ReceiptIn, provider: Provider, request_id: RequestId = None
    ) -> Recorded:
        happened("at", body.at, runtime.clock.now())
        contact = await _found(runtime, permit_id, provider)
        message = ReceiptRecorded(permit_id=permit_id, channel=contact.channel, status=body.status, at=body.at)
        command = Routed(_stream(contact), Hear(message), provider.actor())
        key = None if request_id is None else f"{provider.id}/{permit_id}/{request_id}"
        return Recorded(recorded=bool(await runtime.execute(command, request_id=key)))

    @router.post("/{permit_id}/replies")
    async def reply(permit_id: PermitId, body: ReplyIn, provider: Provider) -> Recorded:
        happened("at", body.at, runtime.clock.now())
        contact = await _found(runtime, permit_id, provider)
        message = ReplyReceived(
            reply_id=body.reply_id,
            permit_id=permit_id,
            kind=body.kind,
            at=body.at,
            promise_amount=body.promise_amount,
            promise_due=body.promise_due,
            text=await _sealed(runtime, contact.case_id, body.text),
        )
        events = await runtime.execute(Routed(_stream(contact), Hear(message), provider.actor()))
        return Recorded(recorded=bool(events))

    @router.get("/{permit_id}")
    async def one(permit_id: PermitId, who: Viewer) -> ContactOut:
        return _shown(await _found(runtime, permit_id, who))

    @router.get("")
    async def of_case(case_id: Id, who: Viewer) -> list[ContactOut]:
        async with reading(runtime.engine, who.tenants) as connection:
            found = await views.of_case(connection, case_id)
        return [_shown(contact) for contact in found if who.serves(contact.tenant)]

    return router


async def _found(runtime: MessagingRuntime, permit_id: str, who: Principal) -> views.Contact:
    async with reading(runtime.engine, who.tenants) as connection:
        contact = await views.find(connection, permit_id)
    if contact is None or not who.serves(contact.tenant):
        raise HTTPException(
            404, "no contact has this permit id; send the idempotency key our message carried, unchanged"
        )
    return contact


async def _sealed(runtime: MessagingRuntime, case_id: str, text: str | None) -> Sealed | None:
    if not text:
        return None
    (sealed,) = await runtime.vault.seal([(case_id, text.encode())])
    return sealed


def _stream(contact: views.Contact) -> StreamId:
    return StreamId(CATEGORY, contact.permit_id, contact.case_id, contact.tenant)


def _shown(contact: views.Contact) -> ContactOut:
    return ContactOut(**{name: value for name, value in contact._asdict().items() if name != "tenant"})
