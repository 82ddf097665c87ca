"""`/ready` and the monitor: dependencies that work, fail, hang and come back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text

from orchestrator.domain.events import EventType
from orchestrator.ops.dependencies import McpConnection
from orchestrator.ops.health import Check, Health, Look
from tests.orchestrator.ops.serving import Served, served
from tests.parts.postgres import Postgres
from tests.parts.valkey import Valkey, valkey

__all__ = ["valkey"]


def value(of: Served, name: str, /, **labels: str) -> float | None:
    answer = httpx.get(f"{of.url}/metrics", timeout=30)
    assert answer.status_code == 200
    return next(
        (
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        ),
        None,
    )


def until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_everything_up_has_exactly_the_contracts_body(tmp_path: Path) -> None:
    def connect() -> list[McpConnection]:
        return [McpConnection(server=name, reachable=True) for name in ("one", "two", "three")]

    with served(tmp_path, connect_mcp=connect) as server:
        answer = httpx.get(f"{server.url}/ready", timeout=30)

        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (list(body), body["status"]) == (["status", "timestamp", "checks", "info"], "UP")
        checks = body["checks"]
        assert {name: set(check) for name, check in checks.items()} == {
            "database": {"status", "responseTime"},
            "gitClient": {"status", "responseTime", "detail"},
            "mcpServers": {"status", "activeConnections", "detail"},
            "eventBus": {"status", "responseTime", "queueDepth"},
            "fileSystem": {"status", "worktreeRoot", "workflowRoot"},
        }
        assert {check["status"] for check in checks.values()} == {"UP"}
        assert checks["gitClient"]["detail"].startswith("git version ")
        assert checks["mcpServers"] == {"status": "UP", "activeConnections": 3, "detail": "3/3 servers reachable"}
        for root in ("worktreeRoot", "workflowRoot"):
            assert checks["fileSystem"][root]["available"] is True
            assert checks["fileSystem"][root]["freeSpaceGB"] > 0
        assert set(body["info"]) == {"dagsterDaemon", "codeLocation"}, "Dagster does not run here, and decides nothing"
        assert value(server, "mcp_connection_active", server="two") == 1


def test_one_unreachable_server_makes_it_down_and_is_counted(tmp_path: Path) -> None:
    def connect() -> list[McpConnection]:
        return [McpConnection(server="good", reachable=True), McpConnection(server="bad", reachable=False)]

    with served(tmp_path, connect_mcp=connect) as server:
        answer = httpx.get(f"{server.url}/ready", timeout=30)

        assert answer.status_code == 503
        assert answer.json()["status"] == "DOWN"
        assert answer.json()["checks"]["mcpServers"] == {
            "status": "DOWN",
            "activeConnections": 1,
            "detail": "1/2 servers reachable",
        }
        assert (value(server, "mcp_validation_failure_total", server="bad") or 0) >= 1
        assert value(server, "mcp_validation_failure_total", server="good") == 0


def test_a_root_that_is_gone_is_down_without_hiding_the_other(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.settings.worktree_root_path.rmdir()
        server.settings.worktree_root_path.write_text("no folder")
        checks = httpx.get(f"{server.url}/ready", timeout=30).json()["checks"]

        assert checks["fileSystem"]["status"] == "DOWN"
        assert checks["fileSystem"]["worktreeRoot"] == {"available": False, "freeSpaceGB": None}
        assert checks["fileSystem"]["workflowRoot"]["available"] is True


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_check_that_hangs_is_down_at_its_limit_delays_no_other_and_holds_one_thread(release: threading.Event) -> None:
    calls = []

    def hang() -> Look:
        calls.append(1)
        release.wait()
        return Look()

    def broken() -> Look:
        raise OSError("token=ghp_0123456789abcdefghijklmnopqrstuvwxyz is wrong")

    health = Health(
        [
            Check(name="hanging", timeout_s=0.3, look=hang, otherwise={"queueDepth": None}),
            Check(name="other", timeout_s=60, look=Look),
            Check(name="broken", timeout_s=60, look=broken),
        ]
    )
    for _ in range(3):
        hanging, other, failed = asyncio.run(health.look())
        assert (hanging.up, hanging.error, hanging.fields) == (False, "no answer in 0.3 s", {"queueDepth": None})
        assert other.up
        assert failed.error is not None
        assert "klmnopqrstuvwxyz" not in failed.error
    assert len(calls) == 1
    release.set()
    until(lambda: asyncio.run(health.look())[0].up)


def test_a_database_outage_is_said_by_both_endpoints_and_ends_with_the_outage(tmp_path: Path) -> None:
    own = Postgres.start()
    try:
        with served(tmp_path, DATABASE_URL=own.create_database(), HEALTH_CHECK_INTERVAL_MS="200") as server:
            until(lambda: value(server, "dependency_up", dependency="database") == 1)
            assert value(server, "workflow_status_count", status="RUNNING") == 0
            own.halt()

            assert value(server, "dependency_up", dependency="database") == 0, "before any check has run"
            assert value(server, "workflow_status_count", status="RUNNING") == 0, "the last known value"
            until(lambda: (value(server, "dependency_failure_streak", dependency="database") or 0) >= 3)
            until(lambda: (value(server, "event_publish_failure_streak") or 0) >= 1)
            answer = httpx.get(f"{server.url}/ready", timeout=30)
            assert answer.status_code == 503
            assert answer.json()["checks"]["database"]["status"] == "DOWN"
            assert answer.json()["checks"]["gitClient"]["status"] == "UP"
            assert httpx.get(f"{server.url}/health").status_code == 200, "the process itself is well"

            own.launch()
            until(lambda: value(server, "dependency_up", dependency="database") == 1)
            until(lambda: value(server, "dependency_failure_streak", dependency="database") == 0)
            until(lambda: value(server, "event_publish_failure_streak") == 0)
    finally:
        own.remove()


def test_the_bus_that_is_configured_is_asked_and_redis_gone_is_said_and_ends(tmp_path: Path, valkey: Valkey) -> None:
    with served(tmp_path, EVENT_BUS_TYPE="redis", REDIS_URL=valkey.url, HEALTH_CHECK_INTERVAL_MS="200") as server:
        until(lambda: value(server, "dependency_up", dependency="eventBus") == 1)
        assert httpx.get(f"{server.url}/ready", timeout=30).json()["checks"]["eventBus"]["queueDepth"] == 0
        valkey.kill()
        server.store.write(lambda tx: tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="while-away"))

        until(lambda: (value(server, "event_publish_failure_streak") or 0) >= 2)
        until(lambda: value(server, "event_queue_depth") == 1)
        answer = httpx.get(f"{server.url}/ready", timeout=30)
        event_bus = answer.json()["checks"]["eventBus"]
        assert (answer.status_code, event_bus["status"], event_bus["queueDepth"]) == (503, "DOWN", None)
        assert "redis" in event_bus["detail"]

        valkey.launch()
        until(lambda: value(server, "event_queue_depth") == 0)
        until(lambda: value(server, "event_publish_failure_streak") == 0)
        until(lambda: value(server, "dependency_up", dependency="eventBus") == 1)
        assert value(server, "event_published_total", type="DiskSpaceLow") == 1


def test_a_damaged_metrics_table_costs_the_damaged_rows_alone(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        engine = create_engine(server.settings.database_url)
        with engine.begin() as connection:
            for labels in ("not json", "[]", '["a","b"]', "7", "null"):
                insert = "INSERT INTO metrics VALUES ('workflow_failed_total', :labels, '', 1)"
                connection.execute(text(insert), {"labels": labels})
            connection.execute(text("INSERT INTO metrics VALUES ('of_nobody', '[]', 'x', 1)"))
            connection.execute(text("INSERT INTO metrics VALUES ('workflow_failed_total', '[\"good\"]', '', 2)"))

        assert value(server, "workflow_failed_total", workflow="good") == 2
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE metrics"))
        assert value(server, "dependency_up", dependency="database") == 0
        assert value(server, "workflow_failed_total", workflow="good") == 2, "the last known value"
