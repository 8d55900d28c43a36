"""The planner against an independent checker, and the cases a person would ask about."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

from doorstep.events.values import Span, Windows
from doorstep.events.visits import Collector, VisitTerms
from hypothesis import given, settings
from hypothesis import strategies as st
from visit_scheduler.domain.commands import Plan, Unplan
from visit_scheduler.domain.planning import Diary, FieldAgent, plan

from tests.support.visits import LIN, MEI, NOW, STARTS, agent, terms

HOUR = timedelta(hours=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
TEAM = (agent(LIN), agent(MEI))
WEI = Collector(agent_id="B-001", agency="Riverside", certified_until=date(2027, 1, 1))
XU = Collector(agent_id="B-002", agency="Riverside", certified_until=date(2027, 1, 1))

Bookings = dict[str, list[tuple[datetime, datetime]]]


def faults(
    found: Plan, wanted: VisitTerms, agents: Iterable[FieldAgent], diary: Bookings, now: datetime
) -> Sequence[str]:
    """Everything wrong with a plan, judged without the planner's own code."""
    known = {one.agent_id: one for one in agents}
    zone = ZoneInfo(wanted.windows.time_zone)
    begin, end = found.starts.astimezone(zone), found.ends.astimezone(zone)
    opens, closes = wanted.windows.opens, wanted.windows.closes
    daily = opens <= begin.time() and end.time() <= closes
    spanned = any(span.starts <= found.starts and found.ends <= span.ends for span in wanted.allowed)
    lead = timedelta(hours=wanted.notice_hours)
    noticed = any(
        max(span.starts, now) + lead + HOUR <= found.starts and span.ends > now for span in wanted.notice_allowed
    )
    checks = {
        "one collector alone": len({c.agent_id for c in found.collectors}) >= max(2, wanted.minimum_staff),
        "two agencies": len({c.agency for c in found.collectors}) == 1,
        "not one hour": found.ends - found.starts == HOUR,
        "not on the hour": (begin.minute, begin.second, begin.microsecond) == (0, 0, 0),
        "out of office hours": time(9) <= begin.time() and end.time() <= time(18) and begin.date() == end.date(),
        "outside the permitted hours": spanned if wanted.allowed else daily,
        "no hours for its notice": noticed if wanted.notice_allowed else True,
        "on a Sunday": begin.isoweekday() != 7,
        "too little lead time": found.starts >= now + lead + HOUR,
        "after the permit's end": found.ends <= wanted.valid_until,
    }
    wrong = [name for name, kept in checks.items() if not kept]
    for collector in found.collectors:
        one, busy = known[collector.agent_id], diary.get(collector.agent_id, [])
        same_day = [b for b, _ in busy if b.astimezone(zone).date() == begin.date()]
        country = (wanted.region or "").split("-")[0]
        personal = {
            "inactive": one.active,
            "of another agency": wanted.agency is None or one.agency == wanted.agency,
            "uncertified": one.certified_until >= begin.date(),
            "speaks another language": wanted.language in one.languages,
            "elsewhere": not one.regions or wanted.region in one.regions or country in one.regions,
            "double booked": all(e <= found.starts or b >= found.ends for b, e in busy),
            "seventh visit": len(same_day) < 6,
        }
        wrong += [f"{collector.agent_id} {name}" for name, kept in personal.items() if not kept]
    return wrong


field_agents = st.lists(
    st.builds(
        FieldAgent,
        agent_id=st.integers(1, 30).map("A-{:03d}".format),
        agency=st.sampled_from(["Harbour", "Riverside"]),
        certified_until=st.dates(date(2026, 11, 20), date(2026, 12, 20)),
        languages=st.sampled_from([frozenset({"zh-CN"}), frozenset({"en"}), frozenset({"zh-CN", "en"})]),
        regions=st.sampled_from([(), ("CN",), ("CN-SH",), ("CN-GD", "CN-SH"), ("US",)]),
        active=st.booleans() | st.just(True),
    ),
    max_size=12,
    unique_by=lambda one: one.agent_id,
)
windows = st.builds(
    Windows,
    opens=st.integers(6, 12).map(time),
    closes=st.builds(time, st.integers(14, 22), st.sampled_from([0, 30])),
    time_zone=st.sampled_from(["Asia/Shanghai", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]),
)
spans = st.lists(
    st.builds(
        lambda quarters, length: Span(
            NOW.replace(minute=0) + quarters * timedelta(minutes=15),
            NOW.replace(minute=0) + (quarters + length) * timedelta(minutes=15),
        ),
        st.integers(-96, 12 * 96),
        st.integers(1, 60),
    ),
    max_size=8,
).map(tuple)
requests = st.builds(
    terms,
    allowed=st.just(()) | spans,
    notice_allowed=st.just(()) | spans,
    agency=st.sampled_from([None, None, "Harbour"]),
    windows=windows,
    language=st.sampled_from(["zh-CN", "en"]),
    region=st.sampled_from(["CN-SH", "CN-GD", "US-NY", None]),
    minimum_staff=st.integers(1, 3),
    notice_hours=st.sampled_from([0, 24, 72]),
    valid_until=st.integers(0, 20).map(lambda days: NOW + timedelta(days=days, hours=7)),
)
instants = st.integers(0, 7 * 96).map(lambda quarters: NOW.replace(minute=15) + quarters * timedelta(minutes=15))


@settings(max_examples=150, deadline=None)
@given(st.lists(requests, min_size=1, max_size=12), field_agents, instants)
def test_no_plan_ever_breaks_a_rule(wanted: list[VisitTerms], agents: list[FieldAgent], now: datetime) -> None:
    diary, booked = Diary(), Bookings()
    for one in wanted:
        found = plan(one, agents, diary, now)
        if isinstance(found, Plan):
            assert faults(found, one, agents, booked, now) == []
            for collector in found.collectors:
                diary.book(collector.agent_id, found.starts, found.ends)
                booked.setdefault(collector.agent_id, []).append((found.starts, found.ends))


@settings(max_examples=100, deadline=None)
@given(requests, field_agents, instants, st.randoms(use_true_random=False))
def test_the_order_of_the_agents_does_not_matter(
    wanted: VisitTerms, agents: list[FieldAgent], now: datetime, random: Any
) -> None:
    shuffled = random.sample(agents, len(agents))
    assert plan(wanted, agents, Diary(), now) == plan(wanted, shuffled, Diary(), now)


@settings(max_examples=100, deadline=None)
@given(requests, field_agents, instants)
def test_what_is_tried_again_is_tried_later_and_never_on_a_sunday(
    wanted: VisitTerms, agents: list[FieldAgent], now: datetime
) -> None:
    found = plan(wanted, agents, Diary(), now)
    if isinstance(found, Unplan) and found.retry_at is not None:
        morning = found.retry_at.astimezone(ZoneInfo(wanted.windows.time_zone))
        assert now < found.retry_at < wanted.valid_until
        assert (morning.hour, morning.minute) == (9, 0)
        assert morning.isoweekday() != 7


def planned(
    agents: Iterable[FieldAgent] = TEAM, diary: Bookings | None = None, now: datetime = NOW, **changes: Any
) -> Plan:
    found = plan(terms(**changes), agents, Diary(diary), now)
    assert isinstance(found, Plan), found
    return found


def unplanned(agents: Iterable[FieldAgent] = TEAM, now: datetime = NOW, **changes: Any) -> Unplan:
    found = plan(terms(**changes), agents, Diary(), now)
    assert isinstance(found, Unplan), found
    return found


def who(found: Plan) -> list[str]:
    return [one.agent_id for one in found.collectors]


def test_the_earliest_slot_after_notice_and_slack_is_taken() -> None:
    assert planned() == Plan(
        (LIN, MEI), datetime(2026, 11, 24, 4, 0, tzinfo=UTC), datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    )


def test_a_notice_that_must_wait_for_the_morning_moves_the_slot() -> None:
    evening = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert planned(now=evening).starts.astimezone(SHANGHAI) == datetime(2026, 11, 25, 9, 0, tzinfo=SHANGHAI)


def test_nobody_comes_on_a_sunday() -> None:
    saturday = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
    assert planned(now=saturday).starts.astimezone(SHANGHAI) == datetime(2026, 11, 30, 9, 0, tzinfo=SHANGHAI)


def test_the_least_booked_collectors_go() -> None:
    busy: Bookings = {"A-017": [(STARTS, STARTS + HOUR)], "A-032": [(STARTS, STARTS + HOUR)]}
    assert who(planned((*TEAM, agent(WEI), agent(XU)), busy)) == ["B-001", "B-002"]


def test_equally_booked_collectors_go_by_their_ids_whatever_the_order() -> None:
    everyone = (*TEAM, agent(WEI), agent(XU))
    assert {tuple(who(planned(order))) for order in permutations(everyone)} == {("A-017", "A-032")}


def test_an_agent_makes_six_visits_a_day_at_most() -> None:
    tuesday = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    six = [(tuesday + n * timedelta(minutes=20), tuesday + n * timedelta(minutes=20) + HOUR) for n in range(6)]
    found = planned(diary={"A-017": six})
    assert found.starts.astimezone(SHANGHAI) == datetime(2026, 11, 25, 9, 0, tzinfo=SHANGHAI)


def test_collectors_of_two_agencies_do_not_go_together() -> None:
    assert unplanned((agent(LIN), agent(WEI))).reason.startswith("no agency has enough")


def test_a_certificate_must_hold_on_the_day_of_the_slot() -> None:
    ends_monday = Collector(agent_id="A-032", agency="Harbour Collections", certified_until=date(2026, 11, 23))
    assert unplanned((agent(LIN), agent(ends_monday))).reason.startswith("no agency has enough certified")


def test_a_country_covers_its_subdivisions_and_a_name_that_only_begins_alike_does_not() -> None:
    assert agent(LIN, regions=("CN",)).covers("CN-SH")
    assert not agent(LIN, regions=("CN-S",)).covers("CN-SH")
    assert not agent(LIN, regions=("CN-SH",)).covers(None)
    assert agent(LIN).covers(None)


def test_without_agents_it_is_tried_again_the_next_working_morning() -> None:
    found = unplanned(())
    assert found.reason == "fewer than 2 active agents speak zh-CN and cover the region"
    assert found.retry_at == datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def test_on_saturday_the_next_working_morning_is_monday() -> None:
    assert unplanned((), now=datetime(2026, 11, 28, 2, 0, tzinfo=UTC)).retry_at == datetime(
        2026, 11, 30, 1, 0, tzinfo=UTC
    )


def test_where_the_permit_would_run_out_it_is_not_tried_again() -> None:
    assert unplanned((), valid_until=NOW + timedelta(days=2)).retry_at is None


def test_a_permit_too_short_for_its_notice_has_no_slot() -> None:
    found = unplanned(valid_until=NOW + timedelta(hours=24))
    assert found == Unplan("no slot keeps the notice, the permitted hours and the permit's end")


def test_only_spans_that_hold_the_whole_visit_are_used() -> None:
    tuesday = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    short, long = Span(tuesday, tuesday + HOUR), Span(tuesday + 3 * HOUR, tuesday + 5 * HOUR)
    assert planned(allowed=(long, short)).starts == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def test_where_no_span_holds_a_visit_there_is_no_slot() -> None:
    early = Span(NOW, NOW + 20 * HOUR)
    assert unplanned(allowed=(early,)).reason.startswith("no slot keeps the notice, the permitted hours")


def test_the_lead_time_counts_from_the_next_span_for_notices() -> None:
    noticed = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
    found = planned(notice_allowed=(Span(NOW - HOUR, NOW), Span(noticed, noticed + HOUR)))
    assert found.starts == datetime(2026, 11, 26, 1, 0, tzinfo=UTC)


def test_without_a_span_for_its_notice_no_visit_is_planned() -> None:
    found = unplanned(notice_allowed=(Span(NOW - HOUR, NOW),))
    assert found == Unplan("no slot keeps the notice, the permitted hours and the permit's end")


def test_a_permit_for_one_agency_sends_nobody_else() -> None:
    everyone = (*TEAM, agent(WEI), agent(XU))
    assert who(planned(everyone, agency="Riverside")) == ["B-001", "B-002"]
    assert unplanned(TEAM, agency="Riverside").reason == (
        "fewer than 2 active agents of Riverside speak zh-CN and cover the region"
    )


# -- how much work it is


class Looked(Diary):
    """Counts how often it is asked for a day of somebody."""

    days = 0

    def on(self, agent_id: str, day: date, zone: ZoneInfo) -> Sequence[tuple[datetime, datetime]]:
        self.days += 1
        return super().on(agent_id, day, zone)


class Booked(tuple[datetime, datetime]):
    """Counts how often any of its kind is read."""

    read = 0

    def __iter__(self) -> Iterator[datetime]:
        Booked.read += 1
        return super().__iter__()


def many(agents: int, days: int, *, every_day: int) -> tuple[list[FieldAgent], dict[str, list[Booked]]]:
    """So many agents, each with so many visits on every one of the next days."""
    there = [
        agent(Collector(agent_id=f"A-{nth:03}", agency="H", certified_until=date(2027, 6, 30))) for nth in range(agents)
    ]
    morning = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    starts = [morning + timedelta(days=day, hours=hour) for day in range(days) for hour in range(every_day)]
    return there, {one.agent_id: [Booked((begin, begin + HOUR)) for begin in starts] for one in there}


def test_a_day_on_which_somebody_is_booked_out_is_looked_at_once_not_in_each_of_its_hours() -> None:
    agents, booked = many(50, 12, every_day=6)
    diary = Looked(booked)
    for _ in range(100):
        assert isinstance(plan(terms(), agents, diary, NOW), Unplan)
    assert diary.days <= 100 * 50 * 12


def test_no_request_reads_through_every_booking_there_is() -> None:
    agents, booked = many(10, 12, every_day=6)
    before, number = Booked.read, sum(map(len, booked.values()))
    diary = Diary(booked)
    for _ in range(4):
        plan(terms(), agents, diary, NOW)
    assert Booked.read - before <= 6 * number, "each once to index it, and once a request on its own day"


def test_what_was_booked_since_it_was_asked_is_known() -> None:
    diary = Diary({"A-017": [(STARTS, STARTS + HOUR)]})
    zone = ZoneInfo("Asia/Shanghai")
    assert len(diary.on("A-017", date(2026, 11, 24), zone)) == 1
    diary.book("A-017", STARTS + 2 * HOUR, STARTS + 3 * HOUR)
    assert len(diary.on("A-017", date(2026, 11, 24), zone)) == 2
    assert diary.visits("A-017") == 2
    assert diary.on("A-017", date(2026, 11, 25), zone) == ()


def test_a_visit_across_midnight_is_on_both_days() -> None:
    evening = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
    diary = Diary({"A-017": [(evening, evening + HOUR)]})
    assert [len(diary.on("A-017", date(2026, 11, day), SHANGHAI)) for day in (23, 24, 25, 26)] == [0, 1, 1, 0]
