"""What one launch will do: a spec with its inputs filled in and its defaults decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import NotFound
from orchestrator.domain.permissions import Permissions
from orchestrator.spec.inputs import Value
from orchestrator.spec.model import BudgetSpec, McpServerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GitPlan:
    """A repository. `url` holds `${NAME}` as written, to be substituted when git is asked."""

    name: str
    url: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPlan:
    """A Report: its title, and the headings it must have (none: any will do)."""

    title: str
    outline: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One query.

    Attributes:
        order: the Task's place in its Work, from 1.
        report: None where its answer is not kept as a Report.
    """

    name: str
    order: int
    query: str
    report: ReportPlan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """A shell command of a Work's `checks:`, run in the WorkTree of `git`."""

    name: str
    run: str
    git: str
    blocking: bool
    timeout_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPlan:
    """One step.

    Attributes:
        sequence: the Work's place in the Workflow, from 1.
        gits: names of the Gits in its WorkSpace.
        provider: `command` where the spec gives the agent's command.
        permissions: what the agent may do without anybody to ask.
        agent_env: added to the agent's environment; values hold `${NAME}` as written.
        mcp_servers: by name, `env_overrides` of both levels merged; one that is not inline is a registered server.
        retries: how often the Work may be tried again.
    """

    name: str
    sequence: int
    gits: tuple[str, ...]
    provider: str
    command: tuple[str, ...] | None
    model: str | None
    permissions: Permissions
    agent_env: Mapping[str, str]
    mcp_servers: Mapping[str, McpServerSpec]
    tasks: tuple[TaskPlan, ...]
    checks: tuple[CheckPlan, ...]
    retries: int
    timeout_s: int | None
    budget: BudgetSpec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One launch.

    Attributes:
        workflow: the spec's name.
        inputs: every declared input, defaults filled in.
        gits: all, in the order of their names.
    """

    workflow: str
    spec_digest: str
    inputs: Mapping[str, Value]
    gits: tuple[GitPlan, ...]
    works: tuple[WorkPlan, ...]
    budget: BudgetSpec | None

    def work(self, name: str) -> WorkPlan:
        """The Work of that name; `NotFound` where there is none."""
        for work in self.works:
            if work.name == name:
                return work
        raise NotFound(kind="work", id=name)

    def texts_with_variables(self) -> Iterator[str]:
        """Every text in which `${NAME}` stands for a value from the environment."""
        for git in self.gits:
            yield git.url
        for work in self.works:
            yield from work.agent_env.values()
            for server in work.mcp_servers.values():
                yield from (*server.env.values(), *server.headers.values(), *server.env_overrides.values())
