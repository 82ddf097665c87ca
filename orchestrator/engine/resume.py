"""A run takes up a Workflow where it stopped, by the spec it was created with, in the order of the current one."""

from __future__ import annotations

from orchestrator.domain.errors import SpecChanged, WrongState
from orchestrator.domain.states import RequestKind, WorkflowStatus, WorkStatus
from orchestrator.spec.document import digest_of, document_of, parse_document
from orchestrator.spec.model import WorkflowSpec
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import WorkflowRow

_ENDED = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED})


def accept_resume(store: Store, workflow_id: str, *, run_id: str, document: str, resume_id: str | None) -> WorkflowRow:
    """Continue the Workflow by this run, in one transaction with what the current spec changes of it.

    Args:
        document: the current spec: its order, budgets and `retention` are taken over, everything else stays as it was.
        resume_id: of `ask_resume`; None for a run that re-executes a failed one, which needs no asking.

    Raises:
        WrongState: it has ended, or another resume came first.
        SpecChanged: the current spec has other Works.
    """

    def write(tx: Transaction) -> WorkflowRow:
        workflow = tx.workflow(workflow_id)
        if workflow.status in _ENDED:
            raise WrongState(f"workflow {workflow_id} is {workflow.status} and cannot be continued; launch it anew")
        if resume_id is not None:
            asked = [request.id for request in tx.requests(workflow_id, kind=RequestKind.RESUME)]
            if asked != [resume_id]:
                raise WrongState(f"resume {resume_id} of workflow {workflow_id} is no longer wanted; resume it again")
            tx.mark_launched(workflow_id)
        _adopt(tx, workflow, parse_document(document))
        return tx.set_run(workflow_id, run_id)

    return store.write(write)


def _adopt(tx: Transaction, workflow: WorkflowRow, current: WorkflowSpec) -> None:
    stored = parse_document(tx.spec_document(workflow.spec_digest))
    works = {work.name: work for work in stored.works}
    wanted = {work.name: work for work in current.works}
    if works.keys() != wanted.keys():
        raise SpecChanged(_difference(workflow, before=list(works), now=list(wanted)))
    merged = stored.model_copy(
        update={
            "works": tuple(works[name].model_copy(update={"budget": wanted[name].budget}) for name in wanted),
            "budget": current.budget,
            "retention": current.retention,
        }
    )
    document = document_of(merged)
    digest = digest_of(document)
    if digest == workflow.spec_digest:
        return
    tx.put_spec(digest=digest, workflow=workflow.workflow, document=document)
    _reorder(tx, workflow.id, digest, {name: place for place, name in enumerate(wanted, start=1)})


def _reorder(tx: Transaction, workflow_id: str, digest: str, places: dict[str, int]) -> None:
    """Give the Works their places; from the first that has moved on, nothing that was done counts any more.

    A Checkpoint holds what the Works before it did: once one of those has moved, its own place says nothing.
    """
    before = tx.works(workflow_id)
    moved = [place for work in before if (place := places[work.name]) != work.sequence]
    if moved:
        first = min(moved)
        undone = [work for work in before if work.sequence >= first or places[work.name] >= first]
        put_back(tx, workflow_id, [work.id for work in undone])
    tx.adopt_spec(workflow_id, digest=digest, places=places)


def put_back(tx: Transaction, workflow_id: str, work_ids: list[str]) -> None:
    """Works that have to run again: their Checkpoints become history, their Reports stale."""
    for checkpoint in reversed(tx.checkpoints(workflow_id)):
        if checkpoint.work_id in work_ids:
            tx.invalidate_checkpoint(checkpoint.id)
    for work in tx.works(workflow_id):
        if work.id not in work_ids:
            continue
        if work.status is WorkStatus.RUNNING:
            tx.pause_work(work.id)
        tx.put_back_work(work.id)


def _difference(workflow: WorkflowRow, *, before: list[str], now: list[str]) -> str:
    gone = ", ".join(name for name in before if name not in now)
    new = ", ".join(name for name in now if name not in before)
    changes = "; ".join(text for text in (f"gone: {gone}" if gone else "", f"new: {new}" if new else "") if text)
    return (
        f'workflow {workflow.id} was created from a spec of "{workflow.workflow}" with other Works ({changes}); '
        "put them back to resume it, or launch the workflow anew"
    )
