"""One conversation with one agent process over the Agent Client Protocol, version 1. For one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from acp.client.connection import ClientSideConnection
from acp.exceptions import RequestError
from acp.interfaces import Client
from acp.meta import PROTOCOL_VERSION
from acp.schema import AgentCapabilities, ClientCapabilities, Implementation, PromptResponse, TextContentBlock
from pydantic import ValidationError

from orchestrator.agents.accounting import usage_of
from orchestrator.agents.failures import SESSION_FAILURE, failure_in, failure_of, lost_connection
from orchestrator.agents.lines import LineTransport
from orchestrator.agents.listener import Listener
from orchestrator.agents.mcp import as_acp, refuse_unsupported
from orchestrator.agents.permissions import Policy
from orchestrator.agents.process import SupervisedProcess
from orchestrator.agents.sandbox import sandboxed
from orchestrator.agents.session import AgentStart, Turn, Usage
from orchestrator.agents.setup import Setup, Wanted
from orchestrator.domain.errors import (
    AgentCrashed,
    AgentDenied,
    AgentError,
    AgentProtocolError,
    AgentRefused,
    AgentStartError,
    AgentTimeout,
    AgentUnavailable,
)
from orchestrator.observe.trace import span

_T = TypeVar("_T")
# Of what an agent said before it refused: enough for an error of the tool it ran.
_SAID_LAST_CHARS = 500
# The share of the stop time-out in which a turn may end by itself after `session/cancel`: 2 s of the default 30 s.
_CANCEL_SHARE = 1 / 15
# How long a process whose pipe ended may take to be reported as ended.
_END_GRACE_S = 2.0
_STDERR_SHOWN_CHARS = 2_000


class AcpConversation:
    """Starts the agent, puts queries to it, ends it. `stop` must follow `start`, however that ended."""

    def __init__(self, start: AgentStart) -> None:
        self._start = start
        self._provider = start.profile.provider
        self._listener = Listener(
            start.on_update,
            Policy(
                start.permissions,
                roots=(start.workspace, *start.directories, start.home),
                servers=[server.name for server in start.mcp_servers],
            ),
        )
        self._setup = Setup()
        self._process: SupervisedProcess | None = None
        self._stopped = False
        self._turn: asyncio.Task[PromptResponse] | None = None
        self._client: ClientSideConnection | None = None
        self.session_id = ""
        self.resumed = False
        self.not_resumed: str | None = None
        self.start_duration_ms = 0
        self.usage = Usage()

    @property
    def pid(self) -> int:
        return self._running.pid

    async def start(self) -> None:
        """Run the agent until it is ready for a query.

        Raises:
            AgentUnavailable: its program is not installed.
            AgentStartError: it cannot be run, refuses the session, or is not ready in time.
            AgentLoginFailed: it has no credentials that its provider accepts.
            AgentCrashed: it ended before it was ready.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._start.start_timeout_ms / 1000):
                await self._launch()
                await self._open_session()
        except TimeoutError as error:
            raise AgentStartError(
                f"agent {self._provider!r} was not ready in {self._start.start_timeout_ms / 1000:g} s; "
                "look whether its program waits for a login or a server, or raise AGENT_START_TIMEOUT_MS"
            ) from error
        except RequestError as error:
            failure = failure_of(error, self._provider)
            if isinstance(failure, AgentProtocolError | AgentRefused):
                raise AgentStartError(f"agent {self._provider!r} refused the session: {_said(error)}") from error
            raise failure from error
        self.start_duration_ms = _since(began)

    async def query(self, text: str, *, timeout_ms: int | None = None) -> Turn:
        """See `AgentSession.query`."""
        began = time.monotonic()
        cost_before = self._listener.cost_usd
        self._listener.begin()
        prompt = [TextContentBlock(type="text", text=text)]
        request = self._connection.prompt(
            session_id=self.session_id, prompt=cast("Any", prompt), **self._start.metadata
        )
        with span("query.send", {"query.length": len(text)}):
            self._turn = asyncio.create_task(request)
            # To where it waits for the answer: by then the query is in the agent's pipe, or as much as fits.
            await asyncio.sleep(0)
        timeout_ms = timeout_ms or self._start.query_timeout_ms
        try:
            with span("query.wait_response", {"query.length": len(text)}):
                async with asyncio.timeout(timeout_ms / 1000):
                    response = await self._answer(self._turn)
        except TimeoutError as error:
            await self.stop()
            raise AgentTimeout(
                f"agent {self._provider!r} did not answer in {timeout_ms / 1000:g} s and was stopped; "
                "ask for less in one query, or raise AGENT_QUERY_TIMEOUT_MS"
            ) from error
        except RequestError as error:
            raise failure_of(error, self._provider, text=self._listener.text) from error
        usage = usage_of(
            response,
            profile=self._start.profile,
            model=self._start.model,
            cost_before=cost_before,
            cost_after=self._listener.cost_usd,
        )
        self.usage += usage
        self._raise_failure(response)
        return Turn(
            text=self._listener.text,
            stop_reason=response.stop_reason,
            duration_ms=_since(began),
            usage=usage,
            tool_calls=self._listener.tool_calls,
            denied=tuple(self._listener.denied),
        )

    async def cancel(self) -> None:
        """Ask for the end of the turn that runs, if one does."""
        if self._client and self._turn and not self._turn.done():
            with contextlib.suppress(ConnectionError):
                await self._client.cancel(session_id=self.session_id)

    async def stop(self) -> None:
        """End the agent and everything it started. A second call does nothing.

        Raises:
            AgentTimeout: something of it would not die within the stop time-out.
        """
        process = self._process
        if process is None or self._stopped:
            return
        self._stopped = True
        deadline = time.monotonic() + self._start.stop_timeout_ms / 1000
        try:
            if self._turn and not self._turn.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._start.stop_timeout_ms / 1000 * _CANCEL_SHARE):
                        await self.cancel()
                        await asyncio.wait({self._turn, process.ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await process.stop(max(1, int((deadline - time.monotonic()) * 1000)))
            if self._client:
                await self._client.close()

    def _raise_failure(self, response: PromptResponse) -> None:
        """Raise what a turn failed of although it ended as the protocol says."""
        heard = self._listener
        if response.stop_reason == "cancelled":
            return
        if failure := failure_in(response.field_meta, self._provider):
            raise failure
        if heard.connection_notice and not heard.text.strip() and not heard.tool_calls:
            raise lost_connection(self._provider, heard.connection_notice)
        if heard.denied and not heard.completed:
            raise AgentDenied(
                f"agent {self._provider!r} could do nothing: permissions {self._start.permissions!r} denied "
                f"{', '.join(repr(title) for title in heard.denied[:5])}; give the Work's agent other `permissions`, "
                "or ask for what these allow",
                denied=heard.denied,
            )
        if response.stop_reason != "end_turn":
            raise AgentRefused(
                f"agent {self._provider!r} ended its turn without an answer ({response.stop_reason}); "
                f"it said last: {heard.text[-_SAID_LAST_CHARS:].strip() or 'nothing'}",
                stop_reason=response.stop_reason,
                text=heard.text,
            )

    @property
    def _running(self) -> SupervisedProcess:
        if self._process is None:
            raise AgentError(f"agent {self._provider!r} was not started")
        return self._process

    @property
    def _connection(self) -> ClientSideConnection:
        if self._client is None or self._stopped:
            raise AgentError(f"agent {self._provider!r} is not running; start another for the next query")
        return self._client

    async def _launch(self) -> None:
        start = self._start
        start.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = _found(start)
        walled = sandboxed(
            command,
            mode=start.sandbox,
            workspace=start.workspace,
            writable=() if start.permissions == "read" else start.directories,
            readable=start.directories if start.permissions == "read" else (),
            home=start.home,
            env=start.env,
        )
        wanted = Wanted(model=start.model, permissions=start.permissions, env=start.env, sandboxed=walled != command)
        self._setup = setup = start.profile.setup(wanted)
        self._process = SupervisedProcess(
            (*walled, *setup.arguments),
            cwd=start.workspace,
            env={**setup.env, **start.env, **setup.override, "HOME": str(start.home)},
            stop_timeout_ms=start.stop_timeout_ms,
            pass_fds=start.pass_fds,
        )
        await self._process.connect()
        self._transport = LineTransport(self._process)
        self._client = ClientSideConnection(cast("Client", self._listener), self._transport)

    async def _open_session(self) -> None:
        initialized = await self._answer(
            self._connection.initialize(
                protocol_version=PROTOCOL_VERSION,
                client_capabilities=ClientCapabilities(field_meta=SESSION_FAILURE),
                client_info=Implementation(name="workflow-orchestrator", version="1"),
            )
        )
        if initialized.protocol_version != PROTOCOL_VERSION:
            raise AgentStartError(
                f"agent {self._provider!r} speaks protocol version {initialized.protocol_version}, "
                f"not {PROTOCOL_VERSION}; install a version of it that does"
            )
        capabilities = initialized.agent_capabilities or AgentCapabilities()
        refuse_unsupported(self._start.mcp_servers, capabilities, self._provider)
        arguments = self._session_arguments(capabilities)
        if self._start.resume_session_id:
            self.not_resumed = await self._resume(self._start.resume_session_id, capabilities, arguments)
            self.resumed = self.not_resumed is None
        if not self.resumed:
            session = await self._answer(self._connection.new_session(**arguments))
            self.session_id = session.session_id
        # An agent starts in a mode of its own, also a session that was resumed.
        if self._setup.mode:
            await self._answer(self._connection.set_session_mode(session_id=self.session_id, mode_id=self._setup.mode))
        if self._setup.model_option:
            await self._answer(
                self._connection.set_config_option("model", session_id=self.session_id, value=self._setup.model_option)
            )

    async def _resume(self, session_id: str, capabilities: AgentCapabilities, arguments: dict[str, Any]) -> str | None:
        """Take up the session; why not, where the agent lost it or cannot: a new one is no error."""
        if not self._start.profile.resume:
            return f"agent {self._provider!r} does not resume sessions"
        sessions = capabilities.session_capabilities
        request: Coroutine[Any, Any, Any]
        if sessions and sessions.resume:
            request = self._connection.resume_session(session_id=session_id, **arguments)
        elif capabilities.load_session:
            request = self._connection.load_session(session_id=session_id, **arguments)
        else:
            return f"agent {self._provider!r} does not resume sessions"
        try:
            await self._answer(request)
        except RequestError as error:
            return f"agent {self._provider!r} could not resume session {session_id}: {_said(error)}"
        self.session_id = session_id
        return None

    def _session_arguments(self, capabilities: AgentCapabilities) -> dict[str, Any]:
        sessions = capabilities.session_capabilities
        takes_directories = bool(sessions and sessions.additional_directories)
        return {
            # Absolute, but its links are the agent's to follow: a resolved path would not be the WorkSpace's any more.
            "cwd": str(Path.cwd() / self._start.workspace),
            "mcp_servers": [as_acp(server) for server in self._start.mcp_servers],
            **(
                {"additional_directories": [str(path) for path in self._start.directories]} if takes_directories else {}
            ),
            **self._start.metadata,
            **self._setup.session,
        }

    async def _answer(self, request: Coroutine[Any, Any, _T] | asyncio.Task[_T]) -> _T:
        """The answer to a request, or the error that says why there is none.

        Raises:
            RequestError: the agent answered with an error.
        """
        process = self._running
        task = asyncio.ensure_future(request)
        # Read it even when nobody waits any more, or asyncio logs it as forgotten.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({task, process.ended}, return_when=asyncio.FIRST_COMPLETED)
        # What an agent said just before its end is still in the pipe.
        await asyncio.wait({task}, timeout=_END_GRACE_S)
        try:
            if task.done():
                return task.result()
        except ConnectionError as error:
            raise await self._end(process) from error
        except ValidationError as error:
            raise AgentProtocolError(f"agent {self._provider!r} sent an answer of the wrong form: {error}") from error
        task.cancel()
        raise await self._end(process)

    async def _end(self, process: SupervisedProcess) -> AgentError:
        """Why the stream of messages ended."""
        if self._transport.violation:
            return self._transport.violation
        await asyncio.wait({process.ended}, timeout=_END_GRACE_S)
        if not process.ended.done():
            return AgentProtocolError(f"agent {self._provider!r} closed its output but still runs")
        end = process.ended.result()
        message = f"agent {self._provider!r} ended unasked: {end}"
        if last_words := end.stderr[-_STDERR_SHOWN_CHARS:].strip():
            message += f"; it said last:\n{last_words}"
        return AgentCrashed(message, exit_code=end.exit_code, uptime_ms=end.uptime_ms)


def _found(start: AgentStart) -> tuple[str, ...]:
    """The command, once it is sure that a provider's own program is there."""
    profile = start.profile
    if profile.adapter and shutil.which(profile.command[0], path=start.env.get("PATH", "")) is None:
        raise AgentUnavailable(
            f"agent {profile.provider!r} needs the program {profile.command[0]!r}, which is not on the PATH of the "
            f"workers; install it there: {profile.adapter.install_command}"
        )
    return profile.command


def _said(error: RequestError) -> str:
    return f"{error} {error.data}" if error.data else str(error)


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
