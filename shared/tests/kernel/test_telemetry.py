"""Logs that a machine reads and that quote nobody; traces that hold together what follows from one message."""

import io
import json
import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import pytest
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import decode, encode
from doorstep.infra import telemetry
from doorstep.infra.telemetry import Telemetry, about, configure_logging, log, trace_id, where
from doorstep.kernel.decider import Routed
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.counting import Count, World, asked, counter

ASKED_TRACE, ASKED_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{ASKED_TRACE}-{ASKED_SPAN}-01"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Every log line so far; each is one JSON object."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def traced(message: Outgoing) -> Outgoing:
    """The same message, with a trace of its sender."""
    envelope = msgspec.structs.replace(decode(message.value), traceparent=TRACEPARENT)
    return message._replace(value=encode(envelope))


class TestLogs:
    """Each line is one JSON object on standard error."""

    def test_a_line_says_when_how_grave_and_what(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging()
        log.warning("not ready", why="今天没有数据库")
        (line,) = lines(capsys)
        assert (line["event"], line["level"], line["why"]) == ("not ready", "warning", "今天没有数据库")
        assert line["timestamp"].endswith("Z")

    def test_lines_below_the_level_are_not_written(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging("ERROR")
        log.warning("not written")
        log.error("written")
        assert [line["event"] for line in lines(capsys)] == ["written"]

    def test_what_a_stretch_is_about_is_in_every_line_of_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging()
        with about(case_id="case-1", trace_id=trace_id(TRACEPARENT), service=None):
            log.info("inside")
        log.info("outside")
        inside, outside = lines(capsys)
        assert (inside["case_id"], inside["trace_id"]) == ("case-1", ASKED_TRACE)
        assert not {"case_id", "trace_id", "service"} & outside.keys()

    @pytest.mark.parametrize("name", sorted(telemetry.PERSONAL))
    def test_a_personal_field_is_redacted_whoever_puts_it_there(
        self, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        configure_logging()
        log.info("x", **{name: "张三 13800000000"})
        assert lines(capsys)[0][name] == "«redacted»"

    def test_the_text_of_an_exception_is_not_quoted(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging()
        try:
            raise ValueError("张三 13800000000")
        except ValueError:
            log.exception("failed")
        (line,) = lines(capsys)
        assert line["error"].startswith("ValueError at ")
        assert "13800000000" not in json.dumps(line)

    def test_a_library_logs_its_template_without_the_arguments(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging()
        logging.getLogger("somelibrary").warning("cannot send to %s", "13800000000")
        (line,) = lines(capsys)
        assert (line["event"], line["logger"]) == ("cannot send to %s", "somelibrary")

    def test_a_line_that_cannot_be_written_stops_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        configure_logging()
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr("sys.stderr", closed)
        log.error("nobody reads this")

    def test_where_names_type_and_place(self) -> None:
        assert where(ValueError("secret")) == "ValueError"


class TestLogsOfTheHandler:
    """What goes wrong says whose message it was, and quotes nothing of it."""

    async def test_a_message_that_fails_is_found_by_case_and_trace(
        self, counting: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging()
        await counting.ask(traced(asked("a", 13)))
        await counting.settle()
        failed = [line for line in lines(capsys) if line["event"] in ("message failed", "message parked")]
        assert {line["event"] for line in failed} == {"message failed", "message parked"}
        assert {line["case_id"] for line in failed} == {"a"}
        assert {line["trace_id"] for line in failed} == {ASKED_TRACE}
        assert "13800000000" not in json.dumps(failed, ensure_ascii=False)

    async def test_a_stream_that_fails_to_wake_is_found_by_case_and_trace(
        self, counting: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging()
        await counting.ask(traced(asked("a", 200)))
        await counting.settle()
        due = await counting.running.next_due()
        assert due is not None
        counting.clock.jump(due)
        await counting.settle()
        (line,) = [line for line in lines(capsys) if line["event"].startswith("stream failed to wake")]
        assert (line["case_id"], line["trace_id"]) == ("a", ASKED_TRACE)


class Traces:
    """The spans of a counter service."""

    def __init__(self, counting: World) -> None:
        self._telemetry = counting.running.telemetry
        self._exporter = InMemorySpanExporter()
        self._telemetry.export_to(self._exporter)

    def named(self, name: str) -> ReadableSpan:
        """The only span of that name."""
        (span,) = [span for span in self._finished if span.name == name]
        return span

    @cached_property
    def _finished(self) -> Sequence[ReadableSpan]:
        self._telemetry.shutdown()
        return self._exporter.get_finished_spans()


def context(span: ReadableSpan) -> tuple[str, str]:
    """Trace id and span id, as a traceparent writes them."""
    found = span.get_span_context()
    assert found is not None
    return f"{found.trace_id:032x}", f"{found.span_id:016x}"


class TestTraces:
    """By hand: one span per command."""

    async def test_a_handled_message_is_a_child_of_its_sender(self, counting: World) -> None:
        traces = Traces(counting)
        await counting.ask(traced(asked("a", 1)))
        await counting.settle()
        span = traces.named("counter Count")
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == ASKED_SPAN
        assert context(span)[0] == ASKED_TRACE

    async def test_the_case_is_an_attribute_so_that_its_traces_are_found_for_weeks(self, counting: World) -> None:
        traces = Traces(counting)
        await counting.ask(traced(asked("case-1", 1)))
        await counting.settle()
        attributes = traces.named("counter Count").attributes
        assert attributes is not None
        assert attributes["doorstep.case"] == "case-1"
        assert attributes["doorstep.stream"] == "counter/case-1"

    async def test_an_event_carries_the_trace_on(self, counting: World) -> None:
        traces = Traces(counting)
        await counting.ask(traced(asked("a", 1)))
        await counting.settle()
        (said,) = await counting.said()
        assert said.traceparent == "-".join(("00", *context(traces.named("counter Count")), "01"))

    async def test_a_timer_starts_a_trace_of_its_own_that_links_back(self, counting: World) -> None:
        traces = Traces(counting)
        await counting.ask(traced(asked("a", 100)))
        await counting.settle()
        due = await counting.running.next_due()
        assert due is not None
        counting.clock.jump(due)
        await counting.settle()
        woken = traces.named("counter Wake")
        assert woken.parent is None
        assert context(woken)[0] != ASKED_TRACE
        (link,) = woken.links
        # The last that had happened to the stream: the announcement of 100, itself a trace of its own.
        assert f"{link.context.span_id:016x}" == context(traces.named("counter Tell"))[1]

    async def test_an_effects_outcome_links_back_to_what_set_it_off(self, counting: World) -> None:
        traces = Traces(counting)
        await counting.ask(traced(asked("a", 50)))
        await counting.settle()
        (link,) = traces.named("counter Tell").links
        assert f"{link.context.span_id:016x}" == context(traces.named("counter Count"))[1]

    async def test_a_failure_leaves_no_text_in_its_span(self, counting: World) -> None:
        traces = Traces(counting)
        with pytest.raises(RuntimeError):
            await counting.running.execute(Routed(counter("a"), Count(13)))
        span = traces.named("counter Count")
        assert not span.status.is_ok
        assert "13800000000" not in span.to_json()

    async def test_without_a_collector_events_carry_a_trace_all_the_same(self, counting: World) -> None:
        await counting.ask(asked("a", 1))
        await counting.settle()
        (said,) = await counting.said()
        assert len(trace_id(said.traceparent) or "") == 32

    @pytest.mark.parametrize(
        "nonsense", ["", "00-xyz", "00-zz-zz-zz", None, "a-b-c-d-e", "00-1-2-01", f"00-{'0' * 32}-{ASKED_SPAN}-01"]
    )
    def test_a_broken_traceparent_is_no_parent(self, nonsense: str | None) -> None:
        one, exporter = Telemetry("test"), InMemorySpanExporter()
        one.export_to(exporter)
        with one.span("x", nonsense) as traceparent:
            assert len(traceparent.split("-")) == 4
        one.shutdown()
        assert exporter.get_finished_spans()[0].parent is None
        assert trace_id(nonsense) is None


async def test_a_handled_batch_shows_in_the_metrics(counting: World) -> None:
    await counting.ask(asked("a", 1), asked("a", 1), asked("b", 13))
    await counting.settle()
    metrics = counting.running.telemetry
    assert metrics.committed._value.get() >= 1
    assert metrics.duplicates._value.get() >= 1
    assert metrics.parked._value.get() == 1
