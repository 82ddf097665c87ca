"""Delete a Workflow: its trees, files and rows go; its unsaved work stays on rescue refs for a while."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.domain.errors import GitError, WrongState
from orchestrator.domain.states import WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.begin import open_trees
from orchestrator.engine.ended import settle_crashed
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import owned
from orchestrator.engine.plan import load_plan
from orchestrator.engine.workspace import workflow_folder
from orchestrator.git import TreeLock, empty_trash, tree_lock
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.settings import Settings
from orchestrator.spec.resolve import Plan
from orchestrator.store import Reader

_log = get_logger(__name__)


def delete(engine: Engine, *, workflow_id: str) -> None:
    """Remove everything of a Workflow that does not run; `WorkflowDeleted` stays.

    The rows go last: whoever is killed here leaves a Workflow that can be deleted again.

    Raises:
        WrongState: it is RUNNING.
        NotFound: there is no such Workflow.
    """
    settle_crashed(engine.store, workflow_id)
    workflow, plan = load_plan(engine.store, workflow_id)
    with bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow_id):
        engine.store.read(lambda reader: _check(reader, workflow_id))
        with owned(engine, workflow_id, Stop()) as own, tree_lock(own.git, workflow_id) as lock:
            own.store.read(lambda reader: _check(reader, workflow_id))
            _remove_trees(own, plan, lock)
            _remove_files(own.settings, workflow_id)
            own.store.write(lambda tx: tx.delete_workflow(workflow_id))
        empty_trash(engine.git)


def archive_path(settings: Settings, workflow_id: str) -> Path:
    """Where the Reports of a Workflow lie once they are archived."""
    return settings.archive_root_path / "reports" / f"{workflow_id}.tar.gz"


def _check(reader: Reader, workflow_id: str) -> None:
    if reader.workflow(workflow_id).status is WorkflowStatus.RUNNING:
        raise WrongState(f"workflow {workflow_id} is RUNNING and cannot be deleted: pause or cancel it first")


def _remove_trees(engine: Engine, plan: Plan, lock: TreeLock) -> None:
    recorded = {row.git for row in engine.store.read(lambda reader: reader.worktrees(lock.workflow_id))}
    if not recorded:
        return
    for name, tree in open_trees(engine, plan, lock).items():
        try:
            tree.remove()
            tree.mirror.forget(lock.workflow_id)
        except GitError as error:
            # A mirror that is gone or broken holds nothing that could still be saved, and must not keep the rest here.
            _log.warning("WorkTreeNotRemoved", message=f'git "{name}": {error}', git=name)


def _remove_files(settings: Settings, workflow_id: str) -> None:
    folder = workflow_folder(settings.workflow_root_path, workflow_id)
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    archive_path(settings, workflow_id).unlink(missing_ok=True)
