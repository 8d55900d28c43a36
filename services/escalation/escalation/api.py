"""What people may ask of a case and tell it, and how a tenant's sending is controlled."""

import hashlib
from typing import Annotated, Literal, Self

import msgspec
from doorstep.events.escalation.disputes import Contested, DisputeAttached, DisputeOutcome
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.permits import Purpose
from doorstep.events.escalation.preferences import ConsentKind
from doorstep.events.values import UNDER_SEAL, ContactMethod, Language, Sealed
from doorstep.infra.access import Compliance, ComplianceOfAll, Operator, Principal, Viewer
from doorstep.infra.bodies import ClockTime, Count, Instant, Name
from doorstep.infra.database import reading
from doorstep.infra.settings import Settings
from doorstep.kernel.decider import SHORTEST_REASON, Refused, Routed, Unknown, reason_given
from doorstep.kernel.service import Runtime
from doorstep.locales.languages import DEFAULT
from fastapi import APIRouter, Header, HTTPException
from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, Field, model_validator

from escalation import views
from escalation.domain import tenant
from escalation.domain.case import disputes, holds, overrides, preferences
from escalation.domain.case.case import Case, Command
from escalation.domain.decider import DECIDER
from escalation.domain.explanation import explain
from escalation.domain.policy import Policies, describe
from escalation.domain.rules.pack import InvalidPolicy
from escalation.react import case_stream

Repeatable = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Tenant = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
WhyText = Annotated[str, Field(min_length=SHORTEST_REASON, max_length=500), AfterValidator(reason_given)]
SaidText = Annotated[str, Field(min_length=1, max_length=5000)]
TRAVELS = 256 * 1024
"""Bytes of an attachment that go into its event at most."""
SEALED = ("personal", "phone_token", "address_token")
"""What is known of a case and not shown."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Reason(_Body):
    """Why; it is kept."""

    reason: WhyText


class NewHold(_Body):
    """A person places a hold. Without `until` it lasts as long as the packs say."""

    hold_id: Name
    kind: HoldKind
    starts: Instant | None = None
    until: Instant | None = None
    loans: list[Name] = []
    ways: list[ContactMethod] = []
    reason: WhyText | None = None


class Renewal(Reason):
    """A hold goes on."""

    until: Instant | None = None


class ReviewResult(Reason):
    """What came of a review."""

    outcome: Literal["upheld", "rejected", "resolved"]


class NewDispute(_Body):
    """The borrower contests something. Without `answer_by` and `close_by`: within 15 and 60 days."""

    dispute_id: Name
    about: Contested
    text: SaidText | None = None
    answer_by: Instant | None = None
    close_by: Instant | None = None
    loans: list[Name] = []


class NewAttachment(_Body):
    """Something that bears on a dispute: its bytes in base64, or where it lies, of what size and SHA-256 (hex). The
    `uri` stays readable after the borrower was erased: without query, login or name of a person."""

    attachment_id: Name
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,100}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    content: Base64Bytes | None = None
    uri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://[A-Za-z0-9._~/-]{1,500}$")] | None = None
    size: Annotated[Count, Field(gt=0)] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_way_or_the_other(self) -> Self:
        lies = (self.uri is not None, self.size is not None, self.sha256 is not None)
        if self.content is not None and (any(lies) or len(self.content) > TRAVELS):
            raise ValueError(f"content alone, of {TRAVELS} bytes at most; what is larger by uri, size and sha256")
        if not self.content and not all(lies):
            raise ValueError("give content, or uri with size and sha256")
        return self


class NewAnswer(_Body):
    """What the borrower was told."""

    answer_id: Name
    text: SaidText


class DisputeResult(Reason):
    """What came of a dispute."""

    outcome: DisputeOutcome


class NewConsent(_Body):
    """The borrower agreed to other hours, or another place."""

    consent_id: Name
    kind: ConsentKind
    ways: list[ContactMethod] = []
    until: Instant | None = None


class NewBlock(_Body):
    """Hours or ways the borrower called inconvenient; `weekdays` from 1, Monday."""

    block_id: Name
    ways: list[ContactMethod] = []
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7)] = []
    opens: ClockTime | None = None
    closes: ClockTime | None = None


class NewOverride(Reason):
    """A person wants another next step than the strategy's."""

    override_id: Name
    way: ContactMethod
    purpose: Purpose = "reminder"


class Assignment(Reason):
    """Who works on the case: an agency, or the lender's own people."""

    agency: Name | None


class Switch(Reason):
    """`way` None: every way."""

    way: ContactMethod | None = None


class Shadow(Reason):
    """Shadow mode on or off."""

    on: bool


class Ramp(Reason):
    """First contacts a day; None: any number."""

    first_contacts_a_day: Count | None


def api(runtime: Runtime[Settings, Policies]) -> APIRouter:
    """The routes. A rule that says no is a 409 with a sentence that says what to do."""
    router = APIRouter(tags=["escalation"])
    desk = _Desk(runtime)
    _case_routes(router, desk)
    _hold_routes(router, desk)
    _dispute_routes(router, desk)
    _preference_routes(router, desk)
    _override_routes(router, desk)
    _tenant_routes(router, desk)
    _policy_routes(router, desk)
    return router


class _Desk:
    """Where commands of people arrive."""

    def __init__(self, runtime: Runtime[Settings, Policies]) -> None:
        self.runtime = runtime

    @property
    def policies(self) -> Policies:
        """Those in force in this process."""
        return self.runtime.resources

    async def known(self, tenant_id: str, case_id: str, who: Principal) -> Case:
        """Raises Unknown, also for a case of another tenant, and for one that `who` may not see."""
        stream = case_stream(case_id, tenant_id)
        async with reading(self.runtime.engine, who.tenants) as connection:
            theirs = who.serves(tenant_id) and await views.is_of(connection, str(stream), tenant_id)
        if theirs and (found := await self.runtime.state(DECIDER, stream)).loans.by_id:
            return found
        raise Unknown(f"tenant {tenant_id} has no case {case_id}; GET /cases of audit lists them")

    async def tell(
        self, tenant_id: str, case_id: str, command: Command, who: Principal, key: str | None = None
    ) -> dict[str, int]:
        """One command to a case. Raises Unknown, Refused."""
        await self.known(tenant_id, case_id, who)
        request_id = None if key is None else f"{who.id}/{case_id}/{key}"
        routed = Routed(case_stream(case_id, tenant_id), command, who.actor())
        return {"events": len(await self.runtime.execute(routed, request_id=request_id))}

    async def seal(self, tenant_id: str, case_id: str, who: Principal, *plain: bytes | None) -> list[Sealed | None]:
        """Each under the key of the case's borrower. Raises Unknown, Erased."""
        await self.known(tenant_id, case_id, who)
        there = [(case_id, one) for one in plain if one]
        sealed = iter(await self.runtime.vault.seal(there) if there else ())
        return [next(sealed) if one else None for one in plain]

    async def demand(self, tenant_id: str, who: Principal) -> None:
        """Raises Unknown for a tenant that is not there, or not for `who`. It is there once `tenants.yaml` of the
        policy names it or a fact of its came, and for ever once it was controlled."""
        there = who.serves(tenant_id) and self.policies.names(tenant_id)
        if not there and who.serves(tenant_id):
            async with reading(self.runtime.engine, who.tenants) as connection:
                there = await views.is_tenant(connection, tenant_id)
        if not there:
            raise Unknown(f"there is no tenant {tenant_id}: no fact of it came, and tenants.yaml does not name it")

    async def control(self, tenant_id: str, command: tenant.Command, who: Principal) -> dict[str, int]:
        """One command to a tenant. Raises Unknown, Refused."""
        await self.demand(tenant_id, who)
        routed = Routed(tenant.tenant_stream(tenant_id), command, who.actor())
        return {"events": len(await self.runtime.execute(routed))}


def _case_routes(router: APIRouter, desk: _Desk) -> None:
    @router.get("/cases/{tenant_id}/{case_id}")
    async def case(tenant_id: str, case_id: str, who: Viewer) -> dict[str, object]:
        found = await desk.known(tenant_id, case_id, who)
        parts: dict[str, dict[str, object]] = msgspec.to_builtins(found)
        shown = {name: value for part in parts.values() for name, value in part.items() if name not in SEALED}
        return {"case_id": case_id, "dpd": found.loans.dpd(), "unanswered": found.contacts.unanswered(), **shown}

    @router.get("/decisions/{decision_id}")
    async def decision(decision_id: str, who: Viewer, lang: Language = DEFAULT) -> dict[str, object]:
        async with reading(desk.runtime.engine, who.tenants) as connection:
            envelope = await views.decision(connection, decision_id)
        if envelope is None or not who.serves(envelope.tenant):
            raise Unknown(f"there is no decision {decision_id}; the audit's timeline names those of a case")
        return {
            "case_id": envelope.subject,
            "text": explain(envelope, lang),
            "data": msgspec.json.decode(envelope.data),
        }

    @router.post("/cases/{tenant_id}/{case_id}/assignment")
    async def assign(tenant_id: str, case_id: str, body: Assignment, who: Operator) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        return await desk.tell(tenant_id, case_id, overrides.Assign(body.agency, UNDER_SEAL, said), who)


def _hold_routes(router: APIRouter, desk: _Desk) -> None:
    @router.post("/cases/{tenant_id}/{case_id}/holds", status_code=201)
    async def place(
        tenant_id: str, case_id: str, body: NewHold, who: Operator, key: Repeatable = None
    ) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, _bytes(body.reason))
        if body.kind == "dispute":
            return await desk.tell(tenant_id, case_id, _as_dispute(body, who, said), who, key)
        if body.kind in holds.REVIEWED and body.until:
            raise Refused(f"a {body.kind} stops until its review is closed: leave out until")
        known = (await desk.known(tenant_id, case_id, who)).loans.by_id
        if unknown := set(body.loans) - known.keys():
            raise Refused(f"the case has no loan {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        scope = (tuple(body.loans), tuple(body.ways))
        reason = UNDER_SEAL if said else None
        command = holds.PlaceHold(body.hold_id, body.kind, body.starts, body.until, *scope, reason, said)
        return await desk.tell(tenant_id, case_id, command, who, key)

    @router.post("/cases/{tenant_id}/{case_id}/holds/{hold_id}/renew")
    async def renew(tenant_id: str, case_id: str, hold_id: str, body: Renewal, who: Operator) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        return await desk.tell(tenant_id, case_id, holds.RenewHold(hold_id, UNDER_SEAL, body.until, said), who)

    @router.post("/cases/{tenant_id}/{case_id}/holds/{hold_id}/lift")
    async def lift(tenant_id: str, case_id: str, hold_id: str, body: Reason, who: Compliance) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        return await desk.tell(tenant_id, case_id, holds.LiftHold(hold_id, UNDER_SEAL, said), who)

    @router.get("/reviews")
    async def reviews(who: Viewer) -> list[dict[str, object]]:
        async with reading(desk.runtime.engine, who.tenants) as connection:
            return [row._asdict() for row in await views.reviews(connection, who.only)]

    @router.get("/permits/lapsed")
    async def lapsed(who: Viewer) -> list[dict[str, object]]:
        async with reading(desk.runtime.engine, who.tenants) as connection:
            return [row._asdict() for row in await views.lapsed(connection, who.only)]

    @router.post("/cases/{tenant_id}/{case_id}/reviews/{review_id}/close")
    async def close(
        tenant_id: str, case_id: str, review_id: str, body: ReviewResult, who: Compliance
    ) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        command = holds.CloseReview(review_id, body.outcome, UNDER_SEAL, said)
        return await desk.tell(tenant_id, case_id, command, who)


def _as_dispute(body: NewHold, who: Principal, said: Sealed | None) -> disputes.OpenDispute:
    """A hold of kind dispute is that of a dispute, which has deadlines and ends when it is closed."""
    if body.starts or body.until or body.ways:
        raise Refused("a dispute stops every way, at once, until it is closed: leave out starts, until and ways")
    return disputes.OpenDispute(body.hold_id, "other", who.id, loans=tuple(body.loans), text=said)


def _dispute_routes(router: APIRouter, desk: _Desk) -> None:
    path = "/cases/{tenant_id}/{case_id}/disputes"

    @router.post(path, status_code=201)
    async def open_dispute(
        tenant_id: str, case_id: str, body: NewDispute, who: Compliance, key: Repeatable = None
    ) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, _bytes(body.text))
        deadlines = (body.answer_by, body.close_by)
        command = disputes.OpenDispute(body.dispute_id, body.about, who.id, *deadlines, tuple(body.loans), said)
        return await desk.tell(tenant_id, case_id, command, who, _keyed(key, "open", body.dispute_id))

    @router.post(path + "/{dispute_id}/attachments", status_code=201)
    async def attach(
        tenant_id: str, case_id: str, dispute_id: str, body: NewAttachment, who: Compliance, key: Repeatable = None
    ) -> dict[str, int]:
        sha256 = body.sha256 or hashlib.sha256(body.content or b"").hexdigest()
        name, content = await desk.seal(tenant_id, case_id, who, _bytes(body.name), body.content)
        attached = DisputeAttached(
            dispute_id=dispute_id,
            attachment_id=body.attachment_id,
            by=who.id,
            media_type=body.media_type,
            size=body.size or len(body.content or b""),
            token=desk.runtime.vault.tokens.text(tenant_id, sha256),
            name=name,
            content=content,
            uri=body.uri,
        )
        command = disputes.AttachToDispute(attached)
        return await desk.tell(tenant_id, case_id, command, who, _keyed(key, "attach", dispute_id))

    @router.post(path + "/{dispute_id}/answers", status_code=201)
    async def answer(
        tenant_id: str, case_id: str, dispute_id: str, body: NewAnswer, who: Compliance, key: Repeatable = None
    ) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, _bytes(body.text))
        command = disputes.AnswerDispute(dispute_id, body.answer_id, who.id, said)
        return await desk.tell(tenant_id, case_id, command, who, _keyed(key, "answer", dispute_id))

    @router.post(path + "/{dispute_id}/close")
    async def close_dispute(
        tenant_id: str, case_id: str, dispute_id: str, body: DisputeResult, who: Compliance, key: Repeatable = None
    ) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        command = disputes.CloseDispute(dispute_id, body.outcome, who.id, UNDER_SEAL, said)
        return await desk.tell(tenant_id, case_id, command, who, _keyed(key, "close", dispute_id))


def _keyed(key: str | None, *step: str) -> str | None:
    """One key of the caller's may serve every step of a dispute."""
    return None if key is None else "/".join((*step, key))


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _preference_routes(router: APIRouter, desk: _Desk) -> None:
    @router.post("/cases/{tenant_id}/{case_id}/consents", status_code=201)
    async def consent(tenant_id: str, case_id: str, body: NewConsent, who: Operator) -> dict[str, int]:
        command = preferences.RecordConsent(body.consent_id, body.kind, tuple(body.ways), body.until)
        return await desk.tell(tenant_id, case_id, command, who)

    @router.delete("/cases/{tenant_id}/{case_id}/consents/{consent_id}")
    async def withdraw(tenant_id: str, case_id: str, consent_id: str, who: Operator) -> dict[str, int]:
        return await desk.tell(tenant_id, case_id, preferences.WithdrawConsent(consent_id), who)

    @router.post("/cases/{tenant_id}/{case_id}/blocks", status_code=201)
    async def block(tenant_id: str, case_id: str, body: NewBlock, who: Operator) -> dict[str, int]:
        scope = (tuple(body.ways), tuple(body.weekdays))
        return await desk.tell(
            tenant_id, case_id, preferences.RecordBlock(body.block_id, *scope, body.opens, body.closes), who
        )

    @router.delete("/cases/{tenant_id}/{case_id}/blocks/{block_id}")
    async def unblock(tenant_id: str, case_id: str, block_id: str, who: Operator) -> dict[str, int]:
        return await desk.tell(tenant_id, case_id, preferences.RemoveBlock(block_id), who)


def _override_routes(router: APIRouter, desk: _Desk) -> None:
    @router.post("/cases/{tenant_id}/{case_id}/overrides", status_code=201)
    async def request(tenant_id: str, case_id: str, body: NewOverride, who: Operator) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        command = overrides.RequestOverride(body.override_id, body.way, UNDER_SEAL, who.id, body.purpose, said)
        return await desk.tell(tenant_id, case_id, command, who)

    @router.post("/cases/{tenant_id}/{case_id}/overrides/{override_id}/approve")
    async def approve(tenant_id: str, case_id: str, override_id: str, who: Compliance) -> dict[str, int]:
        return await desk.tell(tenant_id, case_id, overrides.ApproveOverride(override_id, who.id), who)

    @router.post("/cases/{tenant_id}/{case_id}/overrides/{override_id}/reject")
    async def reject(tenant_id: str, case_id: str, override_id: str, body: Reason, who: Compliance) -> dict[str, int]:
        (said,) = await desk.seal(tenant_id, case_id, who, body.reason.encode())
        command = overrides.RejectOverride(override_id, who.id, UNDER_SEAL, said)
        return await desk.tell(tenant_id, case_id, command, who)


def _tenant_routes(router: APIRouter, desk: _Desk) -> None:
    @router.get("/tenants/{tenant_id}")
    async def shown(tenant_id: Tenant, who: Viewer) -> dict[str, object]:
        await desk.demand(tenant_id, who)
        state = await desk.runtime.state(tenant.DECIDER, tenant.tenant_stream(tenant_id))
        return {"tenant": tenant_id, **msgspec.to_builtins(state), "policy": describe(desk.policies, tenant_id)}

    @router.post("/tenants/{tenant_id}/shadow")
    async def shadow(tenant_id: Tenant, body: Shadow, who: Compliance) -> dict[str, int]:
        return await desk.control(tenant_id, tenant.SetShadow(body.on, body.reason), who)

    @router.post("/tenants/{tenant_id}/ramp")
    async def ramp(tenant_id: Tenant, body: Ramp, who: Compliance) -> dict[str, int]:
        return await desk.control(tenant_id, tenant.SetRamp(body.first_contacts_a_day, body.reason), who)

    @router.post("/tenants/{tenant_id}/stop")
    async def stop(tenant_id: Tenant, body: Switch, who: Operator) -> dict[str, int]:
        return await desk.control(tenant_id, tenant.StopSending(body.way, body.reason), who)

    @router.post("/tenants/{tenant_id}/allow")
    async def allow(tenant_id: Tenant, body: Switch, who: Compliance) -> dict[str, int]:
        return await desk.control(tenant_id, tenant.AllowSending(body.way, body.reason), who)


def _policy_routes(router: APIRouter, desk: _Desk) -> None:
    @router.post("/policy/reload")
    async def reload(_: ComplianceOfAll) -> dict[str, str]:
        try:
            desk.policies.reload()
        except InvalidPolicy as error:
            raise HTTPException(422, [str(problem) for problem in error.problems]) from None
        return {"status": "the policy in the folder is in force in this process"}
