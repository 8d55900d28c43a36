"""Counters across streams, such as of the contacts to one telephone number that two borrowers share.

A counter's row is locked from the reading to the commit; one that does not exist yet is made first, so that there is
always a row to lock. Streams are locked before counters, everywhere. A counter can always be folded again from the
events of all streams, and is whenever the code that folds it has changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from doorstep.events.envelope import decode
from doorstep.events.registry import Event, decode_event
from doorstep.kernel.decider import StreamId
from doorstep.kernel.folds import fold_id
from doorstep.kernel.service import ContextSource

_MARK = ""
"""The row that says which code has folded all others."""


class Counted:
    """The counters of one transaction: those it read, as they change, and what is still to be counted in others."""

    def __init__(self, sources: Mapping[str, ContextSource]) -> None:
        self._sources = sources
        self._held: dict[str, object] = {}
        self._changed: set[str] = set()
        self._waiting: dict[str, list[tuple[StreamId, Event]]] = defaultdict(list)

    def with_context(self, stream: StreamId, state: object, command: object) -> object:
        """The command with what it is decided with."""
        source = self._sources.get(stream.category)
        return command if source is None else source.with_context(stream, state, command, self._held)

    def count(self, stream: StreamId, events: Iterable[Event]) -> None:
        """Take note of `events`: the next command of this transaction sees them."""
        source = self._sources.get(stream.category)
        if source is None:
            return
        for event in events:
            for name in source.counts(stream, event):
                if name in self._held:
                    self._held[name] = source.count(name, self._held[name], stream, event)
                    self._changed.add(name)
                else:
                    self._waiting[name].append((stream, event))

    async def lock(self, connection: AsyncConnection, wanted: Mapping[str, ContextSource]) -> None:
        """Read and lock the counters of these names; an unknown one begins as its source says."""
        if not wanted:
            return
        names = sorted(wanted)
        await connection.execute(_MAKE, {"names": names})
        for row in await connection.execute(_LOCK, {"names": names}):
            source = wanted[row.name]
            fresh = not row.state
            self._held[row.name] = source.initial if fresh else msgspec.json.decode(row.state, type=source.counter_type)

    async def write(self, connection: AsyncConnection) -> None:
        """Write what has changed, in the transaction of the events."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        by_name = {name: self._sources[events[0][0].category] for name, events in waiting.items()}
        await self.lock(connection, by_name)
        for name, events in waiting.items():
            for stream, event in events:
                self._held[name] = by_name[name].count(name, self._held[name], stream, event)
            self._changed.add(name)
        if self._changed:
            names = sorted(self._changed)
            states = [msgspec.json.encode(self._held[name]) for name in names]
            await connection.execute(_WRITE, {"names": names, "states": states})


class Counters:
    """Those of a service, by the category of the streams whose decisions they are for."""

    def __init__(self, sources: Mapping[str, ContextSource]) -> None:
        self._sources = sources

    async def load(self, connection: AsyncConnection, work: Sequence[tuple[StreamId, object, object]]) -> Counted:
        """The counters that deciding on these (stream, state, command) wants, locked in the order of their names."""
        counted = Counted(self._sources)
        wanted = {
            name: source
            for stream, state, command in work
            if (source := self._sources.get(stream.category)) is not None
            for name in source.reads(stream, state, command)
        }
        await counted.lock(connection, wanted)
        return counted

    async def refresh(self, engine: AsyncEngine) -> None:
        """Fold every counter again from all events, if the code has changed since it was folded."""
        if not self._sources:
            return
        async with engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(hashtext('doorstep tallies'))"))
            known = (await connection.execute(_READ, {"name": _MARK})).scalar_one_or_none()
            if known is not None and bytes(known) == self.fold_id.encode():
                return
            await connection.execute(text("delete from tally"))
            folded = await self._fold(connection)
            names = sorted(folded)
            states = [msgspec.json.encode(folded[name]) for name in names]
            await connection.execute(_INSERT, {"names": [*names, _MARK], "states": [*states, self.fold_id.encode()]})

    @cached_property
    def fold_id(self) -> str:
        """Changes whenever a module that folds counters reaches does, or the shape of a counter."""
        sources = {type(source).__module__: source.counter_type for source in self._sources.values()}
        return fold_id(sources, *(sources[module] for module in sorted(sources)))

    async def _fold(self, connection: AsyncConnection) -> dict[str, object]:
        folded: dict[str, object] = {}
        rows = await connection.stream(_EVENTS, {"categories": sorted(self._sources)})
        async for row in rows:
            source = self._sources[row.category]
            event = decode_event(decode(row.value))
            stream = StreamId(row.category, row.id, row.key, row.tenant)
            for name in source.counts(stream, event):
                folded[name] = source.count(name, folded.get(name, source.initial), stream, event)
        return folded


_MAKE = text(
    "insert into tally (name, state) select n, '' from unnest(cast(:names as text[])) as fresh(n) order by n"
    " on conflict do nothing"
)
_LOCK = text("select name, state from tally where name = any(cast(:names as text[])) order by name for update")
_WRITE = text(
    "update tally set state = fresh.state"
    " from unnest(cast(:names as text[]), cast(:states as bytea[])) as fresh(name, state) where tally.name = fresh.name"
)
_INSERT = text("insert into tally (name, state) select * from unnest(cast(:names as text[]), cast(:states as bytea[]))")
_READ = text("select state from tally where name = :name")
_EVENTS = text(
    "select s.category, s.id, s.key, s.tenant, e.value from events e join streams s using (stream)"
    " where s.category = any(cast(:categories as text[])) order by e.stream, e.version"
)
