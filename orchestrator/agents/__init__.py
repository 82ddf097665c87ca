"""Agents: one port, the Agent Client Protocol, over processes that this package starts, watches and ends.

Names are looked up when they are first used: the built-in agent is a process that imports this package too, and asyncio
would double the time that it takes to start.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.agents.checks import CommandResult, run_command
    from orchestrator.agents.environment import agent_environment
    from orchestrator.agents.outline import outline_instruction
    from orchestrator.agents.profiles import Profile, profile_of
    from orchestrator.agents.session import AgentSession, AgentStart, McpServer, Turn, Update, Usage
    from orchestrator.agents.start import start_agent
    from orchestrator.agents.transcript import Line, LiveView, read_transcript

_MODULES = {
    "AgentSession": "session",
    "AgentStart": "session",
    "CommandResult": "checks",
    "Line": "transcript",
    "LiveView": "transcript",
    "McpServer": "session",
    "Profile": "profiles",
    "Turn": "session",
    "Update": "session",
    "Usage": "session",
    "agent_environment": "environment",
    "outline_instruction": "outline",
    "profile_of": "profiles",
    "read_transcript": "transcript",
    "run_command": "checks",
    "start_agent": "start",
}

__all__ = [
    "AgentSession",
    "AgentStart",
    "CommandResult",
    "Line",
    "LiveView",
    "McpServer",
    "Profile",
    "Turn",
    "Update",
    "Usage",
    "agent_environment",
    "outline_instruction",
    "profile_of",
    "read_transcript",
    "run_command",
    "start_agent",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
