"""A real connection to an MCP server, for as long as a block runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO

import httpx2
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from orchestrator.domain.mcp import McpServer


@asynccontextmanager
async def open_session(
    server: McpServer, *, environ: Mapping[str, str], cwd: Path | None, stderr: IO[str]
) -> AsyncIterator[ClientSession]:
    """A session that has been initialized; a `stdio` server is started for it and ended with it.

    Args:
        environ: what a `stdio` server's environment holds beside its own `env`.
        stderr: a file, where a `stdio` server's goes.
    """
    async with AsyncExitStack() as stack:
        if server.kind == "stdio":
            parameters = StdioServerParameters(
                command=server.command, args=list(server.args), env={**environ, **server.env}, cwd=cwd
            )
            streams = await stack.enter_async_context(stdio_client(parameters, errlog=stderr))  # type: ignore[arg-type]  # any file with a descriptor
        elif server.kind == "http":
            client = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(server.headers)))
            streams = await stack.enter_async_context(streamable_http_client(server.url, http_client=client))
        else:
            streams = await stack.enter_async_context(sse_client(server.url, headers=dict(server.headers)))
        session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        await session.initialize()
        yield session
