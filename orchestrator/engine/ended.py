"""A run has ended: bring its Workflow to the matching state, where the worker could not."""

from __future__ import annotations

from orchestrator.domain.states import TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.store import Store, Transaction

_OPEN = frozenset({WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING})


def run_ended(store: Store, *, workflow_id: str, run_id: str, cancelled: bool, error: str | None) -> bool:
    """Settle the Workflow of a run that ended badly; False where there was nothing to settle.

    Nothing changes where another run has taken the Workflow over since, or its own worker has written the end down.
    """
    return store.write(lambda tx: _settle(tx, workflow_id, run_id, cancelled=cancelled, error=error))


def _settle(tx: Transaction, workflow_id: str, run_id: str, *, cancelled: bool, error: str | None) -> bool:
    workflow = tx.workflow(workflow_id)
    if workflow.run_id != run_id or workflow.status not in _OPEN:
        return False
    for task in tx.tasks(workflow_id):
        if task.status is TaskStatus.RUNNING:
            tx.put_back_task(task.id)
    if cancelled:
        tx.cancel_works(workflow_id)
        tx.change_workflow(workflow_id, WorkflowStatus.CANCELLED)
        return True
    for work in tx.works(workflow_id):
        if work.status is WorkStatus.RUNNING:
            tx.fail_work(work.id, error or "the run failed")
    tx.change_workflow(workflow_id, WorkflowStatus.FAILED, error=error or "the run failed")
    return True
