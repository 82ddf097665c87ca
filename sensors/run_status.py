"""Runs that ended without their worker telling us: cancelled in the queue, or failed before the first Work."""

import dagster as dg

from orchestrator.domain.tags import CORRELATION_ID_TAG, WORKFLOW_ID_TAG
from orchestrator.engine.ended import run_ended
from orchestrator.observe.log import bind_workflow, get_logger
from resources.engine import EngineResource

_log = get_logger(__name__)


# The daemon's floor: whoever waits for a Workflow learns of its end this late.
INTERVAL_S = 5


def _settle(context: dg.RunStatusSensorContext, engine: EngineResource, *, cancelled: bool) -> None:
    """Bring the Workflow of an ended run to the matching state.

    Returns nothing, not a reason for skipping: Dagster ends the tick at the first run for which a sensor returns
    something, so that of many failed runs one would be settled in each interval.
    """
    run = context.dagster_run
    workflow_id = run.tags.get(WORKFLOW_ID_TAG)
    if workflow_id is None:
        return
    with bind_workflow(correlation_id=run.tags[CORRELATION_ID_TAG], workflow_id=workflow_id):
        error = None if cancelled else context.dagster_event.message
        changed = run_ended(
            engine.engine().store, workflow_id=workflow_id, run_id=run.run_id, cancelled=cancelled, error=error
        )
        if changed:
            _log.info("RunSettled", message=f"run {run.run_id} ended without its worker saying so")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=INTERVAL_S,
    description="A Workflow whose run failed without its worker saying so becomes FAILED.",
)
def failed_runs(context: dg.RunStatusSensorContext, engine: EngineResource) -> None:
    """A run that failed where no op could write it down: not launched, not loaded, killed."""
    _settle(context, engine, cancelled=False)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=INTERVAL_S,
    description="A Workflow whose run was cancelled before it began becomes CANCELLED.",
)
def cancelled_runs(context: dg.RunStatusSensorContext, engine: EngineResource) -> None:
    """A run that was cancelled in the queue."""
    _settle(context, engine, cancelled=True)
