"""How a Workflow that was being performed comes to rest: paused, cancelled or failed, in one transaction.

The Task in flight goes back to PENDING; its edits were rescued by the worker, or are by the next one.
"""

from __future__ import annotations

from orchestrator.domain.errors import Cancelled, Paused, WorkStopped
from orchestrator.domain.states import PauseReason, RequestKind, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.store import Store, Transaction

OPEN = frozenset({WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING})
# Of these somebody has to know more than the reason's name.
_TELLING = frozenset({PauseReason.BUDGET, PauseReason.QUOTA, PauseReason.DISK})
_CANCELLABLE = OPEN | {WorkflowStatus.PAUSED, WorkflowStatus.FAILED}


def write_down(store: Store, workflow_id: str, why: WorkStopped) -> None:
    """Write down that a Workflow was stopped, once its agent is gone; of a lost lease nothing is ours to write."""
    if isinstance(why, Paused):
        store.write(lambda tx: pause(tx, workflow_id, why))
    elif isinstance(why, Cancelled):
        store.write(lambda tx: cancel(tx, workflow_id))


def pause(tx: Transaction, workflow_id: str, why: Paused) -> None:
    """RUNNING to PAUSED; one that has not begun yet stays as it is and begins later."""
    _put_back_tasks(tx, workflow_id)
    for work in tx.works(workflow_id):
        if work.status is WorkStatus.RUNNING:
            tx.pause_work(work.id)
    if tx.workflow(workflow_id).status is WorkflowStatus.RUNNING:
        tx.change_workflow(
            workflow_id,
            WorkflowStatus.PAUSED,
            reason=why.reason,
            resume_after_s=why.resume_after_s,
            error=str(why) if why.reason in _TELLING else None,
        )
    tx.drop_requests(workflow_id, RequestKind.PAUSE)


def cancel(tx: Transaction, workflow_id: str) -> None:
    """To CANCELLED from wherever that may be; nothing where it has ended otherwise."""
    if tx.workflow(workflow_id).status in _CANCELLABLE:
        _put_back_tasks(tx, workflow_id)
        tx.cancel_works(workflow_id)
        tx.change_workflow(workflow_id, WorkflowStatus.CANCELLED)
    tx.drop_requests(workflow_id, *RequestKind)


def fail(tx: Transaction, workflow_id: str, error: str) -> None:
    """To FAILED with its running Works; nothing where it has ended, or waits."""
    if tx.workflow(workflow_id).status not in OPEN:
        return
    _put_back_tasks(tx, workflow_id)
    for work in tx.works(workflow_id):
        if work.status is WorkStatus.RUNNING:
            tx.fail_work(work.id, error)
    tx.change_workflow(workflow_id, WorkflowStatus.FAILED, error=error)
    tx.drop_requests(workflow_id, RequestKind.PAUSE)


def _put_back_tasks(tx: Transaction, workflow_id: str) -> None:
    for task in tx.tasks(workflow_id):
        if task.status is TaskStatus.RUNNING:
            tx.put_back_task(task.id)
