"""WORKFLOW_MAX_CONCURRENT holds, whoever launches how many."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.domain.ids import workflow_id_of_run
from tests.parts.system import System
from tests.system.conftest import LIMIT

pytestmark = pytest.mark.xdist_group("system")

_STATES = "query($ids: [ID!]) { runsOrError(filter: {runIds: $ids}) { ... on Runs { results { status } } } }"


def test_no_more_workflows_run_at_once_than_the_setting_says(system: System, gate: Path) -> None:
    runs = [str(system.launch("hold", until=str(gate))["run"]["runId"]) for _ in range(5)]

    def states() -> Counter[str]:
        answer = system.graphql(_STATES.replace("[ID!]", "[String]"), ids=runs)["runsOrError"]["results"]
        return Counter(run["status"] for run in answer)

    deadline = time.monotonic() + 60
    while states()["STARTED"] < LIMIT:
        assert time.monotonic() < deadline, states()
        time.sleep(0.3)
    # Three turns of the queue: whatever it lets through beyond the limit would be on its way by then.
    seen = [states() for _ in range(6) if time.sleep(0.5) is None]
    gate.touch()

    assert {count["QUEUED"] for count in seen} == {5 - LIMIT}
    assert {count["STARTED"] for count in seen} == {LIMIT}
    assert [system.await_end(run)["status"] for run in runs] == ["SUCCESS"] * 5
    assert {system.status(workflow_id_of_run(run))["status"] for run in runs} == {"COMPLETED"}
