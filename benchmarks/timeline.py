"""One case's timeline out of a log that holds many: what the API does from the query to the bytes of the answer."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from random import Random
from statistics import median
from typing import Any

import msgspec
from audit.main import service
from audit.presentation.present import present
from audit.store import views
from audit.timeline.domain import timeline
from doorstep.events.escalation.cases import CaseAssessed, CaseOpened
from doorstep.events.escalation.loans import LoanOverdueRecorded, PaymentRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted
from doorstep.events.registry import Event
from doorstep.events.reminder import ContactScheduled, ContactSent, ContactStarted, ReceiptRecorded
from doorstep.events.values import Decision, Money, Sealed, StrategyRef, Verdict
from doorstep.infra import database
from doorstep.infra.database import EmbeddedPostgres
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.audit import Story, decision, example

CASE = 1_000
"""Entries of each case."""
RULES = 15
"""Verdicts of each decision."""
STEPS = ("read and decoded", "ordered", "told in words", "encoded")
WARM = 50
"""Answers before the clock starts."""
NAME = "case-000000"
START = datetime(2023, 1, 6, 1, 0, tzinfo=UTC)
# What is sealed looks like chance, and no database makes it smaller.
PERSONAL = Sealed(key_id=NAME, commitment=Random(1).randbytes(32), box=Random(2).randbytes(260))
ORIGINAL = Sealed(key_id=NAME, commitment=Random(3).randbytes(32), box=Random(4).randbytes(800))


@dataclass(frozen=True)
class Answers:
    """What came out: milliseconds of each answer, sorted; the median of each step's; bytes of one answer."""

    entries: int
    wall: Sequence[float]
    steps: Mapping[str, float]
    size: int

    def percentile(self, share: float) -> float:
        """So many answers took no longer."""
        return self.wall[min(int(len(self.wall) * share), len(self.wall) - 1)]


async def measured(postgres: EmbeddedPostgres, cases: int, answers: int) -> Answers:
    """Each answer is about another case, chosen at random, of `cases` that came in side by side."""
    database_name = await postgres.scratch()
    engine = database.engine(postgres.url(database_name, owner="postgres"))
    try:
        await database.migrate(engine, database.KERNEL, service.migrations)
        await _fill(engine, cases)
        taken = [await _answer(engine, case_id) for case_id in _chosen(cases, WARM + answers)][WARM:]
    finally:
        await engine.dispose()
    steps = {name: median(marks[name] for marks, _ in taken) for name in STEPS}
    return Answers(cases * CASE, sorted(sum(marks.values()) for marks, _ in taken), steps, taken[0][1])


async def _answer(engine: AsyncEngine, case_id: str) -> tuple[dict[str, float], int]:
    """What the API does, step by step: milliseconds of each, and the size of the answer."""
    marks = [time.perf_counter()]
    async with engine.connect() as connection:
        size = await views.size(connection)
        entries = await views.entries(connection, case_id, within=size)
    marks.append(time.perf_counter())
    known = timeline(case_id, entries, size)
    marks.append(time.perf_counter())
    shown = present(known, "zh-CN")
    marks.append(time.perf_counter())
    answer = msgspec.json.encode(shown)
    marks.append(time.perf_counter())
    return {name: (end - start) * 1000 for name, (start, end) in zip(STEPS, pairwise(marks), strict=True)}, len(answer)


def _chosen(cases: int, count: int) -> Iterator[str]:
    chosen = Random(7)
    return (f"case-{chosen.randrange(cases):06}" for _ in range(count))


async def _fill(engine: AsyncEngine, cases: int) -> None:
    """The story of one case, told of each, in turns: the next entry of a case comes after one of each other case."""
    rows = [
        {
            "nth": nth,
            "type": entry.envelope.type,
            "stream": entry.envelope.stream,
            "version": entry.envelope.streamversion,
            "at": entry.envelope.recordedat,
            "topic": entry.topic,
            "value": entry.value.decode(),
        }
        for nth, entry in enumerate(story().entries)
    ]
    async with engine.begin() as connection:
        await connection.execute(text(_TEMPLATE))
        await connection.execute(text(_TELL), rows)
        await connection.execute(text(_FILL), {"cases": cases})
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("vacuum analyze entry"))


_TELL = "insert into told values (:nth, :topic, :type, :stream, :version, :at, :value)"
_TEMPLATE = """create temporary table told (
    nth int, topic text, type text, stream text, version int, at timestamptz, value text) on commit drop"""
_FILL = """
    insert into entry
    select nth::bigint * :cases + number, topic, 0, nth::bigint * :cases + number, gen_random_uuid()::text, name,
           'demo-bank', type, replace(stream, 'case-000000', name), version, at, at, at + interval '1 second',
           convert_to(replace(value, 'case-000000', name), 'UTF8')
    from told, generate_series(0, :cases - 1) number, format('case-%s', lpad(number::text, 6, '0')) name
    order by 1"""


def story() -> Story:
    """A thousand entries about a borrower who never pays enough: a fact each day, and on it an assessment, on a day in
    seven a denial, on one in five a contact with all that follows, sometimes a payment."""
    told = Story(NAME)
    told.tell(CaseOpened(episode=1, business_date=START.date()), START)
    happenings = (happening for day in range(CASE) for happening in _day(day))
    for minutes, (day, event, executor) in enumerate(islice(happenings, CASE - 1)):
        stream = f"contact/permit-{day}" if executor else None
        told.tell(event, START + timedelta(days=day, minutes=minutes % 60), stream=stream)
    return told


def _day(day: int) -> Iterator[tuple[int, Event, bool]]:
    """The day, what happens on it, and whether the executor says so."""
    owed, at = Money(Decimal("1000.15") + day * 7, "CNY"), START + timedelta(days=day)
    yield day, _fact(day, owed), False
    if day % 7 == 3:
        yield day, ContactDenied(channel="sms", decision=_decision(day, owed, refused=True)), False
    elif day % 5 == 1:
        yield day, _permitted(day, owed), False
        yield day, _replaced(ContactScheduled, day, due=at), True
        yield day, _replaced(ContactStarted, day, template_hash="c0ffee" * 10), True
        yield day, _replaced(ContactSent, day, provider_message_id=f"file-{day}"), True
        yield day, _replaced(ReceiptRecorded, day, status="delivered", at=at), True
        yield day, _replaced(ContactOutcomeRecorded, day, outcome="delivered", at=at), False
    elif day % 30 == 5:
        yield day, replace(example(PaymentRecorded), original=ORIGINAL, paid_on=at.date()), False
    else:
        yield day, CaseAssessed(dpd=day + 1, amount_overdue=owed, reason="not-due", assess_at=at), False


def _replaced(event_type: type[Event], day: int, **known: Any) -> Event:
    event: Event = replace(example(event_type), permit_id=f"permit-{day}", **known)
    return event


def _fact(day: int, owed: Money) -> LoanOverdueRecorded:
    fact: LoanOverdueRecorded = replace(
        example(LoanOverdueRecorded),
        fact_id=f"fact-{day}",
        amount_overdue=owed,
        dpd=day + 1,
        business_date=(START + timedelta(days=day)).date(),
        said_at=START + timedelta(days=day),
        time_zone="Asia/Shanghai",
        personal=PERSONAL,
        original=ORIGINAL,
        late=False,
    )
    return fact


def _permitted(day: int, owed: Money) -> ContactPermitted:
    permitted: ContactPermitted = replace(
        example(ContactPermitted),
        permit_id=f"permit-{day}",
        amount=owed,
        personal=PERSONAL,
        decision=_decision(day, owed, refused=False),
    )
    return permitted


def _decision(day: int, owed: Money, *, refused: bool) -> Decision:
    inputs = replace(decision().inputs, dpd=day + 1, amount_overdue=owed, reasons=("silent",), countries=("CN",))
    verdicts = [
        Verdict(
            rule=f"rule-{nth}",
            allowed=not refused or nth < RULES - 1,
            status="must",
            source="GB/T 45251-2025",
            confidence="secondary",
            detail="only 08:00-22:00 on a holiday, local time of the borrower",
            detail_zh="节假日仅限借款人当地时间 08:00-22:00",
            pack="cn",
        )
        for nth in range(RULES)
    ]
    graph = StrategyRef(graph="default", hash="facade" * 10, engine="2.1.3", path=("Stage: late", "Next step: sms"))
    made = decision(*verdicts, earliest_next=START + timedelta(days=day, hours=9))
    return replace(made, decision_id=f"decision-{day}", inputs=inputs, strategy=graph)
