"""An MCP server, ready to be connected to or handed to an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

McpKind = Literal["stdio", "http", "sse"]
ALL_MCP_KINDS: frozenset[McpKind] = frozenset({"stdio", "http", "sse"})


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server as an agent is told to use it, its `${NAME}` filled in.

    Attributes:
        command: program of a `stdio` server; empty for the others.
        url: address of an `http` or `sse` server; empty for `stdio`.
        required: whether a Work cannot do without it.
    """

    name: str
    kind: McpKind = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    # Values may be secrets: a server in a traceback or log must not show them.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    required: bool = True
