"""Providers: which program speaks for each, and what it can do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from orchestrator.domain.errors import AgentStartError

McpKind = Literal["stdio", "http", "sse"]
ALL_MCP_KINDS: frozenset[McpKind] = frozenset({"stdio", "http", "sse"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One provider of agents.

    Attributes:
        provider: its name in a spec, and the `provider` label of metrics.
        title: its name in the UI.
        command: the program that speaks the Agent Client Protocol on its standard streams, with its arguments.
        resume: whether a later process can go on with a session.
        tokens: whether it reports them.
        cost: whether it reports it.
        mcp_kinds: the kinds of MCP server it takes.
        model_choice: whether a spec may name a model.
    """

    provider: str
    title: str
    command: tuple[str, ...]
    resume: bool
    tokens: bool
    cost: bool
    mcp_kinds: frozenset[McpKind]
    model_choice: bool


BUILTIN = Profile(
    provider="builtin",
    title="built-in (no model)",
    command=(sys.executable, "-I", "-S", str(Path(__file__).parent / "builtin" / "__main__.py")),
    resume=True,
    tokens=True,
    cost=False,
    # It is handed the servers as every agent is, and starts none: it has no model that could call them.
    mcp_kinds=ALL_MCP_KINDS,
    model_choice=False,
)

# Any agent that speaks the protocol; what it can do is known only once it runs.
COMMAND = Profile(
    provider="command",
    title="command",
    command=(),
    resume=True,
    tokens=True,
    cost=True,
    mcp_kinds=ALL_MCP_KINDS,
    model_choice=True,
)

PROFILES: Mapping[str, Profile] = {profile.provider: profile for profile in (BUILTIN, COMMAND)}


def profile_of(provider: str, command: Sequence[str] = ()) -> Profile:
    """The profile of a spec's `agent.provider`; `command` is the spec's own, for provider `command` alone.

    Raises:
        AgentStartError: there is no such provider, or the command is missing or out of place.
    """
    profile = PROFILES.get(provider)
    if profile is None:
        raise AgentStartError(f"agent provider {provider!r} is not known; there are: {', '.join(sorted(PROFILES))}")
    if profile is not COMMAND:
        if command:
            raise AgentStartError(f"agent provider {provider!r} takes no command; use provider 'command' for your own")
        return profile
    if not command:
        raise AgentStartError("agent provider 'command' needs a command: the program that speaks the protocol")
    return replace(profile, command=tuple(command))
