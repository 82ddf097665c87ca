"""One Workflow as the command line prints it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.store import Reader
from orchestrator.store.rows import ReportRow, TaskRow, Usage, WorkflowRow, WorkRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A Workflow with all that hangs on it, read in one transaction.

    Attributes:
        checkpoints: the valid ones, in the order of their Works.
    """

    workflow: WorkflowRow
    works: tuple[WorkRow, ...]
    tasks: tuple[TaskRow, ...]
    reports: tuple[ReportRow, ...]
    checkpoints: tuple[Checkpoint, ...]
    usage: Usage

    def tasks_of(self, work: WorkRow) -> list[TaskRow]:
        """The Tasks of one Work, in order."""
        return [task for task in self.tasks if task.work_id == work.id]

    def to_json(self, *, details: bool = False) -> dict[str, Any]:
        """The object that `--json` prints; `details` adds the state of each Work and Task."""
        row = self.workflow
        cost = self.usage.cost_usd
        summary: dict[str, Any] = {
            "workflow_id": row.id,
            "workflow": row.workflow,
            "run_id": row.run_id,
            "correlation_id": row.correlation_id,
            "status": str(row.status),
            "reports": [self._report(report) for report in self.reports],
            "checkpoints": [
                {
                    "id": checkpoint.id,
                    "work": checkpoint.work,
                    "sequence": checkpoint.sequence,
                    "commits": dict(checkpoint.commits),
                }
                for checkpoint in self.checkpoints
            ],
            "usage": {
                "input_tokens": self.usage.input_tokens,
                "output_tokens": self.usage.output_tokens,
                "cost_usd": None if cost is None else float(cost),
            },
            "error": row.error,
        }
        if details:
            summary["pause_reason"] = row.pause_reason and str(row.pause_reason)
            summary["works"] = [self._work(work) for work in self.works]
        return summary

    def _report(self, report: ReportRow) -> dict[str, str]:
        path = Path(report.path)
        return {"work": path.parent.name, "task": path.stem, "path": report.path}

    def _work(self, work: WorkRow) -> dict[str, Any]:
        return {
            "name": work.name,
            "sequence": work.sequence,
            "status": str(work.status),
            "tasks": [{"name": task.name, "status": str(task.status)} for task in self.tasks_of(work)],
        }


def summarise(reader: Reader, workflow_id: str) -> Summary:
    """Read one Workflow whole.

    Raises:
        NotFound: there is no such Workflow.
    """
    workflow = reader.workflow(workflow_id)
    works = tuple(reader.works(workflow_id))
    place = {work.id: work.sequence for work in works}
    tasks = tuple(reader.tasks(workflow_id))
    order = {task.id: (place[task.work_id], task.position) for task in tasks}
    return Summary(
        workflow=workflow,
        works=works,
        tasks=tasks,
        reports=tuple(sorted(reader.reports(workflow_id), key=lambda report: order[report.task_id])),
        checkpoints=tuple(sorted(reader.checkpoints(workflow_id), key=lambda checkpoint: checkpoint.sequence)),
        usage=reader.usage(workflow_id),
    )
