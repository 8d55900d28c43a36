"""What one more first contact costs a tenant's counter, when so many came before it on that day."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

import msgspec
from doorstep.events.escalation.permits import ContactPermitted
from doorstep.kernel.decider import StreamId
from escalation.domain.assessment.decision_context import DecisionContexts, TenantCounter
from escalation.domain.policy import Policies

from tests.support.escalation import overdue, told, woken

DAY = datetime(2026, 3, 2, tzinfo=UTC)
TIMED = 200
NAME = "tenant/acme"


def measured(sizes: tuple[int, ...] = (10_000, 100_000)) -> dict[int, float]:
    """Microseconds a first contact, by how many came before it on that day; the median of 200."""
    contexts = DecisionContexts(Policies())
    stream = StreamId("case", "case-1", "case-1", "acme")
    first = _permitted()
    found: dict[int, float] = {}
    for size in sizes:
        counter: object = TenantCounter()
        for event in _through_a_day(first, size):
            counter = contexts.count(NAME, counter, stream, event)
        value, taken = msgspec.json.encode(counter), []
        for event in _through_a_day(first, TIMED):
            began = time.perf_counter()
            read = msgspec.json.decode(value, type=TenantCounter)
            msgspec.json.encode(contexts.count(NAME, read, stream, event))
            taken.append(time.perf_counter() - began)
        found[size] = median(taken) * 1e6
    return found


def _permitted() -> ContactPermitted:
    event = woken(told(overdue(1), now=DAY)).events[-1]
    assert isinstance(event, ContactPermitted)
    return event


def _through_a_day(first: ContactPermitted, number: int) -> Iterator[ContactPermitted]:
    for nth in range(number):
        moment = DAY + nth * timedelta(days=1) / number
        inputs = msgspec.structs.replace(first.decision.inputs, local_time=moment)
        decision = msgspec.structs.replace(first.decision, inputs=inputs)
        yield msgspec.structs.replace(first, permit_id=f"p{nth}", decision=decision)
