"""Changes of Workflows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, update

from orchestrator.domain import ids
from orchestrator.domain.events import EventType
from orchestrator.domain.measures import observe
from orchestrator.domain.states import (
    ENDED,
    PauseReason,
    TaskStatus,
    WorkflowStatus,
    WorkStatus,
    check_workflow_transition,
)
from orchestrator.spec.document import retention_of
from orchestrator.store.changes import Changes, elapsed_ms
from orchestrator.store.reader import BY_ID
from orchestrator.store.rows import NewWork, NewWorkflow, NewWorkTree, WorkflowRow, WorkTreeRow
from orchestrator.store.tables import DOCUMENT_VERSION, gits, specs, tasks, workflows, works, worktrees
from orchestrator.store.urls import without_credentials

_ENDED_EVENTS = {
    WorkflowStatus.COMPLETED: EventType.WORKFLOW_COMPLETED,
    WorkflowStatus.FAILED: EventType.WORKFLOW_FAILED,
    WorkflowStatus.CANCELLED: EventType.WORKFLOW_CANCELLED,
}

_SET = update(workflows).where(workflows.c.id == BY_ID).returning(workflows)


class WorkflowChanges(Changes):
    """Specs, Workflows and their WorkTrees."""

    def put_spec(self, *, digest: str, workflow: str, document: str) -> None:
        """Store the text of a spec under its digest; does nothing where it is there."""
        self._insert_new(
            specs,
            digest=digest,
            workflow=workflow,
            document=document,
            schema_version=DOCUMENT_VERSION,
            created_at=self.now,
            **{f"keep_{what}_s": seconds for what, seconds in retention_of(document).items()},
        )

    def create_workflow(self, new: NewWorkflow) -> tuple[WorkflowRow, bool]:
        """Write a Workflow with its Works and Tasks, all of them waiting; `WorkflowCreated`.

        Returns it and True, or the one that has this id already and False. Raises `NotFound` for an unknown spec.
        """
        self.spec_document(new.spec_digest)
        created = self._insert_new(
            workflows,
            id=new.id,
            workflow=new.workflow,
            spec_digest=new.spec_digest,
            status=WorkflowStatus.CREATED,
            inputs=dict(new.inputs),
            run_id=new.run_id,
            trace_id=ids.trace_id(new.id, new.run_id),
            correlation_id=new.correlation_id or ids.correlation_id(new.id),
            chain=1,
            parent_workflow_id=new.parent_workflow_id,
            created_at=self.now,
            updated_at=self.now,
        )
        row = self.workflow(new.id)
        if created:
            for sequence, work in enumerate(new.works, start=1):
                self._put_work(new.id, sequence, work)
            context = {"workCount": len(new.works), "parentWorkflowId": new.parent_workflow_id}
            self._event(EventType.WORKFLOW_CREATED, row, context=context)
        return row, created

    def change_workflow(
        self,
        workflow_id: str,
        to: WorkflowStatus,
        *,
        reason: PauseReason | None = None,
        resume_after_s: float | None = None,
        error: str | None = None,
    ) -> WorkflowRow:
        """Move a Workflow to another status; `WorkflowStatusChanged` and what it means (`WorkflowStarted`, …).

        `resume_after_s`, from now, is for a pause after which the system may resume by itself. A roll back starts the
        next chain, whose correlation id its own events carry already. Raises
        `IllegalTransition`, with nothing changed, also where the Workflow has the status already.
        """
        before = self._locked(workflow_id)
        check_workflow_transition(workflow_id, before.status, to, reason)
        values: dict[str, Any] = {
            "status": to,
            "pause_reason": reason,
            "resume_at": None if resume_after_s is None else self.now + timedelta(seconds=resume_after_s),
            "error": error or (before.error if to is WorkflowStatus.CANCELLED else None),
            "ended_at": self.now if to in ENDED else None,
            "updated_at": self.now,
        }
        if to is WorkflowStatus.RUNNING and before.started_at is None:
            values["started_at"] = self.now
        if reason is PauseReason.ROLLBACK:
            values["chain"] = before.chain + 1
            values["correlation_id"] = ids.correlation_id(workflow_id, before.chain + 1)
        after = self._set_workflow(workflow_id, **values)
        context = {"previousStatus": before.status, "newStatus": to, "reason": reason, "error": error}
        self._event(EventType.WORKFLOW_STATUS_CHANGED, after, context=context)
        if meaning := _meaning(before, to, reason):
            duration_ms = elapsed_ms(after.started_at, self.now) if to in ENDED else None
            self._event(meaning, after, context=context, duration_ms=duration_ms)
        return after

    def set_run(self, workflow_id: str, run_id: str) -> WorkflowRow:
        """Note the Dagster run that performs the Workflow now; a resume is a run of its own."""
        self._locked(workflow_id)
        self._set_workflow(workflow_id, run_id=run_id, updated_at=self.now)
        return self.workflow(workflow_id)

    def adopt_spec(self, workflow_id: str, *, digest: str, places: Mapping[str, int]) -> WorkflowRow:
        """Go on by another stored spec of the same Works; `places` is Work's name -> its place in it, from 1."""
        self._locked(workflow_id)
        self.spec_document(digest)
        for work in self.works(workflow_id):
            self._connection.execute(update(works).where(works.c.id == work.id).values(sequence=places[work.name]))
        return self._set_workflow(workflow_id, spec_digest=digest, updated_at=self.now)

    def delete_workflow(self, workflow_id: str) -> None:
        """Remove a Workflow's rows, in whatever state; its events stay, and `WorkflowDeleted` with them."""
        row = self._locked(workflow_id)
        self._event(EventType.WORKFLOW_DELETED, row, context={"status": row.status})
        self._connection.execute(delete(workflows).where(workflows.c.id == workflow_id))

    def record_worktree(self, new: NewWorkTree) -> WorkTreeRow:
        """Register a WorkTree and its Git; one that stands again after a removal or a crash replaces its record."""
        self._locked(new.workflow_id)
        url = without_credentials(new.url)
        git_id = ids.git_id(url)
        self._insert_new(gits, id=git_id, url=url, created_at=self.now)
        row = WorkTreeRow(
            workflow_id=new.workflow_id,
            git=new.git,
            git_id=git_id,
            url=url,
            ref=new.ref,
            path=new.path,
            branch=new.branch,
            base_commit=new.base_commit,
            head_commit=new.head_commit,
            created_at=self.now,
            removed_at=None,
        )
        self._replace(worktrees, row)
        if new.creation_ms is not None:
            self.add_measures(observe("worktree_creation_duration_milliseconds", new.creation_ms))
        return row

    def _set_workflow(self, workflow_id: str, **values: Any) -> WorkflowRow:
        return self._one(WorkflowRow, _SET, "workflow", workflow_id, values)

    def _put_work(self, workflow_id: str, sequence: int, work: NewWork) -> None:
        work_id = ids.work_id(workflow_id, work.name)
        self._connection.execute(
            insert(works).values(
                id=work_id,
                workflow_id=workflow_id,
                name=work.name,
                sequence=sequence,
                status=WorkStatus.PENDING,
                provider=work.provider,
                model=work.model,
                attempt=0,
            )
        )
        for position, task in enumerate(work.tasks, start=1):
            self._connection.execute(
                insert(tasks).values(
                    id=ids.task_id(workflow_id, work.name, task),
                    workflow_id=workflow_id,
                    work_id=work_id,
                    name=task,
                    position=position,
                    status=TaskStatus.PENDING,
                    attempt=0,
                    snapshot={},
                )
            )


def _meaning(before: WorkflowRow, to: WorkflowStatus, reason: PauseReason | None) -> EventType | None:
    if to is WorkflowStatus.RUNNING:
        # Not by READY: one that failed before it was ever RUNNING starts when it is taken up.
        return EventType.WORKFLOW_STARTED if before.started_at is None else EventType.WORKFLOW_RESUMED
    if to is WorkflowStatus.PAUSED:
        return EventType.WORKFLOW_ROLLED_BACK if reason is PauseReason.ROLLBACK else EventType.WORKFLOW_PAUSED
    return _ENDED_EVENTS.get(to)
