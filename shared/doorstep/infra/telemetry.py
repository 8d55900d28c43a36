"""Logs, traces, metrics. The only module that knows OpenTelemetry.

A trace covers what follows from one message within seconds. What waited in between (outbox, timer) begins
a span of its own that links back; a case that lives for weeks is found by its id, as an attribute.
"""

import logging
import secrets
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, TextIO, cast

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

log: structlog.stdlib.BoundLogger = structlog.get_logger()
_W3C = TraceContextTextMapPropagator()

PERSONAL = frozenset(
    {
        "name",
        "phone",
        "address",
        "text",
        "to",
        "borrower",
        "borrower_id",
        "borrower_name",
        "personal",
        "value",
        "notes",
    }
)
"""Field names whose values never reach a log line, whoever puts them there."""


def configure_logging(level: str = "INFO") -> None:
    """JSON lines on standard error, each with service, trace id and case id where there is one."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            _plain_exception,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


def about(**what: str | None) -> AbstractContextManager[None]:
    """Every log line written within says it too: service, case_id, trace_id."""
    return structlog.contextvars.bound_contextvars(**{name: value for name, value in what.items() if value})


def where(error: BaseException) -> str:
    """The type and place of `error`, without its text: a message may quote personal data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"


def _redact(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in PERSONAL & line.keys():
        line[name] = "«redacted»"
    return line


def _plain_exception(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        line["error"] = where(error)
    return line


class _StandardError:
    """Standard error, wherever it leads by now. A line that cannot be written must not fail the message it
    is about."""

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Libraries format messages with arguments we cannot vet: only the template goes out.
        log.log(
            record.levelno,
            str(record.msg),
            logger=record.name,
            exc_info=record.exc_info and record.exc_info[1],
        )


class Telemetry:
    """One service's tracer and metrics."""

    def __init__(self, service: str, *, endpoint: str | None = None, ratio: float = 0.1) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self.handled = self._counter("messages_handled", "messages taken to the end")
        self.duplicates = self._counter("messages_duplicate", "messages seen before, dropped")
        self.passed_over = self._counter(
            "messages_passed_over", "messages of types that this service does not react to"
        )
        self.parked = self._counter("messages_parked", "messages parked for a person")
        self.gaps = self._counter("gaps", "messages parked because an earlier one of their stream has not come")
        self.committed = self._counter("events_committed", "events written")
        self.published = self._counter("events_published", "events the bus has confirmed")
        self.effects = self._counter("effects_done", "effects carried out or recorded as not carried out")
        self.failures = self._counter("failures", "batches, timers and effects that failed and are tried again")
        self.waiting = self.gauge("parked_waiting", "messages parked now; more than 0 is an alarm")
        self.waiting_longest = self.gauge(
            "parked_longest_seconds", "how long the first of the parked messages has waited"
        )
        self.lag = self.gauge("lag", "messages not read yet")
        self.batch_seconds = Histogram(
            "doorstep_batch_seconds", "time to handle one batch", ["service"], registry=self.registry
        ).labels(service)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces") if endpoint else None
        self._provider = _provider(service, exporter, ratio) if exporter else None
        self._tracer = self._provider.get_tracer("doorstep") if self._provider else None

    def export_to(self, exporter: SpanExporter) -> None:
        """Record every span into `exporter`, for tests."""
        self._provider = _provider(self.service, exporter, 1.0)
        self._tracer = self._provider.get_tracer("doorstep")

    def span(
        self, name: str, traceparent: str | None, *, waited: bool = False, **attributes: str | int
    ) -> AbstractContextManager[str]:
        """A span below `traceparent`, or linked to it when time has passed in between (`waited`). Yields
        the traceparent for whatever follows. Without a collector it costs next to nothing."""
        if self._tracer is None:
            return nullcontext(traceparent or _fresh_traceparent())
        return self._span(self._tracer, name, traceparent, waited, attributes)

    @contextmanager
    def _span(
        self, tracer: trace.Tracer, name: str, traceparent: str | None, waited: bool, attributes: dict[str, str | int]
    ) -> Iterator[str]:
        parent = _context(traceparent)
        context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent and not waited else None
        with tracer.start_as_current_span(
            name,
            context=context,
            links=[Link(parent)] if parent and waited else [],
            attributes={f"doorstep.{key}": value for key, value in attributes.items()},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _traceparent(span.get_span_context())
            except Exception as error:
                # Its text may quote personal data, which is why the library's own record is switched off.
                span.set_status(StatusCode.ERROR, where(error))
                raise

    def shutdown(self) -> None:
        """Send what is still buffered."""
        if self._provider:
            self._provider.shutdown()

    def gauge(self, name: str, about: str) -> Gauge:
        """A gauge of the service's own; /metrics shows it as doorstep_<name>{service="<service>"}."""
        return Gauge(f"doorstep_{name}", about, ["service"], registry=self.registry).labels(self.service)

    def _counter(self, name: str, about: str) -> Counter:
        return Counter(f"doorstep_{name}", about, ["service"], registry=self.registry).labels(self.service)


def exposition(services: Iterable[Telemetry]) -> bytes:
    """The metrics of all `services`, in Prometheus's text format."""
    return generate_latest(_Together([one.registry for one in services]))


class _Together(CollectorRegistry):
    """Several registries as one: a metric that more than one has is told once, with the samples of all."""

    def __init__(self, registries: Iterable[CollectorRegistry]) -> None:
        super().__init__()
        self._registries = tuple(registries)

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for registry in self._registries:
            for metric in registry.collect():
                if (known := found.setdefault(metric.name, metric)) is not metric:
                    known.samples.extend(metric.samples)
        yield from found.values()


def trace_id(traceparent: str | None) -> str | None:
    """The trace id inside a W3C traceparent; None for what is none."""
    context = _context(traceparent)
    return format_trace_id(context.trace_id) if context else None


def _provider(service: str, exporter: SpanExporter, ratio: float) -> TracerProvider:
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"doorstep-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(ratio)),
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _fresh_traceparent() -> str:
    return _traceparent(SpanContext(secrets.randbits(128), secrets.randbits(64), is_remote=False))


def _context(traceparent: str | None) -> SpanContext | None:
    if traceparent is None:
        return None
    found = trace.get_current_span(_W3C.extract({"traceparent": traceparent}, Context())).get_span_context()
    return found if found.is_valid else None


def _traceparent(context: SpanContext) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(NonRecordingSpan(context)))
    return carrier["traceparent"]
