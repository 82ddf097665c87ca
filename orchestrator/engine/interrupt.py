"""The worker was told to stop in the middle of a Work."""

from __future__ import annotations

from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine.engine import Engine
from orchestrator.store import Transaction


def interrupt(engine: Engine, *, workflow_id: str, terminated: bool) -> None:
    """Write down that the Workflow stopped: CANCELLED when somebody terminated it, else PAUSED for a shutdown.

    The Task in flight goes back to PENDING; its edits stay in the WorkTree, where the next try rescues them.
    """
    engine.store.write(lambda tx: _interrupt(tx, workflow_id, terminated=terminated))


def _interrupt(tx: Transaction, workflow_id: str, *, terminated: bool) -> None:
    status = tx.workflow(workflow_id).status
    for task in tx.tasks(workflow_id):
        if task.status is TaskStatus.RUNNING:
            tx.put_back_task(task.id)
    if terminated:
        tx.cancel_works(workflow_id)
        if status in (WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING):
            tx.change_workflow(workflow_id, WorkflowStatus.CANCELLED)
        return
    for work in tx.works(workflow_id):
        if work.status is WorkStatus.RUNNING:
            tx.pause_work(work.id)
    # What has not begun yet stays as it is: the next try begins it.
    if status is WorkflowStatus.RUNNING:
        tx.change_workflow(workflow_id, WorkflowStatus.PAUSED, reason=PauseReason.SHUTDOWN)
