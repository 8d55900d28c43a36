"""For tests and benchmarks: a history as the store would have recorded it, made in memory by the same functions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from doorstep.events.envelope import Envelope, encode, event_id
from doorstep.events.escalation.permits import ContactPermitted
from doorstep.events.registry import Event, happened_at
from doorstep.kernel.decider import SYSTEM, StreamId, Wake

from escalation.backtest.recorded import RecordedEvent
from escalation.domain.assessment.decision_context import CounterState, DecisionContexts
from escalation.domain.case.case import Case, Command, evolve
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.decider import decide, wake_at
from escalation.domain.policy import Policies


class InMemoryStore:
    """Cases of one tenant under `policies`, and everything that was recorded of them."""

    def __init__(self, policies: Policies, tenant: str = "acme") -> None:
        self.tenant = tenant
        self.states: dict[str, Case] = {}
        self._contexts = DecisionContexts(policies)
        self._counters: dict[str, CounterState] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._streams: dict[StreamId, list[bytes]] = {}
        self._types: dict[StreamId, list[str]] = {}

    def tell(self, case_id: str, command: Command, now: datetime) -> Sequence[Event]:
        """What a case concludes from a command."""
        stream, state = self._stream("case", case_id), self.states.get(case_id, Case())
        events = decide(state, self._contexts.with_context(stream, state, command, self._counters), now)
        self._now = max(self._now, now)
        for event in events:
            state = evolve(state, event)
            self._record(stream, event, now)
        self.states[case_id] = state
        return events

    def control(self, event: Event, now: datetime) -> None:
        """Something about the tenant itself."""
        self._record(self._stream("tenant", self.tenant), event, now)

    def pass_time(self, until: datetime, *, late: timedelta = timedelta(), sent: bool = True) -> None:
        """Every timer up to `until`, earliest first, each so `late`; contacts count as `sent` after the assessments of
        their instant. Timers rest while a message is parked."""
        while due := self._due(until):
            now = max(min(due)[0] + late, self._now)
            permitted = [
                (name, event)
                for at, name in sorted(due)
                if at <= now - late
                for event in self.tell(name, Wake(at), now)
                if isinstance(event, ContactPermitted)
            ]
            for name, event in permitted if sent else ():
                self.tell(name, RecordContactOutcome(event.permit_id, "sent", now), now)

    def _due(self, until: datetime) -> list[tuple[datetime, str]]:
        awake = {name: wake_at(case) for name, case in self.states.items() if not case.holds.suspended}
        return [(at, name) for name, at in awake.items() if at is not None and at <= until]

    def rows(self) -> list[RecordedEvent]:
        """The record, stream by stream."""
        return [
            RecordedEvent(stream.category, stream.tenant, stream.id, kind, value)
            for stream in sorted(self._streams, key=str)
            for kind, value in zip(self._types[stream], self._streams[stream], strict=True)
        ]

    def _stream(self, category: str, name: str) -> StreamId:
        return StreamId(category, name, name, self.tenant)

    def _record(self, stream: StreamId, event: Event, now: datetime) -> None:
        for name in self._contexts.counts(stream, event):
            self._counters[name] = self._contexts.count(name, self._counters.get(name), stream, event)
        values = self._streams.setdefault(stream, [])
        self._types.setdefault(stream, []).append(event.event_type)
        envelope = Envelope(
            id=event_id("recording", str(stream), len(values) + 1),
            source="/doorstep/escalation",
            type=event.event_type,
            subject=stream.key,
            time=happened_at(event, now),
            recordedat=now.astimezone(UTC),
            tenant=stream.tenant,
            stream=str(stream),
            streamversion=len(values) + 1,
            partitionkey=stream.key,
            correlationid=str(stream),
            schemaversion=event.schema_version,
            data=msgspec.Raw(msgspec.json.encode(event)),
            actor=SYSTEM,
        )
        values.append(encode(envelope))
