"""A decision in words: complete, in both languages, and nothing is called law that is not."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from doorstep.events.envelope import Envelope, decode
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, Duty, Purpose
from doorstep.events.escalation.preferences import ConsentKind
from doorstep.events.registry import decode_event
from doorstep.events.values import ContactMethod, Decision, Money, Override, Verdict
from doorstep.kernel.decider import Routed
from doorstep.kernel.runtime import Running
from doorstep.locales.text import LOCALES
from escalation.backtest.in_memory import InMemoryStore
from escalation.cli import commands
from escalation.domain.case.loans import RecordFact
from escalation.domain.explanation import explain
from escalation.domain.policy import builtin
from escalation.domain.rules import pack
from escalation.react import case_stream
from msgspec.structs import replace
from sqlalchemy import text
from typer.testing import CliRunner

from tests.support.escalation import at, overdue

LANGUAGES = ("zh-CN", "en")


def envelopes() -> list[Envelope]:
    """Of the decisions on one case: denied at six in the morning, permitted at eight."""
    made = InMemoryStore(builtin())
    made.tell("case-1", RecordFact(overdue(1)), at(1, "05:50"))
    made.pass_time(at(1, "12:00"))
    return [decode(row.value) for row in made.rows() if ".contact." in row.type and "outcome" not in row.type]


def altered(change: Callable[[Decision], Decision]) -> Envelope:
    """The denial, with its decision changed."""
    denied = envelopes()[0]
    event = decode_event(denied)
    assert isinstance(event, ContactDenied)
    return replace(denied, data=msgspec.Raw(msgspec.json.encode(replace(event, decision=change(event.decision)))))


def verdict(**said: Any) -> Verdict:
    """A refusal of a pack."""
    usual = {"rule": "r", "allowed": False, "status": "must", "source": "Act 7", "confidence": "primary", "pack": "xx"}
    return Verdict(**{**usual, "detail": "not on Mondays", "detail_zh": "周一不联系", **said})


def test_a_denial_says_what_was_refused_by_which_source_and_when_to_try_again() -> None:
    said = explain(envelopes()[0], "en")
    assert "whether to send an SMS. Decision: denied." in said
    assert "2026-03-01 06:00 UTC+8 on the borrower's clock" in said
    assert "house/contact-hours: only 08:00-22:00" in said
    assert "source: GB/T 45251-2025; binding; from secondary sources" in said
    assert "The earliest it can be tried again is 2026-03-01 08:00 UTC+8." in said


def test_a_permit_says_its_hours_and_which_rules_allowed_it() -> None:
    said = explain(envelopes()[1], "zh-CN")
    assert "拟发送短信（提醒）。结论：准许。" in said
    assert "可在 08:00-22:00（Asia/Shanghai）内进行" in said
    assert "拒绝的规则" not in said
    assert "house/messages-a-day" in said


@pytest.mark.parametrize(
    ("language", "hours"), [("en", "at any hour (Asia/Shanghai)"), ("zh-CN", "全天（Asia/Shanghai）")]
)
def test_a_permit_for_a_whole_day_says_so(language: Any, hours: str) -> None:
    permitted = envelopes()[1]
    event = decode_event(permitted)
    assert isinstance(event, ContactPermitted)
    whole = replace(event, windows=replace(event.windows, opens=time(), closes=time()))
    assert hours in explain(replace(permitted, data=msgspec.Raw(msgspec.json.encode(whole))), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_owed_in_another_currency_is_named(language: Any) -> None:
    besides = (Money(Decimal(70), "USD"),)
    envelope = altered(lambda decision: replace(decision, inputs=replace(decision.inputs, other_amounts=besides)))
    assert "70.00" in explain(envelope, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_decision_names_the_facts_the_graph_and_the_packs(language: Any) -> None:
    for envelope in envelopes():
        said, decision = explain(envelope, language), decode_event(envelope).decision  # type: ignore[attr-defined]
        assert decision.strategy is not None
        for part in (*decision.strategy.path, decision.strategy.hash[:12], decision.strategy.engine):
            assert part in said
        for one in decision.packs:
            assert one.id in said
            assert one.hash[:12] in said
        assert "6,000.00" in said
        assert "1-30" in said


@pytest.mark.parametrize(("confidence", "status"), [("unverified", "must"), ("own", "policy"), ("primary", "draft")])
def test_what_is_not_verified_or_a_draft_or_our_own_is_not_called_law(confidence: str, status: str) -> None:
    said = verdict(confidence=confidence, status=status)
    envelope = altered(lambda decision: replace(decision, verdicts=(said,)))
    english, chinese = explain(envelope, "en"), explain(envelope, "zh-CN")
    assert re.search(r"not called law|is not law|not required by law", english)
    assert "binding" not in english
    assert re.search("不作为法律依据|并非法律要求", chinese)
    assert "必须遵守" not in chinese


def test_a_draft_advises_and_is_not_listed_with_what_refused() -> None:
    envelope = altered(lambda decision: replace(decision, verdicts=(verdict(status="draft"),)))
    said = explain(envelope, "en")
    assert "Rules that refused" not in said
    assert "Rules that only advise (1)" in said


def test_an_override_names_both_persons() -> None:
    by = Override(override_id="o1", by="olga", approved_by="chen", reason="asked for a call")
    envelope = altered(lambda decision: replace(decision, override=by))
    for language in LANGUAGES:
        said = explain(envelope, language)
        assert all(part in said for part in ("olga", "chen", "asked for a call"))


def test_a_decision_without_a_graph_from_before_there_were_graphs_is_told_without() -> None:
    envelope = altered(lambda decision: replace(decision, strategy=None))
    assert "graph" not in explain(envelope, "en")


def test_willingness_is_told_with_its_reasons_in_words() -> None:
    def known(decision: Decision) -> Decision:
        return replace(decision, inputs=replace(decision.inputs, willingness=31, reasons=("promise-broken", "mine")))

    assert "Willingness 31 of 100: has broken promises to pay, mine." in explain(altered(known), "en")
    assert "还款意愿 31/100：曾违背还款承诺、mine。" in explain(altered(known), "zh-CN")


def test_what_is_no_decision_is_refused_with_what_is() -> None:
    made = InMemoryStore(builtin())
    made.tell("case-1", RecordFact(overdue(1)), at(1))
    with pytest.raises(ValueError, match="decisions are contacts and visits"):
        explain(decode(made.rows()[0].value), "en")


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("acts", get_args(ContactMethod)),
        ("words", get_args(ContactMethod)),
        ("words", get_args(Purpose)),
        ("words", get_args(HoldKind)),
        ("words", get_args(ConsentKind)),
        ("words", get_args(Duty)),
        ("standing", ("must", "should", "policy", "draft")),
    ],
)
def test_every_value_of_a_closed_set_has_words(group: str, values: tuple[str, ...]) -> None:
    for locale in LOCALES.values():
        words = locale.groups[group].keys()
        assert words >= set(values) if group == "words" else words == set(values)


async def decided(running: Running) -> str:
    """The id of a decision that was made on the running system."""
    await running.execute(Routed(case_stream("case-1", "acme"), RecordFact(overdue(2))))
    running.clock.jump(at(2, "10:15"))  # type: ignore[attr-defined]
    await running.timers.turn()
    async with running.engine.connect() as connection:
        return str((await connection.execute(text("select decision_id from decision"))).scalar_one())


async def ask(monkeypatch: pytest.MonkeyPatch, running: Running, *arguments: str) -> Any:
    """What the command answers, on the database of the running system."""
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", running.engine.url.render_as_string(hide_password=False))
    return await asyncio.to_thread(CliRunner().invoke, commands, list(arguments))


async def test_the_command_explains_a_decision_of_the_store(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    decision_id = await decided(running)
    answer = await ask(monkeypatch, running, "explain", decision_id, "--lang", "en")
    assert answer.exit_code == 0
    assert f"Decision {decision_id}" in answer.stdout


async def test_a_decision_from_before_its_place_was_kept_is_found(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision_id = await decided(running)
    async with running.engine.begin() as connection:
        await connection.execute(text("delete from decision"))
    answer = await ask(monkeypatch, running, "explain", decision_id)
    assert answer.exit_code == 0
    assert f"决策 {decision_id}" in answer.stdout


async def test_an_unknown_decision_says_where_to_look(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await ask(monkeypatch, running, "explain", "nowhere")
    assert answer.exit_code == 1
    assert "doorstep timeline CASE" in answer.stderr


async def test_a_backtest_of_the_store_reports_and_writes_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await decided(running)
    before = await everything(running)
    hours = (pack.FOLDER / "house.yaml").read_text(encoding="utf-8").replace("08:00-22:00", "12:00-22:00")
    (tmp_path / "house.yaml").write_text(hours, encoding="utf-8")
    words = ("--from", "2026-03-01", "--to", "2026-03-31", "--packs", str(tmp_path), "--json")
    answer = await ask(monkeypatch, running, "backtest", *words)
    assert answer.exit_code == 0, answer.output
    report = json.loads(answer.stdout.splitlines()[-1])
    assert (report["cases"], report["found"]["before"]["contacts"]) == (1, 1)
    assert report["found"]["changed"] == {"contact-now-denied": 1}
    (example,) = report["found"]["examples"]
    assert "house/contact-hours" in example["sentence"]
    assert await everything(running) == before


async def test_a_backtest_with_wrong_packs_names_file_place_and_reason(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "xx.yaml").write_text("id: xx\nversion: 1\n")
    words = ("--from", "2026-03-01", "--to", "2026-03-31", "--packs", str(tmp_path))
    answer = await ask(monkeypatch, running, "backtest", *words)
    assert answer.exit_code == 2
    assert "xx.yaml: $.version" in answer.stderr


async def test_a_backtest_of_nothing_different_says_what_to_give(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await ask(monkeypatch, running, "backtest", "--from", "2026-03-01", "--to", "2026-03-31")
    assert answer.exit_code == 2
    assert "--packs, --strategy or --tenants" in answer.stderr


async def everything(running: Running) -> Any:
    """All that the store holds."""
    async with running.engine.connect() as connection:
        return [
            (await connection.execute(text(f"select t::text from {table} t order by 1"))).scalars().all()
            for table in ("events", "streams", "tally", "outbox", "effects")
        ]
