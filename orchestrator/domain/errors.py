"""Every error the product raises on purpose, one sentence each. All share `OrchestratorError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

if TYPE_CHECKING:
    from orchestrator.domain.states import PauseReason


class OrchestratorError(Exception):
    """Base of every error with a message written for the person who has to act on it."""


class SettingsError(OrchestratorError):
    """One or more environment variables are missing or malformed; the message has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class SpecError(OrchestratorError):
    """A spec cannot be used; the message has one `file:line: where: what` line per problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InputError(OrchestratorError):
    """The inputs of a launch do not fit the spec's `inputs:`."""


class MissingVariable(OrchestratorError):
    """A `${NAME}` in the spec has no value in the environment."""

    def __init__(self, *, names: Sequence[str], where: str) -> None:
        listed = ", ".join(names)
        super().__init__(f"{where}: environment variable not set: {listed}; set it where the workers run")
        self.names = tuple(names)


class IllegalTransition(OrchestratorError):
    """A state change that the state machine does not allow; nothing was changed."""

    def __init__(self, *, what: str, from_status: str, to_status: str) -> None:
        super().__init__(f"{what} is {from_status} and cannot become {to_status}")
        self.from_status = from_status
        self.to_status = to_status


class NotFound(OrchestratorError):
    """A row that the caller named does not exist."""

    def __init__(self, *, kind: str, id: str) -> None:
        super().__init__(f"no {kind} with id {id!r}; `orchestrator list` shows the workflows there are")
        self.kind = kind
        self.id = id


class StoreError(OrchestratorError):
    """The database cannot be reached, is not migrated, or gave up after retries."""


class PublishFailed(OrchestratorError):
    """Not every Git of a completed Workflow could be published; the Workflow stays COMPLETED."""


class NotifyFailed(OrchestratorError):
    """Somebody who should be told of a Workflow could not be."""


class BusError(OrchestratorError):
    """The event bus cannot be reached, or did not do its part; events wait in the store."""


class GitError(OrchestratorError):
    """A git command failed.

    Attributes:
        command: the git subcommand (`fetch`, `worktree`, …).
        exit_code: git's own, or None where it never ran to its end.
        stderr: what git said, masked, its last 2,000 characters.
    """

    def __init__(self, message: str, *, command: str, exit_code: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.exit_code = exit_code
        self.stderr = stderr

    def at(self, where: str) -> Self:
        """The same error, its message saying where it happened."""
        return type(self)(f"{where}: {self}", command=self.command, exit_code=self.exit_code, stderr=self.stderr)


class GitTimeout(GitError):
    """A git command passed its deadline and was killed with its whole process group."""


class GitUnreachable(GitError):
    """A repository cannot be reached or read: wrong address, no access, no network."""


class GitRefNotFound(GitError):
    """The ref that a spec names does not exist in the repository (or the repository is empty)."""


class GitUrlRefused(GitError):
    """A repository address with a transport or form that could run commands."""


class RefMoved(GitError):
    """A compare-and-swap on a ref failed: somebody else moved it."""


class GitLocked(GitError):
    """Another process holds the lock of a Workflow's trees or of a mirror, and did not let go in time."""


class AgentError(OrchestratorError):
    """The agent could not do what was asked.

    Attributes:
        kind: the bounded `error_type` of metrics and events.
        remedy: what may help: `retry` with a new agent, `pause` the Workflow until the provider gives more, or nothing
            that happens by itself: `fail`.
    """

    kind = "error"
    remedy: ClassVar[Literal["retry", "pause", "fail"]] = "retry"


class AgentStartError(AgentError):
    """The agent program is missing or did not become ready."""

    kind = "start"


class AgentUnavailable(AgentStartError):
    """The agent program, or the sandbox that it must run in, is not installed here."""

    remedy = "fail"


class AgentCrashed(AgentError):
    """The agent process ended unasked."""

    kind = "crashed"

    def __init__(self, message: str, *, exit_code: int | None, uptime_ms: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.uptime_ms = uptime_ms


class AgentTimeout(AgentError):
    """Start, query or stop took longer than its setting allows."""

    kind = "timeout"


class AgentProtocolError(AgentError):
    """The agent answered something that is not the Agent Client Protocol."""

    kind = "protocol"


class AgentRefused(AgentError):
    """The agent ended its turn without doing it: refusal, turn or token limit, an error of its provider.

    Attributes:
        stop_reason: the protocol's word for it, or `error`.
        text: what the agent had said until then, markdown.
    """

    kind = "refused"

    def __init__(self, message: str, *, stop_reason: str = "refusal", text: str = "") -> None:
        super().__init__(message)
        self.stop_reason = stop_reason
        self.text = text


class AgentApiError(AgentError):
    """The provider's API answered an error, or the connection to it was lost."""

    kind = "api"


class AgentRequestInvalid(AgentApiError):
    """The provider's API does not take the request: no such model, a policy, a malformed setting."""

    remedy = "fail"


class AgentLoginFailed(AgentError):
    """The provider does not accept the agent's credentials, or there are none."""

    kind = "login"
    remedy = "fail"


class AgentQuotaReached(AgentError):
    """The provider gives no more for now: a quota, a rate limit.

    Attributes:
        retry_after_s: when to try again, as the provider says; None where it does not.
    """

    kind = "quota"
    remedy = "pause"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AgentOverloaded(AgentQuotaReached):
    """The provider is overloaded; it has not to do with what this agent has used."""

    kind = "overloaded"


class AgentDenied(AgentError):
    """Every tool that the agent wanted was denied by the spec's `permissions`.

    Attributes:
        denied: the titles of the tool calls.
    """

    kind = "denied"
    remedy = "fail"

    def __init__(self, message: str, *, denied: Sequence[str]) -> None:
        super().__init__(message)
        self.denied = tuple(denied)


class McpError(OrchestratorError):
    """MCP servers that a Work needs cannot be used; the message has a line for each, with its name and the reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class CheckFailed(OrchestratorError):
    """A blocking check of a Work failed; no Checkpoint was made."""

    def __init__(self, *, work: str, check: str, exit_code: int | None, output: str) -> None:
        ended = "timed out" if exit_code is None else f"exit code {exit_code}"
        super().__init__(f'work "{work}": blocking check "{check}" failed ({ended})')
        self.check = check
        self.output = output


class WorkStopped(OrchestratorError):
    """A Work ends before its Checkpoint, and it is no failure."""


class Paused(WorkStopped):
    """The Workflow waits, to be resumed later.

    Attributes:
        resume_after_s: when the system may resume it by itself; None: when the reason's own rule says.
    """

    def __init__(self, message: str, *, reason: PauseReason, resume_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.resume_after_s = resume_after_s


class Cancelled(WorkStopped):
    """Somebody cancelled the Workflow, or terminated its run."""


class LeaseLost(WorkStopped):
    """Another worker has taken the Workflow over; this one may write nothing more of it."""


class LeaseHeld(OrchestratorError):
    """Another worker performs the Workflow."""


class WrongState(OrchestratorError):
    """What was asked for does not go with the state of the Workflow; nothing was changed."""


class WorkTimeout(OrchestratorError):
    """A Work ran longer than its `timeout`."""


class CheckpointRefused(OrchestratorError):
    """A Workflow cannot be rolled back to the Checkpoint that was named; nothing was changed."""


class SpecChanged(OrchestratorError):
    """The current spec has other Works than the one the Workflow was created with."""


class ProcessFailed(OrchestratorError):
    """A process of the system did not come up, or ended unasked."""


class WarmParentGone(OrchestratorError):
    """The process that forks run workers cannot be reached; a worker can start by itself instead."""


class LaunchError(OrchestratorError):
    """The running system did not take a launch."""


class RootNotOurs(OrchestratorError):
    """A data folder is not the one that the database speaks of; nothing in it may be removed."""


class ArchiveDamaged(OrchestratorError):
    """An archive of Reports cannot be read, or holds what no archive of ours holds."""


class SystemUnreachable(LaunchError):
    """The running system does not answer; the same launch may succeed later."""


class WebhookRefused(OrchestratorError):
    """A webhook delivery that nothing is done about; nothing was stored.

    Attributes:
        status: of the HTTP answer: 400, 401, 404 or 413.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
