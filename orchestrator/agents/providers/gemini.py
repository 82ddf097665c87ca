"""Gemini CLI, which speaks the protocol itself."""

from __future__ import annotations

from orchestrator.agents.setup import Setup, Wanted
from orchestrator.domain.permissions import Permissions

_MODES: dict[Permissions, str] = {"full": "yolo", "edit": "autoEdit", "read": "default"}


def setup(wanted: Wanted) -> Setup:
    """The model is an argument: without one, a call that chooses it hung (0.61)."""
    arguments = ("--model", wanted.model) if wanted.model else ()
    return Setup(arguments=arguments, env={"GEMINI_CLI_TRUST_WORKSPACE": "true"}, mode=_MODES[wanted.permissions])
