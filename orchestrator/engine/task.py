"""Ask the agent a Work's Tasks in order; write each answer's Report; make each result durable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.agents import AgentSession, Turn, Usage
from orchestrator.domain import ids, reports
from orchestrator.domain.errors import AgentTimeout
from orchestrator.domain.states import TaskStatus
from orchestrator.engine import query
from orchestrator.engine.budget import check_budget
from orchestrator.engine.facts import Fact, WrittenReport
from orchestrator.engine.files import write_whole
from orchestrator.engine.finished import stored_report
from orchestrator.engine.run import WorkRun
from orchestrator.engine.workspace import report_path, transcript_path
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.observe.trace import span
from orchestrator.spec.resolve import ReportPlan, TaskPlan
from orchestrator.store.rows import NewReport, TaskResult

_log = get_logger(__name__)


def perform_tasks(run: WorkRun, agent: AgentSession) -> Iterator[Fact]:
    """Ask the Tasks that are not finished yet; yield the Reports of all."""
    rows = {
        row.name: row
        for row in run.engine.store.read(lambda reader: reader.tasks(run.workflow.id))
        if row.work_id == run.row.id
    }
    done = [task.name for task in run.work.tasks if rows[task.name].status is TaskStatus.COMPLETED]
    before = query.recap(done=done, remembered=agent.resumed) if done else ""
    for task in run.work.tasks:
        if task.name in done:
            report = stored_report(run.engine, rows[task.name], work=run.work.name)
        else:
            run.stop.check()
            check_budget(run)
            row = rows[task.name]
            with (
                bind_workflow(correlation_id=run.workflow.correlation_id, task_id=row.id),
                span("task.execute", {"task.id": row.id, "task.order": row.position}),
            ):
                report = _perform(run, agent, task, row.id, text=before + query.compose(task))
            before = ""
        if report is not None:
            yield report
    check_budget(run)


def ask(run: WorkRun, agent: AgentSession, text: str) -> Turn:
    """One query, within the setting's time-out and what the Work's `timeout` leaves of it."""
    limit_ms = run.engine.settings.agent_query_timeout_ms
    allowed_ms = run.remaining_ms(limit_ms)
    _log.debug("Query", message=f"query to {agent.provider}", query=text)
    try:
        return agent.query(text, timeout_ms=allowed_ms)
    except AgentTimeout:
        if allowed_ms < limit_ms:
            raise run.out_of_time() from None
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The turns that one Task took, as one: at most two."""

    text: str
    missing: tuple[str, ...]
    stop_reason: str
    duration_ms: int
    usage: Usage


def _perform(run: WorkRun, agent: AgentSession, task: TaskPlan, task_id: str, *, text: str) -> WrittenReport | None:
    run.engine.store.write(lambda tx: tx.start_task(task_id, query_length=len(text)))
    with run.live.task(
        transcript_path(run.engine.settings.workflow_root_path, run.workflow.id, run.work.name, task.name), text
    ):
        answer = _answer(run, agent, text, task)
    # The order is what makes a death harmless: the trees' snapshot, then the file, then the row that says both exist.
    snapshot = {
        name: tree.snapshot(work=run.work.name, task=task.name, message=f"{run.work.name}/{task.name}")
        for name, tree in run.trees.items()
    }
    written = None if task.report is None else _write_report(run, agent, task, task.report, answer, snapshot)
    result = TaskResult(
        stop_reason=answer.stop_reason,
        duration_ms=answer.duration_ms,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cost_usd=answer.usage.cost_usd,
        snapshot=snapshot,
    )
    new_report = None if written is None else _row(written)
    run.engine.store.write(lambda tx: tx.complete_task(task_id, result, new_report))
    return written


def _answer(run: WorkRun, agent: AgentSession, text: str, task: TaskPlan) -> _Answer:
    """The agent's answer; headings it left out are asked for once."""
    first = ask(run, agent, text)
    outline = task.report.outline if task.report else ()
    missing = reports.missing_headings(first.text, outline)
    if task.report is None or not missing:
        return _Answer(
            text=first.text, missing=(), stop_reason=first.stop_reason, duration_ms=first.duration_ms, usage=first.usage
        )
    second = ask(run, agent, query.ask_for_headings(task.report.title, missing))
    joined = f"{first.text.rstrip()}\n\n{second.text.strip()}\n"
    return _Answer(
        text=joined,
        missing=reports.missing_headings(joined, outline),
        stop_reason=second.stop_reason,
        duration_ms=first.duration_ms + second.duration_ms,
        usage=first.usage + second.usage,
    )


def _write_report(
    run: WorkRun, agent: AgentSession, task: TaskPlan, plan: ReportPlan, answer: _Answer, snapshot: dict[str, str]
) -> WrittenReport:
    attributes = {
        "report.id": ids.report_id(run.workflow.id, run.work.name, task.name),
        "report.outline": tuple(plan.outline),
    }
    with span("report.generate", attributes):
        return _written(run, agent, task, plan, answer, snapshot)


def _written(
    run: WorkRun, agent: AgentSession, task: TaskPlan, plan: ReportPlan, answer: _Answer, snapshot: dict[str, str]
) -> WrittenReport:
    path = report_path(run.engine.settings.workflow_root_path, run.workflow.id, run.work.name, task.name)
    facts = {
        "workflow": run.plan.workflow,
        "workflow_id": run.workflow.id,
        "work": run.work.name,
        "task": task.name,
        "provider": agent.provider,
        "model": agent.model,
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "commit": snapshot,
        "missing": list(answer.missing),
    }
    write_whole(path, reports.render(title=plan.title, body=answer.text, facts=facts))
    return WrittenReport(
        workflow_id=run.workflow.id,
        work=run.work.name,
        task=task.name,
        path=path,
        title=plan.title,
        body=reports.body_of(path.read_text(encoding="utf-8")),
        outline=plan.outline,
        missing=answer.missing,
        duration_ms=answer.duration_ms,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cost_usd=answer.usage.cost_usd,
    )


def _row(written: WrittenReport) -> NewReport:
    return NewReport(
        title=written.title,
        path=str(written.path),
        outline=written.outline,
        missing=written.missing,
        bytes=written.path.stat().st_size,
    )
