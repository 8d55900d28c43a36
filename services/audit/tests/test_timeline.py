"""The timeline is a function of the set of entries, in causal order, with its gaps shown."""

import random
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest
from audit.presentation.present import present
from audit.store.entry import Entry, read_envelope, sealed_in
from audit.timeline.domain import Gap, Line, kind_of, timeline
from doorstep.events.escalation.cases import CaseCured, CaseReevaluated
from doorstep.events.escalation.loans import LoanCureRecorded, LoanOverdueRecorded, PaymentRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.escalation.promises import PromiseBroken
from doorstep.events.kernel import SendingSuspended
from doorstep.events.registry import known
from doorstep.events.reminder import ContactScheduled, ContactSent, ContactStarted
from doorstep.events.values import Money, Override, PackRef, StrategyRef, Verdict
from doorstep.events.visits import VisitNoticed
from hypothesis import given
from hypothesis import strategies as st

from tests.support.audit import HIDDEN, START, Story, decision, example

DAY = timedelta(days=1)
BROKEN = PromiseBroken(promise_id="p")
SCHEDULED = ContactScheduled(permit_id="p", channel="sms", due=START)
NOTICED = VisitNoticed(visit_id="v", channel="sms", provider="p", provider_message_id="m", rendered_mac="r")


def events(entries: list[Entry]) -> list[Entry]:
    return [line.entry for line in timeline("case-1", entries).lines if isinstance(line, Line)]


def test_events_stand_in_the_order_they_were_recorded() -> None:
    story = Story()
    later = story.tell(BROKEN, START + DAY, stream="a/1")
    earlier = story.tell(SCHEDULED, START, stream="b/1")
    assert events(story.entries) == [earlier, later]


def test_an_event_comes_after_its_cause_within_one_instant() -> None:
    story = Story()
    cause = story.tell(SCHEDULED, START, stream="z/1")
    effect = story.tell(BROKEN, START, stream="a/1", cause=cause)
    assert events(story.entries) == [cause, effect]


def test_an_event_comes_after_its_cause_even_when_another_clock_runs_behind() -> None:
    story = Story()
    cause = story.tell(SCHEDULED, START, stream="z/1")
    effect = story.tell(BROKEN, START - timedelta(seconds=5), stream="a/1", cause=cause)
    assert events(story.entries) == [cause, effect]


def test_one_stream_keeps_its_order_whatever_the_clock_says() -> None:
    story = Story()
    first = story.tell(SCHEDULED, START)
    second = story.tell(BROKEN, START - DAY)
    assert events(story.entries) == [first, second]


def test_entries_that_name_each_other_as_cause_are_all_shown() -> None:
    story = Story()
    one = story.tell(SCHEDULED, START, stream="a/1")
    two = story.tell(BROKEN, START, stream="b/1", cause=one)
    looped = msgspec.structs.replace(one.envelope, causationid=two.envelope.id)
    looped_entry = Entry(1, one.topic, 0, 1, START, one.value, looped, one.event)
    assert len(events([looped_entry, two])) == 2


def test_a_long_chain_of_causes_is_no_problem() -> None:
    story = Story()
    last = None
    for number in range(5_000):
        last = story.tell(SCHEDULED, START, stream=f"s/{5_000 - number}", cause=last)
    assert events(story.entries) == story.entries


@st.composite
def stories(draw: st.DrawFn) -> list[Entry]:
    story = Story()
    for _ in range(draw(st.integers(1, 25))):
        cause = draw(st.sampled_from([None, *story.entries]))
        at = START + timedelta(seconds=draw(st.integers(0, 4)))
        event = draw(st.sampled_from([BROKEN, SCHEDULED, NOTICED]))
        story.tell(event, at, stream=draw(st.sampled_from(["a/1", "b/1", "c/1"])), cause=cause)
    lost = draw(st.sets(st.sampled_from(range(len(story.entries))), max_size=5))
    return [entry for index, entry in enumerate(story.entries) if index not in lost]


@given(stories(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_timeline(entries: list[Entry], dice: random.Random) -> None:
    shuffled = list(entries)
    dice.shuffle(shuffled)
    assert timeline("case-1", shuffled) == timeline("case-1", entries)


@given(stories())
def test_every_entry_is_shown_once_and_after_its_cause_and_its_predecessor(entries: list[Entry]) -> None:
    shown = events(entries)
    assert sorted(entry.position for entry in shown) == [entry.position for entry in entries]
    place = {entry.envelope.id: index for index, entry in enumerate(shown)}
    version = {(entry.envelope.stream, entry.envelope.streamversion): place[entry.envelope.id] for entry in shown}
    for entry in shown:
        here = place[entry.envelope.id]
        assert place.get(entry.envelope.causationid or "", -1) < here
        assert version.get((entry.envelope.stream, entry.envelope.streamversion - 1), -1) < here


@given(stories())
def test_every_number_up_to_the_last_is_either_shown_or_reported_missing(entries: list[Entry]) -> None:
    told: dict[str, set[int]] = {}
    for line in timeline("case-1", entries).lines:
        if isinstance(line, Gap):
            told.setdefault(line.stream, set()).update(range(line.first, line.last + 1))
        else:
            envelope = line.entry.envelope
            told.setdefault(envelope.stream, set()).add(envelope.streamversion)
    assert all(numbers == set(range(1, max(numbers) + 1)) for numbers in told.values())


def test_a_missing_number_is_a_gap_right_before_what_follows_it() -> None:
    story = Story()
    first, _, _, fourth = (story.tell(BROKEN, START + n * DAY) for n in range(4))
    known = timeline("case-1", [first, fourth])
    assert [line if isinstance(line, Gap) else line.entry for line in known.lines] == [
        first,
        Gap("case/case-1", 2, 3),
        fourth,
    ]


def test_a_missing_beginning_is_a_gap_too() -> None:
    story = Story()
    _, second = story.tell(BROKEN, START), story.tell(BROKEN, START)
    assert timeline("case-1", [second]).lines[0] == Gap("case/case-1", 1, 1)


def test_an_enormous_number_makes_one_gap_not_many_lines() -> None:
    entry = Story().tell(BROKEN, START)
    far = msgspec.structs.replace(entry.envelope, streamversion=2**31 - 1)
    lines = timeline("case-1", [Entry(1, "t", 0, 1, START, entry.value, far, entry.event)]).lines
    assert len(lines) == 2


def test_two_entries_that_claim_one_number_are_both_flagged() -> None:
    story = Story()
    story.tell(BROKEN, START)
    forged = story.keep(story.entries[0].value.replace(b'"promise_id":"p"', b'"promise_id":"q"'), START)
    lines = [line for line in timeline("case-1", [*story.entries, forged]).lines if isinstance(line, Line)]
    assert all("conflict" in line.flags for line in lines)


def test_a_backdated_fact_is_late_and_carries_its_business_date() -> None:
    story = Story()
    cure = LoanCureRecorded(
        fact_id="f",
        source="bank",
        loan_id="L1",
        business_date=date(2026, 2, 1),
        original=HIDDEN,
        late=True,
    )
    story.tell(cure, START)
    (line,) = timeline("case-1", story.entries).lines
    assert isinstance(line, Line)
    assert (line.flags, line.business_date) == (("late",), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("doorstep.contact.denied", "decision"),
        ("doorstep.visit.permitted", "decision"),
        ("doorstep.contact.sent", "contact"),
        ("doorstep.visit.completed", "visit"),
        ("doorstep.loan.payment-recorded", "money"),
        ("doorstep.promise.broken", "money"),
        ("doorstep.hold.placed", "case"),
        ("doorstep.visit.photographed-by-a-later-release", "visit"),
        ("com.example.other", "case"),
    ],
)
def test_each_type_falls_under_one_filter_and_unknown_ones_by_their_name(event_type: str, kind: str) -> None:
    assert kind_of(event_type) == kind


def test_the_filter_of_one_kind_still_shows_gaps() -> None:
    story = Story()
    first, _, third = (story.tell(BROKEN, START) for _ in range(3))
    sent = story.tell(SCHEDULED, START, stream="contact/p")
    shown = present(timeline("case-1", [first, third, sent]), "en").only("contact")
    assert [line.kind for line in shown.lines] == ["gap", "contact"]


def test_the_glance_counts_what_matters() -> None:
    story = Story()
    refuses = Verdict(rule="r", allowed=False, status="must", source="s", confidence="high", detail="d", detail_zh="z")
    story.tell(ContactDenied(channel="sms", decision=decision(refuses)), START)
    story.tell(SendingSuspended(by="escalation", key="k"), START)
    started = ContactStarted(
        permit_id="p", channel="sms", template_id="t", template_version=1, template_hash="h", opened=("phone",)
    )
    story.tell(started, START, stream="contact/p")
    sent = ContactSent(permit_id="p", channel="sms", provider="x", provider_message_id="1", rendered_mac="m")
    story.tell(sent, START, stream="contact/p")
    glance = present(timeline("case-1", story.entries), "en").summary
    assert (glance["denied"], glance["sent"], glance["suspended"], glance["status"]) == (1, 1, True, None)


@pytest.mark.parametrize(
    ("told", "zone"), [("Asia/Shanghai", "Asia/Shanghai"), ("Asia", "UTC"), ("No/Where", "UTC"), (None, "UTC")]
)
def test_instants_are_told_in_the_borrowers_zone_or_in_utc(told: str | None, zone: str) -> None:
    story = Story()
    story.tell(msgspec.structs.replace(example(LoanOverdueRecorded), time_zone=told), START)
    story.tell(BROKEN, START)
    assert str(timeline("case-1", story.entries).zone) == zone


@pytest.mark.parametrize("event_type", sorted(known()))
def test_nothing_sealed_is_overlooked_however_deep_it_lies(event_type: str) -> None:
    event = example(known()[event_type])
    assert len(sealed_in(event)) == msgspec.json.encode(event).count(b'"commitment"')


def test_money_and_outcome_events_name_what_they_seal() -> None:
    story = Story()
    payment = PaymentRecorded(
        fact_id="f",
        source="bank",
        loan_id="L1",
        amount=Money(Decimal(5), "CNY"),
        paid_on=date(2026, 3, 1),
        original=HIDDEN,
        assess_at=START,
    )
    assert set(sealed_in(story.tell(payment, START).event)) == {"original"}


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_no_bytes_whatever_break_the_reading_of_an_envelope(value: bytes) -> None:
    assert read_envelope(value) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "nul\0"),
        ("id", ""),
        ("stream", "s" * 501),
        ("streamversion", 2**40),
    ],
)
def test_an_envelope_the_database_could_not_file_counts_as_undecodable(field: str, value: object) -> None:
    data = msgspec.json.decode(Story().tell(BROKEN, START).value)
    data[field] = value
    assert read_envelope(msgspec.json.encode(data)) is None


def test_a_case_looked_at_again_is_flagged_and_dated() -> None:
    story = Story()
    story.tell(CaseReevaluated(fact_id="f", cause="reversal", effective=date(2026, 2, 1)), START)
    (line,) = timeline("case-1", story.entries).lines
    assert isinstance(line, Line)
    assert (line.flags, line.business_date) == (("reevaluated",), date(2026, 2, 1))


def test_a_step_chosen_by_hand_is_flagged() -> None:
    chosen = Override(override_id="o", by="olga", approved_by="otto", reason="asked for it")
    story = Story()
    story.tell(ContactDenied(channel="sms", decision=msgspec.structs.replace(decision(), override=chosen)), START)
    (line,) = timeline("case-1", story.entries).lines
    assert isinstance(line, Line)
    assert line.flags == ("denied", "override")


def test_a_decision_is_shown_with_its_packs_its_graph_and_what_it_knew() -> None:
    refuses = Verdict(
        rule="r", allowed=False, status="must", source="s", confidence="high", detail="d", detail_zh="z", pack="us"
    )
    packs = (PackRef("cn", "2026.1", "c0ffee"), PackRef("us", "2026.2", "decade"))
    graph = StrategyRef(graph="default", hash="facade", engine="2.1.3", path=("Stage: late", "Next step: visit"))
    plain = decision(refuses)
    known = msgspec.structs.replace(
        plain.inputs,
        reasons=("silent", "own-code"),
        stage="late",
        products=("card",),
        countries=("CN", "US"),
        facts_age=2,
        holds=("dispute",),
        consents=("hours",),
    )
    full = msgspec.structs.replace(plain, packs=packs, strategy=graph, inputs=known)
    story = Story()
    story.tell(ContactDenied(channel="sms", decision=full), START)
    (line,) = present(timeline("case-1", story.entries), "en").lines
    assert line.decision is not None
    assert [(one.id, one.version, one.hash) for one in line.decision.packs] == [
        ("cn", "2026.1", "c0ffee"),
        ("us", "2026.2", "decade"),
    ]
    assert line.decision.strategy == graph
    assert line.decision.verdicts[0].pack == "us"
    shown = line.decision.inputs
    assert (shown["stage"], shown["reasons"]) == ("late", "does not answer, own-code")
    assert (shown["countries"], shown["facts_age"], shown["holds"]) == ("CN, US", "2", "dispute")
    assert "segment" not in shown


def test_a_decision_of_the_first_version_is_shown_with_its_one_pack() -> None:
    story = Story()
    value = story.tell(ContactDenied(channel="sms", decision=decision()), START).value
    old = msgspec.json.decode(value)
    (pack,) = old["data"]["decision"].pop("packs")
    old["data"]["decision"] |= {"pack": pack["id"], "pack_version": pack["version"], "pack_hash": pack["hash"]}
    entry = story.keep(msgspec.json.encode(old | {"schemaversion": 1}), START)
    (line,) = present(timeline("case-1", [entry]), "en").lines
    assert line.decision is not None
    assert [(one.id, one.version) for one in line.decision.packs] == [("cn", "2026.1")]
    assert line.decision.strategy is None


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("doorstep.loan.payment-reversal-recorded", "money"),
        ("doorstep.promise.partly-kept", "money"),
        ("doorstep.override.requested", "decision"),
        ("doorstep.case.reevaluated", "case"),
        ("doorstep.review.closed", "case"),
    ],
)
def test_each_new_event_falls_under_a_filter(event_type: str, kind: str) -> None:
    assert kind_of(event_type) == kind


def test_the_cured_case_says_so() -> None:
    story = Story()
    story.tell(CaseCured(episode=2, business_date=date(2026, 3, 1)), START)
    outcome = ContactOutcomeRecorded(permit_id="p", channel="sms", outcome="delivered", at=START)
    story.tell(outcome, START)
    glance = present(timeline("case-1", story.entries), "en").summary
    assert (glance["status"], glance["episode"]) == ("cured", 2)
