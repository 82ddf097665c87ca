"""Free slots: how many Workflows run, counted by everybody who launches, one at a time.

Dagster's queue counts in the daemon alone. Here the submitting process launches too, so each launch is admitted under a
lock that all processes of this machine share; a launch of the queue that comes too late goes back to it.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.dagster_run import ACTIVE_RUN_STATUSES

from orchestrator.domain.tags import WORKFLOW_ID_TAG

# A queue that is longer than this is not looked through: whatever waits in it, nobody overtakes it.
_QUEUE_SEEN = 50


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Nobody else on this machine admits a launch meanwhile. A process that dies lets go."""
    with (folder / "launch.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_slot_free(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run may run now as far as the limit of running Workflows goes; a run of no Workflow always may."""
    limit = _limit(instance)
    if limit is None or WORKFLOW_ID_TAG not in run.tags:
        return True
    active = instance.get_runs(dg.RunsFilter(statuses=ACTIVE_RUN_STATUSES))
    return sum(_is_another_workflow(other, run) for other in active) < limit


def may_overtake(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run may be launched past the queue: no Workflow waits there, and none of the queue's own rules
    could hold this one up."""
    coordinator = instance.run_coordinator
    if not isinstance(coordinator, QueuedRunCoordinator):
        return False
    config = coordinator.get_run_queue_config()
    ours = [limit for limit in config.tag_concurrency_limits or () if _is_our_limit(limit)]
    if config.max_concurrent_runs != -1 or len(ours) != len(config.tag_concurrency_limits or ()):
        return False  # an operator's own dagster.yaml; the queue knows what it says
    waiting = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=_QUEUE_SEEN)
    return len(waiting) < _QUEUE_SEEN and not any(_is_another_workflow(other, run) for other in waiting)


def _is_another_workflow(other: dg.DagsterRun, run: dg.DagsterRun) -> bool:
    return WORKFLOW_ID_TAG in other.tags and other.run_id != run.run_id


def _limit(instance: dg.DagsterInstance) -> int | None:
    coordinator = instance.run_coordinator
    if not isinstance(coordinator, QueuedRunCoordinator):
        return None
    limits = coordinator.get_run_queue_config().tag_concurrency_limits or ()
    return min((int(limit["limit"]) for limit in limits if _is_our_limit(limit)), default=None)


def _is_our_limit(limit: object) -> bool:
    return isinstance(limit, dict) and limit["key"] == WORKFLOW_ID_TAG and limit.get("value") is None
