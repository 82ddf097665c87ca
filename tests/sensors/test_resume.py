"""The sensor that launches the runs of resumes."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestrator.domain import tags
from orchestrator.domain.errors import Paused
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.engine.control import ask_resume
from orchestrator.engine.endings import pause
from orchestrator.store import Transaction
from resources.engine import EngineResource
from sensors.resume import resume_sensor
from tests.orchestrator_defs.conftest import logging_as_in_dagster, world
from tests.orchestrator_defs.world import World

__all__ = ["logging_as_in_dagster", "world"]


def paused(world: World, reason: PauseReason, *, resume_after_s: float | None = None) -> str:
    """A Workflow that was running and waits."""
    workflow_id = world.submit(world.job(), inputs={"focus": "x"}).tags[tags.WORKFLOW_ID_TAG]

    def write(tx: Transaction) -> None:
        tx.change_workflow(workflow_id, WorkflowStatus.READY)
        tx.change_workflow(workflow_id, WorkflowStatus.RUNNING)
        pause(tx, workflow_id, Paused("so", reason=reason, resume_after_s=resume_after_s))

    world.store.write(write)
    return workflow_id


def requested(world: World) -> list[dg.RunRequest]:
    sensor = resume_sensor([world.job()])
    with dg.build_sensor_context(instance=world.instance, resources={"engine": EngineResource()}) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def test_a_workflow_that_a_shutdown_paused_is_resumed_once(world: World) -> None:
    workflow_id = paused(world, PauseReason.SHUTDOWN)
    (run,) = requested(world)
    (again,) = requested(world)
    assert run.run_key == again.run_key == run.tags[tags.RESUME_TAG]
    assert run.tags[tags.WORKFLOW_ID_TAG] == workflow_id
    assert run.run_config == {"focus": "x", "depth": 3}


def test_with_auto_resume_off_it_waits_for_somebody_to_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTO_RESUME", "false")
    workflow_id = paused(world, PauseReason.SHUTDOWN)
    assert requested(world) == []
    request = ask_resume(world.store, workflow_id)
    assert [run.run_key for run in requested(world)] == [request.id]


def test_a_resume_whose_asker_launches_it_is_left_to_the_asker(world: World) -> None:
    ask_resume(world.store, paused(world, PauseReason.OPERATOR), launched=True)
    assert requested(world) == []


def test_a_workflow_waits_for_its_time_and_an_operators_for_the_operator(world: World) -> None:
    paused(world, PauseReason.OPERATOR)
    paused(world, PauseReason.QUOTA, resume_after_s=3600)
    due = paused(world, PauseReason.QUOTA, resume_after_s=0)
    assert [run.tags[tags.WORKFLOW_ID_TAG] for run in requested(world)] == [due]
