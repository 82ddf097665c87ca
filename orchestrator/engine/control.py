"""What an operator asks of a Workflow that another process may be performing: pause, cancel, resume."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta

from orchestrator.domain import ids
from orchestrator.domain.errors import WrongState
from orchestrator.domain.states import PauseReason, RequestKind, WorkflowStatus
from orchestrator.engine.ended import settle_crashed
from orchestrator.engine.endings import cancel
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import RequestRow, WorkflowRow

# A resume whose run never came is forgotten after this long; a run in the queue keeps its own.
RESUME_PENDING = timedelta(minutes=10)
_POLL_S = 0.1

_NOT_PAUSABLE = {
    WorkflowStatus.CREATED: "it waits in the queue; cancel it, or pause it once it runs",
    WorkflowStatus.READY: "it is about to run; try again in a moment",
    WorkflowStatus.PAUSED: "`orchestrator resume` goes on with it",
    WorkflowStatus.FAILED: "`orchestrator resume` tries again where it stopped",
    WorkflowStatus.COMPLETED: "there is nothing left to pause",
    WorkflowStatus.CANCELLED: "there is nothing left to pause",
}


def ask_pause(store: Store, workflow_id: str, *, reason: PauseReason = PauseReason.OPERATOR) -> None:
    """Have the worker of a RUNNING Workflow pause it; it looks several times a second.

    Raises:
        WrongState: it is not RUNNING.
        NotFound: there is no such Workflow.
    """
    settle_crashed(store, workflow_id)

    def write(tx: Transaction) -> None:
        status = tx.workflow(workflow_id).status
        if status is not WorkflowStatus.RUNNING:
            raise WrongState(f"workflow {workflow_id} is {status} and cannot be paused: {_NOT_PAUSABLE[status]}")
        tx.put_request(workflow_id, RequestKind.PAUSE, id=ids.new_request_id(), reason=reason)

    store.write(write)


def ask_cancel(store: Store, workflow_id: str) -> None:
    """Cancel a Workflow: at once where nobody performs it, else through its worker.

    Raises:
        WrongState: it has ended already.
        NotFound: there is no such Workflow.
    """
    settle_crashed(store, workflow_id)

    def write(tx: Transaction) -> None:
        status = tx.workflow(workflow_id).status
        if status in (WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED):
            raise WrongState(f"workflow {workflow_id} is {status} already and cannot be cancelled")
        if status is WorkflowStatus.RUNNING:
            tx.put_request(workflow_id, RequestKind.CANCEL, id=ids.new_request_id())
        else:
            cancel(tx, workflow_id)

    store.write(write)


def await_rest(store: Store, workflow_id: str, *, timeout_s: float) -> WorkflowRow:
    """Wait until a Workflow is not RUNNING any more, at most `timeout_s`; returns it as it is then."""
    deadline = time.monotonic() + timeout_s
    while True:
        row = store.read(lambda reader: reader.workflow(workflow_id))
        if row.status is not WorkflowStatus.RUNNING or time.monotonic() >= deadline:
            return row
        time.sleep(_POLL_S)


def ask_resume(store: Store, workflow_id: str, *, launched: bool = False) -> RequestRow:
    """Let a PAUSED or FAILED Workflow go on: the run that carries the request's id as a tag continues it, once.

    Args:
        launched: the caller launches that run; otherwise the sensor `resumes` does.

    Raises:
        WrongState: it is in another state, or is being resumed already.
        NotFound: there is no such Workflow.
    """
    settle_crashed(store, workflow_id)
    return store.write(lambda tx: _ask_resume(tx, workflow_id, launched=launched))


def take_back_resume(store: Store, workflow_id: str) -> None:
    """The run of a resume could not be launched: another may be asked for."""
    store.write(lambda tx: tx.drop_requests(workflow_id, RequestKind.RESUME))


def auto_resume(store: Store, *, after_shutdown: bool) -> None:
    """Ask for the resume of every Workflow that may go on by itself: after a shutdown, or when its time has come."""
    for row in store.read(lambda reader: reader.resumable(after_shutdown=after_shutdown)):
        with suppress(WrongState):  # already being resumed
            ask_resume(store, row.id)


def _ask_resume(tx: Transaction, workflow_id: str, *, launched: bool) -> RequestRow:
    workflow = tx.workflow(workflow_id)
    if workflow.status not in (WorkflowStatus.PAUSED, WorkflowStatus.FAILED):
        raise WrongState(_not_resumable(workflow))
    for request in tx.requests(workflow_id, kind=RequestKind.RESUME):
        if tx.now - request.requested_at < RESUME_PENDING:
            raise WrongState(
                f"workflow {workflow_id} is being resumed already, since {request.requested_at:%H:%M:%S} UTC"
            )
        tx.drop_requests(workflow_id, RequestKind.RESUME)
    tx.drop_requests(workflow_id, RequestKind.PAUSE, RequestKind.CANCEL)
    return tx.put_request(workflow_id, RequestKind.RESUME, id=ids.new_resume_id(), launched=launched)


def _not_resumable(workflow: WorkflowRow) -> str:
    hints = {
        WorkflowStatus.RUNNING: "it runs already",
        WorkflowStatus.CREATED: "it waits in the queue and starts by itself",
        WorkflowStatus.READY: "it is about to run",
        WorkflowStatus.COMPLETED: "roll it back to a Checkpoint first to run what comes after that again",
        WorkflowStatus.CANCELLED: "launch the workflow anew",
    }
    return f"workflow {workflow.id} is {workflow.status} and cannot be resumed: {hints[workflow.status]}"
