"""MCP servers in the words of the Agent Client Protocol."""

from __future__ import annotations

from collections.abc import Sequence

from acp.schema import AgentCapabilities, EnvVariable, HttpHeader, HttpMcpServer, McpServerStdio, SseMcpServer

from orchestrator.domain.errors import AgentStartError
from orchestrator.domain.mcp import McpServer


def as_acp(server: McpServer) -> McpServerStdio | HttpMcpServer | SseMcpServer:
    """The server as `session/new` takes it."""
    if server.kind == "stdio":
        env = [EnvVariable(name=name, value=value) for name, value in server.env.items()]
        return McpServerStdio(name=server.name, command=server.command, args=list(server.args), env=env)
    headers = [HttpHeader(name=name, value=value) for name, value in server.headers.items()]
    if server.kind == "http":
        return HttpMcpServer(type="http", name=server.name, url=server.url, headers=headers)
    return SseMcpServer(type="sse", name=server.name, url=server.url, headers=headers)


def refuse_unsupported(servers: Sequence[McpServer], capabilities: AgentCapabilities, provider: str) -> None:
    """Raise `AgentStartError` for a kind of server that the agent, once running, says it does not take.

    Every agent takes `stdio`; the others it would leave out in silence.
    """
    can = capabilities.mcp_capabilities
    taken = {"stdio", *(["http"] if can and can.http else []), *(["sse"] if can and can.sse else [])}
    for server in servers:
        if server.kind not in taken:
            raise AgentStartError(
                f"agent {provider!r} takes no MCP server over {server.kind}; "
                f"leave {server.name!r} out, or reach it over {' or '.join(sorted(taken))}"
            )
