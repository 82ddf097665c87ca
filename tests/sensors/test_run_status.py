"""Runs that ended without a worker of ours having said so."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestrator.domain import tags
from orchestrator.domain.states import WorkflowStatus
from resources.engine import EngineResource
from sensors.run_status import cancelled_runs, failed_runs
from tests.orchestrator_defs.conftest import logging_as_in_dagster, world
from tests.orchestrator_defs.world import World

__all__ = ["logging_as_in_dagster", "world"]


def tell(world: World, sensor: dg.RunStatusSensorDefinition, run: dg.DagsterRun, event: dg.DagsterEvent) -> None:
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=event,
        dagster_instance=world.instance,
        dagster_run=run,
        resources={"engine": EngineResource()},
    )
    with context:
        sensor(context)


def status(world: World, run: dg.DagsterRun) -> tuple[WorkflowStatus, str | None]:
    row = world.store.read(lambda reader: reader.workflow(run.tags[tags.WORKFLOW_ID_TAG]))
    return row.status, row.error


def ended(world: World, run: dg.DagsterRun, kind: dg.DagsterEventType) -> dg.DagsterEvent:
    event = dg.DagsterEvent(event_type_value=kind.value, job_name="ship", message="the worker was never heard of")
    world.instance.report_dagster_event(event, run.run_id)
    return event


@pytest.mark.parametrize(
    ("sensor", "kind", "settled"),
    [
        (cancelled_runs, dg.DagsterEventType.RUN_CANCELED, WorkflowStatus.CANCELLED),
        (failed_runs, dg.DagsterEventType.RUN_FAILURE, WorkflowStatus.FAILED),
    ],
)
def test_a_workflow_whose_run_ended_in_the_queue_is_settled(
    world: World, sensor: dg.RunStatusSensorDefinition, kind: dg.DagsterEventType, settled: WorkflowStatus
) -> None:
    run = world.submit(world.job(), inputs={"focus": "x"})

    tell(world, sensor, run, ended(world, run, kind))

    state, error = status(world, run)
    assert state is settled
    assert error == ("the worker was never heard of" if settled is WorkflowStatus.FAILED else None)


def test_a_workflow_that_another_run_has_taken_over_is_left_alone(world: World) -> None:
    job = world.job()
    first = world.submit(job, inputs={"focus": "x"})
    world.submit(job, inputs={"focus": "x"}, tags={**first.tags, "dagster/is_resume_retry": "true"})

    tell(world, failed_runs, first, ended(world, first, dg.DagsterEventType.RUN_FAILURE))

    assert status(world, first) == (WorkflowStatus.CREATED, None)


def test_a_run_of_no_workflow_is_none_of_our_business(world: World) -> None:
    @dg.job
    def other() -> None: ...

    run = world.submit(other, inputs={})

    tell(world, failed_runs, run, ended(world, run, dg.DagsterEventType.RUN_FAILURE))

    assert world.store.read(lambda reader: reader.workflows()) == []
