"""Accept a launch: one transaction makes the Workflow, its Works and Tasks, and the event that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain import ids
from orchestrator.spec.load import parse_document
from orchestrator.spec.resolve import Plan, resolve
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import NewWork, NewWorkflow, WorkflowRow


def create(
    store: Store,
    *,
    run_id: str,
    document: str,
    digest: str,
    inputs: Mapping[str, Any],
    parent_workflow_id: str | None = None,
    firing_id: str | None = None,
) -> WorkflowRow:
    """Create the Workflow of a run, CREATED; a second call for the same run returns the first's.

    Args:
        run_id: the run that will perform it; the Workflow's id derives from it.
        document: the spec's canonical JSON, kept for the Workflow's whole life.
        inputs: as given; defaults are filled in here.
        firing_id: of the trigger that asked for the run.

    Raises:
        WrongState: the firing became another run already; nothing was written.
        InputError: the inputs do not fit the spec; nothing was written.
    """
    spec = parse_document(document)
    plan = resolve(spec, inputs)
    workflow_id = ids.workflow_id_of_run(run_id)
    new = NewWorkflow(
        id=workflow_id,
        workflow=plan.workflow,
        spec_digest=digest,
        inputs=plan.inputs,
        run_id=run_id,
        parent_workflow_id=parent_workflow_id,
        works=_works(plan),
    )

    def write(tx: Transaction) -> WorkflowRow:
        tx.put_spec(digest=digest, workflow=plan.workflow, document=document)
        workflow, _ = tx.create_workflow(new)
        if firing_id is not None:
            tx.launch_firing(firing_id, run_id=run_id, workflow_id=workflow.id)
        return workflow

    return store.write(write)


def _works(plan: Plan) -> tuple[NewWork, ...]:
    return tuple(
        NewWork(
            name=work.name,
            provider=work.provider,
            model=work.model,
            tasks=tuple(task.name for task in work.tasks),
        )
        for work in plan.works
    )
