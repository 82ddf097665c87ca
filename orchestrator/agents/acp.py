"""One conversation with one agent process over the Agent Client Protocol, version 1. For one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from acp.client.connection import ClientSideConnection
from acp.exceptions import RequestError
from acp.interfaces import Client
from acp.meta import PROTOCOL_VERSION
from acp.schema import AgentCapabilities, Implementation, PromptResponse, TextContentBlock
from pydantic import ValidationError

from orchestrator.agents.lines import LineTransport
from orchestrator.agents.listener import Listener
from orchestrator.agents.mcp import as_acp, refuse_unsupported
from orchestrator.agents.process import SupervisedProcess
from orchestrator.agents.session import AgentStart, Turn, Usage
from orchestrator.domain.errors import (
    AgentCrashed,
    AgentError,
    AgentProtocolError,
    AgentRefused,
    AgentStartError,
    AgentTimeout,
)
from orchestrator.observe.trace import span

_T = TypeVar("_T")
# The share of the stop time-out in which a turn may end by itself after `session/cancel`: 2 s of the default 30 s.
# Of what an agent said before it refused: enough for an error of the tool it ran.
_SAID_LAST_CHARS = 500
_CANCEL_SHARE = 1 / 15
# How long a process whose pipe ended may take to be reported as ended.
_END_GRACE_S = 2.0
_STDERR_SHOWN_CHARS = 2_000
# JSON-RPC: parse error, invalid request, method not found, invalid params.
_PROTOCOL_CODES = frozenset({-32700, -32600, -32601, -32602})


class AcpConversation:
    """Starts the agent, puts queries to it, ends it. `stop` must follow `start`, however that ended."""

    def __init__(self, start: AgentStart) -> None:
        self._start = start
        self._provider = start.profile.provider
        self._listener = Listener(start.on_update)
        self._process: SupervisedProcess | None = None
        self._stopped = False
        self._turn: asyncio.Task[PromptResponse] | None = None
        self._client: ClientSideConnection | None = None
        self.session_id = ""
        self.resumed = False
        self.start_duration_ms = 0
        self.usage = Usage()

    @property
    def pid(self) -> int:
        return self._running.pid

    async def start(self) -> None:
        """Run the agent until it is ready for a query.

        Raises:
            AgentStartError: it cannot be run, refuses the session, or is not ready in time.
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
            raise AgentStartError(f"agent {self._provider!r} refused the session: {_said(error)}") from error
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
            if error.code in _PROTOCOL_CODES:
                raise AgentProtocolError(f"agent {self._provider!r} refused the request: {_said(error)}") from error
            raise AgentRefused(
                f"agent {self._provider!r} failed: {_said(error)}", stop_reason="error", text=self._listener.text
            ) from error
        usage = _usage(response, cost_before, self._listener.cost_usd)
        self.usage += usage
        if response.stop_reason not in ("end_turn", "cancelled"):
            raise AgentRefused(
                f"agent {self._provider!r} ended its turn without an answer ({response.stop_reason}); "
                f"it said last: {self._listener.text[-_SAID_LAST_CHARS:].strip() or 'nothing'}",
                stop_reason=response.stop_reason,
                text=self._listener.text,
            )
        return Turn(
            text=self._listener.text,
            stop_reason=response.stop_reason,
            duration_ms=_since(began),
            usage=usage,
            tool_calls=self._listener.tool_calls,
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
        self._process = SupervisedProcess(
            start.profile.command,
            cwd=start.workspace,
            env={**start.env, "HOME": str(start.home)},
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
        if self._start.resume_session_id:
            self.resumed = await self._resume(self._start.resume_session_id, capabilities)
        if not self.resumed:
            session = await self._answer(self._connection.new_session(**self._session_arguments()))
            self.session_id = session.session_id
        if self._start.model and self._start.profile.model_choice:
            await self._answer(
                self._connection.set_config_option("model", session_id=self.session_id, value=self._start.model)
            )

    async def _resume(self, session_id: str, capabilities: AgentCapabilities) -> bool:
        """Take up the session where the agent can; an agent that lost it gets a new one, which is no error."""
        sessions = capabilities.session_capabilities
        request: Coroutine[Any, Any, Any]
        if sessions and sessions.resume:
            request = self._connection.resume_session(session_id=session_id, **self._session_arguments())
        elif capabilities.load_session:
            request = self._connection.load_session(session_id=session_id, **self._session_arguments())
        else:
            return False
        try:
            await self._answer(request)
        except RequestError:
            return False
        self.session_id = session_id
        return True

    def _session_arguments(self) -> dict[str, Any]:
        return {
            # Absolute, but its links are the agent's to follow: a resolved path would not be the WorkSpace's any more.
            "cwd": str(Path.cwd() / self._start.workspace),
            "mcp_servers": [as_acp(server) for server in self._start.mcp_servers],
            **self._start.metadata,
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


def _usage(response: PromptResponse, cost_before: Decimal | None, cost_after: Decimal | None) -> Usage:
    """Of one turn; agents count cost over the session, and from zero again after a resume."""
    cost = cost_after
    if cost_after is not None and cost_before is not None and cost_after >= cost_before:
        cost = cost_after - cost_before
    reported = response.usage
    return Usage(
        input_tokens=reported.input_tokens if reported else None,
        output_tokens=reported.output_tokens if reported else None,
        cost_usd=cost,
    )


def _said(error: RequestError) -> str:
    return f"{error} {error.data}" if error.data else str(error)


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
