"""The control jobs, on a Workflow that runs beside the test as Dagster runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.storage.tags import MAX_RETRIES_TAG

from orchestrator.domain import tags
from orchestrator.domain.errors import NotFound
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.store.rows import WorkflowRow
from orchestrator_defs.control import CONTROL_JOBS
from resources.engine import EngineResource
from tests.orchestrator.engine.running import wait_for
from tests.orchestrator_defs.world import SHIP, World


def control(world: World, name: str, **config: str) -> dg.ExecuteInProcessResult:
    """What the launchpad does with a control job."""
    defs = dg.Definitions(jobs=CONTROL_JOBS, resources={"engine": EngineResource()})
    job = defs.resolve_job_def(name)
    return job.execute_in_process(run_config=config, instance=world.instance, raise_on_error=False)


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return str(event.step_failure_data.error)


def row(world: World, workflow_id: str) -> WorkflowRow:
    return world.store.read(lambda reader: reader.workflow(workflow_id))


def waiting(world: World) -> tuple[dg.JobDefinition, str]:
    """The workflow, its first Work waiting for a file the first time; and that file's name."""
    running = world.folder / "running"
    wait = f"test -e {running} || {{ touch {running}; sleep 60; }}"
    loaded = world.spec(SHIP.replace('echo "$ORCHESTRATOR_INPUT_FOCUS" > api/focus.txt', wait))
    return world.definitions(loaded).resolve_job_def("ship"), str(running)


@contextmanager
def running(world: World, job: dg.JobDefinition) -> Iterator[tuple[str, dg.DagsterRun]]:
    """A run of the job in a thread, once its first Task is asked; ended when the block is left."""
    run = world.instance.create_run_for_job(job, run_config={"focus": "handlers"}, tags=dict(job.tags))

    def execute() -> None:
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            job.execute_in_process(
                run_config={"focus": "handlers"}, instance=world.instance, run_id=run.run_id, raise_on_error=False
            )

    world.instance.delete_run(run.run_id)
    thread = threading.Thread(target=execute)
    thread.start()
    wait_for((world.folder / "running").exists, "the first Task")
    yield workflow_id_of_run(run.run_id), run
    thread.join()


def test_pause_stops_a_running_workflow_and_ends_its_run_canceled_and_not_to_be_retried(world: World) -> None:
    job, _ = waiting(world)
    with running(world, job) as (workflow_id, run):
        assert control(world, "pause_workflow", workflow_id=workflow_id).success
    assert row(world, workflow_id).pause_reason is PauseReason.OPERATOR
    ended = world.stored(run)
    assert ended.status is dg.DagsterRunStatus.CANCELED
    assert ended.tags[MAX_RETRIES_TAG] == "0"
    assert ended.tags[tags.STATUS_TAG] == "PAUSED"


def test_a_paused_workflow_is_resumed_rolled_back_and_deleted_by_jobs(world: World) -> None:
    job, _ = waiting(world)
    with running(world, job) as (workflow_id, _):
        assert control(world, "pause_workflow", workflow_id=workflow_id).success
    assert control(world, "resume_workflow", workflow_id=workflow_id).success
    assert "is being resumed already" in failure(control(world, "resume_workflow", workflow_id=workflow_id))
    (request,) = world.store.read(lambda reader: reader.requests(workflow_id))
    marked = {tags.WORKFLOW_ID_TAG: workflow_id, tags.RESUME_TAG: request.id}

    resumed = world.submit(job, inputs={"focus": "handlers"}, tags=marked)
    assert resumed.tags[tags.WORKFLOW_ID_TAG] == workflow_id
    assert world.execute(job, workflow_id=workflow_id).success
    assert row(world, workflow_id).status is WorkflowStatus.COMPLETED

    first = world.store.read(lambda reader: reader.checkpoints(workflow_id))[0]
    assert control(world, "rollback_workflow", workflow_id=workflow_id, checkpoint_id=first.id).success
    assert row(world, workflow_id).pause_reason is PauseReason.ROLLBACK
    assert control(world, "delete_workflow", workflow_id=workflow_id).success
    with pytest.raises(NotFound):
        row(world, workflow_id)


def test_cancel_ends_a_running_workflow(world: World) -> None:
    job, _ = waiting(world)
    with running(world, job) as (workflow_id, run):
        assert control(world, "cancel_workflow", workflow_id=workflow_id).success
    assert row(world, workflow_id).status is WorkflowStatus.CANCELLED
    assert world.stored(run).status is dg.DagsterRunStatus.CANCELED


@pytest.mark.parametrize(
    ("job", "config"),
    [
        ("pause_workflow", {}),
        ("resume_workflow", {}),
        ("cancel_workflow", {}),
        ("rollback_workflow", {"checkpoint_id": "cp-1"}),
        ("delete_workflow", {}),
    ],
)
def test_an_unknown_workflow_is_refused_by_name(world: World, job: str, config: dict[str, str]) -> None:
    result = control(world, job, workflow_id="wf-000000000000", **config)
    assert "no workflow with id 'wf-000000000000'" in failure(result)


def test_a_resume_that_nobody_asked_for_is_refused_and_its_run_fails(world: World) -> None:
    job = world.job()
    first = world.submit(job, inputs={"focus": "handlers"})
    workflow_id = first.tags[tags.WORKFLOW_ID_TAG]
    made_up = {tags.WORKFLOW_ID_TAG: workflow_id, tags.RESUME_TAG: "rs-made-up"}
    with pytest.raises(Exception, match=r"resume rs-made-up of workflow .* is no longer wanted"):
        world.submit(job, inputs={"focus": "handlers"}, tags=made_up)
    assert row(world, workflow_id).run_id == first.run_id
