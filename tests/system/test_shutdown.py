"""SIGTERM ends the whole system."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.domain.ids import workflow_id_of_run
from tests.parts.system import System


def test_sigterm_leaves_no_process_behind(tmp_path: Path) -> None:
    system = System.start(tmp_path / "home")
    running = system.processes()

    code = system.stop()

    # up, code server, its server of definitions, webserver, daemon, operations server
    assert len(running) >= 6, running
    assert code == 0
    assert system.processes() == []


def test_a_workflow_in_flight_is_paused_and_goes_on_after_the_restart(tmp_path: Path, specs: Path, gate: Path) -> None:
    home = tmp_path / "home"
    system = System.start(home, WORKFLOW_SPECS_PATH=str(specs))
    run_id = system.launch("hold", until=str(gate))["run"]["runId"]
    workflow_id = workflow_id_of_run(run_id)
    await_true(lambda: "RUNNING" in tasks_of(system, workflow_id))

    assert system.stop() == 0
    assert system.processes() == []
    paused = system.status(workflow_id)
    assert (paused["status"], paused["pause_reason"]) == ("PAUSED", "shutdown")
    assert tasks_of(system, workflow_id) == ["PENDING"]

    gate.touch()
    again = System.start(home, WORKFLOW_SPECS_PATH=str(specs))
    try:
        await_true(lambda: again.status(workflow_id)["status"] == "COMPLETED")
        assert len(again.status(workflow_id)["checkpoints"]) == 1
    finally:
        again.stop()


def tasks_of(system: System, workflow_id: str) -> list[str]:
    return [task["status"] for work in system.status(workflow_id)["works"] for task in work["tasks"]]


def await_true(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.5)
