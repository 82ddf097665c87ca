"""Workflows whose worker could not write down how it ended."""

from __future__ import annotations

from orchestrator.domain.states import RequestKind, WorkflowStatus
from orchestrator.engine.endings import OPEN, cancel, fail
from orchestrator.engine.lease import is_dead
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.store import Store, Transaction
from orchestrator.store.lease_changes import name_of

_log = get_logger(__name__)


def run_ended(store: Store, *, workflow_id: str, run_id: str, cancelled: bool, error: str | None) -> bool:
    """Bring the Workflow of a run that ended badly to the matching state; False where there was nothing to change.

    Nothing changes where another run has taken the Workflow over since, or its own worker has written the end down. A
    worker that still lives is told to cancel; one of which this host cannot tell is left to its lease.
    """
    return store.write(lambda tx: _settle(tx, workflow_id, run_id, cancelled=cancelled, error=error))


def crashed(store: Store) -> list[str]:
    """Fail the Workflows whose worker is dead or has let its lease lapse; returns their ids."""
    running = store.read(lambda reader: reader.workflows(status=WorkflowStatus.RUNNING, limit=10_000))
    return [row.id for row in running if settle_crashed(store, row.id)]


def settle_crashed(store: Store, workflow_id: str) -> bool:
    """Fail one Workflow that is RUNNING without a worker; False where that is not so."""

    def write(tx: Transaction) -> bool:
        workflow = tx.workflow(workflow_id)
        lease = tx.lease(workflow_id)
        if workflow.status is not WorkflowStatus.RUNNING or lease is None or not is_dead(lease):
            return False
        fail(tx, workflow_id, f"crash: its worker, {name_of(lease.holder)}, is gone")
        return True

    failed = store.write(write)
    if failed:
        row = store.read(lambda reader: reader.workflow(workflow_id))
        with bind_workflow(correlation_id=row.correlation_id, workflow_id=workflow_id):
            _log.error("WorkerCrashed", message=row.error or "")
    return failed


def _settle(tx: Transaction, workflow_id: str, run_id: str, *, cancelled: bool, error: str | None) -> bool:
    workflow = tx.workflow(workflow_id)
    if workflow.run_id != run_id:
        return False
    if workflow.status not in OPEN:
        # A resume that did not get as far as its first Work: another may be asked for.
        tx.drop_requests(workflow_id, RequestKind.RESUME)
        return False
    lease = tx.lease(workflow_id)
    if lease is not None and not is_dead(lease):
        if cancelled:
            tx.put_request(workflow_id, RequestKind.CANCEL, id=run_id)
        return False
    if cancelled:
        cancel(tx, workflow_id)
    else:
        fail(tx, workflow_id, error or "the run failed")
    return True
