"""What the store does when the database, the connection or the process fails."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.errors import StoreError
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store import Store, Transaction, open_store
from tests.orchestrator.store.examples import ID, WORKFLOW, change, create, event_types
from tests.orchestrator.store.proxy import commit_losing_proxy
from tests.parts.postgres import Postgres

DIES_IN_A_TRANSACTION = """
import sys, time
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store import open_store

def change(tx):
    tx.change_workflow(sys.argv[2], WorkflowStatus.READY)
    print("changed", flush=True)
    time.sleep(60)

open_store(sys.argv[1]).write(change)
"""


def test_a_process_killed_in_a_transaction_leaves_nothing_of_it(store: Store, url: str) -> None:
    create(store)
    with subprocess.Popen([sys.executable, "-c", DIES_IN_A_TRANSACTION, url, ID], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"changed\n"
        worker.send_signal(signal.SIGKILL)

    assert event_types(store) == ["WorkflowCreated"]
    assert change(store, WorkflowStatus.READY).status is WorkflowStatus.READY


def test_what_the_function_raises_is_raised_and_nothing_is_kept(store: Store) -> None:
    create(store)

    def fail(tx: Transaction) -> None:
        tx.change_workflow(ID, WorkflowStatus.READY)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.write(fail)
    assert store.read(lambda reader: reader.workflow(ID)).status is WorkflowStatus.CREATED


def test_a_fork_makes_its_own_connections(store: Store) -> None:
    create(store)
    child = os.fork()
    if child == 0:
        try:
            change(store, WorkflowStatus.READY)
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

    with capture_logs() as logs:
        assert change(store, WorkflowStatus.RUNNING).status is WorkflowStatus.RUNNING
    assert logs == [], "the child's close ended the parent's connection"


def test_a_server_restart_between_transactions_is_not_noticed(postgres: Postgres) -> None:
    store = open_store(postgres.create_database())
    store.migrate()
    create(store)
    postgres.halt()
    postgres.launch()

    assert change(store, WorkflowStatus.READY).status is WorkflowStatus.READY
    store.close()


def test_a_server_restart_inside_a_transaction_runs_it_again(postgres: Postgres) -> None:
    store = open_store(postgres.create_database())
    store.migrate()
    create(store)
    tries = 0

    def survive(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        tx.change_workflow(ID, WorkflowStatus.READY)
        if tries == 1:
            postgres.halt()
            postgres.launch()

    store.write(survive)
    assert tries == 2
    assert event_types(store) == ["WorkflowCreated", "WorkflowStatusChanged"]
    store.close()


def test_a_commit_whose_answer_is_lost_is_not_done_twice(postgres: Postgres) -> None:
    address = postgres.create_database()
    with commit_losing_proxy(postgres.port) as proxy:
        store = open_store(address.replace(str(postgres.port), str(proxy.port)))
        store.migrate()
        create(store)
        proxy.armed.set()

        assert change(store, WorkflowStatus.READY).status is WorkflowStatus.READY
        assert not proxy.armed.is_set()
        assert event_types(store) == ["WorkflowCreated", "WorkflowStatusChanged"]
        store.close()


def test_two_transactions_in_each_others_way_both_succeed(store: Store) -> None:
    other = "wf-other"
    create(store)
    store.write(lambda tx: tx.create_workflow(type(WORKFLOW)(id=other, workflow="w", spec_digest="d1", works=())))
    met = threading.Barrier(2)

    def change_both(first: str, second: str) -> None:
        def change_in_turn(tx: Transaction) -> None:
            tx.change_workflow(first, WorkflowStatus.READY)
            if not met.broken:
                try:
                    met.wait(0.5)  # SQLite lets in one at a time: there it never fills
                except threading.BrokenBarrierError:
                    met.abort()
            tx.set_run(second, first)

        store.write(change_in_turn)

    threads = [threading.Thread(target=change_both, args=pair) for pair in ((ID, other), (other, ID))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.read(lambda reader: reader.workflows())
    assert {(row.status, row.run_id) for row in rows} == {(WorkflowStatus.READY, ID), (WorkflowStatus.READY, other)}


def test_a_write_waits_for_another_process_that_holds_sqlite(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db", connection_timeout_ms=50)
    store.migrate()
    create(store)
    holder = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.4, holder.rollback)
    release.start()

    # Longer than the time-out: it takes a second try.
    assert change(store, WorkflowStatus.READY).status is WorkflowStatus.READY
    release.join()
    holder.close()
    store.close()


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    store = open_store(f"postgres://app:hunter22@127.0.0.1:{port}/orders?password=hunter22")

    with pytest.raises(StoreError) as caught:
        store.check()
    assert f"postgresql+psycopg2://app:***@127.0.0.1:{port}/orders" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match=r"file/state\.db: its folder cannot be made: .*; set DATABASE_URL"):
        open_store(f"sqlite:///{tmp_path}/file/state.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("something else, longer than the header of a database would be" * 20)

    with pytest.raises(StoreError, match=r"state\.db: file is not a database"):
        open_store(f"file:{tmp_path}/state.db").migrate()
