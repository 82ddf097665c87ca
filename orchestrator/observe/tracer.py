"""OpenTelemetry as this process uses it. Imported where tracing is on, and nowhere else."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from orchestrator.observe.line import SERVICE
from orchestrator.observe.log import get_logger, mask_text

_log = get_logger(__name__)
# Of one request to the collector, its retries included, and of the last one before the process ends.
_EXPORT_S = 5
_FLUSH_S = 1.0
_QUEUE = 8192
_BATCH_EVERY_MS = 2000
_LIBRARY = "orchestrator"
# Probes and scrapes, several a minute for ever.
_UNTRACED = "/health,/ready,/metrics"

_pinned: ContextVar[tuple[int, int] | None] = ContextVar("pinned", default=None)


class Tracing:
    """Spans of one process on their way to one collector."""

    def __init__(self, *, endpoint: str, version: str) -> None:
        self._exporter = _Exporter(f"{endpoint.rstrip('/')}/v1/traces")
        resource = Resource.create({"service.name": SERVICE, "service.version": version})
        self._provider = TracerProvider(
            resource=resource,
            sampler=ParentBased(root=_Roots()),
            id_generator=_Ids(),
            # Its own way of ending waits for half a minute.
            shutdown_on_exit=False,
        )
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=_QUEUE, schedule_delay_millis=_BATCH_EVERY_MS, max_export_batch_size=512
        )
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer(_LIBRARY, version)
        _quieten()
        _instrument(self._provider)
        atexit.register(self.flush)

    def span(self, name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[_Running]:
        """A running span, child of the one that runs here."""
        return self._span(name, attributes)

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[_Running]:
        with self._tracer.start_as_current_span(
            name, attributes=_given(attributes), record_exception=False, set_status_on_exception=False
        ) as started:
            try:
                yield _Running(started)
            except GeneratorExit:
                # The consumer of a generator stopped listening: no fault of this step.
                raise
            except BaseException as error:
                _fail(started, type(error).__name__, str(error))
                started.record_exception(error)
                raise

    @contextmanager
    def remote(self, *, trace_id: int, span_id: int) -> Iterator[None]:
        """Spans within have this parent, whoever emits it."""
        parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        token = otel_context.attach(otel.set_span_in_context(NonRecordingSpan(parent)))
        try:
            yield
        finally:
            otel_context.detach(token)

    def emit(
        self,
        name: str,
        *,
        trace_id: int,
        span_id: int,
        began_at: datetime,
        ended_at: datetime,
        attributes: Mapping[str, Any],
        error: str | None,
    ) -> None:
        """A whole span without a parent, under ids that others have named already."""
        token = _pinned.set((trace_id, span_id))
        try:
            emitted = self._tracer.start_span(
                name,
                context=otel_context.Context(),
                attributes=_given(attributes),
                start_time=_nanoseconds(began_at),
            )
        finally:
            _pinned.reset(token)
        if error is not None:
            _fail(emitted, "WorkflowFailed", error)
        emitted.end(_nanoseconds(ended_at))

    def asgi(self, app: Any) -> Any:
        """The application with a span for each request."""
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        return OpenTelemetryMiddleware(app, excluded_urls=_UNTRACED, tracer_provider=self._provider)

    def database(self, engine: Any) -> None:
        """Statements of the engine as spans."""
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

        # It says that it supports SQLAlchemy below 2.1; what it hooks into has not changed.
        SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=self._provider, skip_dep_check=True)

    def flush(self) -> None:
        """Send what waits, within a second, unless the collector failed last time."""
        if self._exporter.failing:
            return
        # force_flush takes no notice of its own time limit (opentelemetry-python issue 4568).
        sending = threading.Thread(target=self._processor.force_flush, daemon=True)
        sending.start()
        sending.join(_FLUSH_S)

    def stop(self) -> None:
        """Flush and send no more."""
        self.flush()
        atexit.unregister(self.flush)
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_FLUSH_S)


class _Running:
    """`observe.trace.Span` over OpenTelemetry's."""

    def __init__(self, started: otel.Span) -> None:
        self._started = started

    def set(self, name: str, value: Any) -> None:
        if value is not None:
            self._started.set_attribute(name, value)


class _Ids(IdGenerator):
    """Random ids, but for a span whose ids are given."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        pinned = _pinned.get()
        return self._random.generate_trace_id() if pinned is None else pinned[0]

    def generate_span_id(self) -> int:
        pinned = _pinned.get()
        return self._random.generate_span_id() if pinned is None else pinned[1]


class _Roots(Sampler):
    """Of spans without a parent, requests and our own: a statement of the relay's endless polling is no trace."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, kind: Any = None, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        if kind is SpanKind.SERVER or (name.count(".") and kind in (None, SpanKind.INTERNAL)):
            return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, *args, **kwargs)
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "requests and steps of Workflows"


class _Exporter(SpanExporter):
    """Sends masked spans; says once that the collector does not take them, and once that it does again."""

    def __init__(self, url: str) -> None:
        self._otlp = OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S)
        self.failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            _mask(span)
        try:
            result = self._otlp.export(spans)
        except Exception as error:  # noqa: BLE001 — a collector may answer anything
            self._note(failed=True, why=f"{type(error).__name__}: {error}")
            return SpanExportResult.FAILURE
        self._note(failed=result is not SpanExportResult.SUCCESS, why="see OTEL_EXPORTER_OTLP_ENDPOINT")
        return result

    def shutdown(self) -> None:
        self._otlp.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry's own

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._otlp.force_flush(timeout_millis))

    def _note(self, *, failed: bool, why: str) -> None:
        if failed and not self.failing:
            _log.warning("TraceExportFailed", message=f"the collector takes no spans, they are dropped: {why}")
        elif self.failing and not failed:
            _log.info("TraceExportResumed", message="the collector takes spans again")
        self.failing = failed


def _mask(span: ReadableSpan) -> None:
    """Mask all texts of a finished span, whoever made it."""
    span._attributes = _masked(span.attributes)
    span._events = [Event(one.name, _masked(one.attributes), one.timestamp) for one in span.events]
    if span.status.description:
        span._status = Status(span.status.status_code, mask_text(span.status.description))


def _masked(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: mask_text(value) if isinstance(value, str) else value for name, value in (attributes or {}).items()}


def _fail(span: otel.Span, kind: str, message: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_attribute("error.message", message)
    span.set_status(Status(StatusCode.ERROR, message))


def _given(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000


def _instrument(provider: TracerProvider) -> None:
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    if importlib.util.find_spec("redis") is not None:
        from opentelemetry.instrumentation.redis import RedisInstrumentor

        RedisInstrumentor().instrument(tracer_provider=provider)


def _quieten() -> None:
    # We say it once; they say it for every batch, with a stack.
    for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
