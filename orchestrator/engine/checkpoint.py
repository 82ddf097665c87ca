"""Make a Checkpoint: one commit per Git of the Work, all or none."""

from __future__ import annotations

from orchestrator.domain.checkpoints import Checkpoint, trailers
from orchestrator.domain.errors import GitError
from orchestrator.domain.ids import git_id
from orchestrator.domain.states import WorkflowStatus, WorkStatus
from orchestrator.engine.run import WorkRun
from orchestrator.git import WorkTree
from orchestrator.observe.log import get_logger
from orchestrator.observe.trace import span
from orchestrator.store import Transaction
from orchestrator.store.urls import without_credentials

_log = get_logger(__name__)


def make_checkpoint(run: WorkRun) -> Checkpoint:
    """Commit what the Work changed, and complete the Work; the last one completes the Workflow.

    The Checkpoint's id is durable before the first commit is made, and is a trailer of each: whoever takes over after a
    death looks the id up and finds the commits that exist.
    """
    with span("checkpoint.create", {"work.id": run.row.id, "work.sequence": run.work.sequence}) as step:
        checkpoint = _make(run)
        step.set("commit.hashes", tuple(checkpoint.commits.values()))
        return checkpoint


def _make(run: WorkRun) -> Checkpoint:
    tried_before = run.row.checkpoint_id is not None
    checkpoint_id = run.engine.store.write(lambda tx: tx.reserve_checkpoint(run.row.id))
    commits = dict(run.parents)
    made: list[tuple[WorkTree, str, str]] = []
    try:
        for name, tree in run.trees.items():
            commit = tree.find_checkpoint(checkpoint_id) if tried_before else None
            if commit is None:
                commit = _commit(run, tree, parent=run.parents[name], checkpoint_id=checkpoint_id)
            if commit != run.parents[name]:
                made.append((tree, commit, run.parents[name]))
            commits[name] = commit
    except GitError:
        _undo(made)
        raise
    return run.engine.store.write(lambda tx: _complete(tx, run, commits))


def _commit(run: WorkRun, tree: WorkTree, *, parent: str, checkpoint_id: str) -> str:
    named = trailers(
        workflow_id=run.workflow.id,
        work_id=run.row.id,
        checkpoint_id=checkpoint_id,
        sequence=run.work.sequence,
    )
    with span("git.commit", {"git.id": _git_id(run, tree)}) as step:
        message = f"{run.plan.workflow}: {run.work.name}"
        commit = tree.commit_checkpoint(parent=parent, message=message, trailers=named)
        step.set("commit.hashes", (commit,))
        return commit


def _git_id(run: WorkRun, tree: WorkTree) -> str:
    url = next(git.url for git in run.plan.gits if git.name == tree.name)
    return git_id(without_credentials(url))


def _undo(made: list[tuple[WorkTree, str, str]]) -> None:
    for tree, commit, parent in reversed(made):
        try:
            tree.undo_checkpoint(commit=commit, back_to=parent)
        except GitError as error:
            # The commit stays on the branch under this Checkpoint's id, so the next try takes it as made.
            _log.warning("CheckpointRollbackFailed", message=str(error), git=tree.name, commit=commit)


def _complete(tx: Transaction, run: WorkRun, commits: dict[str, str]) -> Checkpoint:
    checkpoint = tx.complete_work(run.row.id, commits)
    if all(work.status is WorkStatus.COMPLETED for work in tx.works(run.workflow.id)):
        tx.change_workflow(run.workflow.id, WorkflowStatus.COMPLETED)
    return checkpoint
