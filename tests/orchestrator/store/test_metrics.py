"""Metrics count what was kept, once, whatever happens to the process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from decimal import Decimal

import pytest

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.events import EventType
from orchestrator.domain.measures import count
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import NewReport, TaskResult
from tests.orchestrator.store.examples import DIAGNOSE, ID, SURVEY, change, create, run

AGENT = '["claude","claude-sonnet-4-5"]'


def cells(store: Store, name: str) -> dict[tuple[str, str], float]:
    rows = store.read(lambda reader: reader.metric_rows())
    return {(row.labels, row.cell): row.value for row in rows if row.name == name}


def test_an_execution_counts_itself(store: Store) -> None:
    create(store)
    create(store)
    run(store)
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    started = {"provider": "claude", "model": "claude-sonnet-4-5"}
    store.write(lambda tx: tx.add_event(EventType.AGENT_STARTED, workflow_id=ID, context=started, duration_ms=700))
    store.write(lambda tx: tx.start_task(SURVEY, 10))
    result = TaskResult(
        stop_reason="end_turn", duration_ms=30_000, input_tokens=7, output_tokens=5, cost_usd=Decimal("0.25")
    )
    store.write(lambda tx: tx.complete_task(SURVEY, result, NewReport(title="T", path="/r.md", bytes=12)))
    change(store, WorkflowStatus.FAILED, error="no")

    assert cells(store, "workflow_created_total") == {('["harden_api"]', ""): 1}, "a second launch made no second one"
    assert cells(store, "workflow_failed_total") == {('["harden_api"]', ""): 1}
    assert cells(store, "agent_query_total") == {(AGENT, ""): 1}
    assert cells(store, "agent_start_duration_milliseconds") == {(AGENT, "1000"): 1, (AGENT, "sum"): 700}
    assert cells(store, "agent_response_duration_milliseconds") == {(AGENT, "30000"): 1, (AGENT, "sum"): 30_000}
    assert cells(store, "agent_cost_usd_total") == {(AGENT, ""): 0.25}
    assert sum(cells(store, "agent_tokens_total").values()) == 12
    states = store.read(lambda reader: reader.state_counts())
    assert (states.ended, states.completed, states.workflows[WorkflowStatus.FAILED]) == (1, 0, 1)
    assert (states.agents, states.reports, states.report_bytes, states.workspaces) == (1, 1, 12, 1)


def test_a_query_that_is_sent_again_after_a_death_is_a_query_more_and_its_answer_counts_once(store: Store) -> None:
    create(store)
    run(store)
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    for _ in range(2):
        store.write(lambda tx: tx.start_task(SURVEY, 10))
    store.write(lambda tx: tx.complete_task(SURVEY, TaskResult(stop_reason="end_turn", duration_ms=1)))

    assert cells(store, "agent_query_total") == {(AGENT, ""): 2}
    assert cells(store, "agent_response_duration_milliseconds")[(AGENT, "100")] == 1


def test_what_is_not_kept_is_not_counted(store: Store) -> None:
    create(store)

    def illegal(tx: Transaction) -> None:
        tx.add_measures([count("workflow_failed_total", workflow="x")])
        tx.change_workflow(ID, WorkflowStatus.COMPLETED)

    with pytest.raises(IllegalTransition):
        store.write(illegal)

    assert cells(store, "workflow_failed_total") == {('["harden_api"]', ""): 0}


def test_many_writers_lose_no_count(store: Store) -> None:
    def write() -> None:
        for _ in range(20):
            store.write(
                lambda tx: tx.add_measures([count("workflow_failed_total", workflow=name) for name in ("b", "a", "b")])
            )

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cells(store, "workflow_failed_total") == {('["a"]', ""): 100, ('["b"]', ""): 200}


KILLED = """
import os, sys
from orchestrator.store import open_store
from orchestrator.domain.ids import new_process_id
from orchestrator.domain.events import EventType
store = open_store(sys.argv[1])
def write(tx):
    tx.add_event(EventType.WORKTREE_REMOVED, correlation_id=new_process_id(), context={"reason": "expired"})
for number in range(3):
    store.write(write)
def half(tx):
    write(tx)
    tx.write_measures()
    os.kill(os.getpid(), 9)
store.write(half)
"""


def test_a_killed_process_leaves_as_many_counts_as_events(store: Store, url: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, url], check=False, capture_output=True)

    assert ended.returncode == -9, ended.stderr
    kept = [one for one in store.read(lambda reader: reader.events()) if one.type is EventType.WORKTREE_REMOVED]
    assert cells(store, "worktree_removed_total") == {('["expired"]', ""): len(kept)} == {('["expired"]', ""): 3}


def test_an_event_counts_as_published_once_however_often_it_is_handed_over(store: Store) -> None:
    create(store)
    (event,) = store.read(lambda reader: reader.pending_events())
    for owner in ("dead", "next"):
        store.write(lambda tx, owner=owner: tx.settle_events(owner, published=[event.id]))  # type: ignore[misc]  # mypy and lambda defaults

    assert cells(store, "event_published_total") == {('["WorkflowCreated"]', ""): 1}
    assert (
        sum(value for (_, cell), value in cells(store, "event_processing_delay_milliseconds").items() if cell != "sum")
        == 1
    )


def test_a_hostile_label_is_kept_as_it_is_but_for_its_length(store: Store) -> None:
    name = 'a"b\n\\c\0' + "x" * 500
    store.write(lambda tx: tx.add_measures([count("workflow_failed_total", workflow=name)]))

    ((labels, _),) = cells(store, "workflow_failed_total")
    assert json.loads(labels) == [('a"b\n\\c?' + "x" * 500)[:100]]
