"""Changes of Works and the Checkpoints they end in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select, update

from orchestrator.domain import ids
from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.checks import CheckResult
from orchestrator.domain.errors import StoreError
from orchestrator.domain.events import EventType
from orchestrator.domain.states import TaskStatus, WorkStatus, check_work_transition
from orchestrator.store.changes import Changes, elapsed_ms
from orchestrator.store.reader import BY_ID, columns_of
from orchestrator.store.rows import WorkRow
from orchestrator.store.tables import DOCUMENT_VERSION, checkpoints, checks, reports, tasks, works

_OPEN = (WorkStatus.PENDING, WorkStatus.RUNNING, WorkStatus.PAUSED, WorkStatus.FAILED)

_SET = update(works).where(works.c.id == BY_ID).returning(works)


class WorkChanges(Changes):
    """Works and Checkpoints. An illegal change raises `IllegalTransition` and changes nothing."""

    def start_work(self, work_id: str) -> WorkRow:
        """A new attempt, also at a Work that is RUNNING already, because its worker died; `WorkStarted`."""
        workflow, work = self._locked_work(work_id)
        if work.status is not WorkStatus.RUNNING:
            check_work_transition(work_id, work.status, WorkStatus.RUNNING)
        work = self._set_work(
            work_id,
            status=WorkStatus.RUNNING,
            attempt=work.attempt + 1,
            error=None,
            started_at=self.now,
            ended_at=None,
        )
        self._event(EventType.WORK_STARTED, workflow, work_id=work_id, context=work_context(work))
        return work

    def pause_work(self, work_id: str) -> WorkRow:
        """RUNNING to PAUSED."""
        _, work = self._locked_work(work_id)
        check_work_transition(work_id, work.status, WorkStatus.PAUSED)
        return self._set_work(work_id, status=WorkStatus.PAUSED)

    def fail_work(self, work_id: str, error: str) -> WorkRow:
        """RUNNING to FAILED; `WorkFailed`."""
        workflow, work = self._locked_work(work_id)
        check_work_transition(work_id, work.status, WorkStatus.FAILED)
        work = self._set_work(work_id, status=WorkStatus.FAILED, error=error, ended_at=self.now)
        self._event(
            EventType.WORK_FAILED,
            workflow,
            work_id=work_id,
            context={**work_context(work), "error": error},
            duration_ms=elapsed_ms(work.started_at, self.now),
        )
        return work

    def cancel_works(self, workflow_id: str) -> None:
        """Every Work of the Workflow that is not COMPLETED becomes CANCELLED."""
        self._locked(workflow_id)
        self._connection.execute(
            update(works)
            .where(works.c.workflow_id == workflow_id, works.c.status.in_(_OPEN))
            .values(status=WorkStatus.CANCELLED, ended_at=self.now)
        )

    def set_session(self, work_id: str, session_id: str) -> None:
        """Note the agent's session, so that a later attempt can go on with it."""
        self._locked_work(work_id)
        self._set_work(work_id, session_id=session_id)

    def reserve_checkpoint(self, work_id: str) -> str:
        """The id of the Checkpoint that the Work is about to make: the same until it is made or invalidated.

        Commit this before the commits are made, with the id in their trailers: whoever comes after a crash asks again,
        gets the same id, and finds them.
        """
        _, work = self._locked_work(work_id)
        if work.checkpoint_id is not None:
            return work.checkpoint_id
        checkpoint_id = ids.new_checkpoint_id()
        self._set_work(work_id, checkpoint_id=checkpoint_id)
        return checkpoint_id

    def record_checks(self, work_id: str, results: Sequence[CheckResult]) -> None:
        """Keep the results of a Work's checks in the place of those of the round before."""
        self._locked_work(work_id)
        self._connection.execute(delete(checks).where(checks.c.work_id == work_id))
        rows = [{"work_id": work_id, "position": place, **asdict(result)} for place, result in enumerate(results, 1)]
        if rows:
            self._connection.execute(insert(checks), rows)

    def complete_work(self, work_id: str, commits: Mapping[str, str]) -> Checkpoint:
        """RUNNING to COMPLETED with its Checkpoint, under the reserved id; `WorkCompleted`, then `CheckpointCreated`.

        `commits` is Git's name -> commit. A Work that completed under that id already: its Checkpoint, nothing changed.
        Raises `StoreError` where no id was reserved.
        """
        workflow, work = self._locked_work(work_id)
        if work.checkpoint_id is None:
            raise StoreError(
                f"work {work_id} has no checkpoint id; call reserve_checkpoint before the commits are made"
            )
        if work.status is WorkStatus.COMPLETED:
            return self._checkpoint(work.checkpoint_id)
        check_work_transition(work_id, work.status, WorkStatus.COMPLETED)
        checkpoint = Checkpoint(
            id=work.checkpoint_id,
            workflow_id=workflow.id,
            work_id=work_id,
            work=work.name,
            sequence=work.sequence,
            commits=dict(commits),
            created_at=self.now,
        )
        self._replace(checkpoints, checkpoint, schema_version=DOCUMENT_VERSION)
        work = self._set_work(work_id, status=WorkStatus.COMPLETED, ended_at=self.now)
        self._event(
            EventType.WORK_COMPLETED,
            workflow,
            work_id=work_id,
            context=work_context(work),
            duration_ms=elapsed_ms(work.started_at, self.now),
        )
        self._event(
            EventType.CHECKPOINT_CREATED,
            workflow,
            work_id=work_id,
            context={**work_context(work), "checkpointId": checkpoint.id, "commits": checkpoint.commits},
        )
        return checkpoint

    def invalidate_checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Keep a Checkpoint as history only: its Work and Tasks are PENDING again, their Reports stale.

        `CheckpointInvalidated`. One that is invalid already is returned as it is.
        """
        workflow, work = self._locked_work(self._checkpoint(checkpoint_id).work_id)
        before = self._checkpoint(checkpoint_id)
        if before.invalidated_at is not None:
            return before
        check_work_transition(work.id, work.status, WorkStatus.PENDING)
        self._connection.execute(
            update(checkpoints).where(checkpoints.c.id == checkpoint_id).values(invalidated_at=self.now)
        )
        self._reset(work.id)
        context = {**work_context(work), "checkpointId": checkpoint_id, "checkpointSequence": before.sequence}
        self._event(EventType.CHECKPOINT_INVALIDATED, workflow, work_id=work.id, context=context)
        return self._checkpoint(checkpoint_id)

    def put_back_work(self, work_id: str) -> None:
        """To PENDING with all its Tasks: what it has done so far no longer counts, its Reports are stale."""
        _, work = self._locked_work(work_id)
        if work.status is not WorkStatus.PENDING:
            check_work_transition(work_id, work.status, WorkStatus.PENDING)
        self._reset(work_id)

    def _reset(self, work_id: str) -> None:
        # The agent's session goes too: it remembers what is undone now.
        self._set_work(work_id, status=WorkStatus.PENDING, checkpoint_id=None, session_id=None, ended_at=None)
        self._connection.execute(
            update(tasks).where(tasks.c.work_id == work_id).values(status=TaskStatus.PENDING, ended_at=None)
        )
        self._connection.execute(update(reports).where(reports.c.work_id == work_id).values(stale=True))

    def _checkpoint(self, checkpoint_id: str) -> Checkpoint:
        query = select(*columns_of(Checkpoint, checkpoints)).where(checkpoints.c.id == checkpoint_id)
        return self._one(Checkpoint, query, "checkpoint", checkpoint_id)

    def _set_work(self, work_id: str, **values: Any) -> WorkRow:
        return self._one(WorkRow, _SET, "work", work_id, values)


def work_context(work: WorkRow) -> dict[str, Any]:
    """What every event of a Work or Task says of the Work."""
    return {
        "work": work.name,
        "sequence": work.sequence,
        "attempt": work.attempt,
        "provider": work.provider,
        "model": work.model,
    }
