"""The spans of an execution, as an OTLP receiver gets them: one tree, whatever processes and collectors do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrator.domain.ids import git_id, workflow_id_of_run
from orchestrator.domain.states import WorkflowStatus
from tests.orchestrator.engine.world import World, task, work
from tests.parts.collector import Collector, Received, collector

# Requirement TRC-1: each span with its parent.
TREE = {
    "workflow.execute": None,
    "work.execute": "workflow.execute",
    "resource.prepare_workspace": "work.execute",
    "filesystem.create_directory": "resource.prepare_workspace",
    "filesystem.create_symlink": "resource.prepare_workspace",
    "agent.start": "work.execute",
    "mcp.config.merge": "agent.start",
    "task.execute": "work.execute",
    "query.send": "task.execute",
    "query.wait_response": "task.execute",
    "report.generate": "task.execute",
    "agent.stop": "work.execute",
    "checkpoint.create": "work.execute",
    "git.commit": "checkpoint.create",
    "resource.cleanup": "workflow.execute",
}
# Requirement TRC-2: what each span says.
ATTRIBUTES = {
    "workflow.execute": {"workflow.id", "workflow.status"},
    "work.execute": {"work.id", "work.sequence"},
    "resource.prepare_workspace": {"workspace.id"},
    "agent.start": {"agent.process.pid", "mcp.server.count"},
    "mcp.config.merge": {"mcp.server.count", "mcp.global_refs", "mcp.work_refs"},
    "task.execute": {"task.id", "task.order"},
    "query.send": {"query.length"},
    "report.generate": {"report.id", "report.outline"},
    "checkpoint.create": {"commit.hashes"},
    "git.commit": {"git.id", "commit.hashes"},
}
_LIBRARIES = ("SELECT", "INSERT", "UPDATE", "DELETE", "connect", "BEGIN", "PRAGMA", "WITH")

# Performs the given Works of a Workflow in a process of its own, as a run worker does.
WORKER = """
import sys
from orchestrator.engine.engine import open_engine
from orchestrator.engine.perform import perform
from orchestrator.observe.trace import flush_traces
from orchestrator.settings import load_settings
engine = open_engine(load_settings())
try:
    for work in sys.argv[2:]:
        list(perform(engine, workflow_id=sys.argv[1], work=work))
finally:
    engine.store.close()
    flush_traces()
"""


@pytest.fixture
def received() -> Iterator[Collector]:
    with collector() as running:
        yield running


def worker(
    world: World, workflow_id: str, *works: str, url: str, version: str = "1.2.3"
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ORCHESTRATOR_HOME": str(world.home / "data"),
        "OTEL_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "APP_VERSION": version,
        "MY_TOKEN": "geheim-0123456789",
    }
    command = [sys.executable, "-c", WORKER, workflow_id, *works]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)


def own(received: Collector) -> list[Received]:
    return [span for span in received.spans if not span.name.startswith(_LIBRARIES)]


def test_one_trace_across_processes_has_the_required_tree(world: World, received: Collector) -> None:
    report = {"title": "Found", "outline": []}
    loaded = world.spec(
        [
            work("first", task("a", "echo one > api/one", report=report), task("b", "true"), gits=["api"]),
            work("second", task("c", "echo two > web/two", report=report)),
        ]
    )
    workflow_id = world.create(loaded)
    row = world.workflow(workflow_id)
    for name in ("first", "second"):
        ended = worker(world, workflow_id, name, url=received.url)
        assert ended.returncode == 0, ended.stderr[-3000:]
    received.until(*TREE)

    spans = {span.span_id: span for span in own(received)}
    assert {span.trace_id for span in spans.values()} == {str(row.run_id).replace("-", "")}, "the first run's UUID"
    assert {span.resource["service.name"] for span in spans.values()} == {"workflow-orchestrator"}
    assert {span.resource["service.version"] for span in spans.values()} == {"1.2.3"}
    for span in spans.values():
        parent = spans.get(span.parent_id)
        assert (parent.name if parent else None) == TREE[span.name], span.name
        assert span.attributes.keys() >= ATTRIBUTES.get(span.name, set()), span.name
        assert not span.error
        if parent is not None:
            assert parent.began_ns - 2_000_000 <= span.began_ns <= span.ended_ns <= parent.ended_ns + 1_000_000_000
    count = {name: len(received.named(name)) for name in TREE}
    assert count["workflow.execute"] == 1
    assert (count["work.execute"], count["task.execute"], count["report.generate"]) == (2, 3, 2)
    assert count["git.commit"] == 3, "one per Git of each Work"
    (root,) = received.named("workflow.execute")
    assert root.attributes["workflow.status"] == "COMPLETED"
    assert {span.attributes["git.id"] for span in received.named("git.commit")} == {
        git_id(str(path)) for path in (world.api, world.web)
    }
    assert any(span.name.startswith("SELECT") for span in received.spans), "SQLAlchemy is instrumented"
    assert {span.trace_id for span in received.spans} == {root.trace_id}, "and starts no traces of its own"


def test_a_failed_work_is_an_error_on_every_span_it_left_masked_and_a_resume_goes_on_in_the_same_trace(
    world: World, received: Collector
) -> None:
    check = {"name": "c", "run": "test -e ok", "git": "api", "blocking": True}
    loaded = world.spec([work("only", task("a", "echo x > api/x"), checks=[check])])
    workflow_id = world.create(loaded)
    assert worker(world, workflow_id, "only", url=received.url).returncode != 0
    received.until("workflow.execute", "work.execute")

    (failed,) = received.named("work.execute")
    assert failed.error
    assert failed.attributes["error.type"] == "CheckFailed"
    assert "blocking check" in failed.attributes["error.message"]
    assert failed.events, "the exception with its stack"
    (root,) = received.named("workflow.execute")
    assert (root.error, root.attributes["workflow.status"]) == (True, "FAILED")

    (world.tree(workflow_id, "api") / "ok").write_text("")
    assert worker(world, workflow_id, "only", url=received.url).returncode != 0, (
        "settled: the edit went to a rescue ref, and the check fails again"
    )
    assert len({span.trace_id for span in own(received)}) == 1
    assert {span.parent_id for span in received.named("work.execute")} == {root.span_id}


@pytest.mark.parametrize("fault", ["dead", "refusing", "slow"])
def test_a_collector_that_does_not_work_fails_no_workflow(world: World, fault: str) -> None:
    loaded = world.spec([work("only", task("a", "echo x > api/x"))])
    workflow_id = world.create(loaded)
    if fault == "dead":
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            ended = worker(world, workflow_id, "only", url=f"http://127.0.0.1:{unused.getsockname()[1]}")
    else:
        with collector(status=503 if fault == "refusing" else 200, delay_s=30 if fault == "slow" else 0) as bad:
            ended = worker(world, workflow_id, "only", url=bad.url)

    assert ended.returncode == 0, ended.stderr[-3000:]
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    assert len([line for line in lines if line["event"] == "TraceExportFailed"]) <= 1, "said once"


def test_log_lines_name_the_trace(world: World, received: Collector) -> None:
    loaded = world.spec([work("only", task("a", "true"))])
    workflow_id = world.create(loaded)
    ended = worker(world, workflow_id, "only", url=received.url)

    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    started = next(line for line in lines if line["event"] == "QuerySent")
    assert started["context"]["traceId"] == world.workflow(workflow_id).trace_id
    assert workflow_id == workflow_id_of_run(str(world.workflow(workflow_id).run_id))
