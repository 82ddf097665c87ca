"""Claude Code by its ACP adapter."""

from __future__ import annotations

import os
from typing import Any

from orchestrator.agents.setup import Setup, Wanted
from orchestrator.domain.permissions import Permissions

# Its own default, `auto`, lets a model decide and left shell commands undone.
_MODES: dict[Permissions, str] = {"full": "bypassPermissions", "edit": "acceptEdits", "read": "default"}


def setup(wanted: Wanted) -> Setup:
    """The model goes with the session: set as an option, a full model name left the default in use (0.101)."""
    # Suggestions for what a person might type next cost a model call each turn.
    options: dict[str, Any] = {"strictMcpConfig": True, "settingSources": [], "promptSuggestions": False}
    if wanted.model:
        options["model"] = wanted.model
    env = {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
        # Ten by default, over a minute; the Workflow pauses instead, and Works have retries of their own.
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }
    if wanted.permissions == "full" and os.geteuid() == 0:
        # Without it `bypassPermissions` is refused to root.
        env["IS_SANDBOX"] = "1"
    return Setup(env=env, session={"claudeCode": {"options": options}}, mode=_MODES[wanted.permissions])


def is_priced(model: str | None) -> bool:
    """Whether the cost it reports is a price: for a model that it does not know it invents one."""
    known = ("claude", "opus", "sonnet", "haiku", "fable", "default")
    return model is None or model.lower().startswith(known)
