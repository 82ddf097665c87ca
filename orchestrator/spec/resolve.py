"""A spec and the inputs of one launch, resolved into its Plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.domain.errors import InputError
from orchestrator.domain.permissions import DEFAULT_PERMISSIONS
from orchestrator.spec import fences, template
from orchestrator.spec.document import digest_of, document_of
from orchestrator.spec.giturl import is_relative_path, problem_with_ref, problem_with_url
from orchestrator.spec.inputs import Value, as_environment, check_inputs, parse_inputs
from orchestrator.spec.mcp import effective_servers
from orchestrator.spec.model import TaskSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.plan import CheckPlan, GitPlan, Plan, ReportPlan, TaskPlan, WorkPlan
from orchestrator.spec.providers import BUILTIN
from orchestrator.spec.variables import missing_variables

__all__ = [
    "CheckPlan",
    "GitPlan",
    "Plan",
    "ReportPlan",
    "TaskPlan",
    "WorkPlan",
    "as_environment",
    "missing_variables",
    "parse_inputs",
    "resolve",
]

# Makes a value harmless in markdown, keeping its length: backticks, tildes and every kind of line break.
_HARMLESS = str.maketrans({**dict.fromkeys("`~", "'"), **dict.fromkeys("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " ")})


def resolve(spec: WorkflowSpec, inputs: Mapping[str, Any]) -> Plan:
    """What a launch with these inputs will do.

    Args:
        spec: self-contained, as `load_spec` and `parse_document` give it.
        inputs: by name, in their declared types; what is left out takes its default.

    Raises:
        InputError: the inputs do not fit, or make something of the spec that may not be used.
    """
    values = check_inputs(spec, inputs)
    return Plan(
        workflow=spec.name,
        spec_digest=digest_of(document_of(spec)),
        inputs=values,
        gits=tuple(_git(spec, name, values) for name in spec.gits),
        works=tuple(_work(spec, work, sequence, values) for sequence, work in enumerate(spec.works, start=1)),
        budget=spec.budget,
    )


def _git(spec: WorkflowSpec, name: str, values: Mapping[str, Value]) -> GitPlan:
    where = f'workflow "{spec.name}": git "{name}"'
    git = spec.gits[name]
    url = _fill(git.url, values, f"{where}: url", _url_problem)
    return GitPlan(name=name, url=url, ref=_fill(git.ref, values, f"{where}: ref", problem_with_ref))


def _url_problem(url: str) -> str | None:
    problem = problem_with_url(url)
    if problem is None and is_relative_path(url):
        return "is a relative path, and a launch has no folder to count from; give a URL or an absolute path"
    return problem


def _work(spec: WorkflowSpec, work: WorkSpec, sequence: int, values: Mapping[str, Value]) -> WorkPlan:
    agent = spec.effective_agent(work)
    gits = spec.effective_gits(work)
    where = f'workflow "{spec.name}": work "{work.name}"'
    return WorkPlan(
        name=work.name,
        sequence=sequence,
        gits=gits,
        provider=agent.provider_name,
        command=agent.command,
        model=agent.model,
        permissions=agent.permissions or DEFAULT_PERMISSIONS,
        agent_env=agent.env,
        mcp_servers=effective_servers(spec, work),
        tasks=tuple(
            _task(task, order, values, where, runs_blocks=agent.provider == BUILTIN)
            for order, task in enumerate(work.tasks, start=1)
        ),
        checks=tuple(
            CheckPlan(
                name=check.name,
                run=check.run,
                git=check.git or gits[0],
                blocking=check.blocking,
                timeout_s=check.timeout,
            )
            for check in work.checks
        ),
        retries=work.retries,
        timeout_s=work.timeout,
        budget=work.budget,
    )


def _task(task: TaskSpec, order: int, values: Mapping[str, Value], work: str, *, runs_blocks: bool) -> TaskPlan:
    where = f'{work}, task "{task.name}"'
    text = task.query or ""
    if runs_blocks:
        _refuse_blocks(text, values, where)
    report = None
    if task.report is not None:
        title = _fill(task.report.title or task.name, values, f"{where}: report.title", _blank_problem)
        report = ReportPlan(title=title, outline=task.report.outline)
    query = _fill(text, values, f"{where}: query", _blank_problem)
    return TaskPlan(name=task.name, order=order, query=query, report=report)


def _blank_problem(text: str) -> str | None:
    return None if text.strip() else "is empty"


def _fill(text: str, values: Mapping[str, Value], where: str, problem_with: Callable[[str], str | None]) -> str:
    try:
        filled = template.render(text, values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    problem = problem_with(filled)
    if problem is not None:
        raise InputError(f"{where}: with these inputs {problem}")
    return filled


def _refuse_blocks(text: str, values: Mapping[str, Value], where: str) -> None:
    """Refuse inputs that would add or change a fenced block of a query whose blocks are run."""
    used = template.inputs_in(text)
    for name in sorted(used):
        value = values.get(name)
        if isinstance(value, str) and fences.FENCE_OR_BREAK.search(value):
            raise InputError(
                f'{where}: input "{name}" holds a code fence or a line break, '
                "which the built-in agent could take for a command; give one line of plain text"
            )
    # Two inputs side by side, or one beside a backtick of the template, can make a fence that neither holds.
    harmless = {name: value.translate(_HARMLESS) if isinstance(value, str) else value for name, value in values.items()}
    try:
        same = fences.blocks(template.render(text, values)) == fences.blocks(template.render(text, harmless))
    except ValueError:
        return  # named when the query itself is filled in
    if used and not same:
        raise InputError(f"{where}: these inputs together would change the fenced blocks of the query")
