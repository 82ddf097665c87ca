"""The shape of a spec: every key there is, its type, its default. What holds between keys is in `checks`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from orchestrator.domain.events import EventType
from orchestrator.domain.firing import Overlap
from orchestrator.domain.permissions import Permissions
from orchestrator.spec import duration
from orchestrator.spec.inputs import InputType, fit
from orchestrator.spec.names import GitName, McpName, Name, TaskName, VariableName, WorkflowName


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write some text or leave the key out")
    return text


Text = Annotated[str, AfterValidator(_not_blank), WithJsonSchema({"type": "string", "minLength": 1})]
Seconds = Annotated[
    int,
    BeforeValidator(duration.parse_duration),
    PlainSerializer(lambda seconds: f"{seconds}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": duration.PATTERN, "examples": ["90s", "10m", "1h30m"]}),
]
Scalar = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict()]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class InputSpec(_Part):
    """A value that each launch may set; one without a default must be given."""

    type: InputType = "string"
    """string, int, float or bool."""
    default: Scalar = None
    choices: tuple[Scalar, ...] | None = Field(default=None, min_length=1, max_length=100)
    """The only values allowed."""
    description: str | None = None

    @field_validator("default", "choices")
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        declared: InputType | None = info.data.get("type")
        if value is None or declared is None:
            return value
        if isinstance(value, tuple):
            return tuple(fit(choice, declared) for choice in value)
        return fit(value, declared)


class GitSpec(_Part):
    """A repository."""

    url: Text
    """https, ssh or file URL, user@host:path, or a path that counts from this file's folder; may use inputs."""
    ref: Text = "main"
    """Branch, tag or commit; may use inputs."""


class McpServerSpec(_Part):
    """An MCP server: `{}` for a registered one, an inline definition, or `env_overrides` for one that is defined."""

    command: Text | None = None
    args: tuple[str, ...] = Field(default=(), max_length=100)
    env: dict[VariableName, str] = {}
    """Values may be ${NAME}, taken from the environment when the server is started."""
    url: Text | None = None
    headers: dict[Text, str] = {}
    transport: Literal["http", "sse"] | None = None
    env_overrides: dict[VariableName, str] = {}
    required: Flag | None = None
    """Default true; with `false` a Work goes on without the server when it cannot be reached."""

    @property
    def is_required(self) -> bool:
        """Whether a Work fails without it."""
        return self.required is not False

    @property
    def is_inline(self) -> bool:
        """Whether it says how the server is reached."""
        return self.command is not None or self.url is not None


class AgentSpec(_Part):
    """Who does the work: a provider by name, or any program that speaks the Agent Client Protocol."""

    provider: Text | None = None
    """`builtin` runs the fenced `sh` blocks of a query; it has no model and needs no credentials."""
    model: Text | None = None
    command: tuple[Text, ...] | None = Field(default=None, min_length=1, max_length=100)
    """The program and its arguments."""
    env: dict[VariableName, str] = {}
    """Values may be ${NAME}, taken from the environment when the agent is started."""
    permissions: Permissions | None = None
    """What it may do without anybody to ask; default `edit`."""

    @property
    def provider_name(self) -> str:
        """The `provider` of metrics, rows and asset kinds: `command` where no provider is named."""
        return self.provider or "command"

    def over(self, base: AgentSpec) -> AgentSpec:
        """This agent's keys over those of `base`; with another provider or command, its model does not carry over."""
        env = {**base.env, **self.env}
        permissions = self.permissions or base.permissions
        if self.provider is not None or self.command is not None:
            same = self.provider == base.provider and self.command == base.command
            model = self.model or (base.model if same else None)
            provider, command = self.provider, self.command
        else:
            provider, command, model = base.provider, base.command, self.model or base.model
        return AgentSpec(provider=provider, command=command, model=model, env=env, permissions=permissions)


class BudgetSpec(_Part):
    """What may be spent before the Workflow pauses."""

    cost_usd: Annotated[Decimal, Field(gt=0)] | None = None
    tokens: Annotated[Count, Field(gt=0)] | None = None


class ReportSpec(_Part):
    """The markdown file that a Task yields."""

    title: Text | None = None
    """Default: the Task's name; may use inputs."""
    outline: tuple[Text, ...] = Field(default=(), max_length=100)
    """The headings the Report must have."""


class TaskSpec(_Part):
    """One query to the Work's agent."""

    name: TaskName
    query: str | None = None
    """May use {{ inputs.<name> }}."""
    query_file: Text | None = None
    """A file with the query instead, in or below this file's folder."""
    report: ReportSpec | None = None


class CheckSpec(_Part):
    """A shell command run after a Work's Tasks and before its Checkpoint."""

    name: Name
    run: Text
    """Inputs reach it as environment variables, ORCHESTRATOR_INPUT_<NAME>."""
    git: str | None = None
    """Where it runs; default: the Work's only Git."""
    blocking: Flag = True
    """Whether a failure keeps the Work from completing."""
    timeout: Seconds | None = None


class WorkSpec(_Part):
    """One step: an agent, its Tasks in order, then a Checkpoint."""

    name: Name
    description: str | None = None
    gits: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The Gits in its WorkSpace; default: all."""
    agent: AgentSpec | None = None
    mcp_servers: dict[McpName, McpServerSpec] = {}
    tasks: tuple[TaskSpec, ...] = Field(min_length=1, max_length=100)
    checks: tuple[CheckSpec, ...] = Field(default=(), max_length=100)
    retries: Annotated[Count, Field(ge=0, le=10)] = 0
    timeout: Seconds | None = None
    budget: BudgetSpec | None = None


class RetentionSpec(_Part):
    """How long what a Workflow leaves behind is kept, where it is not as long as the settings say."""

    worktrees: Seconds | None = None
    """From its end; WORKTREE_CLEANUP_TTL_HOURS, and FAILED_WORKTREE_TTL_HOURS where it FAILED."""
    reports: Seconds | None = None
    """From its end until they are deleted; REPORT_DELETE_DAYS."""
    checkpoints: Seconds | None = None
    """Of invalidated ones; CHECKPOINT_CLEANUP_DAYS."""


class GitPushSpec(_Part):
    """The head of a branch or tag moved: observed on an interval, and at once by a webhook."""

    git: str
    """One of the workflow's Gits, whose url takes no inputs."""
    ref: Text | None = None
    """Default: the Git's own."""
    interval: Seconds = 60
    """Between two looks at the remote."""


class WebhookSpec(_Part):
    """A webhook was delivered to /webhooks/<source>."""

    source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
    """Its secret is WEBHOOK_SECRET_<SOURCE>. GitHub's form where it begins with `github`, GitLab's with `gitlab`."""
    event: Text | None = None
    """As the sender names it: `push`, `issues` or `issues.labeled`; default: any."""


class EventSpec(_Part):
    """Something happened in another workflow, or in the system."""

    type: EventType
    workflow: str | None = None
    """The workflow that it happened to; default: any but this one."""
    where: dict[str, Scalar] = {}
    """Values that the event's context must have."""


class TriggerSpec(_Part):
    """What starts the workflow by itself: one of `schedule`, `git_push`, `webhook` and `event`."""

    name: Name | None = None
    """Default: its kind and place, such as `schedule_1`."""
    schedule: Text | None = None
    """A cron expression of five fields."""
    timezone: Text = "UTC"
    git_push: GitPushSpec | None = None
    webhook: WebhookSpec | None = None
    event: EventSpec | None = None
    inputs: dict[Name, Scalar] = {}
    """Of the launch; texts may use {{ payload.… }}."""
    overlap: Overlap = Overlap.QUEUE
    """While another Workflow of this spec has not ended: wait for it, start nothing, or cancel it."""

    @property
    def kind(self) -> str:
        """Its key that says when."""
        return next(kind for kind in TRIGGER_KINDS if getattr(self, kind) is not None)


TRIGGER_KINDS = ("schedule", "git_push", "webhook", "event")


class PullRequestSpec(_Part):
    """A pull request (GitLab: merge request) from the published branch."""

    title: Text | None = None
    """Default: the workflow's name and the Workflow's id; may use inputs."""
    body: Literal["report", "none"] = "report"
    """`report`: the Workflow's Reports, one after the other."""
    draft: Flag = True
    base: Text | None = None
    """Default: the Git's ref."""


class PublishSpec(_Part):
    """What leaves this machine once the Workflow is COMPLETED. Nothing is ever forced."""

    push: Flag = True
    branch: Text = "orchestrator/{{ workflow_id }}"
    """Of each Git; may use {{ workflow_id }} and inputs."""
    gits: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Default: all."""
    pull_request: PullRequestSpec | None = None


class NotifySpec(_Part):
    """Who is told of how the Workflow goes, beside those of NOTIFY_URLS."""

    urls: tuple[Text, ...] = Field(min_length=1, max_length=20)
    """${NAME}: an address that the environment holds, as Apprise writes it, or a plain https webhook."""
    on: tuple[Literal["completed", "failed", "paused"], ...] = Field(default=("failed", "paused"), min_length=1)


class WorkflowSpec(_Part):
    """A multi-step AI agent job over git repositories."""

    name: WorkflowName
    description: str | None = None
    inputs: dict[Name, InputSpec] = Field(default={}, max_length=50)
    gits: dict[GitName, GitSpec] = Field(min_length=1, max_length=50)
    mcp_servers: dict[McpName, McpServerSpec] = Field(default={}, max_length=50)
    agent: AgentSpec | None = None
    """The agent of every Work that names none."""
    budget: BudgetSpec | None = None
    retention: RetentionSpec | None = None
    works: tuple[WorkSpec, ...] = Field(min_length=1, max_length=100)
    triggers: tuple[TriggerSpec, ...] | None = Field(default=None, max_length=50)
    publish: PublishSpec | None = None
    notify: NotifySpec | None = None

    def named_triggers(self) -> dict[str, TriggerSpec]:
        """Its triggers by name, in order."""
        counted: dict[str, int] = {}
        named: dict[str, TriggerSpec] = {}
        for trigger in self.triggers or ():
            counted[trigger.kind] = counted.get(trigger.kind, 0) + 1
            named[trigger.name or f"{trigger.kind}_{counted[trigger.kind]}"] = trigger
        return named

    def effective_agent(self, work: WorkSpec) -> AgentSpec:
        """The agent of a Work: its own keys over the Workflow's."""
        base = self.agent or AgentSpec()
        return work.agent.over(base) if work.agent is not None else base

    def effective_gits(self, work: WorkSpec) -> tuple[str, ...]:
        """Names of the Gits in a Work's WorkSpace: its own, or all."""
        return work.gits if work.gits is not None else tuple(self.gits)

    def texts_with_variables(self) -> Iterator[str]:
        """Every text in which `${NAME}` stands for a value from the environment."""
        for git in self.gits.values():
            yield git.url
        agents = (self.agent, *(work.agent for work in self.works))
        for agent in agents:
            yield from agent.env.values() if agent is not None else ()
        for servers in (self.mcp_servers, *(work.mcp_servers for work in self.works)):
            for server in servers.values():
                yield from (*server.env.values(), *server.headers.values(), *server.env_overrides.values())
