"""Traces: what an execution did and how long each step took, as spans over OTLP. Off, it costs next to nothing.

    with workflow_trace(workflow_id=row.id, trace_id=row.trace_id):
        with span("work.execute", {"work.id": "wk-12ab", "work.sequence": 1}) as work:
            work.set("agent.process.pid", 4711)

The trace's id is the UUID of the execution's first run and the root span's id derives from the Workflow, so whatever
process works on it, now or after a resume, names the same parent; who ends the Workflow emits the root with its real
times. Spans wait in a bounded queue that a thread of its own empties: a collector that is down, slow or refuses loses
spans, and holds nothing up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from structlog.contextvars import bound_contextvars

if TYPE_CHECKING:
    from orchestrator.observe.tracer import Tracing

ROOT = "workflow.execute"
Value = str | int | float | bool | tuple[str, ...] | None


class Span(Protocol):
    """A span that runs."""

    def set(self, name: str, value: Value) -> None:
        """Set an attribute; None is left out. Whatever holds a secret is masked on its way out."""


class _NoSpan:
    def set(self, name: str, value: Value) -> None:
        del name, value


_NO_SPAN = _NoSpan()


class _Process:
    """The tracing of this process, None while it is off."""

    tracing: Tracing | None = None


def start_tracing(*, enabled: bool, endpoint: str | None, version: str) -> None:
    """Send this process's spans to `endpoint` (`OTEL_EXPORTER_OTLP_ENDPOINT`); a second call does nothing."""
    if not enabled or endpoint is None or _Process.tracing is not None:
        return
    # Half a second of imports, for those alone who asked for traces.
    from orchestrator.observe.tracer import Tracing

    _Process.tracing = Tracing(endpoint=endpoint, version=version)


def tracing() -> bool:
    """Whether this process sends spans."""
    return _Process.tracing is not None


def stop_tracing() -> None:
    """Send what waits, for a second at most, and send no more. For tests, and for processes that end."""
    stopped, _Process.tracing = _Process.tracing, None
    if stopped is not None:
        stopped.stop()


def flush_traces() -> None:
    """Send what waits, for a second at most; not at all to a collector that did not take the last ones."""
    if _Process.tracing is not None:
        _Process.tracing.flush()


def tracing_app(app: Any) -> Any:
    """An ASGI application whose requests are traced, or the same one while tracing is off."""
    return app if _Process.tracing is None else _Process.tracing.asgi(app)


def trace_database(engine: Any) -> None:
    """Make a span of each statement of a SQLAlchemy engine that is part of a trace."""
    if _Process.tracing is not None:
        _Process.tracing.database(engine)


@contextmanager
def workflow_trace(*, workflow_id: str, trace_id: str | None) -> Iterator[None]:
    """Spans within belong to the trace of this Workflow, those on top to its root; log lines name the trace."""
    current = _Process.tracing
    if current is None or trace_id is None:
        yield
        return
    with current.remote(trace_id=int(trace_id, 16), span_id=root_id(workflow_id)), bound_contextvars(traceId=trace_id):
        yield


@contextmanager
def span(name: str, attributes: Mapping[str, Any] | None = None) -> Iterator[Span]:
    """A step; an exception that leaves it makes it an ERROR with `error.type` and `error.message`."""
    current = _Process.tracing
    if current is None:
        yield _NO_SPAN
        return
    with current.span(name, attributes or {}) as started:
        yield started


def workflow_ended(
    *,
    workflow_id: str,
    trace_id: str | None,
    status: str,
    began_at: datetime,
    ended_at: datetime,
    error: str | None,
    attributes: Mapping[str, Value],
) -> None:
    """Emit the root span of an execution, from accepted to ended; again where it ends again, after a resume."""
    current = _Process.tracing
    if current is None or trace_id is None:
        return
    current.emit(
        ROOT,
        trace_id=int(trace_id, 16),
        span_id=root_id(workflow_id),
        began_at=began_at,
        ended_at=ended_at,
        attributes={"workflow.id": workflow_id, "workflow.status": status, **attributes},
        error=error,
    )


def root_id(workflow_id: str) -> int:
    """The id of a Workflow's root span; not zero, which would be none."""
    return int.from_bytes(hashlib.sha256(f"{ROOT}\0{workflow_id}".encode()).digest()[:8], "big") or 1
