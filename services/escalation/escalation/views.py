"""Which case a loan belongs to, where each decision stands, which cases wait for a person, and of which permits nobody
has said what became of them."""

from collections.abc import Sequence
from typing import Any

from doorstep.events.envelope import Envelope, decode
from doorstep.events.escalation.holds import ReviewClosed, ReviewRequested
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.permits import (
    ContactDenied,
    ContactPermitted,
    PermitLapsed,
    VisitDenied,
    VisitPermitted,
)
from doorstep.kernel.service import Committed
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.domain.tenant import tenant_stream


async def project(connection: AsyncConnection, committed: Sequence[Committed]) -> None:
    """Remember each loan's case, and the place of each decision, in the transaction of the events."""
    decided = [one for one in committed if isinstance(one.event, _DECISIONS)]
    if decided:
        await connection.execute(
            _DECIDED,
            {
                "decision_id": [one.event.decision.decision_id for one in decided],  # type: ignore[attr-defined]
                "stream": [one.envelope.stream for one in decided],
                "version": [one.envelope.streamversion for one in decided],
            },
        )
    for one in committed:
        match one.event:
            case ReviewRequested(review_id=review_id, about=about):
                row = {"tenant": one.stream.tenant, "case_id": one.stream.id, "review_id": review_id}
                await connection.execute(_ASK, {**row, "about": about, "at": one.envelope.recordedat})
            case ReviewClosed(review_id=review_id):
                await connection.execute(_CLOSE, {"case_id": one.stream.id, "review_id": review_id})
            case PermitLapsed(permit_id=permit_id, kind=kind):
                row = {"tenant": one.stream.tenant, "case_id": one.stream.id, "permit_id": permit_id}
                await connection.execute(_LAPSED, {**row, "kind": kind, "at": one.envelope.recordedat})
            case _:
                pass
    outcomes = [one.event for one in committed if isinstance(one.event, ContactOutcomeRecorded | VisitOutcomeRecorded)]
    if outcomes:
        await connection.execute(_ACCOUNTED, {"permit_id": [event.permit_id for event in outcomes]})
    facts = [one for one in committed if isinstance(one.event, LoanOverdueRecorded)]
    if facts:
        await connection.execute(
            _LOANS,
            {
                "tenant": [one.stream.tenant for one in facts],
                "loan_id": [one.event.loan_id for one in facts],  # type: ignore[attr-defined]
                "case_id": [one.stream.id for one in facts],
            },
        )


async def decision(connection: AsyncConnection, decision_id: str) -> Envelope | None:
    """The event of a decision, in its envelope."""
    value = (await connection.execute(_DECISION, {"decision_id": decision_id})).scalar_one_or_none()
    return None if value is None else decode(bytes(value))


async def reviews(connection: AsyncConnection, only: Sequence[str] | None, limit: int = 500) -> Sequence[Row[Any]]:
    """Cases of the tenants in `only` (None: of all) that wait for a person, the longest first, at most `limit`."""
    return (await connection.execute(_REVIEWS, {"only": only, "limit": limit})).all()


async def is_of(connection: AsyncConnection, stream: str, tenant: str) -> bool:
    """Whether `stream` is one of `tenant`."""
    return bool((await connection.execute(_IS_OF, {"stream": stream, "tenant": tenant})).scalar_one())


async def is_tenant(connection: AsyncConnection, tenant: str) -> bool:
    """Whether facts of `tenant` came, or somebody controlled its sending."""
    wanted = {"tenant": tenant, "controls": str(tenant_stream(tenant))}
    return bool((await connection.execute(_IS_TENANT, wanted)).scalar_one())


async def lapsed(connection: AsyncConnection, only: Sequence[str] | None, limit: int = 500) -> Sequence[Row[Any]]:
    """Permits of the tenants in `only` (None: of all) of which nobody has said what became of them, the latest
    first, at most `limit`."""
    return (await connection.execute(_ALL_LAPSED, {"only": only, "limit": limit})).all()


async def lapsed_count(connection: AsyncConnection) -> int:
    """How many there are."""
    return int((await connection.execute(text("select count(*) from lapsed_permit"))).scalar_one())


_DECISIONS = (ContactPermitted, ContactDenied, VisitPermitted, VisitDenied)
_DECIDED = text(
    "insert into decision (decision_id, stream, version) select * from unnest(cast(:decision_id as text[]),"
    " cast(:stream as text[]), cast(:version as int[])) on conflict do nothing"
)
_DECISION = text(
    "select e.value from decision d join events e on (e.stream, e.version) = (d.stream, d.version)"
    " where d.decision_id = :decision_id"
)
_ASK = text(
    "insert into review (tenant, case_id, review_id, about, requested_at)"
    " values (:tenant, :case_id, :review_id, :about, :at)"
)
_CLOSE = text("delete from review where case_id = :case_id and review_id = :review_id")
_LAPSED = text(
    "insert into lapsed_permit (tenant, case_id, permit_id, kind, lapsed_at)"
    " values (:tenant, :case_id, :permit_id, :kind, :at) on conflict do nothing"
)
_ACCOUNTED = text("delete from lapsed_permit where permit_id = any(cast(:permit_id as text[]))")
_ALL_LAPSED = text(
    "select * from lapsed_permit where cast(:only as text[]) is null or tenant = any(:only)"
    " order by lapsed_at desc, permit_id limit :limit"
)
_REVIEWS = text(
    "select * from review where cast(:only as text[]) is null or tenant = any(:only)"
    " order by requested_at, case_id limit :limit"
)
_IS_OF = text("select exists (select from streams where stream = :stream and tenant = :tenant)")
_IS_TENANT = text(
    "select exists (select from loan where tenant = :tenant) or exists (select from streams where stream = :controls)"
)
_LOANS = text(
    "insert into loan (tenant, loan_id, case_id)"
    " select distinct on (t, l) t, l, c"
    " from unnest(cast(:tenant as text[]), cast(:loan_id as text[]), cast(:case_id as text[])) as n(t, l, c)"
    " on conflict (tenant, loan_id) do update set case_id = excluded.case_id where loan.case_id <> excluded.case_id"
)
