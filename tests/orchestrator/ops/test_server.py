"""The operations server's HTTP answers, to friends and to strangers."""

from __future__ import annotations

import contextlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from orchestrator.domain.measures import count
from orchestrator.domain.metrics import METRICS
from orchestrator.ops import http
from tests.orchestrator.ops.serving import served

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def test_health_is_up_and_says_so_with_the_contracts_fields(tmp_path: Path) -> None:
    with served(tmp_path, APP_VERSION="1.2.3") as server:
        answer = httpx.get(f"{server.url}/health")

        assert answer.status_code == 200
        body = answer.json()
        assert list(body) == ["status", "timestamp", "uptime", "version"]
        assert (body["status"], body["version"]) == ("UP", "1.2.3")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
        assert httpx.get(f"{server.url}/no/such/path").status_code == 404
        assert httpx.post(f"{server.url}/health").status_code == 405


def test_metrics_come_in_both_formats_with_every_metric_and_any_label(tmp_path: Path) -> None:
    name = 'line\nbreak "quoted" back\\slash'
    with served(tmp_path, METRICS_PATH="/own/metrics") as server:
        server.store.write(lambda tx: tx.add_measures([count("workflow_failed_total", 3, workflow=name)]))
        plain = httpx.get(f"{server.url}/own/metrics")
        opened = httpx.get(f"{server.url}/own/metrics", headers={"accept": OPEN_METRICS})

        assert plain.headers["content-type"].startswith("text/plain; version=")
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        for families in (list(prometheus_text(plain.text)), list(open_metrics(opened.text))):  # type: ignore[no-untyped-call]  # prometheus-client's own parser
            told = {family.name for family in families} | {f"{family.name}_total" for family in families}
            assert METRICS.keys() - told == set()
            (failed,) = (family for family in families if family.name in ("workflow_failed", "workflow_failed_total"))
            assert [(s.labels, s.value) for s in failed.samples] == [({"workflow": name}, 3.0)]
        assert httpx.get(f"{server.url}/metrics").status_code == 404


def test_metrics_that_are_switched_off_are_not_there(tmp_path: Path) -> None:
    with served(tmp_path, METRICS_ENABLED="false") as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_a_hundred_scrapes_at_once_are_all_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server, ThreadPoolExecutor(100) as many:
        answers = list(many.map(lambda _: httpx.get(f"{server.url}/metrics", timeout=60), range(100)))

        assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/health/../metrics",
        "//evil.example/health",
        "/metrics%00",
        "/*",
    ],
)
def test_a_hostile_path_gets_a_plain_refusal(tmp_path: Path, path: str) -> None:
    with served(tmp_path) as server:
        answer = exchange(server.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

        assert re.match(rb"HTTP/1\.1 40[0-9] ", answer), answer[:200]
        assert b"root:" not in answer
        assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="path"),
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n", id="header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01garbage\r\n\r\n", id="no HTTP at all"),
    ],
)
def test_an_oversized_or_malformed_request_is_refused(tmp_path: Path, request_bytes: bytes) -> None:
    with served(tmp_path) as server:
        assert exchange(server.port, request_bytes)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_clients_that_are_slow_or_silent_lose_their_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECTION_S", 1.0)
    with served(tmp_path) as server:
        silent, slow = (socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(2))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost:")
        for client in (silent, slow):
            with client, contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b"", "closed, nothing said"
        assert httpx.get(f"{server.url}/health").status_code == 200


def exchange(port: int, request: bytes) -> bytes:
    """What the server answers, until it closes the connection; empty where it closed it while we were sending."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        try:
            client.sendall(request)
            while chunk := client.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
    return answer
