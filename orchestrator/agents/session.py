"""What the engine says to an agent and hears from it. Values, and the port; `start_agent` gives one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from orchestrator.agents.profiles import Profile
from orchestrator.agents.sandbox import Sandbox
from orchestrator.domain.mcp import McpServer
from orchestrator.domain.permissions import DEFAULT_PERMISSIONS, Permissions

__all__ = ["AgentSession", "AgentStart", "McpServer", "Turn", "Update", "Usage"]

_Number = TypeVar("_Number", int, Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Something an agent did while it worked on a query, for whoever watches.

    Attributes:
        text: words of the answer (`message`), of its reasoning (`thought`), what its provider reports beside them
            (`notice`: retries, warnings), or the title of a `tool_call`, empty where it has not changed.
        tool_call_id: which tool call; empty for words.
        status: of a tool call, as the agent puts it (`pending`, `in_progress`, `completed`, `failed`), or `denied` by
            the spec's `permissions`; else empty.
        output: the end of what a tool printed, where the agent tells.
    """

    kind: Literal["message", "thought", "notice", "tool_call"]
    text: str
    tool_call_id: str = ""
    status: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStart:
    """Everything needed to start an agent.

    Attributes:
        model: as the provider names it; None leaves the provider's default.
        permissions: what the agent may do without anybody to ask.
        workspace: the agent's working directory.
        directories: the WorkTrees that the WorkSpace links to; the agent may write there too.
        home: the agent's HOME, made when missing; what a session needs to be resumed lies there.
        env: the agent's complete environment but for HOME; see `environment.agent_environment`.
        metadata: ids that go with the session and each query as the protocol's `_meta`.
        resume_session_id: a session of an earlier process under the same `home` to go on with.
        sandbox: whether the agent runs behind a wall, see `sandbox`.
        pass_fds: descriptors that the agent and what it starts inherit: locks, held as long as anything may write.
        on_update: called in another thread for each `Update`; must be quick.
    """

    profile: Profile
    model: str | None = None
    permissions: Permissions = DEFAULT_PERMISSIONS
    workspace: Path
    directories: tuple[Path, ...] = ()
    home: Path
    env: Mapping[str, str] = field(repr=False)
    mcp_servers: tuple[McpServer, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    resume_session_id: str | None = None
    start_timeout_ms: int = 30_000
    query_timeout_ms: int = 600_000
    stop_timeout_ms: int = 30_000
    sandbox: Sandbox = "off"
    pass_fds: tuple[int, ...] = ()
    on_update: Callable[[Update], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What queries cost, as far as the provider says; None is unknown, which is not zero.

    Attributes:
        input_tokens: all that the models read, what came out of a cache included.
        output_tokens: all that they wrote, their reasoning included.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=_sum(self.input_tokens, other.input_tokens),
            output_tokens=_sum(self.output_tokens, other.output_tokens),
            cost_usd=_sum(self.cost_usd, other.cost_usd),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One query and the agent's answer to it.

    Attributes:
        text: the answer, markdown, as the agent sent it.
        stop_reason: `end_turn`, or `cancelled` after `AgentSession.cancel`.
        duration_ms: from query sent to answer complete.
        tool_calls: how many tools the agent used.
        denied: titles of those that `permissions` denied it; it went on without them.
    """

    text: str
    stop_reason: str
    duration_ms: int
    usage: Usage
    tool_calls: int
    denied: tuple[str, ...] = ()


class AgentSession(Protocol):
    """A running agent. Its end is the end of the `with start_agent(...)` block."""

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str | None: ...

    @property
    def pid(self) -> int:
        """Process id of the agent program itself."""

    @property
    def session_id(self) -> str:
        """The agent's own id of the conversation, for `AgentStart.resume_session_id`."""

    @property
    def resumed(self) -> bool:
        """Whether the agent remembers the session that was asked for; when not, it needs a recap."""

    @property
    def not_resumed(self) -> str | None:
        """Why the session that was asked for could not be taken up; None where it was, or none was asked for."""

    @property
    def start_duration_ms(self) -> int:
        """From the call to ready for a query."""

    @property
    def usage(self) -> Usage:
        """Of all queries so far, those that were refused or cancelled too."""

    def query(self, text: str, *, timeout_ms: int | None = None) -> Turn:
        """Send a query and wait for the answer, at most `timeout_ms` (default: that of `AgentStart`).

        Raises:
            AgentRefused: the agent ended its turn without doing it; `text` is what it said.
            AgentDenied: `permissions` denied every tool that it wanted.
            AgentLoginFailed: the provider does not accept its credentials.
            AgentQuotaReached: the provider gives no more for now; `AgentOverloaded` where all have to wait.
            AgentApiError: the provider's API failed otherwise; `AgentRequestInvalid` where another try cannot help.
            AgentTimeout: no answer in time; the agent is already stopped.
            AgentCrashed: the agent process ended.
            AgentProtocolError: it sent something else than the protocol.
        """

    def cancel(self) -> None:
        """Ask the agent to end the turn that runs; from any thread. The waiting `query` returns, cancelled."""


def _sum(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
