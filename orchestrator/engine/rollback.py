"""Roll a Workflow back to a Checkpoint: every Git goes there, and what came after is kept on rescue refs."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.errors import CheckpointRefused, GitError, Paused, WrongState
from orchestrator.domain.states import PauseReason, RequestKind, WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.begin import open_trees
from orchestrator.engine.ended import settle_crashed
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import owned
from orchestrator.engine.plan import load_plan
from orchestrator.engine.resume import put_back
from orchestrator.git import WorkTree, tree_lock
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.store import Reader, Transaction
from orchestrator.store.rows import WorkflowRow

_log = get_logger(__name__)
_ALLOWED = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.PAUSED})


def roll_back(engine: Engine, *, workflow_id: str, checkpoint_id: str) -> WorkflowRow:
    """Put the Workflow back to where it stood at a valid Checkpoint of its own; it is PAUSED then, and resume goes on.

    Every Git is asked first, and its later work rescued; only when all of them can go does the database say that they
    went. A death in between is harmless: whoever takes up a Work puts its trees where the database says.

    Raises:
        WrongState: it runs, waits for its first run, or was cancelled.
        CheckpointRefused: the Checkpoint is unknown, another Workflow's, no longer valid, or gone from a repository.
        GitError: a repository cannot be worked with. Nothing was changed in each of these cases.
    """
    settle_crashed(engine.store, workflow_id)
    workflow, plan = load_plan(engine.store, workflow_id)
    with bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow_id):
        engine.store.read(lambda reader: _check(reader, workflow_id, checkpoint_id))
        with owned(engine, workflow_id, Stop()) as own, tree_lock(own.git, workflow_id) as lock:
            checkpoint = own.store.read(lambda reader: _check(reader, workflow_id, checkpoint_id))
            trees = open_trees(own, plan, lock)
            _stand(own, workflow_id, trees, checkpoint)
            for tree in trees.values():
                tree.rescue(f"rollback-{workflow.chain}", since=checkpoint.commits[tree.name])
            row = own.store.write(lambda tx: _write(tx, workflow_id, checkpoint_id))
            for name, tree in trees.items():
                tree.restore(checkpoint.commits[name])
            _log.info("RolledBack", message=f"back at checkpoint {checkpoint_id}, of work {checkpoint.work}")
            return row


def _check(reader: Reader, workflow_id: str, checkpoint_id: str) -> Checkpoint:
    status = reader.workflow(workflow_id).status
    if status not in _ALLOWED:
        hint = "pause it first" if status is WorkflowStatus.RUNNING else "only what has run can be rolled back"
        raise WrongState(f"workflow {workflow_id} is {status} and cannot be rolled back: {hint}")
    if reader.requests(workflow_id, kind=RequestKind.RESUME):
        raise WrongState(f"workflow {workflow_id} is being resumed and cannot be rolled back: pause it first")
    every = reader.checkpoints(workflow_id, valid_only=False)
    found = next((checkpoint for checkpoint in every if checkpoint.id == checkpoint_id), None)
    if found is not None and found.invalidated_at is None:
        return found
    what = "is not one of its" if found is None else "was invalidated"
    valid = [f"{one.id} ({one.work})" for one in every if one.invalidated_at is None]
    raise CheckpointRefused(
        f"checkpoint {checkpoint_id} {what if found else what + ' Checkpoints'}; "
        f"workflow {workflow_id} can be rolled back to: {', '.join(valid) or 'none, no Work has completed'}"
    )


def _stand(engine: Engine, workflow_id: str, trees: Mapping[str, WorkTree], checkpoint: Checkpoint) -> None:
    """See that every tree stands and its repository has the Checkpoint's commit."""
    rows = engine.store.read(lambda reader: reader.worktrees(workflow_id))
    if any(row.removed_at or row.removing_at for row in rows):
        engine.store.write(lambda tx: tx.worktrees_return(workflow_id))
    bases = {row.git: row.base_commit for row in rows}
    for name, tree in trees.items():
        try:
            tree.add(bases[name])
        except GitError as error:
            raise error.at(f'git "{name}"') from error
        if not tree.holds(checkpoint.commits[name]):
            raise CheckpointRefused(
                f'git "{name}" no longer has commit {checkpoint.commits[name]} of checkpoint {checkpoint.id}; '
                "its repository was cleaned or replaced. Choose another Checkpoint"
            )


def _write(tx: Transaction, workflow_id: str, checkpoint_id: str) -> WorkflowRow:
    checkpoint = _check(tx, workflow_id, checkpoint_id)
    why = Paused(f"rolled back to checkpoint {checkpoint_id}", reason=PauseReason.ROLLBACK)
    # First, so that what follows is told in the new chain.
    tx.change_workflow(workflow_id, WorkflowStatus.PAUSED, reason=why.reason)
    later = [work.id for work in tx.works(workflow_id) if work.sequence > checkpoint.sequence]
    put_back(tx, workflow_id, later)
    return tx.workflow(workflow_id)
