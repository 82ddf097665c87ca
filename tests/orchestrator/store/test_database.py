"""Transactions side by side, what they see, and what is measured of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store import Reader, Store, Transaction, open_store
from tests.orchestrator.store.examples import ID, change, create, event_types


def test_of_many_that_change_one_workflow_at_once_one_wins(store: Store) -> None:
    create(store)
    together = threading.Barrier(4)

    def make_ready(_: int) -> str:
        together.wait()
        try:
            return change(store, WorkflowStatus.READY).status
        except IllegalTransition:
            return "refused"

    with ThreadPoolExecutor(4) as pool, capture_logs() as logs:
        outcomes = sorted(pool.map(make_ready, range(4)))
    assert outcomes == ["READY", "refused", "refused", "refused"]
    assert logs == [], "they wait for each other instead of failing and trying again"
    assert event_types(store) == ["WorkflowCreated", "WorkflowStatusChanged"]


def test_of_many_that_create_one_workflow_at_once_one_creates_it(store: Store) -> None:
    together = threading.Barrier(4)

    def launch(_: int) -> None:
        together.wait()
        create(store)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(launch, range(4)))
    assert event_types(store) == ["WorkflowCreated"]
    assert len(store.read(lambda reader: reader.works(ID))) == 2


def test_a_reader_sees_one_moment(store: Store) -> None:
    create(store)

    def look_twice(reader: Reader) -> tuple[WorkflowStatus, WorkflowStatus]:
        before = reader.workflow(ID).status
        change(store, WorkflowStatus.READY)
        return before, reader.workflow(ID).status

    assert store.read(look_twice) == (WorkflowStatus.CREATED, WorkflowStatus.CREATED)
    assert store.read(lambda reader: reader.workflow(ID)).status is WorkflowStatus.READY


def test_times_are_the_databases_in_utc_to_the_millisecond(store: Store) -> None:
    row = create(store)

    assert row.created_at.tzinfo is UTC
    assert row.created_at.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - row.created_at) < timedelta(seconds=30)
    assert row == store.read(lambda reader: reader.workflow(ID))


def test_statements_and_commits_are_measured(url: str) -> None:
    seen: list[tuple[str, float]] = []
    store = open_store(url, observe=lambda operation, duration_ms: seen.append((operation, duration_ms)))
    store.migrate()
    seen.clear()
    create(store)

    assert {operation for operation, _ in seen} >= {"select", "insert", "commit"}
    assert all(0 <= duration_ms < 10_000 for _, duration_ms in seen)
    store.close()


def test_connections_in_use_are_counted(store: Store) -> None:
    def count(_: Transaction) -> int:
        return store.connections_in_use()

    assert (store.write(count), store.connections_in_use(), store.pool_max) == (1, 0, 10)
