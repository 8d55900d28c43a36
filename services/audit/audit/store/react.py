"""What the audit does with what it hears: it keeps it, unread or unreadable."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from doorstep.events.audit import CheckpointSigned

from audit.store import views
from audit.store.entry import EntryRow

if TYPE_CHECKING:
    from doorstep.bus.interface import Record
    from doorstep.infra.clock import Clock
    from sqlalchemy.ext.asyncio import AsyncConnection


async def absorb(connection: "AsyncConnection", records: "Sequence[Record]", clock: "Clock") -> None:
    """Keep each record's bytes as they came. Harmless when repeated; what cannot be read is kept too. The log's own
    checkpoints are no entries."""
    await views.append(connection, rows(records), clock)


def rows(records: "Iterable[Record]") -> Sequence[EntryRow]:
    """Each value once. Pure."""
    heard = map(_row, records)
    return list({_identity(row): row for row in heard if row.type != CheckpointSigned.event_type}.values())


def _identity(row: EntryRow) -> Hashable:
    return (row.topic, row.partition, row.offset) if row.event_id is None else (row.event_id, row.value)


def _row(record: "Record") -> EntryRow:
    return EntryRow(record.partition.topic, record.partition.number, record.offset, record.value).derived()
