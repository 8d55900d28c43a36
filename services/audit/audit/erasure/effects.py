"""Erasing a borrower: the order on record first, then the key, then that it is done.

The key lies in another database than the order, so a crash may come between them: the effect is repeated until the
key is gone, and destroying it again harms nothing."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from doorstep.events.audit import ErasureOrdered
from doorstep.events.envelope import derived_id
from doorstep.events.registry import Event
from doorstep.infra.access import Principal
from doorstep.infra.database import reading
from doorstep.infra.vault import Vault
from doorstep.kernel.decider import NO_TENANT, Routed, StreamId, Unknown
from doorstep.kernel.service import Call, Carry, Effect, Runtime, answered

from audit.erasure.domain import Destroyed, Erase, LiftLegalHold, PlaceLegalHold, erasure, known
from audit.erasure.retention import minimum, packs
from audit.store import views
from audit.store.entry import Entry

DESTROY = "destroy-key"


def effects(_: StreamId, event: Event, __: object) -> Iterable[Effect]:
    """An order is carried out."""
    if isinstance(event, ErasureOrdered):
        yield Effect(DESTROY, event.erasure_id)


class DestroyKey:
    """Carries out the effects of kind `destroy-key`."""

    exclusive = True

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def unwanted(self, state: object, now: datetime, stopped: frozenset[str]) -> None:
        """Never: an order is final."""

    async def perform(self, calls: Sequence[Call[object]]) -> Sequence[Carry[object, Destroyed]]:
        """The borrower's key is named after the case."""
        await self._vault.destroy(*(call.stream.key for call in calls))
        return [answered(Destroyed(call.effect.key)) for call in calls]


def stream(case_id: str, tenant: str) -> StreamId:
    """Where the erasure of a case is told."""
    return StreamId(erasure.category, case_id, case_id, tenant)


def erasure_id(tenant: str, case_id: str) -> str:
    """A borrower is erased once."""
    return derived_id("erasure", tenant, case_id)


async def erase(
    runtime: Runtime, tenant: str, borrower_id: str, who: Principal, reason: str, *, early: bool = False
) -> str:
    """Order that the key of the bank's `borrower_id` be destroyed; the case id. Raises Refused, Unknown."""
    case_id = runtime.vault.tokens.case_id(tenant, borrower_id)
    entries = await _entries(runtime, case_id, who, f"tenant {tenant} has no such borrower here: check both ids")
    async with reading(runtime.engine, who.tenants) as connection:
        kept = minimum(entries, await views.artifacts(connection, packs(entries)))
    command = Erase(
        erasure_id(tenant, case_id),
        by=who.id,
        reason=reason,
        known=known(entries),
        keep_until=kept.at if kept else None,
        early=early,
    )
    await runtime.execute(Routed(stream(case_id, tenant), command, who.actor()))
    return case_id


async def place_hold(runtime: Runtime, case_id: str, hold_id: str, who: Principal, reason: str) -> None:
    """Raises Refused, Unknown."""
    await _tell(runtime, case_id, PlaceLegalHold(hold_id, by=who.id, reason=reason), who)


async def lift_hold(runtime: Runtime, case_id: str, hold_id: str, who: Principal, reason: str) -> None:
    """Raises Refused, Unknown."""
    await _tell(runtime, case_id, LiftLegalHold(hold_id, by=who.id, reason=reason), who)


async def _tell(runtime: Runtime, case_id: str, command: PlaceLegalHold | LiftLegalHold, who: Principal) -> None:
    entries = await _entries(runtime, case_id, who, f"there is no case {case_id}: GET /cases lists them")
    tenant = next((one.envelope.tenant for one in entries if one.envelope.tenant != NO_TENANT), NO_TENANT)
    await runtime.execute(Routed(stream(case_id, tenant), command, who.actor()))


async def _entries(runtime: Runtime, case_id: str, who: Principal, otherwise: str) -> Sequence[Entry]:
    async with reading(runtime.engine, who.tenants) as connection:
        found = await views.entries(connection, case_id)
    whose = {one.envelope.tenant for one in found} - {NO_TENANT}
    if not found or not (who.of_all or (whose and whose <= who.tenants)):
        raise Unknown(otherwise)
    return found
