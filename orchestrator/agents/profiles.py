"""Providers: which program speaks for each, what it can do, and how it is brought to do it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.agents.adapters import Adapter, adapters
from orchestrator.agents.providers import claude, codex, gemini, opencode
from orchestrator.agents.setup import Setup, Wanted, plain_setup
from orchestrator.domain.errors import AgentStartError
from orchestrator.domain.mcp import ALL_MCP_KINDS, McpKind
from orchestrator.domain.permissions import Permissions

__all__ = ["ALL_MCP_KINDS", "BUILTIN", "COMMAND", "PROFILES", "McpKind", "Profile", "profile_of"]

_ALL_PERMISSIONS: frozenset[Permissions] = frozenset({"full", "edit", "read"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One provider of agents.

    Attributes:
        provider: its name in a spec, and the `provider` label of metrics.
        title: its name in the UI.
        command: the program that speaks the Agent Client Protocol on its standard streams, with its arguments.
        resume: whether a later process can go on with a session.
        tokens: whether it reports them, for each turn and whole.
        cost: whether it reports it.
        mcp_kinds: the kinds of MCP server that its model can call.
        model_choice: whether a spec may name a model.
        permissions: those that it can be held to.
        adapter: the package of its program; None where there is none to install.
        setup: from what a Work wants to what the program needs for it.
        is_priced: whether the cost that it reports for a model is a real price.
    """

    provider: str
    title: str
    command: tuple[str, ...]
    resume: bool
    tokens: bool
    cost: bool
    mcp_kinds: frozenset[McpKind]
    model_choice: bool
    permissions: frozenset[Permissions] = _ALL_PERMISSIONS
    adapter: Adapter | None = None
    setup: Callable[[Wanted], Setup] = plain_setup
    is_priced: Callable[[str | None], bool] = lambda _: True


BUILTIN = Profile(
    provider="builtin",
    title="built-in (no model)",
    command=(sys.executable, "-I", "-S", str(Path(__file__).parent / "builtin" / "__main__.py")),
    resume=True,
    tokens=True,
    cost=False,
    # It takes servers as every agent does and starts none: it has no model that could call them.
    mcp_kinds=frozenset(),
    model_choice=False,
    # It runs the spec's own commands, so there is nothing that it could be kept from.
    permissions=frozenset({"full", "edit"}),
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

CLAUDE = Profile(
    provider="claude",
    title="Claude Code",
    command=(adapters()["claude"].program,),
    resume=True,
    tokens=True,
    cost=True,
    mcp_kinds=ALL_MCP_KINDS,
    model_choice=True,
    adapter=adapters()["claude"],
    setup=claude.setup,
    is_priced=claude.is_priced,
)

CODEX = Profile(
    provider="codex",
    title="Codex",
    command=(adapters()["codex"].program,),
    resume=True,
    tokens=True,
    cost=False,
    mcp_kinds=frozenset({"stdio", "http"}),
    model_choice=True,
    adapter=adapters()["codex"],
    setup=codex.setup,
)

GEMINI = Profile(
    provider="gemini",
    title="Gemini CLI",
    command=(adapters()["gemini"].program, "--acp"),
    # It says that it can load sessions; after a kill it could not (0.61).
    resume=False,
    tokens=True,
    cost=False,
    mcp_kinds=ALL_MCP_KINDS,
    model_choice=True,
    adapter=adapters()["gemini"],
    setup=gemini.setup,
)

OPENCODE = Profile(
    provider="opencode",
    title="opencode",
    command=(adapters()["opencode"].program, "acp"),
    resume=True,
    # What it reports for a turn is its last model call alone (1.18).
    tokens=False,
    cost=True,
    mcp_kinds=ALL_MCP_KINDS,
    model_choice=True,
    adapter=adapters()["opencode"],
    setup=opencode.setup,
)

PROFILES: Mapping[str, Profile] = {
    profile.provider: profile for profile in (BUILTIN, CLAUDE, CODEX, GEMINI, OPENCODE, COMMAND)
}


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
