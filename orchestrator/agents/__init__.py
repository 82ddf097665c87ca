"""Agents: one port, the Agent Client Protocol, over processes that this package starts, watches and ends."""

from orchestrator.agents.checks import CommandResult, run_command
from orchestrator.agents.environment import agent_environment
from orchestrator.agents.outline import outline_instruction
from orchestrator.agents.profiles import Profile, profile_of
from orchestrator.agents.session import AgentSession, AgentStart, McpServer, Turn, Update, Usage
from orchestrator.agents.start import start_agent

__all__ = [
    "AgentSession",
    "AgentStart",
    "CommandResult",
    "McpServer",
    "Profile",
    "Turn",
    "Update",
    "Usage",
    "agent_environment",
    "outline_instruction",
    "profile_of",
    "run_command",
    "start_agent",
]
