"""The event store: load the streams a batch needs, decide, write. A few statements, however large the batch.

Two invariants hold. The events of a stream are numbered 1..n without a gap: the primary key (stream,
version) refuses a second writer, who then starts again. A stream's row is locked from the load to the
commit, so the outbox positions of one stream grow in the order of its versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.events.envelope import Envelope, decode, encode, event_id
from doorstep.events.registry import Event, decode_event, happened_at
from doorstep.infra import database, failpoints
from doorstep.infra.telemetry import Telemetry, log
from doorstep.kernel import sending_controls
from doorstep.kernel.counters import Counters
from doorstep.kernel.decider import NO_TENANT, Decider, Routed, StreamId
from doorstep.kernel.service import Committed, Effect, Service


class Conflict(Exception):
    """Another writer was first; start the transaction again."""


class Work(msgspec.Struct, frozen=True):
    """A routed command with what caused it: the message or request id, and the correlation and trace to
    go on with. `waited`: time passed since the cause (a timer, an effect)."""

    routed: Routed
    cause: str | None
    correlation_id: str | None = None
    traceparent: str | None = None
    waited: bool = False


@dataclass
class _Stream:
    id: StreamId
    name: str
    decider: Decider
    version: int
    state: object
    correlation_id: str | None = None
    traceparent: str | None = None
    said: dict[str, str] = field(default_factory=dict)
    """The id of the last event by topic and key."""
    fresh: list[Committed] = field(default_factory=list)


class Store:
    """A service's event store, inside a transaction the caller holds."""

    def __init__(
        self,
        service: Service[Any, Any],
        deciders: Mapping[str, Decider],
        telemetry: Telemetry,
        counters: Counters,
    ) -> None:
        self._service = service
        self._deciders = deciders
        self._counters = counters
        self._telemetry = telemetry
        self.changes = 0
        """Grows whenever something was written that a loop may have to look at."""

    async def apply(self, connection: AsyncConnection, work: Sequence[Work], now: datetime) -> Sequence[Committed]:
        """Decide each command in order on its stream's latest state, and write what came of it.

        Raises Conflict, and whatever a decider raises (Refused among it); then roll back."""
        if not work:
            return ()
        epoch, streams = await self._lock(connection, [one.routed.stream for one in work])
        wanted = [(one.routed.stream, streams[str(one.routed.stream)].state, one.routed.command) for one in work]
        counted = await self._counters.load(connection, wanted)
        for one in work:
            stream = streams[str(one.routed.stream)]
            before = len(stream.fresh)
            self._decide(stream, counted.with_context(stream.id, stream.state, one.routed.command), one, now, epoch)
            counted.count(stream.id, [fresh.event for fresh in stream.fresh[before:]])
        await counted.write(connection)
        changed = [stream for stream in streams.values() if stream.fresh]
        if changed:
            await self._write(connection, changed, now)
        return [committed for stream in changed for committed in stream.fresh]

    async def state(self, connection: AsyncConnection, ids: Sequence[StreamId]) -> dict[str, Any]:
        """The present states by stream name, unlocked."""
        wanted = {str(one): one for one in ids}
        found = await connection.execute(_READ, {"streams": sorted(wanted)})
        streams = await self._streams(connection, wanted, found.all())
        return {name: stream.state for name, stream in streams.items()}

    async def _lock(self, connection: AsyncConnection, ids: Sequence[StreamId]) -> tuple[str, dict[str, _Stream]]:
        """The store's epoch, as of this transaction, and the streams."""
        wanted = {str(one): one for one in ids}
        # Locked in the order of their names, so that two batches cannot wait for each other.
        rows = (await connection.execute(_LOCKED, {"streams": sorted(wanted)})).all()
        epoch = rows[0].epoch
        # Numbers that were given and lost are given again; their ids must not be.
        if rows[0].history != rows[0].present:
            epoch = await database.renew_epoch(connection)
            log.warning("the database goes on from another history: a new epoch begins", service=self._service.name)
        # Services may share an epoch, and each has streams that tell of parking.
        found = [row for row in rows if row.stream is not None]
        return f"{epoch}/{self._service.name}", await self._streams(connection, wanted, found)

    async def _streams(
        self, connection: AsyncConnection, wanted: Mapping[str, StreamId], found: Sequence[Row[Any]]
    ) -> dict[str, _Stream]:
        streams = {}
        for row in found:
            decider = self._deciders[wanted[row.stream].category]
            if row.fold == decider.fold_id:
                state = decider.load(row.state)
            else:
                state = await self._refold(connection, row.stream, decider)
            # Whoever only knows the key of a case may not know its tenant; the stream does.
            known = wanted[row.stream]
            if row.tenant not in (known.tenant, NO_TENANT):
                known = msgspec.structs.replace(known, tenant=row.tenant)
            streams[row.stream] = _Stream(
                known, row.stream, decider, row.version, state, row.correlation_id, row.traceparent, dict(row.said)
            )
        for name, stream_id in wanted.items():
            if name not in streams:
                decider = self._deciders[stream_id.category]
                streams[name] = _Stream(stream_id, name, decider, 0, decider.initial)
        return streams

    async def _refold(self, connection: AsyncConnection, stream: str, decider: Decider) -> object:
        rows = await connection.execute(_HISTORY, {"stream": stream})
        return decider.fold([decode_event(decode(row.value)) for row in rows])

    def _decide(self, stream: _Stream, command: object, work: Work, now: datetime, epoch: str) -> None:
        with self._telemetry.span(
            f"{stream.id.category} {type(work.routed.command).__name__}",
            work.traceparent or stream.traceparent,
            waited=work.waited,
            case=stream.id.key,
            stream=stream.name,
        ) as traceparent:
            for event in stream.decider.decide(stream.state, command, now):
                stream.state = stream.decider.evolve(stream.state, event)
                stream.version += 1
                stream.correlation_id = work.correlation_id or stream.correlation_id or work.cause or stream.name
                stream.traceparent = traceparent
                stream.fresh.append(self._committed(stream, event, work, now, epoch))

    def _committed(self, stream: _Stream, event: Event, work: Work, now: datetime, epoch: str) -> Committed:
        place = f"{event.topic or self._service.topic} {stream.id.key}"
        previous, identity = stream.said.get(place), event_id(epoch, stream.name, stream.version)
        stream.said[place] = identity
        envelope = Envelope(
            id=identity,
            source=f"/doorstep/{self._service.name}",
            type=event.event_type,
            subject=stream.id.key,
            time=happened_at(event, now),
            recordedat=now,
            tenant=stream.id.tenant,
            stream=stream.name,
            streamversion=stream.version,
            partitionkey=stream.id.key,
            correlationid=stream.correlation_id or stream.name,
            schemaversion=event.schema_version,
            data=msgspec.Raw(msgspec.json.encode(event)),
            actor=work.routed.actor,
            causationid=work.cause,
            traceparent=stream.traceparent,
            critical=event.critical,
            previousid=previous,
        )
        return Committed(stream.id, envelope, event, stream.state, encode(envelope))

    async def _write(self, connection: AsyncConnection, changed: Sequence[_Stream], now: datetime) -> None:
        committed = [one for stream in changed for one in stream.fresh]
        self.changes += 1
        try:
            await connection.execute(_APPEND, _columns(committed, self._service.topic))
        except IntegrityError as error:
            raise Conflict("another writer appended first") from error
        failpoints.hit("store.after-events")
        await connection.execute(_STATES, _states(changed))
        # The kernel has streams in every service; their states mean nothing to it.
        own = [one for one in committed if one.stream.category in self._service.deciders]
        effects = [(one, effect) for one in own for effect in self._effects(one)]
        if effects:
            await connection.execute(_EFFECTS, _effect_columns(effects, now))
        if own:
            await self._service.project(connection, own)
        await sending_controls.note(connection, [(one.envelope, one.event) for one in committed])
        self._telemetry.committed.inc(len(committed))
        failpoints.hit("store.after-write")

    def _effects(self, committed: Committed) -> Sequence[Effect]:
        return tuple(self._service.effects(committed.stream, committed.event, committed.state))


def _columns(committed: Sequence[Committed], topic: str) -> dict[str, Sequence[object]]:
    return {
        "stream": [one.envelope.stream for one in committed],
        "version": [one.envelope.streamversion for one in committed],
        "event_id": [one.envelope.id for one in committed],
        "type": [one.envelope.type for one in committed],
        "value": [one.value for one in committed],
        "topic": [one.event.topic or topic for one in committed],
        "key": [one.envelope.partitionkey for one in committed],
    }


def _states(changed: Sequence[_Stream]) -> dict[str, Sequence[object]]:
    return {
        "stream": [stream.name for stream in changed],
        "category": [stream.id.category for stream in changed],
        "id": [stream.id.id for stream in changed],
        "key": [stream.id.key for stream in changed],
        "tenant": [stream.id.tenant for stream in changed],
        "version": [stream.version for stream in changed],
        "fold": [stream.decider.fold_id for stream in changed],
        "state": [stream.decider.dump(stream.state) for stream in changed],
        "wake_at": [stream.decider.wake_at(stream.state) for stream in changed],
        "correlation_id": [stream.correlation_id for stream in changed],
        "traceparent": [stream.traceparent for stream in changed],
        "said": [msgspec.json.encode(stream.said).decode() for stream in changed],
    }


def _effect_columns(effects: Sequence[tuple[Committed, Effect]], now: datetime) -> dict[str, Sequence[object]]:
    return {
        "effect_key": [effect.key for _, effect in effects],
        "kind": [effect.kind for _, effect in effects],
        "stream": [one.envelope.stream for one, _ in effects],
        "key": [one.envelope.partitionkey for one, _ in effects],
        "due": [effect.due or now for _, effect in effects],
        "traceparent": [one.envelope.traceparent for one, _ in effects],
    }


_READ = text(
    "select stream, tenant, version, fold, state, correlation_id, traceparent, said"
    " from streams where stream = any(cast(:streams as text[]))"
)
_LOCKED = text(
    f"""with locked as materialized ({_READ.text} order by stream for update)
    select store.epoch, store.history, {database.HISTORY} as present, locked.*
    from store left join locked on true order by stream"""
)
_HISTORY = text("select value from events where stream = :stream order by version")
_APPEND = text(
    """with fresh as (
        select * from unnest(cast(:stream as text[]), cast(:version as int[]), cast(:event_id as text[]),
            cast(:type as text[]), cast(:value as bytea[]), cast(:topic as text[]), cast(:key as text[]))
            with ordinality as n(stream, version, event_id, type, value, topic, key, nth)),
    kept as (insert into events (stream, version, event_id, type, value)
        select stream, version, event_id, type, value from fresh)
    insert into outbox (topic, key, value) select topic, key, value from fresh order by nth"""
)
_STATES = text(
    """insert into streams (stream, category, id, key, tenant, version, fold, state, wake_at, correlation_id,
            traceparent, said)
        select * from unnest(cast(:stream as text[]), cast(:category as text[]), cast(:id as text[]),
            cast(:key as text[]), cast(:tenant as text[]), cast(:version as int[]), cast(:fold as text[]),
            cast(:state as bytea[]), cast(:wake_at as timestamptz[]), cast(:correlation_id as text[]),
            cast(:traceparent as text[]), cast(:said as jsonb[]))
    on conflict (stream) do update set tenant = excluded.tenant, version = excluded.version, fold = excluded.fold,
        state = excluded.state, wake_at = excluded.wake_at, correlation_id = excluded.correlation_id,
        traceparent = excluded.traceparent, said = excluded.said"""
)
_EFFECTS = text(
    """insert into effects (effect_key, kind, stream, key, due, traceparent)
        select * from unnest(cast(:effect_key as text[]), cast(:kind as text[]), cast(:stream as text[]),
            cast(:key as text[]), cast(:due as timestamptz[]), cast(:traceparent as text[]))
    on conflict (effect_key) do nothing"""
)
