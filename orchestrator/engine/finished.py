"""What a Work or Task that is already finished yields again."""

from __future__ import annotations

from pathlib import Path

from orchestrator.domain import ids
from orchestrator.domain.reports import body_of
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import Fact, WrittenReport
from orchestrator.engine.run import WorkRun
from orchestrator.spec.resolve import WorkPlan
from orchestrator.store import Reader
from orchestrator.store.rows import TaskRow


def finished_work(engine: Engine, workflow_id: str, work: WorkPlan) -> list[Fact] | None:
    """The facts of a Work that has a valid Checkpoint made at its present place; None where it has to be performed."""
    work_id = ids.work_id(workflow_id, work.name)

    def read(reader: Reader) -> list[Fact] | None:
        checkpoint = next(
            (
                checkpoint
                for checkpoint in reader.checkpoints(workflow_id)
                if checkpoint.work_id == work_id and checkpoint.sequence == work.sequence
            ),
            None,
        )
        if checkpoint is None:
            return None
        tasks = [task for task in reader.tasks(workflow_id) if task.work_id == work_id]
        written = [_report(reader, task, work.name) for task in tasks]
        return [*(report for report in written if report is not None), *reader.checks(work_id), checkpoint]

    return engine.store.read(read)


def finished_tasks(run: WorkRun) -> list[Fact]:
    """The Reports and check results of a Work that lacks nothing but its Checkpoint."""

    def read(reader: Reader) -> list[Fact]:
        tasks = [task for task in reader.tasks(run.workflow.id) if task.work_id == run.row.id]
        written = [_report(reader, task, run.work.name) for task in tasks]
        return [*(report for report in written if report is not None), *reader.checks(run.row.id)]

    return run.engine.store.read(read)


def stored_report(engine: Engine, task: TaskRow, *, work: str) -> WrittenReport | None:
    """The Report of a finished Task, read back; None where the Task has none."""
    return engine.store.read(lambda reader: _report(reader, task, work))


def _report(reader: Reader, task: TaskRow, work: str) -> WrittenReport | None:
    row = next((report for report in reader.reports(task.workflow_id) if report.task_id == task.id), None)
    if row is None:
        return None
    path = Path(row.path)
    return WrittenReport(
        workflow_id=task.workflow_id,
        work=work,
        task=task.name,
        path=path,
        title=row.title,
        body=body_of(path.read_text(encoding="utf-8")) if path.exists() else "",
        outline=tuple(row.outline),
        missing=tuple(row.missing),
        duration_ms=task.duration_ms or 0,
        input_tokens=task.input_tokens,
        output_tokens=task.output_tokens,
        cost_usd=task.cost_usd,
    )
