"""Put the WorkTrees back to the last finished Task; what was unsaved is kept on a rescue ref."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.states import TaskStatus
from orchestrator.engine.run import WorkRun
from orchestrator.observe.log import get_logger

_log = get_logger(__name__)


def settle(run: WorkRun) -> None:
    """Before a Work is taken up again: no Task starts on another's half-done edits, and none of those is lost."""
    snapshot = _last_snapshot(run)
    for name, tree in run.trees.items():
        target = snapshot.get(name, run.parents[name])
        rescued = tree.rescue(f"{run.work.name}-{run.row.attempt}", since=target)
        if rescued is not None:
            _log.warning("EditsRescued", message=f"unsaved edits in {name} are kept", git=name, commit=rescued)
        tree.restore(target, branch_at=run.parents[name])


def _last_snapshot(run: WorkRun) -> Mapping[str, str]:
    tasks = run.engine.store.read(lambda reader: reader.tasks(run.workflow.id))
    done = [task for task in tasks if task.work_id == run.row.id and task.status is TaskStatus.COMPLETED]
    return max(done, key=lambda task: task.position).snapshot if done else {}
