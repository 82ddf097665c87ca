"""Make a spec self-contained: what it takes from files and folders beside it goes into it."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.domain.errors import SpecError
from orchestrator.spec.giturl import is_relative_path
from orchestrator.spec.model import CheckSpec, GitSpec, TaskSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.text import CONTROL
from orchestrator.spec.yaml_source import Loc, read_text


@dataclass(slots=True, kw_only=True)
class Contained:
    """A spec without references into its folder.

    Attributes:
        problems: queries that are missing, doubled, empty, or cannot be read.
        files: loc of each query that came from a file -> that file.
    """

    spec: WorkflowSpec
    problems: list[Problem] = field(default_factory=list)
    files: dict[Loc, Path] = field(default_factory=dict)


def contain(spec: WorkflowSpec, folder: Path) -> Contained:
    """Put in queries from their files, absolute paths of Gits, and the one Git that a check can mean."""
    result = Contained(spec=spec)
    root = folder.resolve()
    gits = {name: _absolute(git, root) for name, git in spec.gits.items()}
    works = tuple(_contain_work(spec, index, result, root, folder) for index in range(len(spec.works)))
    result.spec = spec.model_copy(update={"gits": gits, "works": works})
    return result


def _absolute(git: GitSpec, root: Path) -> GitSpec:
    # One that begins with an input can turn out to be anything; it is checked once it is known. `~` is refused.
    if not is_relative_path(git.url) or git.url.lstrip().startswith(("{", "-", "~")):
        return git
    joined = f"{root}/{git.url}"
    return git.model_copy(update={"url": joined if "{" in git.url else os.path.normpath(joined)})


def _contain_work(spec: WorkflowSpec, index: int, result: Contained, root: Path, folder: Path) -> WorkSpec:
    work = spec.works[index]
    loc: Loc = ("works", index)
    gits = spec.effective_gits(work)
    tasks = tuple(_contain_task(task, (*loc, "tasks", at), result, root, folder) for at, task in enumerate(work.tasks))
    checks = tuple(_contain_check(check, gits) for check in work.checks)
    return work.model_copy(update={"tasks": tasks, "checks": checks})


def _contain_check(check: CheckSpec, gits: tuple[str, ...]) -> CheckSpec:
    return check.model_copy(update={"git": gits[0]}) if check.git is None and len(gits) == 1 else check


def _contain_task(task: TaskSpec, loc: Loc, result: Contained, root: Path, folder: Path) -> TaskSpec:
    if task.query is not None and task.query_file is not None:
        result.problems.append(
            Problem(loc=(*loc, "query_file"), text='"query" and "query_file" are both there; give one')
        )
    elif task.query is None and task.query_file is None:
        result.problems.append(Problem(loc=loc, text='key "query" is missing (or "query_file")'))
    elif task.query is not None and not task.query.strip():
        result.problems.append(Problem(loc=(*loc, "query"), text="is empty; say what the agent is to do"))
    elif task.query_file is not None:
        try:
            query = _read_query(task.query_file, folder, root)
        except SpecError as error:
            result.problems += [Problem(loc=(*loc, "query_file"), text=text) for text in error.problems]
            return task
        result.files[(*loc, "query")] = folder / task.query_file
        return task.model_copy(update={"query": query, "query_file": None})
    return task


def _read_query(name: str, folder: Path, root: Path) -> str:
    try:
        real = (folder / name).resolve()
    # ValueError: a NUL; RuntimeError: a loop of symlinks.
    except (OSError, ValueError, RuntimeError) as error:
        raise SpecError([f"{name}: cannot be read: {error}"]) from error
    if not real.is_relative_to(root):
        raise SpecError([f"{name}: is outside the spec's folder; keep query files in or below it, symlinks included"])
    # From the resolved path: a symlink swapped after the check leads nowhere else.
    try:
        text = read_text(real)
    except SpecError as error:
        raise SpecError([problem.replace(str(real), name, 1) for problem in error.problems]) from error
    if not text.strip():
        raise SpecError([f"{name}: is empty; say what the agent is to do"])
    if CONTROL.search(text):
        raise SpecError([f"{name}: control characters are not allowed"])
    return text
