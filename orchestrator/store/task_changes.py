"""Changes of Tasks and the Reports they yield."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from orchestrator.domain import ids
from orchestrator.domain.events import EventType
from orchestrator.domain.states import TaskStatus, check_task_transition
from orchestrator.store.changes import Changes
from orchestrator.store.reader import BY_ID
from orchestrator.store.rows import NewReport, ReportRow, TaskResult, TaskRow, WorkflowRow, WorkRow
from orchestrator.store.tables import reports, tasks
from orchestrator.store.work_changes import work_context

# What a `TaskResult` filled in, before there is one.
_NO_RESULT: dict[str, Any] = {
    "stop_reason": None,
    "input_tokens": None,
    "output_tokens": None,
    "cost_usd": None,
    "duration_ms": None,
    "answer_path": None,
    "snapshot": {},
    "error": None,
    "ended_at": None,
}

_SET = update(tasks).where(tasks.c.id == BY_ID).returning(tasks)


class TaskChanges(Changes):
    """Tasks and Reports. An illegal change raises `IllegalTransition` and changes nothing."""

    def start_task(self, task_id: str, query_length: int) -> TaskRow:
        """A new attempt, also at a Task that is RUNNING already, because its worker died; `QuerySent`.

        `query_length` is in characters. What an earlier attempt left is cleared.
        """
        workflow, work, task = self._locked_task(task_id)
        check_task_transition(task_id, task.status, TaskStatus.RUNNING)
        task = self._set_task(
            task_id,
            **_NO_RESULT,
            status=TaskStatus.RUNNING,
            attempt=task.attempt + 1,
            query_length=query_length,
            started_at=self.now,
        )
        context = {**_context(work, task), "queryLength": query_length}
        self._event(EventType.QUERY_SENT, workflow, work_id=work.id, task_id=task_id, context=context)
        return task

    def complete_task(self, task_id: str, result: TaskResult, report: NewReport | None = None) -> TaskRow:
        """RUNNING to COMPLETED with its answer and its Report; `QueryResponded`, then `ReportGenerated`."""
        workflow, work, task = self._locked_task(task_id)
        check_task_transition(task_id, task.status, TaskStatus.COMPLETED)
        task = self._set_task(
            task_id,
            status=TaskStatus.COMPLETED,
            stop_reason=result.stop_reason,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            cost_usd=result.cost_usd,
            duration_ms=result.duration_ms,
            answer_path=result.answer_path,
            snapshot=dict(result.snapshot),
            ended_at=self.now,
        )
        context = {
            **_context(work, task),
            "stopReason": result.stop_reason,
            "inputTokens": result.input_tokens,
            "outputTokens": result.output_tokens,
            # As text: JSON has no exact decimals.
            "costUsd": None if result.cost_usd is None else str(result.cost_usd),
        }
        self._event(
            EventType.QUERY_RESPONDED,
            workflow,
            work_id=work.id,
            task_id=task_id,
            context=context,
            duration_ms=result.duration_ms,
        )
        if report is not None:
            self._put_report(workflow, work, task, report)
        return task

    def fail_task(self, task_id: str, error: str) -> TaskRow:
        """RUNNING to FAILED."""
        _, _, task = self._locked_task(task_id)
        check_task_transition(task_id, task.status, TaskStatus.FAILED)
        return self._set_task(task_id, status=TaskStatus.FAILED, error=error, ended_at=self.now)

    def put_back_task(self, task_id: str) -> TaskRow:
        """To PENDING: its query was interrupted, or its answer no longer counts; its Report, if any, is stale."""
        _, _, task = self._locked_task(task_id)
        check_task_transition(task_id, task.status, TaskStatus.PENDING)
        self._connection.execute(update(reports).where(reports.c.task_id == task_id).values(stale=True))
        return self._set_task(task_id, status=TaskStatus.PENDING, ended_at=None)

    def _put_report(self, workflow: WorkflowRow, work: WorkRow, task: TaskRow, new: NewReport) -> None:
        report = ReportRow(
            id=ids.report_id(workflow.id, work.name, task.name),
            workflow_id=workflow.id,
            work_id=work.id,
            task_id=task.id,
            title=new.title,
            path=new.path,
            outline=list(new.outline),
            missing=list(new.missing),
            bytes=new.bytes,
            stale=False,
            created_at=self.now,
        )
        self._replace(reports, report)
        context = {
            **_context(work, task),
            "reportId": report.id,
            "title": report.title,
            "path": report.path,
            "missing": report.missing,
            "bytes": report.bytes,
        }
        self._event(EventType.REPORT_GENERATED, workflow, work_id=work.id, task_id=task.id, context=context)

    def _set_task(self, task_id: str, **values: Any) -> TaskRow:
        return self._one(TaskRow, _SET, "task", task_id, values)


def _context(work: WorkRow, task: TaskRow) -> dict[str, Any]:
    return {**work_context(work), "task": task.name, "position": task.position, "attempt": task.attempt}
