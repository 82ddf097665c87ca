"""What has to hold between the keys of a spec whose shape is right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from orchestrator.spec import template
from orchestrator.spec.giturl import problem_with_ref, problem_with_url
from orchestrator.spec.mcp import mcp_problems
from orchestrator.spec.model import GitSpec, TaskSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.providers import BUILTIN, agent_problems
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.triggers import trigger_problems
from orchestrator.spec.variables import variable_problems
from orchestrator.spec.yaml_source import Loc


def spec_problems(spec: WorkflowSpec, *, registered_mcp: Collection[str]) -> Iterator[Problem]:
    """Everything that is wrong with a spec, in no order."""
    yield from _twins(spec.gits, lambda _, name: ("gits", name))
    yield from _twins(spec.inputs, lambda _, name: ("inputs", name))
    yield from _twins((work.name for work in spec.works), lambda index, _: ("works", index))
    yield from agent_problems(spec)
    yield from mcp_problems(spec, registered_mcp)
    yield from variable_problems(spec)
    yield from trigger_problems(spec)
    for name, git in spec.gits.items():
        yield from _git_problems(git, ("gits", name), spec)
    for index, work in enumerate(spec.works):
        yield from _work_problems(spec, work, ("works", index))


def _git_problems(git: GitSpec, loc: Loc, spec: WorkflowSpec) -> Iterator[Problem]:
    for key, text, problem_with in (("url", git.url, problem_with_url), ("ref", git.ref, problem_with_ref)):
        if template.has_template(text):
            yield from _template_problems(text, (*loc, key), spec)
        elif (problem := problem_with(text)) is not None:
            yield Problem(loc=(*loc, key), text=problem)


def _work_problems(spec: WorkflowSpec, work: WorkSpec, loc: Loc) -> Iterator[Problem]:
    yield from _twins((task.name for task in work.tasks), lambda index, _: (*loc, "tasks", index))
    yield from _twins((check.name for check in work.checks), lambda index, _: (*loc, "checks", index))
    seen: set[str] = set()
    for index, name in enumerate(work.gits or ()):
        if name not in spec.gits:
            text = f'unknown git "{name[:60]}"{suggestion(name, spec.gits)}'
            yield Problem(loc=(*loc, "gits", index), text=text)
        elif name in seen:
            yield Problem(loc=(*loc, "gits", index), text=f'git "{name}" is there twice; remove one')
        seen.add(name)
    for index, task in enumerate(work.tasks):
        yield from _task_problems(spec, work, task, (*loc, "tasks", index))
    yield from _check_problems(spec, work, (*loc, "checks"))


def _task_problems(spec: WorkflowSpec, work: WorkSpec, task: TaskSpec, loc: Loc) -> Iterator[Problem]:
    query = task.query or ""
    faults = list(_template_problems(query, (*loc, "query"), spec))
    yield from faults
    if not faults and spec.effective_agent(work).provider == BUILTIN:
        fault = template.block_fault(query)
        if fault is not None:
            yield Problem(loc=(*loc, "query"), text=fault.text, line_in_text=fault.line)
    if task.report is not None:
        yield from _template_problems(task.report.title or "", (*loc, "report", "title"), spec)
        for index, heading in enumerate(task.report.outline):
            if template.has_template(heading):
                text = "templates are not filled in here; the outline is the same for every launch"
                yield Problem(loc=(*loc, "report", "outline", index), text=text)


def _check_problems(spec: WorkflowSpec, work: WorkSpec, loc: Loc) -> Iterator[Problem]:
    gits = spec.effective_gits(work)
    for index, check in enumerate(work.checks):
        if template.has_template(check.run):
            text = 'templates are not filled in here; a command gets inputs as "$ORCHESTRATOR_INPUT_<NAME>"'
            yield Problem(loc=(*loc, index, "run"), text=text)
        if check.git is None and len(gits) > 1:
            text = f'key "git" is missing: the work has {len(gits)} gits; say in which the command runs'
            yield Problem(loc=(*loc, index), text=text)
        elif check.git is not None and check.git not in gits:
            text = f'"{check.git[:60]}" is no git of this work{suggestion(check.git, gits)}'
            yield Problem(loc=(*loc, index, "git"), text=text)


def _template_problems(text: str, loc: Loc, spec: WorkflowSpec) -> Iterator[Problem]:
    for fault in template.faults(text, spec.inputs):
        yield Problem(loc=loc, text=fault.text, line_in_text=fault.line)


def _twins(names: Iterable[str], at: Callable[[int, str], Loc]) -> Iterator[Problem]:
    """Names that are equal, or become so on a file system or in an environment that ignores case."""
    first: dict[str, str] = {}
    for index, name in enumerate(names):
        other = first.get(name.casefold())
        if other is None:
            first[name.casefold()] = name
        else:
            same = "has the name of one above" if other == name else f'differs from "{other}" only in case'
            yield Problem(loc=at(index, name), text=f"{same}; rename one")
