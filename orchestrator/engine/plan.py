"""The plan of a stored Workflow: its own spec, by digest, with its own inputs."""

from __future__ import annotations

from orchestrator.spec.load import parse_document
from orchestrator.spec.resolve import Plan, resolve
from orchestrator.store import Reader, Store
from orchestrator.store.rows import WorkflowRow


def load_plan(store: Store, workflow_id: str) -> tuple[WorkflowRow, Plan]:
    """The Workflow's row and what it was created to do, whatever the spec's file says by now."""

    def read(reader: Reader) -> tuple[WorkflowRow, str]:
        workflow = reader.workflow(workflow_id)
        return workflow, reader.spec_document(workflow.spec_digest)

    workflow, document = store.read(read)
    return workflow, resolve(parse_document(document), workflow.inputs)
