"""An OTLP receiver over HTTP that keeps what it gets, or behaves as badly as it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_DEADLINE_S = 60


@dataclass(frozen=True, kw_only=True)
class Received:
    """One span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[dict[str, Any]]


@dataclass(kw_only=True)
class Collector:
    """A running receiver."""

    url: str
    spans: list[Received] = field(default_factory=list)

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def until(self, *names: str) -> None:
        """Wait until there is a span of each name."""
        deadline = time.monotonic() + _DEADLINE_S
        while missing := [name for name in names if not self.named(name)]:
            assert time.monotonic() < deadline, f"no span {missing} among {[span.name for span in self.spans]}"
            time.sleep(0.05)


@contextmanager
def collector(*, status: int = 200, delay_s: float = 0) -> Iterator[Collector]:
    """A receiver on the loopback that answers `status`, after a while."""
    kept = Collector(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(delay_s)
            if self.path == "/v1/traces" and status == 200:
                kept.spans += _spans(ExportTraceServiceRequest.FromString(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        kept.url = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield kept
        http.shutdown()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    error=span.status.code == 2,
                    attributes=_attributes(span.attributes),
                    resource=_attributes(group.resource.attributes),
                    events=[_attributes(event.attributes) for event in span.events],
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
