"""Put the WorkTrees back to the last finished Task; what was unsaved is kept on a rescue ref."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.errors import GitError
from orchestrator.domain.states import TaskStatus
from orchestrator.engine.run import WorkRun
from orchestrator.observe.log import get_logger
from orchestrator.store.rows import TaskRow

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


def try_to_settle(run: WorkRun) -> None:
    """As `settle`, when a Work stops: what git refuses now is left to whoever takes the Work up again."""
    try:
        settle(run)
    except GitError as error:
        _log.warning("EditsNotRescued", message=f"left in the working tree for the next try: {error}")


def session_to_resume(run: WorkRun) -> str | None:
    """The agent's session that the Work's finished Tasks were asked in; None where there are none to remember."""
    session_id = run.engine.store.read(lambda reader: reader.work(run.row.id)).session_id
    return session_id if _finished(run) else None


def _last_snapshot(run: WorkRun) -> Mapping[str, str]:
    done = _finished(run)
    return max(done, key=lambda task: task.position).snapshot if done else {}


def _finished(run: WorkRun) -> list[TaskRow]:
    tasks = run.engine.store.read(lambda reader: reader.tasks(run.workflow.id))
    return [task for task in tasks if task.work_id == run.row.id and task.status is TaskStatus.COMPLETED]
