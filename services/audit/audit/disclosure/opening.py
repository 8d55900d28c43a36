"""Opening personal data: recorded first, opened afterwards, never the other way round."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from uuid import uuid4

import msgspec
from doorstep.events.values import Borrower, Sealed
from doorstep.infra.access import Principal
from doorstep.infra.vault import Erased, Tampered, Vault
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.service import Runtime

from audit.disclosure.domain import Open, disclosure
from audit.presentation.present import Opened
from audit.store.entry import sealed_in
from audit.timeline.domain import Line, Timeline

ERASED = "«erased»"
TAMPERED = "«tampered»"


async def open_personal(runtime: Runtime, timeline: Timeline, principal: Principal, reason: str) -> Opened:
    """Everything sealed in `timeline`, in clear; what was erased as «erased». Raises Refused without a
    reason.

    The request id is ours, never the caller's: a repeated one would open without a record."""
    lines = [line for line in timeline.lines if isinstance(line, Line)]
    tenant = lines[0].entry.envelope.tenant
    stream = StreamId(disclosure.category, timeline.case_id, timeline.case_id, tenant)
    command = Open(by=principal.id, role=principal.role, reason=reason)
    await runtime.execute(Routed(stream, command, actor=principal.actor()), request_id=str(uuid4()))
    return await _unseal(runtime.vault, lines)


async def _unseal(vault: Vault, lines: Sequence[Line]) -> Opened:
    found = [
        (line.entry.position, name, sealed) for line in lines for name, sealed in sealed_in(line.entry.event).items()
    ]
    found.sort(key=lambda one: one[2].key_id)
    opened: dict[int, dict[str, str]] = {}
    for _, same_key in groupby(found, key=lambda one: one[2].key_id):
        group = list(same_key)
        texts = await _texts(vault, [sealed for _, _, sealed in group])
        for (position, name, _), text in zip(group, texts, strict=True):
            opened.setdefault(position, {})[name] = text
    return opened


async def _texts(vault: Vault, sealed: Sequence[Sealed]) -> Sequence[str]:
    """Together, as long as all of it opens; one by one where something was changed."""
    try:
        return [_readable(plain) for plain in await vault.open(sealed)]
    except Erased:
        return [ERASED] * len(sealed)
    except Tampered:
        if len(sealed) == 1:
            return [TAMPERED]
        return [text for one in sealed for text in await _texts(vault, [one])]


def _readable(plain: bytes) -> str:
    return plain.decode(errors="replace")


def borrower_of(opened: Opened) -> Mapping[str, str]:
    """The borrower as last told, for the head of the page; empty when nothing tells."""
    for position in sorted(opened, reverse=True):
        texts = [text for name, text in opened[position].items() if name.endswith("personal")]
        try:
            borrower = msgspec.json.decode(texts[0] if texts else "", type=Borrower)
        except msgspec.DecodeError:
            continue
        told = msgspec.to_builtins(borrower)
        return {name: str(value) for name, value in told.items() if value is not None}
    return {}
