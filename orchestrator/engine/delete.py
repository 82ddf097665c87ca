"""Delete a Workflow: its trees, files and rows go; its unsaved work stays on rescue refs for a while."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.errors import GitError, WrongState
from orchestrator.domain.states import WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.ended import settle_crashed
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import owned
from orchestrator.engine.retention.cleanup import empty_trashes
from orchestrator.engine.retention.reports import throw_reports
from orchestrator.engine.retention.worktrees import trees_of_rows
from orchestrator.engine.workspace import workflow_folder
from orchestrator.git import Removed, TreeLock, remove_all, tree_lock
from orchestrator.git.trash import throw_away, throw_into, trash_of
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.settings import Settings
from orchestrator.store import Reader, Transaction
from orchestrator.store.rows import WorkTreeRow

_log = get_logger(__name__)


def delete(engine: Engine, *, workflow_id: str) -> None:
    """Remove everything of a Workflow that does not run; `WorkflowDeleted` stays.

    The rows go last: whoever is killed here leaves a Workflow that can be deleted again.

    Raises:
        WrongState: it is RUNNING.
        NotFound: there is no such Workflow.
        GitError: what is unsaved in a tree cannot be saved now; the Workflow stays.
    """
    settle_crashed(engine.store, workflow_id)
    workflow = engine.store.read(lambda reader: reader.workflow(workflow_id))
    with bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow_id):
        engine.store.read(lambda reader: _check(reader, workflow_id))
        with owned(engine, workflow_id, Stop()) as own, tree_lock(own.git, workflow_id) as lock:
            own.store.read(lambda reader: _check(reader, workflow_id))
            gone = _remove_trees(own, lock)
            freed = _remove_files(own.settings, workflow_id)
            own.store.write(lambda tx: _write_down(tx, workflow_id, gone, freed=freed))
        empty_trashes(engine)


def _check(reader: Reader, workflow_id: str) -> None:
    if reader.workflow(workflow_id).status is WorkflowStatus.RUNNING:
        raise WrongState(f"workflow {workflow_id} is RUNNING and cannot be deleted: pause or cancel it first")


def _remove_trees(engine: Engine, lock: TreeLock) -> list[tuple[WorkTreeRow, str | None]]:
    """Each WorkTree that stood, with the commit of what was unsaved in it; hidden refs go with them."""
    rows = engine.store.read(lambda reader: reader.worktrees(lock.workflow_id))
    by_tree, trees, problems = trees_of_rows(engine, rows, lambda _: lock)
    for problem in problems:
        _log.warning("WorkTreeNotRemoved", message=problem)
    gone: list[tuple[WorkTreeRow, str | None]] = []
    for one in remove_all(trees):
        row = by_tree[id(one.tree)]
        if one.error is not None:
            _give_up(one, one.error)
        else:
            one.tree.mirror.forget(lock.workflow_id)
        if row.removed_at is None:
            gone.append((row, one.rescued))
    return gone


def _give_up(one: Removed, error: GitError | OSError) -> None:
    """A mirror that is gone holds nothing that could still be saved, and must not keep the rest here."""
    if one.tree.mirror.control.mirror_path.is_dir():
        raise error
    _log.warning("WorkTreeNotSaved", message=f'git "{one.tree.name}": {error}', git=one.tree.name)
    throw_away(one.tree.path, one.tree.mirror.settings)


def _remove_files(settings: Settings, workflow_id: str) -> int:
    freed = throw_reports(settings, workflow_id)
    throw_into(trash_of(settings.workflow_root_path), workflow_folder(settings.workflow_root_path, workflow_id))
    trees = settings.worktree_root_path / workflow_id
    if trees.is_dir() and not trees.is_symlink() and not any(trees.iterdir()):
        trees.rmdir()
    return freed


def _write_down(
    tx: Transaction, workflow_id: str, gone: Sequence[tuple[WorkTreeRow, str | None]], *, freed: int
) -> None:
    workflow = tx.workflow(workflow_id)
    tx.worktrees_removed([(workflow, row, rescued) for row, rescued in gone], reason="deleted")
    if freed:
        tx.reports_deleted(workflow, bytes=freed, reason="deleted")
    tx.delete_workflow(workflow_id)
