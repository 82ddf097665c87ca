"""WORKFLOW_MAX_CONCURRENT holds, whoever launches how many."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from orchestrator.domain.ids import workflow_id_of_run
from tests.parts.system import System
from tests.system.conftest import LIMIT

_STATES = "query($ids: [String]) { runsOrError(filter: {runIds: $ids}) { ... on Runs { results { status } } } }"

_TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"


def test_no_more_workflows_run_at_once_than_the_setting_says(system: System, gate: Path) -> None:
    runs = [str(system.launch("hold", until=str(gate))["run"]["runId"]) for _ in range(5)]

    def states() -> Counter[str]:
        answer = system.graphql(_STATES, ids=runs)["runsOrError"]["results"]
        return Counter(run["status"] for run in answer)

    deadline = time.monotonic() + 60
    while states()["STARTED"] < LIMIT:
        assert time.monotonic() < deadline, states()
        time.sleep(0.3)
    # Three turns of the queue: whatever it lets through beyond the limit would be on its way by then.
    seen = []
    for _ in range(6):
        time.sleep(0.5)
        seen.append(states())
    gate.touch()

    assert {count["QUEUED"] for count in seen} == {5 - LIMIT}
    assert {count["STARTED"] for count in seen} == {LIMIT}
    assert [system.await_end(run)["status"] for run in runs] == ["SUCCESS"] * 5
    assert {system.status(workflow_id_of_run(run))["status"] for run in runs} == {"COMPLETED"}


def test_a_run_that_is_terminated_in_the_queue_leaves_a_cancelled_workflow(system: System, gate: Path) -> None:
    running = [str(system.launch("hold", until=str(gate))["run"]["runId"]) for _ in range(LIMIT)]
    waiting = str(system.launch("hold", until=str(gate))["run"]["runId"])

    system.graphql(_TERMINATE, id=waiting)

    assert system.await_end(waiting)["status"] == "CANCELED"
    workflow_id = workflow_id_of_run(waiting)
    deadline = time.monotonic() + 60
    while (status := system.status(workflow_id)["status"]) != "CANCELLED":
        assert (status, time.monotonic() < deadline) == ("CREATED", True)
        time.sleep(0.5)
    gate.touch()
    assert [system.await_end(run)["status"] for run in running] == ["SUCCESS"] * LIMIT
