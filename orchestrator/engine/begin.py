"""The start of a Workflow: its WorkTrees, then RUNNING."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from orchestrator.domain.errors import GitError, IllegalTransition, MissingVariable
from orchestrator.domain.states import RequestKind, WorkflowStatus
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import BaseCommits
from orchestrator.engine.retention.reports import return_reports
from orchestrator.git import Mirror, TreeLock, WorkTree, branch_names
from orchestrator.spec.resolve import GitPlan, Plan
from orchestrator.spec.variables import missing_variables, substitute
from orchestrator.store import Transaction
from orchestrator.store.rows import NewWorkTree

_RETURNING = frozenset({WorkflowStatus.PAUSED, WorkflowStatus.FAILED})
_UNFINISHED = frozenset({WorkflowStatus.READY, WorkflowStatus.PAUSED, WorkflowStatus.FAILED})


def begin(engine: Engine, workflow_id: str, plan: Plan, trees: Mapping[str, WorkTree]) -> Iterator[BaseCommits]:
    """Bring the Workflow to RUNNING, from wherever it stands, with its WorkTrees standing.

    Only the holder of its lock calls this: what is read here is true until it is changed here.

    Raises:
        MissingVariable: a `${NAME}` of the spec is not set; nothing was started.
        IllegalTransition: it has ended.
    """
    missing = missing_variables(plan, os.environ)
    if missing:
        raise MissingVariable(names=missing, where=f'workflow "{plan.workflow}"')
    status = engine.store.read(lambda reader: reader.workflow(workflow_id)).status
    rows = engine.store.read(lambda reader: reader.worktrees(workflow_id))
    if not rows:
        yield BaseCommits(commits=_prepare(engine, workflow_id, plan, trees))
    if any(row.removed_at or row.removing_at for row in rows):
        # First: whoever dies behind this leaves rows that say too much, which retention puts right, and not too little.
        engine.store.write(lambda tx: tx.worktrees_return(workflow_id))
    if status in _RETURNING:
        return_reports(engine, workflow_id)
    for row in rows:
        # One that went with its disk comes back from its branch.
        with _named(row.git):
            trees[row.git].add(row.base_commit)
    if status is WorkflowStatus.CREATED:
        engine.store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.READY))
        status = WorkflowStatus.READY
    if status in _UNFINISHED:
        engine.store.write(lambda tx: _run(tx, workflow_id))
    elif status is not WorkflowStatus.RUNNING:
        raise IllegalTransition(what=f"workflow {workflow_id}", from_status=status, to_status=WorkflowStatus.RUNNING)


def _run(tx: Transaction, workflow_id: str) -> None:
    tx.change_workflow(workflow_id, WorkflowStatus.RUNNING)
    tx.drop_requests(workflow_id, RequestKind.RESUME)


def open_trees(engine: Engine, plan: Plan, lock: TreeLock) -> dict[str, WorkTree]:
    """The Workflow's WorkTrees by the Git's name."""
    urls = {git.name: substitute(git.url, os.environ) for git in plan.gits}
    branches = branch_names(lock.workflow_id, urls)
    return {
        name: WorkTree(mirror=Mirror.open(url, engine.git), lock=lock, name=name, branch=branches[name])
        for name, url in urls.items()
    }


def _prepare(engine: Engine, workflow_id: str, plan: Plan, trees: Mapping[str, WorkTree]) -> dict[str, str]:
    """Make every WorkTree, or none: what was made before one failed is removed again."""
    # All Gits are asked before the first tree is made: most launches that fail do so here, with nothing to undo.
    commits = {git.name: _base(trees[git.name], git) for git in plan.gits}
    creation_ms: dict[str, float] = {}
    try:
        for name, tree in trees.items():
            began = time.monotonic()
            with _named(name):
                tree.add(commits[name])
            creation_ms[name] = (time.monotonic() - began) * 1000
    except BaseException:
        for tree in trees.values():
            tree.remove()
        raise
    rows = [
        NewWorkTree(
            workflow_id=workflow_id,
            git=git.name,
            url=git.url,
            ref=git.ref,
            path=str(trees[git.name].path),
            branch=trees[git.name].refs.branch,
            base_commit=commits[git.name],
            creation_ms=creation_ms[git.name],
        )
        for git in plan.gits
    ]
    engine.store.write(lambda tx: [tx.record_worktree(row) for row in rows])
    return commits


def _base(tree: WorkTree, git: GitPlan) -> str:
    """The commit that the Git's ref names now."""
    with _named(git.name):
        tree.mirror.update(git.ref)
        return tree.mirror.resolve(git.ref)


@contextmanager
def _named(git: str) -> Iterator[None]:
    try:
        yield
    except GitError as error:
        raise error.at(f'git "{git}"') from error
