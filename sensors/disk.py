"""What makes the clean-up run before its time: a full disk, or too many Checkpoints that are history."""

import time
from collections.abc import Iterator

import dagster as dg

from orchestrator.domain.tags import CLEANUP_JOB, CLEANUP_REASON_TAG
from orchestrator.engine.retention.cleanup import watch_disk
from orchestrator.engine.retention.disk import DiskState
from resources.engine import EngineResource

INTERVAL_S = 300
INVALID_CHECKPOINTS = 200
DISK_KEY = dg.AssetKey(["retention", "disk"])
# While all is well the asset gets a point an hour: each stays in Dagster's event log for good.
_POINTS_EVERY_S = 3600.0


@dg.sensor(
    name="disk_monitor",
    job_name=CLEANUP_JOB,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Measures the disks; below DISK_CRITICAL_THRESHOLD_GB, or with WorkTrees above WORKTREE_DISK_LIMIT_GB, "
    "launches the clean-up at once. Resumes what a full disk paused once there is room again.",
)
def disk_monitor(context: dg.SensorEvaluationContext, engine: EngineResource) -> dg.SensorResult:
    """One look at the disks every five minutes; the work itself is a run's."""
    state = watch_disk(engine.engine())
    before, _, at = (context.cursor or "").partition("@")
    due = not at or state.level != before or time.time() - float(at) >= _POINTS_EVERY_S
    points = [dg.AssetMaterialization(DISK_KEY, metadata=numbers(state))] if due or state.is_pressing else []
    requests = []
    if state.is_pressing and not _is_cleaning(context.instance):
        requests.append(dg.RunRequest(tags={CLEANUP_REASON_TAG: "disk"}))
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"there is room: {state.level}",
        asset_events=points,
        cursor=f"{state.level}@{time.time():.0f}" if points else context.cursor,
    )


@dg.sensor(
    name="stale_checkpoints",
    job_name=CLEANUP_JOB,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Launches the clean-up when there are more than {INVALID_CHECKPOINTS} invalidated Checkpoints.",
)
def stale_checkpoints(context: dg.SensorEvaluationContext, engine: EngineResource) -> Iterator[dg.RunRequest]:
    """Once when the number is passed, and again when it has been below."""
    count = engine.engine().store.read(lambda reader: reader.invalid_checkpoint_count())
    above = count > INVALID_CHECKPOINTS
    if above and context.cursor != "above":
        context.log.info("%d invalidated checkpoints: cleaning up", count)
        yield dg.RunRequest(tags={CLEANUP_REASON_TAG: "checkpoints"})
    context.update_cursor("above" if above else "below")


def numbers(state: DiskState) -> dict[str, int | str]:
    """What the asset shows over time."""
    free = {f"free_bytes_{root}": left for root, left in state.free_bytes.items()}
    return {
        "level": str(state.level),
        **free,
        "worktree_bytes": state.use.worktrees,
        "report_bytes": state.use.reports,
        "archive_bytes": state.use.archives,
    }


def _is_cleaning(instance: dg.DagsterInstance) -> bool:
    under_way = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return bool(instance.get_runs(dg.RunsFilter(job_name=CLEANUP_JOB, statuses=under_way), limit=1))
