"""The worker was told to stop in the middle of a Work."""

from __future__ import annotations

from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine.engine import Engine
from orchestrator.store import Transaction


def interrupt(engine: Engine, *, workflow_id: str, terminated: bool) -> None:
    """Write down that the Workflow stopped: CANCELLED when somebody terminated it, else PAUSED for a shutdown."""
    if terminated:
        engine.store.write(lambda tx: _cancel(tx, workflow_id))
    else:
        pause(engine, workflow_id=workflow_id, reason=PauseReason.SHUTDOWN)


def pause(engine: Engine, *, workflow_id: str, reason: PauseReason) -> None:
    """Write down that a Workflow whose agent is gone waits; one that has not begun yet stays as it is.

    The Task in flight goes back to PENDING; its edits stay in the WorkTree, where the next try rescues them.
    """
    engine.store.write(lambda tx: _pause(tx, workflow_id, reason))


def _pause(tx: Transaction, workflow_id: str, reason: PauseReason) -> None:
    _put_back(tx, workflow_id)
    for work in tx.works(workflow_id):
        if work.status is WorkStatus.RUNNING:
            tx.pause_work(work.id)
    if tx.workflow(workflow_id).status is WorkflowStatus.RUNNING:
        tx.change_workflow(workflow_id, WorkflowStatus.PAUSED, reason=reason)


def _cancel(tx: Transaction, workflow_id: str) -> None:
    _put_back(tx, workflow_id)
    tx.cancel_works(workflow_id)
    if tx.workflow(workflow_id).status in (WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING):
        tx.change_workflow(workflow_id, WorkflowStatus.CANCELLED)


def _put_back(tx: Transaction, workflow_id: str) -> None:
    for task in tx.tasks(workflow_id):
        if task.status is TaskStatus.RUNNING:
            tx.put_back_task(task.id)
