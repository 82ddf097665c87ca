"""Death of run workers under a real daemon: found by the launcher's health check, taken up again by run retries."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.ops.workers import process_of
from orchestrator.store import open_store
from orchestrator.store.rows import RunWorkerRow
from tests.parts.postgres import Postgres, postgres
from tests.parts.system import System
from tests.system.test_shutdown import await_true, tasks_of

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/orchestrator.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def variables(database: str, specs: Path) -> dict[str, str]:
    return {"DATABASE_URL": database, "WORKFLOW_SPECS_PATH": str(specs)}


@pytest.fixture
def mortal(tmp_path: Path, variables: dict[str, str]) -> Iterator[System]:
    """A system of the test's own, on each of both databases."""
    running = System.start(tmp_path / "home", **variables)
    yield running
    running.stop()


def worker_of(database: str, run_id: str) -> RunWorkerRow | None:
    store = open_store(database)
    try:
        return store.read(lambda reader: reader.run_worker(run_id))
    finally:
        store.close()


def launch_hold(system: System, gate: Path) -> str:
    """A run whose one Task is under way, and stays so until the gate is there."""
    run_id = str(system.launch("hold", until=str(gate))["run"]["runId"])
    await_true(lambda: "RUNNING" in tasks_of(system, workflow_id_of_run(run_id)))
    return run_id


def test_a_killed_worker_is_found_and_its_workflow_completed_by_another(
    mortal: System, database: str, gate: Path
) -> None:
    run_id = launch_hold(mortal, gate)
    row = worker_of(database, run_id)
    assert row is not None

    os.kill(row.pid, signal.SIGKILL)

    killed = mortal.await_end(run_id)
    workflow_id = workflow_id_of_run(run_id)
    gate.touch()
    await_true(lambda: mortal.status(workflow_id)["status"] == "COMPLETED")
    after = mortal.status(workflow_id)
    assert killed["status"] == "FAILURE"
    assert after["run_id"] != run_id
    assert len(after["checkpoints"]) == 1
    await_true(lambda: not process_of(row).is_alive())


def test_when_everything_is_killed_at_once_the_workflow_goes_on_after_the_restart(
    tmp_path: Path, variables: dict[str, str], database: str, gate: Path
) -> None:
    system = System.start(tmp_path / "home", **variables)
    run_id = launch_hold(system, gate)
    row = worker_of(database, run_id)
    assert row is not None

    kill_all(system)

    await_true(lambda: not process_of(row).is_alive())
    gate.touch()
    again = System.start(tmp_path / "home", **variables)
    try:
        workflow_id = workflow_id_of_run(run_id)
        await_true(lambda: again.status(workflow_id)["status"] == "COMPLETED", timeout_s=180)
        assert again.await_end(run_id)["status"] == "FAILURE"
        assert len(again.status(workflow_id)["checkpoints"]) == 1
    finally:
        again.stop()


def test_runs_go_on_when_the_warm_parent_dies_and_the_next_launch_has_another(
    mortal: System, database: str, gate: Path
) -> None:
    run_id = launch_hold(mortal, gate)
    first = parents(mortal)

    for pid in first:
        os.kill(pid, signal.SIGKILL)
    second = str(mortal.launch("note", text="after")["run"]["runId"])

    assert mortal.await_end(second)["status"] == "SUCCESS"
    assert len(first) == 1
    assert len(parents(mortal)) == 1
    gate.touch()
    assert mortal.await_end(run_id)["status"] == "SUCCESS"


def parents(system: System) -> list[int]:
    """The warm parents: a run worker has their command line too, and a log of its own."""
    found = [int(line.split()[0]) for line in system.processes() if "orchestrator_defs.warm" in line]
    return [pid for pid in found if Path(f"/proc/{pid}/fd/2").readlink().name == "launcher.log"]


def kill_all(system: System) -> None:
    """As a power loss: nobody has the time to write anything."""
    while running := [int(line.split()[0]) for line in system.processes()]:
        for pid in running:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    system.process.wait()
