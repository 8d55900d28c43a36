"""What people may ask of visits, and collectors tell of them."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from doorstep.events.values import Language, Sealed
from doorstep.infra.access import EVERY_TENANT, FieldAgent, Operator, Principal, Viewer
from doorstep.infra.bodies import Day, Instant, happened
from doorstep.infra.database import reading
from doorstep.kernel.decider import Refused, Routed, StreamId, Unknown
from doorstep.locales.text import LOCALES
from doorstep.messaging.settings import MessagingRuntime
from fastapi import APIRouter, Header, HTTPException
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from visit_scheduler import views
from visit_scheduler.domain.agents import Register
from visit_scheduler.domain.commands import Attitude, Cause, Command, Complete, Fail, Obstacle, Start, VisitReport

Repeatable = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
AgentId = Annotated[str, Field(min_length=1, max_length=100, pattern="^[A-Za-z0-9._-]+$")]


class PlannedCollector(BaseModel):
    """Who comes."""

    agent_id: str
    agency: str
    certified_until: date


class Duty(BaseModel):
    """Something collectors have to do at the door, as a code, and as they read it."""

    code: str
    zh: str
    en: str


def _duties(codes: Sequence[str] | None) -> list[Duty]:
    return [Duty(code=code, zh=_instruction("zh-CN", code), en=_instruction("en", code)) for code in codes or ()]


def _instruction(language: Language, code: str) -> str:
    return LOCALES[language].text("instructions", code)


class Visit(BaseModel):
    """A visit as everyone may see it. `reason`: why it was cancelled; `remark`: what stood in the way of a
    plan or of its notice; `agency`: the only one that may go (none: any)."""

    model_config = ConfigDict(from_attributes=True)

    visit_id: str
    case_id: str
    tenant: str
    status: str
    starts: datetime | None
    ends: datetime | None
    collectors: Annotated[list[PlannedCollector], BeforeValidator(lambda planned: planned or [])]
    reason: str | None
    remark: str | None
    agency: str | None
    duties: Annotated[list[Duty], BeforeValidator(_duties)]


class AgentBody(BaseModel):
    """An agent's particulars. `regions` are ISO 3166-2 codes; none means everywhere."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    tenant: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
    agency: Annotated[str, Field(min_length=1, max_length=100)]
    certified_until: Day
    languages: Annotated[list[Language], Field(min_length=1)]
    regions: list[Annotated[str, Field(pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]] = []
    active: bool = True


class Agent(AgentBody):
    """An agent as registered."""

    agent_id: str


class StartBody(BaseModel):
    """`collectors_present` names everyone at the door, the one who reports included."""

    model_config = ConfigDict(extra="forbid")

    at: Instant
    agent_id: AgentId
    collectors_present: Annotated[list[AgentId], Field(max_length=10)]


class ReportBody(BaseModel):
    """A report. A completed visit has attitude, willingness and cause; a failed one has a reason."""

    model_config = ConfigDict(extra="forbid")

    at: Instant
    agent_id: AgentId
    outcome: Literal["completed", "failed"]
    attitude: Attitude | None = None
    willingness: Annotated[int, Field(ge=0, le=100)] | None = None
    cause: Cause | None = None
    promise_amount: Annotated[str, Field(pattern=r"^[0-9]{1,16}(\.[0-9]{1,8})?$")] | None = None
    promise_due: Day | None = None
    reason: Obstacle | None = None
    notes: Annotated[str, Field(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "ReportBody":
        wanted = ("attitude", "willingness", "cause") if self.outcome == "completed" else ("reason",)
        missing = [name for name in wanted if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a {self.outcome} visit needs {', '.join(missing)}")
        return self

    def command(self, notes: Sealed | None) -> VisitReport:
        """As the domain hears it."""
        if self.outcome == "failed":
            assert self.reason
            return Fail(self.at, self.agent_id, self.reason, notes)
        assert self.attitude
        assert self.cause
        assert self.willingness is not None
        return Complete(
            at=self.at,
            agent_id=self.agent_id,
            attitude=self.attitude,
            willingness=self.willingness,
            cause=self.cause,
            promise_amount=Decimal(self.promise_amount) if self.promise_amount else None,
            promise_due=self.promise_due,
            notes=notes,
        )


def api(runtime: MessagingRuntime) -> APIRouter:
    """The routes. A rule that says no is a 409 with a sentence that says what to do."""
    router = APIRouter(tags=["visits"])

    @router.get("/visits")
    async def visits(who: Viewer, case_id: str | None = None) -> list[Visit]:
        async with reading(runtime.engine, who.tenants) as connection:
            return [Visit.model_validate(row) for row in await views.visits(connection, case_id, who.only)]

    @router.get("/visits/{visit_id}")
    async def visit(visit_id: str, who: Viewer) -> Visit:
        return await _visit(runtime, visit_id, who)

    @router.post("/visits/{visit_id}/start")
    async def start(visit_id: str, body: StartBody, principal: FieldAgent, key: Repeatable = None) -> Visit:
        happened("at", body.at, runtime.clock.now())
        _demand_self(principal, body.agent_id)
        visit = await _visit(runtime, visit_id, principal)
        async with reading(runtime.engine, principal.tenants) as connection:
            suspended = await views.suspended(connection, visit.case_id)
            stopped = await views.visits_stopped(connection, visit.tenant)
        command = Start(body.at, body.agent_id, tuple(body.collectors_present), suspended, stopped)
        return await _execute(runtime, visit, command, principal, key)

    @router.post("/visits/{visit_id}/report")
    async def report(visit_id: str, body: ReportBody, principal: FieldAgent, key: Repeatable = None) -> Visit:
        happened("at", body.at, runtime.clock.now())
        _demand_self(principal, body.agent_id)
        visit = await _visit(runtime, visit_id, principal)
        command = body.command(await _sealed(runtime, visit.case_id, body.notes))
        return await _execute(runtime, visit, command, principal, key)

    @router.get("/agents")
    async def agents(who: Viewer) -> list[Agent]:
        async with reading(runtime.engine, who.tenants) as connection:
            return [Agent.model_validate(row) for row in await views.agents(connection, who.only)]

    @router.put("/agents/{agent_id}")
    async def register(agent_id: AgentId, body: AgentBody, principal: Operator) -> Agent:
        if not principal.serves(body.tenant):
            raise Unknown(f"there is no tenant {body.tenant} that your token names")
        await _check_tenant(runtime, agent_id, body.tenant)
        command = Register(
            agent_id, body.agency, body.certified_until, tuple(body.languages), tuple(body.regions), body.active
        )
        stream = StreamId("agent", agent_id, agent_id, body.tenant)
        await runtime.execute(Routed(stream, command, principal.actor()))
        return Agent(agent_id=agent_id, **body.model_dump())

    return router


def _demand_self(who: Principal, agent_id: str) -> None:
    """A collector speaks for nobody else. Raises HTTPException 403."""
    if who.role == "agent" and who.id != agent_id:
        raise HTTPException(403, "an agent reports as itself: give the agent_id that your token names as `sub`")


async def _visit(runtime: MessagingRuntime, visit_id: str, who: Principal) -> Visit:
    async with reading(runtime.engine, who.tenants) as connection:
        row = await views.visit(connection, visit_id)
    if row is None or not who.serves(row.tenant):
        raise Unknown(f"there is no visit {visit_id}; GET /visits lists those there are")
    return Visit.model_validate(row)


async def _execute(
    runtime: MessagingRuntime, visit: Visit, command: Command, principal: Principal, key: str | None
) -> Visit:
    stream = StreamId("visit", visit.visit_id, visit.case_id, visit.tenant)
    request_id = None if key is None else f"{principal.id}/{visit.visit_id}/{key}"
    await runtime.execute(Routed(stream, command, principal.actor()), request_id=request_id)
    return await _visit(runtime, visit.visit_id, principal)


async def _sealed(runtime: MessagingRuntime, case_id: str, notes: str | None) -> Sealed | None:
    if notes is None:
        return None
    (sealed,) = await runtime.vault.seal([(case_id, notes.encode())])
    return sealed


async def _check_tenant(runtime: MessagingRuntime, agent_id: str, tenant: str) -> None:
    # An id is one agent's for everyone, so it is looked for among all.
    async with reading(runtime.engine, EVERY_TENANT) as connection:
        served = await views.tenant_of_agent(connection, agent_id)
    if served not in (None, tenant):
        raise Refused(f"agent {agent_id} serves another tenant: register this one under an id of its own")
