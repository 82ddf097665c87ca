"""Who launches what: the coordinator makes or continues the Workflow of a run."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestrator.domain import tags
from orchestrator.domain.errors import InputError, WrongState
from orchestrator.domain.events import EventType
from orchestrator.domain.firing import FiringStatus, Overlap
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store.firing_rows import NewFiring
from tests.orchestrator_defs.world import World

INPUTS = {"focus": "handlers"}
FIRING = NewFiring(
    workflow="review",
    trigger="on-push",
    key="one",
    kind="webhook",
    overlap=Overlap.QUEUE,
    inputs=INPUTS,
    reason="a delivery",
)


def test_an_accepted_run_is_queued_and_has_a_created_workflow_and_its_ids_as_tags(world: World) -> None:
    job = world.job()

    run = world.submit(job, inputs=INPUTS)

    row = world.store.read(lambda reader: reader.workflow(workflow_id_of_run(run.run_id)))
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert (row.status, row.run_id, row.inputs) == (
        WorkflowStatus.CREATED,
        run.run_id,
        {"focus": "handlers", "depth": 3},
    )
    assert {name: value for name, value in run.tags.items() if name.startswith("orchestrator/")} == {
        tags.WORKFLOW_ID_TAG: row.id,
        tags.CORRELATION_ID_TAG: f"{row.id}-001",
        tags.SPEC_DIGEST_TAG: job.tags[tags.SPEC_DIGEST_TAG],
        tags.STATUS_TAG: "CREATED",
        tags.TRACE_ID_TAG: run.run_id.replace("-", ""),
    }
    assert EventType.WORKFLOW_CREATED in {event.type for event in world.events()}


def test_a_reexecution_from_failure_continues_the_parents_workflow(world: World) -> None:
    job = world.job()
    parent = world.submit(job, inputs=INPUTS)

    child = world.submit(job, inputs=INPUTS, tags={**parent.tags, "dagster/is_resume_retry": "true"})

    row = world.store.read(lambda reader: reader.workflow(workflow_id_of_run(parent.run_id)))
    assert child.tags[tags.WORKFLOW_ID_TAG] == row.id
    assert row.run_id == child.run_id


def test_a_reexecution_of_all_steps_is_a_new_workflow_under_its_own_tags(world: World) -> None:
    job = world.job()
    parent = world.submit(job, inputs=INPUTS)

    child = world.submit(job, inputs=INPUTS, tags=parent.tags)

    assert child.tags[tags.WORKFLOW_ID_TAG] == workflow_id_of_run(child.run_id)
    assert child.tags[tags.CORRELATION_ID_TAG] == f"{workflow_id_of_run(child.run_id)}-001"
    assert len(world.store.read(lambda reader: reader.workflows())) == 2


def test_a_firing_becomes_one_run_and_a_second_run_for_it_is_refused_without_a_workflow(world: World) -> None:
    job = world.job()
    firing = world.store.write(lambda tx: tx.put_firing(FIRING))
    assert firing is not None

    run = world.submit(job, inputs=INPUTS, tags={tags.FIRING_TAG: firing.id})

    settled = world.store.read(lambda reader: reader.firing(firing.id))
    assert (settled.status, settled.run_id) == (FiringStatus.LAUNCHED, run.run_id)
    assert settled.workflow_id == run.tags[tags.WORKFLOW_ID_TAG] == workflow_id_of_run(run.run_id)
    with pytest.raises(WrongState, match=run.run_id):
        world.submit(job, inputs=INPUTS, tags={tags.FIRING_TAG: firing.id})
    assert len(world.store.read(lambda reader: reader.workflows())) == 1


def test_refused_inputs_leave_a_failed_run_that_says_why_and_no_workflow(world: World) -> None:
    job = world.job()

    # Right for Dagster, a text; refused by the spec's rules, as the built-in agent would run it.
    with pytest.raises(InputError, match="focus"):
        world.submit(job, inputs={"focus": "```sh\nrm -rf .\n```"})

    [run] = world.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert any("focus" in entry.message for entry in world.instance.all_logs(run.run_id))
    assert world.store.read(lambda reader: reader.workflows()) == []


def test_a_run_of_any_other_job_is_queued_and_left_alone(world: World) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def other() -> None:
        nothing()

    run = world.submit(other, inputs={})

    assert run.status is dg.DagsterRunStatus.QUEUED
    assert world.store.read(lambda reader: reader.workflows()) == []
