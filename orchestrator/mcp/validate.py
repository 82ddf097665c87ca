"""Whether MCP servers can be used: each is connected to and asked for its tools, all at once, within one time-out."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp import types

from orchestrator.domain.errors import McpError
from orchestrator.domain.mcp import McpServer
from orchestrator.mcp.connect import open_session
from orchestrator.observe.log import get_logger, mask_text

_log = get_logger(__name__)
# Ending a program that does not answer takes up to two seconds more: they are part of the time-out.
_END_S = 2.0
_MOST_PAGES = 100
_SAID_CHARS = 300
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What came of one server.

    Attributes:
        tools: their names; empty where it cannot be used.
        reason: why it cannot be used, masked; None where it can.
    """

    server: McpServer
    tools: tuple[str, ...]
    reason: str | None
    duration_ms: int


def validate_servers(
    servers: Sequence[McpServer],
    *,
    timeout_ms: int,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[Validation, ...]:
    """Connect to each and list its tools; one that is down never delays the others. Raises nothing.

    Args:
        timeout_ms: for each server and so for all; in it whatever was started has ended too.
        environ: what programs get beside their own `env`: the agent's environment; an allow-list of ours by default.
    """
    if not servers:
        return ()
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ} if environ is None else environ
    return asyncio.run(_validate_all(servers, timeout_ms, inherited, cwd))


def usable_servers(validations: Sequence[Validation]) -> tuple[McpServer, ...]:
    """The servers to hand to an agent; those that are not required and cannot be used are left out with a warning.

    Raises:
        McpError: some that are required cannot be used: name and reason of each.
    """
    for found in validations:
        if found.reason is not None and not found.server.required:
            _log.warning("McpServerLeftOut", message=_sentence(found), server=found.server.name)
    problems = [_sentence(found) for found in validations if found.reason is not None and found.server.required]
    if problems:
        raise McpError(problems)
    return tuple(found.server for found in validations if found.reason is None)


def _sentence(found: Validation) -> str:
    return f'mcp server "{found.server.name}" cannot be used: {found.reason}'


async def _validate_all(
    servers: Sequence[McpServer], timeout_ms: int, environ: Mapping[str, str], cwd: Path | None
) -> tuple[Validation, ...]:
    return tuple(await asyncio.gather(*(_validate(server, timeout_ms, environ, cwd) for server in servers)))


async def _validate(server: McpServer, timeout_ms: int, environ: Mapping[str, str], cwd: Path | None) -> Validation:
    began = time.monotonic()
    timeout_s = timeout_ms / 1000
    allowed_s = max(timeout_s * 0.7, timeout_s - _END_S) if server.kind == "stdio" else timeout_s
    tools: tuple[str, ...] = ()
    reason: str | None = None
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        try:
            async with asyncio.timeout(allowed_s), open_session(server, environ=environ, cwd=cwd, stderr=stderr) as it:
                tools = await _tools(it.list_tools)
        except TimeoutError:
            reason = (
                f"no answer in {allowed_s:g} s; look whether it waits for something, or raise MCP_VALIDATION_TIMEOUT_MS"
            )
        except (Exception, asyncio.CancelledError) as error:
            # Cancelled by the library's own task group, or by whoever waits for us.
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            reason = _why(error, server)
        if reason is not None:
            stderr.seek(0)
            if said := stderr.read()[-_SAID_CHARS:].strip():
                reason = f"{reason}; it said last: {said}"
    return Validation(
        server=server,
        tools=tools,
        reason=None if reason is None else mask_text(" ".join(reason.split())),
        duration_ms=int((time.monotonic() - began) * 1000),
    )


async def _tools(list_tools: object) -> tuple[str, ...]:
    names: list[str] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await list_tools(params=params)  # type: ignore[operator]  # ClientSession.list_tools
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if not cursor:
            break
    return tuple(names)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _why(error: BaseException, server: McpServer) -> str:
    """What went wrong at the bottom of the task groups' exceptions."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return f"there is no program {server.command!r}; install it where the workers run"
    what = str(error) or type(error).__name__
    if server.kind == "stdio":
        return f"{server.command!r} does not speak the Model Context Protocol: {what}"
    return f"{server.url} does not answer as an MCP server over {server.kind}: {what}"


__all__ = ["McpError", "Validation", "usable_servers", "validate_servers"]
