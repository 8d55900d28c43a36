"""Parking: what cannot be handled waits for a person, and so does every later message of its key.

What waits behind a broken message may be the payment, so its case is suspended until every message of the
key was replayed or discarded. Nothing is dropped silently; both ends are events.

Parking takes anything: the bytes go under seal, and what else PostgreSQL could not hold is put into words it can.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, assert_never

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.bus.interface import Partition, Record
from doorstep.events.kernel import MessageDiscarded, MessageParked, MessageReleased
from doorstep.events.values import Sealed
from doorstep.infra.vault import Erased, Tampered, Vault
from doorstep.kernel.decider import NO_TENANT, Decider, StreamId
from doorstep.kernel.sending_controls import take_up

CATEGORY = "parking"
KEPT_FOR = timedelta(days=30)
"""How long a parked message that names no borrower can still be opened."""
LONGEST_NAME = 1_000
"""Bytes of the longest name that PostgreSQL can index, beside another one."""
LONGEST_REASON = 2_000
OUTBOX = -1
"""In place of a partition: the message is our own and was never published; its offset is its place in the outbox."""
_OUTGOING = ".outbox"
Fate = Literal["replayed", "discarded"]


@dataclass(frozen=True)
class Park:
    """A message of this stream's key cannot be handled."""

    parked_id: int
    key: str
    record: Record
    reason: str
    case_id: str | None


@dataclass(frozen=True)
class Release:
    """Nothing of this key waits any more."""

    how: Fate
    by: str
    reason: str | None


@dataclass(frozen=True)
class Discard:
    """One message of this key shall never be handled."""

    parked_id: int
    by: str
    reason: str


class Parking(msgspec.Struct, frozen=True):
    """What is known of one key."""

    key: str = ""
    case_id: str | None = None
    waiting: bool = False
    discarded: tuple[int, ...] = ()


Command = Park | Discard | Release
Event = MessageParked | MessageDiscarded | MessageReleased


def decide(state: Parking, command: Command, now: datetime) -> Sequence[Event]:
    """Only the first message of a key raises the alarm; those behind it wait quietly."""
    match command:
        case Discard(parked_id, by, reason):
            if parked_id in state.discarded:
                return []
            return [MessageDiscarded(parked_id=parked_id, key=state.key, by=by, reason=reason, case_id=state.case_id)]
        case Park(parked_id, key, record, reason, case_id):
            if state.waiting:
                return []
            return [
                MessageParked(
                    parked_id=parked_id,
                    key=key,
                    origin_topic=record.partition.topic,
                    origin_partition=record.partition.number,
                    origin_offset=record.offset,
                    reason=reason,
                    case_id=case_id,
                )
            ]
        case Release(how, by, reason):
            if not state.waiting:
                return []
            return [MessageReleased(key=state.key, how=how, by=by, reason=reason, case_id=state.case_id)]
    assert_never(command)


def evolve(state: Parking, event: Event) -> Parking:
    """Parked, then released; perhaps again."""
    match event:
        case MessageParked(key=key, case_id=case_id):
            return msgspec.structs.replace(state, key=key, case_id=case_id, waiting=True)
        case MessageDiscarded(parked_id=parked_id):
            return msgspec.structs.replace(state, discarded=(*state.discarded, parked_id))
        case MessageReleased():
            return msgspec.structs.replace(state, waiting=False)
    assert_never(event)


DECIDER = Decider(CATEGORY, Parking(), Parking, decide, evolve)


def storable(name: str) -> bool:
    """Whether PostgreSQL can hold and index `name`."""
    return "\0" not in name and _encoded(name) == name.encode(errors="replace") and len(_encoded(name)) <= LONGEST_NAME


def name_of(key: str) -> str:
    """What messages of `key` are parked under: the key, or where that is not storable its beginning and its SHA-256."""
    return key if storable(key) else f"{clean(key, 100)} sha256:{hashlib.sha256(_encoded(key)).hexdigest()}"


def outgoing_name(key: str) -> str:
    """What our own messages of `key` are parked under: what comes in under `key` does not wait for them."""
    return key + _OUTGOING


def clean(text: str, length: int) -> str:
    """The first `length` characters of `text`, with something readable for what PostgreSQL cannot hold."""
    return text[:length].replace("\0", "_").encode(errors="backslashreplace").decode()


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def stream(key: str, case_id: str | None) -> StreamId:
    """The stream in which the fate of `key` is told; it travels with its case, where that is known."""
    return StreamId(CATEGORY, key, case_id or key, tenant=key.partition(":")[0] if ":" in key else NO_TENANT)


@dataclass(frozen=True)
class Parked:
    """One parked message, as an operator sees it. `behind` is the id of the one it waits for."""

    id: int
    topic: str
    partition: int
    offset: int
    key: str
    case_id: str | None
    reason: str
    behind: int | None
    parked_at: datetime
    status: str
    sealed: bytes

    @property
    def record(self) -> Record:
        """Where it came from; its bytes are under seal."""
        return Record(Partition(self.topic, self.partition), self.offset, self.key, b"")

    @property
    def outgoing(self) -> bool:
        """Whether it is our own, and was not published."""
        return self.partition == OUTBOX


class First(NamedTuple):
    """The first message that waits under a key."""

    id: int
    case_id: str | None


async def waiting(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, First]:
    """Which of `keys` something waits for: the first parked message of each. They stay locked until commit, so that
    nobody parks behind a message that somebody else is just releasing."""
    rows = (await connection.execute(_WAITING, {"keys": list(set(keys))})).all()
    return {row.key: First(row.id, row.case_id) for row in reversed(rows)}


async def park(
    connection: AsyncConnection,
    vault: Vault,
    record: Record,
    key: str,
    reason: str,
    case_id: str | None,
    now: datetime,
    behind: int | None = None,
) -> int | None:
    """Keep `record` for a person under `key`, which is storable as `case_id` is; its id, or None when it is kept
    already."""
    sealed = await _seal(vault, record.value, case_id)
    found = await connection.execute(
        _PARK,
        {
            "topic": record.partition.topic,
            "partition": record.partition.number,
            "offset": record.offset,
            "key": key,
            "case_id": case_id,
            "sealed": msgspec.json.encode(sealed),
            "reason": reason,
            "behind": behind,
            "now": now,
        },
    )
    return found.scalar_one_or_none()


async def listing(connection: AsyncConnection, *, key: str | None = None, parked_id: int | None = None) -> list[Parked]:
    """What waits, in the order it is to be replayed: all of it, of one key, or one message whatever its fate."""
    rows = await connection.execute(_LIST, {"key": key, "id": parked_id})
    return [Parked(**row) for row in rows.mappings()]


class Queue(NamedTuple):
    """How many messages wait for a person, and since when the first of them."""

    waiting: int
    since: datetime | None


async def queue(connection: AsyncConnection) -> Queue:
    """Read from an index alone."""
    return Queue(*(await connection.execute(_QUEUE)).one())


async def close(connection: AsyncConnection, parked: Parked, status: Fate, by: str, reason: str | None) -> bool:
    """Mark a message as replayed or discarded; whether it still waited."""
    await waiting(connection, [parked.key])
    closed = await connection.execute(_CLOSE, {"id": parked.id, "status": status, "by": by, "reason": reason})
    if closed.first() is None:
        return False
    await take_up(connection, {parked.key, parked.case_id or parked.key})
    return True


async def publish_again(connection: AsyncConnection, vault: Vault, parked: Parked) -> None:
    """Put an outgoing message back into the outbox, behind all that is there. Raises Erased, Tampered."""
    value = await opened(vault, parked)
    key = parked.key.removesuffix(_OUTGOING)
    await connection.execute(_PUBLISH, {"topic": parked.topic, "key": key, "value": value})


async def opened(vault: Vault, parked: Parked) -> bytes:
    """The original bytes. Raises Erased, Tampered."""
    (value,) = await vault.open([msgspec.json.decode(parked.sealed, type=Sealed)])
    return value


async def _seal(vault: Vault, value: bytes, case_id: str | None) -> Sealed:
    # Bytes that name no borrower, or one whose key is gone or not to be opened, go under one destroyed after KEPT_FOR.
    if case_id is not None:
        with suppress(Erased, Tampered):
            return (await vault.seal([(case_id, value)]))[0]
    return (await vault.seal_of_the_day("intake", [value]))[0]


_WAITING = text(
    "select key, id, case_id from parked where status = 'waiting' and key = any(cast(:keys as text[]))"
    " order by id for update"
)
_PARK = text(
    'insert into parked (topic, partition, "offset", key, case_id, sealed, reason, behind, parked_at)'
    " values (:topic, :partition, :offset, :key, :case_id, :sealed, :reason, :behind, :now)"
    ' on conflict (topic, partition, "offset") do nothing returning id'
)
_PUBLISH = text("insert into outbox (topic, key, value) values (:topic, :key, :value)")
_LIST = text(
    'select id, topic, partition, "offset", key, case_id, reason, behind, parked_at, status, sealed from parked'
    " where case when cast(:id as bigint) is null then status = 'waiting' else id = :id end"
    " and (cast(:key as text) is null or key = :key) order by id"
)
_QUEUE = text("select count(*), min(parked_at) from parked where status = 'waiting'")
_CLOSE = text(
    "update parked set status = :status, closed_by = :by, closed_reason = :reason"
    " where id = :id and status = 'waiting' returning id"
)
