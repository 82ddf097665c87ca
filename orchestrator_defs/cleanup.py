"""The job `cleanup`: one pass of the retention, its numbers as an asset over time."""

from typing import Any

import dagster as dg

from orchestrator.domain.tags import CLEANUP_JOB
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator_defs.history import prune_history
from orchestrator_defs.logger import JSON_LOGGER
from resources.engine import EngineResource
from sensors.disk import DISK_KEY

_GROUP = "retention"
_FIELDS = {
    "dry_run": dg.Field(dg.Bool, default_value=False, is_required=False, description="Say what would go; nothing does.")
}

disk_asset = dg.AssetSpec(
    DISK_KEY, group_name=_GROUP, description="Free space and use, as the sensor `disk_monitor` measures them."
)


@dg.asset(
    key=["retention", "cleanup"],
    group_name=_GROUP,
    config_schema=_FIELDS,
    description="What each pass removed: how many, how many bytes, how long it took.",
)
def cleanup(context: dg.AssetExecutionContext, engine: EngineResource) -> dg.MaterializeResult[Any]:
    """One pass, then Dagster's own history; what could not go is an error in the run's log and a number."""
    dry_run = context.op_execution_context.op_config["dry_run"]
    outcome = clean_up(engine.engine(), dry_run=dry_run)
    pruned = 0 if dry_run else prune_history(context.instance, engine.engine())
    for problem in outcome.problems:
        context.log.error(problem)
    if outcome.skipped:
        context.log.warning(outcome.skipped)
    return dg.MaterializeResult(
        metadata={
            **outcome.numbers(),
            "runs_deleted": pruned,
            "seconds": outcome.duration_ms / 1000,
            "problems": len(outcome.problems),
            "dry_run": dry_run,
        }
    )


cleanup_job = dg.define_asset_job(
    CLEANUP_JOB,
    selection=dg.AssetSelection.assets(["retention", "cleanup"]),
    description="Remove what has had its time, and more where the disk is full.",
    executor_def=dg.in_process_executor,
    config=dg.ConfigMapping(
        config_schema=_FIELDS,
        config_fn=lambda given: {"ops": {"retention__cleanup": {"config": given}}, "loggers": {JSON_LOGGER: {}}},
    ),
)
