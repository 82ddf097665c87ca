"""A Workflow to change: two Works, three Tasks."""

from __future__ import annotations

from orchestrator.domain import ids
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.store import Store
from orchestrator.store.rows import NewWork, NewWorkflow, WorkflowRow

ID = "wf-0123456789ab"
DIAGNOSE = ids.work_id(ID, "diagnose")
FIX = ids.work_id(ID, "fix")
SURVEY = ids.task_id(ID, "diagnose", "survey")
PATCH = ids.task_id(ID, "fix", "patch")

WORKFLOW = NewWorkflow(
    id=ID,
    workflow="harden_api",
    spec_digest="d1",
    inputs={"focus": "HTTP handlers", "depth": 3},
    run_id="01234567-89ab-cdef-0123-456789abcdef",
    works=(
        NewWork(name="diagnose", provider="claude", model="claude-sonnet-4-5", tasks=("survey", "rank")),
        NewWork(name="fix", provider="builtin", tasks=("patch",)),
    ),
)


def create(store: Store, new: NewWorkflow = WORKFLOW) -> WorkflowRow:
    """Store the spec and the Workflow, as a launch does."""
    store.write(lambda tx: tx.put_spec(digest=new.spec_digest, workflow=new.workflow, document="name: harden_api\n"))
    return store.write(lambda tx: tx.create_workflow(new))[0]


def change(
    store: Store, to: WorkflowStatus, *, reason: PauseReason | None = None, error: str | None = None, id: str = ID
) -> WorkflowRow:
    """One status change in a transaction of its own."""
    return store.write(lambda tx: tx.change_workflow(id, to, reason=reason, error=error))


def run(store: Store) -> None:
    """CREATED to RUNNING."""
    change(store, WorkflowStatus.READY)
    change(store, WorkflowStatus.RUNNING)


def event_types(store: Store, id: str = ID) -> list[str]:
    """What was told of a Workflow, in order."""
    return [event.type.value for event in store.read(lambda reader: reader.events(id))]
