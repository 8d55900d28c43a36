"""A timeline as of an instant is the one that was produced then, whatever has been absorbed since."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice

import msgspec
import pytest
import pytest_asyncio
from audit.main import service
from audit.presentation.present import ShownTimeline, present
from audit.store import react
from audit.store.entry import Entry
from audit.timeline.as_of import NotYet, timeline_as_of
from doorstep.events.escalation.cases import CaseAssessed, CaseReevaluated
from doorstep.events.escalation.holds import HoldPlaced
from doorstep.events.escalation.loans import LoanOverdueRecorded, PaymentRecorded, PaymentReversalRecorded
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.registry import Event
from doorstep.events.reminder import ContactScheduled
from doorstep.events.values import Money
from doorstep.infra import database
from doorstep.infra.access import EVERY_TENANT
from doorstep.infra.clock import Clock, SimulatedClock, SystemClock
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.audit import START, Story, decision, example, records

STEP = timedelta(microseconds=1)
CASES = ("asked", "other")


@pytest_asyncio.fixture
async def audit(postgres: database.EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """An empty audit."""
    engine = database.engine(postgres.url(await postgres.scratch(), owner="postgres"))
    await database.migrate(engine, database.KERNEL, service.migrations)
    yield engine
    await engine.dispose()


async def absorb(audit: AsyncEngine, entries: Sequence[Entry], clock: Clock, pause: float = 0) -> None:
    async with audit.begin() as connection:
        await react.absorb(connection, records(entries), clock)
        await asyncio.sleep(pause)


async def shown(
    audit: AsyncEngine, now: datetime, as_of: datetime | None = None, case_id: str = "asked"
) -> ShownTimeline:
    return present(await timeline_as_of(audit, case_id, now, as_of, tenants=EVERY_TENANT), "en", as_of=as_of)


def happenings(chance: random.Random) -> Iterator[tuple[Event, str | None]]:
    """What may happen in a case, with the stream where it is not the case's own: facts told again, payments taken back,
    decisions looked at anew."""
    loan: LoanOverdueRecorded = example(LoanOverdueRecorded)
    for nth in range(1_000_000):
        day = date(2026, 3, 1 + chance.randrange(9))
        why = msgspec.structs.replace(decision(), decision_id=f"d{nth // 7}")
        happened: Event = chance.choice(
            [
                msgspec.structs.replace(loan, fact_id=f"f{nth}", business_date=day, late=chance.random() < 0.2),
                msgspec.structs.replace(example(PaymentRecorded), fact_id=f"p{nth // 5}", paid_on=day),
                msgspec.structs.replace(example(PaymentReversalRecorded), payment_id=f"p{nth // 5}"),
                CaseReevaluated(fact_id="f", cause="late-fact", effective=day, decisions=(f"d{nth // 7}", "d1")),
                ContactDenied(channel="sms", decision=why),
                CaseAssessed(dpd=3, amount_overdue=Money(Decimal(1), "CNY"), reason="not-due"),
                HoldPlaced(hold_id=f"h{nth}", kind="dispute"),
                ContactScheduled(permit_id="p", channel="sms", due=START),
            ]
        )
        yield happened, f"contact/{nth % 9}" if isinstance(happened, ContactScheduled) else None


def arrivals(chance: random.Random, count: int) -> Sequence[Entry]:
    """Entries of two cases as a bus may bring them: some late, some never, some twice with other bytes."""
    told: list[Entry] = []
    for case_id in CASES:
        story = Story(case_id)
        for nth, (event, stream) in enumerate(islice(happenings(chance), count)):
            cause = chance.choice(story.entries) if story.entries and nth % 3 == 0 else None
            entry = story.tell(event, START + timedelta(minutes=chance.randrange(nth + 1)), stream=stream, cause=cause)
            if chance.random() < 0.03:
                story.keep(entry.value.replace(b'"late"', b'"Late"').replace(b'"doorstep/story"', b'"x"'), START)
        told += [entry for entry in story.entries if chance.random() > 0.05]
    return sorted(told, key=lambda entry: entry.envelope.recordedat + timedelta(minutes=chance.expovariate(1 / 20)))


def batches(chance: random.Random, entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, chance.randrange(1, 15))):
        yield batch


@pytest.mark.parametrize("seed", range(3))
async def test_at_random_instants_it_is_the_one_that_was_produced_then(audit: AsyncEngine, seed: int) -> None:
    chance, clock = random.Random(seed), SimulatedClock(START)
    produced: list[tuple[datetime, ShownTimeline]] = []
    for batch in batches(chance, arrivals(chance, 120)):
        await absorb(audit, batch, clock)
        if chance.random() < 0.5:
            produced.append((clock.now(), await shown(audit, clock.now())))
            clock.jump(clock.now() + STEP)
        if produced and chance.random() < 0.3:
            instant = START + (clock.now() - START) * chance.random()
            produced.append((instant, await shown(audit, clock.now(), instant)))
        # Often not at all: then the next batch is stamped with the same instant.
        clock.jump(clock.now() + chance.choice([0, 0, 1, 90]) * timedelta(seconds=1))
    for instant, then in produced:
        again = await shown(audit, clock.now() + STEP, instant)
        assert again == msgspec.structs.replace(then, as_of=instant)
    last = produced[-1][1]
    assert last.summary["missing"]
    assert any(line.conflicts_with for line in last.lines)
    assert any(line.corrected_by for line in last.lines)


async def test_it_waits_for_what_is_being_absorbed(audit: AsyncEngine) -> None:
    chance, clock, produced = random.Random(7), SystemClock(), list[tuple[datetime, bytes]]()
    working = True

    async def grow() -> None:
        nonlocal working
        for batch in batches(chance, arrivals(chance, 60)):
            await absorb(audit, batch, clock, pause=chance.choice([0, 0.01, 0.05]))
        working = False

    async def ask() -> None:
        while working:
            now = clock.now()
            then = await shown(audit, now, now - STEP)
            produced.append((now - STEP, msgspec.json.encode(then)))

    await asyncio.gather(grow(), ask(), ask())
    assert len({value for _, value in produced}) > 5
    for instant, then in produced:
        assert msgspec.json.encode(await shown(audit, clock.now(), instant)) == then


async def test_an_instant_that_has_not_passed_is_refused(audit: AsyncEngine) -> None:
    story = Story("asked")
    story.tell(example(CaseReevaluated), START)
    await absorb(audit, story.entries, SimulatedClock(START))
    for instant in (START, START + timedelta(days=1)):
        with pytest.raises(NotYet, match="leave it out"):
            await shown(audit, START, instant)
    assert len((await shown(audit, START + STEP, START)).lines) == 1


async def test_it_says_how_many_entries_of_the_log_it_rests_on(audit: AsyncEngine) -> None:
    clock, other = SimulatedClock(START), Story("other")
    for _ in range(3):
        other.tell(example(CaseReevaluated), START)
    await absorb(audit, other.entries[:2], clock)
    clock.jump(START + timedelta(hours=1))
    await absorb(audit, other.entries[2:], clock)
    later = START + timedelta(days=1)
    sizes = [(await shown(audit, later, START + timedelta(hours=hour))).size for hour in (-1, 0, 1)]
    assert sizes == [0, 2, 3]
    assert (await shown(audit, later)).size == 3
