"""The health of MCP servers: every registered one is really connected to."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.errors import McpError, SpecError
from orchestrator.mcp import load_registry, resolve_servers, validate_servers
from orchestrator.observe.log import get_logger
from orchestrator.ops.dependencies import ConnectMcp, McpConnection
from orchestrator.settings import Settings

_log = get_logger(__name__)
# Below the check's own 10 s, so that one slow server is told of by name.
_LIMIT_MS = 9_000


def registered(settings: Settings) -> ConnectMcp:
    """Connects to what the registry's file holds at that moment; a bad file counts as one server that is down."""

    def connect() -> Sequence[McpConnection]:
        try:
            registry = load_registry(settings.mcp_servers_path, max_servers=settings.mcp_max_servers)
            servers = resolve_servers(registry.servers, registry)
        except (SpecError, McpError) as error:
            _log.error("McpRegistryRefused", message=str(error))
            return [McpConnection(server=settings.mcp_servers_path.name, reachable=False)]
        if not servers:
            return []
        limit_ms = min(settings.mcp_validation_timeout_ms, _LIMIT_MS)
        return [
            McpConnection(server=one.server.name, reachable=one.reason is None)
            for one in validate_servers(servers, timeout_ms=limit_ms)
        ]

    return connect
