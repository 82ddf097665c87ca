"""From the servers that a Work names to servers that can be started: registered ones looked up, `${NAME}` filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from orchestrator.domain.errors import McpError, MissingVariable
from orchestrator.domain.mcp import McpServer
from orchestrator.mcp.registry import Registry
from orchestrator.spec.model import McpServerSpec
from orchestrator.spec.variables import substitute


def resolve_servers(
    servers: Mapping[str, McpServerSpec], registry: Registry, *, environ: Mapping[str, str] = os.environ
) -> tuple[McpServer, ...]:
    """The servers of a Work, in the order of their names.

    Args:
        servers: `WorkPlan.mcp_servers`: Workflow's and Work's references merged; one that is not inline is registered.

    Raises:
        McpError: one is not registered any more, or wants a variable that is not set; a line each. One that is not
            required is left out instead.
    """
    found: list[McpServer] = []
    problems: list[str] = []
    for name, server in servers.items():
        base = server if server.is_inline else registry.servers.get(name)
        required = server.is_required if server.required is not None or base is None else base.is_required
        if base is None:
            place = registry.path or "no file of servers is there; MCP_SERVERS_PATH names one"
            reason = f'mcp server "{name}" is not registered ({place}); register it or define it in the spec'
        else:
            try:
                found.append(_server(name, base, server.env_overrides, required, environ))
                continue
            except MissingVariable as error:
                reason = str(error)
        if required:
            problems.append(reason)
    if problems:
        raise McpError(problems)
    return tuple(sorted(found, key=lambda server: server.name))


def _server(
    name: str, spec: McpServerSpec, overrides: Mapping[str, str], required: bool, environ: Mapping[str, str]
) -> McpServer:
    where = f'mcp server "{name}"'
    if spec.url is not None:
        headers = {key: substitute(value, environ, where=where) for key, value in spec.headers.items()}
        return McpServer(name=name, kind=spec.transport or "http", url=spec.url, headers=headers, required=required)
    env = {key: substitute(value, environ, where=where) for key, value in {**spec.env, **overrides}.items()}
    return McpServer(name=name, command=spec.command or "", args=spec.args, env=env, required=required)
