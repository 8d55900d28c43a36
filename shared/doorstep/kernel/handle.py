"""Handling messages: a batch in one transaction; one by one when the batch fails.

inbox, events, states, outbox, effects and parked messages commit together, and only then the offset. So a crash
anywhere means that messages come again and find themselves in the inbox. A message that fails is tried a few times,
then parked; it costs only itself.

So does one that kills its process. A message that is tried alone is held, durably, by its process; one that never let
go has died of it. But processes die of other things too, and a storm of kills convicts nobody: a death with nothing in
hand takes one off every count, and before a message with deaths is tried again, the process must have lived without it
for PROVING seconds for each of them.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events import registry
from doorstep.events.envelope import UNREADABLE, Envelope, decode
from doorstep.events.registry import Event, UnknownEvent, decode_event
from doorstep.infra import failpoints
from doorstep.infra.database import unreachable
from doorstep.infra.telemetry import Telemetry, about, log, trace_id, where
from doorstep.infra.vault import Erased, Tampered
from doorstep.kernel import parking, sending_controls
from doorstep.kernel.decider import Routed, StreamId
from doorstep.kernel.parking import Parked
from doorstep.kernel.service import Committed, Runtime, Service, Translated, Unreadable
from doorstep.kernel.store import Conflict, Store, Work

_NAMES = ("id", "subject", "tenant", "partitionkey")
"""What of an envelope becomes a name in PostgreSQL."""
PROVING = 1.0
"""Seconds for each death of a message that a process must live before it tries that message again."""
UNKNOWN_NAMED = 100
"""So many unknown types are logged, each once."""
CONFLICTS = 5
"""Lost races for a new stream before giving up; each loser then finds the winner's rows and locks them."""


GAP = "an earlier event of its stream has not come; see the runbook, A gap, before you replay it"
"""Why a message is parked before which another is missing."""


class StillUnreadable(Exception):
    """A replayed message cannot be read yet; the reason quotes nothing of it."""


class _Message(msgspec.Struct, frozen=True):
    """A record with what it means to us."""

    record: Record
    meaning: Translated | Unreadable
    heard: tuple[Envelope, Event] | None = None
    envelope: Envelope | None = None
    passed: bool = False
    """Over: it was not read, and is known by its envelope alone."""

    @property
    def identity(self) -> str | None:
        """Its id, where it has our envelope."""
        return None if self.envelope is None else self.envelope.id

    @property
    def key(self) -> str:
        """What it waits under if it must."""
        return parking.name_of(self.record.key if self.meaning.key is None else self.meaning.key)

    @property
    def case_id(self) -> str | None:
        """The case it belongs to, where that can be told and stored."""
        case_id = self.meaning.case_id
        return case_id if case_id is not None and parking.storable(case_id) else None


class Handler:
    """Takes a service's messages to the end. One per process and service; safe to call from several tasks."""

    def __init__(
        self,
        service: Service[Any, Any],
        runtime: Runtime,
        store: Store,
        telemetry: Telemetry,
        *,
        instance: str,
        careful: bool,
    ) -> None:
        self._instance = instance
        self._service = service
        self._runtime = runtime
        self._store = store
        self._telemetry = telemetry
        self.careful = careful
        """The process before this one died; the first batch of each partition is handled one by one."""
        self._seen: set[Partition] = set()
        self._reads = {one.event_type for one in (*service.reacts_to, *sending_controls.NOTED)}
        self._unknown: set[str] = set()
        self._passed = f"{service.name}/passed"

    async def handle(self, records: Sequence[Record]) -> None:
        """Take records of one topic, each partition's in order. Returns when each is handled or parked; raises
        only when PostgreSQL is at fault, and then the same records are to be given again."""
        partitions = {record.partition for record in records}
        # The last process died: perhaps of one of these. Alone, and held while it is tried, it shows.
        careful = self.careful and not partitions <= self._seen
        self._seen |= partitions
        if not careful:
            try:
                await self._transact(records)
                return
            except Exception as error:
                if unreachable(error):
                    raise
                self._telemetry.failures.inc()
                log.warning("batch failed; handling one by one", messages=len(records), error=where(error))
        for record in records:
            with about(**_whose(record)):
                await self._alone(record)

    async def replay(self, parked: Parked, by: str, reason: str | None) -> None:
        """Handle a parked message after all, as if it had come now, or publish it if it is our own; nothing when
        somebody was quicker. Raises StillUnreadable, or whatever handling it raises."""
        if parked.outgoing:
            await self._publish_again(parked, by, reason)
            return
        record = parked.record._replace(value=await parking.opened(self._runtime.vault, parked))
        messages = await self._read([record])
        for message in messages:
            if isinstance(message.meaning, Unreadable):
                raise StillUnreadable(message.meaning.reason)
        async with self._runtime.engine.begin() as connection:
            if await parking.close(connection, parked, "replayed", by, reason):
                await self._take(connection, messages)
                await self._release(connection, parked, "replayed", by, reason)

    async def set_aside(self, position: int, message: Outgoing, reason: str) -> None:
        """Take a message of ours that no bus will take out of the outbox, where it stands at `position`, and park it:
        its case rests until a person has seen to it."""
        record = Record(Partition(message.topic, parking.OUTBOX), position, message.key, message.value)
        unsendable = Unreadable(f"cannot be published: {reason}", message.key, parking.outgoing_name(message.key))
        async with self._runtime.engine.begin() as connection:
            if (await connection.execute(_TAKE_OUT, {"position": position})).first() is not None:
                one = _Message(record, unsendable)
                await self._park_in(connection, one, one.key, unsendable.reason, None)

    async def _publish_again(self, parked: Parked, by: str, reason: str | None) -> None:
        async with self._runtime.engine.begin() as connection:
            if await parking.close(connection, parked, "replayed", by, reason):
                await parking.publish_again(connection, self._runtime.vault, parked)
                await self._release(connection, parked, "replayed", by, reason)

    async def discard(self, parked: Parked, by: str, reason: str) -> None:
        """A person says that this message shall never be handled; nothing when somebody was quicker."""
        identity = await self._identity(parked)
        async with self._runtime.engine.begin() as connection:
            if await parking.close(connection, parked, "discarded", by, reason):
                # It is dealt with: what comes after it misses nothing, and it is not parked again.
                await connection.execute(_INBOX, {"consumer": self._service.name, "ids": identity})
                discard = parking.Discard(parked.id, by, reason)
                await self._tell(connection, parking.stream(parked.key, parked.case_id), discard)
                await self._release(connection, parked, "discarded", by, reason)

    async def _identity(self, parked: Parked) -> Sequence[str]:
        try:
            return [decode(await parking.opened(self._runtime.vault, parked)).id]
        except (Erased, Tampered, msgspec.DecodeError, UnicodeDecodeError):
            return []

    async def _alone(self, record: Record) -> None:
        attempts = self._runtime.settings.attempts
        deaths = await self._deaths(record)
        if deaths >= attempts:
            return await self._park(record, f"the process died {deaths} times while handling it")
        await asyncio.sleep(deaths * PROVING)
        for attempt in range(1, attempts + 1):
            await self._hold(record)
            try:
                return await self._transact([record], held=True)
            except Exception as error:
                if unreachable(error):
                    raise
                self._telemetry.failures.inc()
                log.warning("message failed", topic=record.partition.topic, offset=record.offset, error=where(error))
                if attempt == attempts:
                    return await self._park(record, f"failed {attempts} times: {where(error)}")
                await self._deaths(record)
                await asyncio.sleep(0.05 * 2**attempt)
        return None

    async def _transact(self, records: Sequence[Record], *, held: bool = False) -> None:
        for _ in range(CONFLICTS):
            try:
                return await self._once(records, held=held)
            except Conflict:
                continue
        raise Conflict(f"other writers were first, {CONFLICTS} times")

    async def _once(self, records: Sequence[Record], *, held: bool) -> None:
        messages = await self._read(records)
        failpoints.hit("handle.before-transaction")
        async with self._runtime.engine.begin() as connection:
            if self._service.absorb is not None:
                await self._service.absorb(connection, records, self._runtime.clock)
            else:
                await self._take_or_park(connection, messages)
            if held:
                await self._forget(connection, records[0])
            failpoints.hit("handle.before-commit")
        failpoints.hit("handle.after-commit")
        self._telemetry.handled.inc(len(records))

    async def _read(self, records: Sequence[Record]) -> Sequence[_Message]:
        if self._service.absorb is not None:
            return ()
        translate = self._service.translators.get(records[0].partition.topic)
        if translate is None:
            return [message for message in map(self._understand, records) if message is not None]
        meanings = await translate(self._runtime, records)
        return [_Message(record, meaning) for record, meaning in zip(records, meanings, strict=True)]

    def _understand(self, record: Record) -> _Message | None:
        try:
            envelope = decode(record.value)
            known = envelope.type in registry.known()
            if envelope.type not in self._reads and (known or not envelope.critical):
                return self._pass_over(record, envelope, known)
            event = decode_event(envelope)
        except (*UNREADABLE, UnknownEvent) as error:
            return _Message(record, Unreadable(f"cannot read it: {error}", case_id=record.key or None))
        if unfit := [name for name in _NAMES if not parking.storable(getattr(envelope, name))]:
            why = f"its {', '.join(unfit)} cannot be stored: want at most {parking.LONGEST_NAME} bytes and no NUL"
            return _Message(record, Unreadable(why, case_id=record.key or None))
        return _Message(record, self._translated(envelope, event), (envelope, event), envelope)

    def _pass_over(self, record: Record, envelope: Envelope, known: bool) -> _Message | None:
        event_type = envelope.type
        self._telemetry.passed_over.inc()
        if not known and event_type not in self._unknown and len(self._unknown) < UNKNOWN_NAMED:
            self._unknown.add(event_type)
            log.warning("a type that this release does not know is passed over", type=parking.clean(event_type, 200))
        if not all(parking.storable(getattr(envelope, name)) for name in _NAMES):
            return None
        nothing = Translated(envelope.id, envelope.subject, envelope.correlationid, routed=())
        return _Message(record, nothing, envelope=envelope, passed=True)

    def _translated(self, envelope: Envelope, event: Event) -> Translated:
        return Translated(
            message_id=envelope.id,
            case_id=envelope.subject,
            correlation_id=envelope.correlationid,
            routed=tuple(self._service.react(envelope, event)),
            traceparent=envelope.traceparent,
        )

    async def _take_or_park(self, connection: AsyncConnection, messages: Sequence[_Message]) -> None:
        if not messages:
            return
        keys = {key for message in messages for key in (message.key, parking.name_of(message.record.key))}
        waiting = await parking.waiting(connection, sorted(keys))
        gaps = await self._gaps(connection, messages)
        readable: list[_Message] = []
        for message in messages:
            key = message.key
            if key not in waiting and _waits_under_its_old_key(message, waiting):
                key = parking.name_of(message.record.key)
            if message.passed and message.identity not in gaps:
                readable.append(message)
            elif key in waiting:
                first = waiting[key].id
                await self._park_in(connection, message, key, f"waits behind parked message {first}", first)
            elif isinstance(message.meaning, Unreadable):
                parked = await self._park_in(connection, message, key, message.meaning.reason, None)
                if parked is not None:
                    waiting[key] = parking.First(parked, message.case_id)
            elif message.identity in gaps:
                self._telemetry.gaps.inc()
                parked = await self._park_in(connection, message, key, GAP, None)
                if parked is not None:
                    waiting[key] = parking.First(parked, message.case_id)
            else:
                readable.append(message)
        await self._take(connection, readable)

    async def _gaps(self, connection: AsyncConnection, messages: Sequence[_Message]) -> Collection[str]:
        """The ids of those before which another of their stream is missing. One that comes again is not among them."""
        envelopes = [message.envelope for message in messages if message.envelope is not None]
        wanted = {one for envelope in envelopes for one in (envelope.id, envelope.previousid) if one}
        rows = await connection.execute(
            _KNOWN, {"consumers": [self._service.name, self._passed], "ids": sorted(filter(parking.storable, wanted))}
        )
        known = set(rows.scalars())
        gaps = set()
        for envelope in envelopes:
            if envelope.id not in known and envelope.previousid is not None and envelope.previousid not in known:
                gaps.add(envelope.id)
            # What comes after it in this batch waits behind it, and misses nothing else.
            known.add(envelope.id)
        return gaps

    async def _take(self, connection: AsyncConnection, messages: Sequence[_Message]) -> None:
        # Apart from what was handled: a later release may react to it, and reads it again.
        passed = [message.identity for message in messages if message.passed]
        if passed:
            await connection.execute(_INBOX, {"consumer": self._passed, "ids": passed})
        messages = [message for message in messages if not message.passed]
        translated = [(message, message.meaning) for message in messages if isinstance(message.meaning, Translated)]
        if not translated:
            return
        rows = await connection.execute(
            _INBOX, {"consumer": self._service.name, "ids": [meaning.message_id for _, meaning in translated]}
        )
        fresh = set(rows.scalars())
        self._telemetry.duplicates.inc(len(translated) - len(fresh))
        work, heard = [], []
        for message, meaning in translated:
            # The same message twice in one batch: the second one is no longer fresh.
            if meaning.message_id in fresh:
                fresh.discard(meaning.message_id)
                work += [_work(routed, meaning) for routed in meaning.routed]
                heard += [message.heard] if message.heard else []
        failpoints.hit("handle.after-inbox")
        if await sending_controls.note(connection, heard):
            self._store.changes += 1
        await self._apply(connection, work)

    async def _apply(self, connection: AsyncConnection, work: Sequence[Work]) -> Sequence[Committed]:
        return await self._store.apply(connection, work, self._runtime.clock.now())

    async def _park_in(
        self, connection: AsyncConnection, message: _Message, key: str, reason: str, behind: int | None
    ) -> int | None:
        reason, case_id = parking.clean(reason, parking.LONGEST_REASON), message.case_id
        now = self._runtime.clock.now()
        vault = self._runtime.vault
        parked_id = await parking.park(connection, vault, message.record, key, reason, case_id, now, behind)
        if parked_id is None:
            return None
        self._telemetry.parked.inc()
        log.error(
            "message parked",
            id=parked_id,
            topic=message.record.partition.topic,
            reason=reason,
            case_id=case_id,
        )
        if behind is None:
            command = parking.Park(parked_id, key, message.record, reason, case_id)
            await self._tell(connection, parking.stream(key, case_id), command)
        return parked_id

    async def _release(
        self, connection: AsyncConnection, parked: Parked, status: parking.Fate, by: str, reason: str | None
    ) -> None:
        if not await parking.waiting(connection, [parked.key]):
            release = parking.Release(status, by, reason)
            await self._tell(connection, parking.stream(parked.key, parked.case_id), release)

    async def _tell(self, connection: AsyncConnection, stream: StreamId, command: parking.Command) -> None:
        # A service does not hear its own topic; what it parks itself it reacts to here.
        for one in await self._apply(connection, [Work(Routed(stream, command), cause=None)]):
            try:
                async with connection.begin_nested():
                    reactions = self._service.react(one.envelope, one.event)
                    cause, correlation_id = one.envelope.id, one.envelope.correlationid
                    await self._apply(connection, [Work(routed, cause, correlation_id) for routed in reactions])
            except Exception as error:
                if unreachable(error) or isinstance(error, Conflict):
                    raise
                # A case that fails on everything must not keep what fails from being parked. Here it rests all the
                # same, by the parked message.
                log.error("a case cannot be told of parking", case_id=stream.key, error=where(error))

    async def _deaths(self, record: Record) -> int:
        # Nobody holds it from here on: what dies now dies of something else.
        async with self._runtime.engine.begin() as connection:
            counted = await connection.execute(_DEATHS, {**_place(record), "instance": self._instance})
        return int(counted.scalar_one_or_none() or 0)

    async def _hold(self, record: Record) -> None:
        async with self._runtime.engine.begin() as connection:
            await connection.execute(_HOLD, {**_place(record), "instance": self._instance})

    async def _forget(self, connection: AsyncConnection, record: Record) -> None:
        # In the transaction that ends the message: one that comes again after it starts from none.
        await connection.execute(_FORGET, _place(record))

    async def _park(self, record: Record, reason: str) -> None:
        (message,) = await self._read_or_raw(record)
        async with self._runtime.engine.begin() as connection:
            await self._park_in(connection, message, message.key, reason, None)
            await self._forget(connection, record)

    async def _read_or_raw(self, record: Record) -> Sequence[_Message]:
        try:
            messages = await self._read([record])
        except Exception as error:
            if unreachable(error):
                raise
            messages = ()
        # An absorbing service, or a translator that fails itself: the key is all we know.
        return messages or [_Message(record, Unreadable("", case_id=record.key or None))]


def _work(routed: Routed, meaning: Translated) -> Work:
    return Work(routed, meaning.message_id, meaning.correlation_id, meaning.traceparent)


def _whose(record: Record) -> dict[str, str | None]:
    try:
        envelope = decode(record.value)
    except UNREADABLE:
        return {}
    return {"case_id": envelope.subject, "trace_id": trace_id(envelope.traceparent)}


def _waits_under_its_old_key(message: _Message, waiting: Mapping[str, parking.First]) -> bool:
    # An older release parked what came under a key of several tenants under that key.
    first = waiting.get(parking.name_of(message.record.key))
    return first is not None and first.case_id is not None and first.case_id == message.case_id


def _place(record: Record) -> dict[str, str | int]:
    return {"topic": record.partition.topic, "partition": record.partition.number, "offset": record.offset}


async def charge(connection: AsyncConnection, dead: Sequence[str]) -> None:
    """Of `dead`, processes that did not say goodbye, each counts against the message that it held. One that held none
    takes a death off every message's count: something else kills here."""
    for statement in (_ACQUIT, _CHARGE):
        await connection.execute(statement, {"dead": list(dead)})


async def let_go(connection: AsyncConnection, instance: str) -> None:
    """The process `instance` ends in order: what it had in hand did not kill it."""
    await connection.execute(_LET_GO, {"instance": instance})


async def execute(
    store: Store, runtime: Runtime, consumer: str, routed: Sequence[Routed], request_id: str | None
) -> Sequence[Committed]:
    """A person's or provider's commands, in one transaction; nothing when `request_id` was seen before.
    Raises Refused."""
    for _ in range(CONFLICTS):
        try:
            async with runtime.engine.begin() as connection:
                if request_id is not None:
                    rows = await connection.execute(_INBOX, {"consumer": f"{consumer}/http", "ids": [request_id]})
                    if not rows.scalars().all():
                        return ()
                work = [Work(one, cause=request_id, correlation_id=None) for one in routed]
                return await store.apply(connection, work, runtime.clock.now())
        except Conflict:
            continue
    raise Conflict(f"other writers were first, {CONFLICTS} times; try again")


_KNOWN = text(
    "select message_id from inbox"
    " where consumer = any(cast(:consumers as text[])) and message_id = any(cast(:ids as text[]))"
)
_INBOX = text(
    "insert into inbox (consumer, message_id) select :consumer, m from unnest(cast(:ids as text[])) as n(m)"
    " on conflict do nothing returning message_id"
)
_TAKE_OUT = text("delete from outbox where position = :position returning position")
_ACQUIT = text(
    "update attempts set deaths = greatest(0, deaths - (select count(*) from unnest(cast(:dead as text[])) as dead(one)"
    " where not exists (select from attempts held where held.holder = dead.one)))"
)
_CHARGE = text("update attempts set deaths = deaths + 1, holder = null where holder = any(cast(:dead as text[]))")
_LET_GO = text("update attempts set holder = null where holder = :instance")
_DEATHS = text(
    "update attempts set deaths = deaths + (holder is not null and holder <> :instance)::int, holder = null"
    ' where topic = :topic and partition = :partition and "offset" = :offset returning deaths'
)
_HOLD = text(
    'insert into attempts (topic, partition, "offset", holder) values (:topic, :partition, :offset, :instance)'
    ' on conflict (topic, partition, "offset") do update set holder = excluded.holder'
)
_FORGET = text('delete from attempts where topic = :topic and partition = :partition and "offset" = :offset')
