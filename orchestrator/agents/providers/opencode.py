"""opencode, which speaks the protocol itself."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.agents.setup import Setup, Wanted
from orchestrator.domain.errors import AgentStartError
from orchestrator.domain.permissions import Permissions

# `ask` reaches us as a request; what it does not ask about it does.
_RULES: dict[Permissions, dict[str, str]] = {
    "full": {"*": "allow"},
    "edit": {"*": "allow", "external_directory": "ask"},
    "read": {"*": "ask", "read": "allow", "list": "allow", "glob": "allow", "grep": "allow"},
}


def setup(wanted: Wanted) -> Setup:
    """Its permissions are configuration, laid over what the spec's own `OPENCODE_CONFIG_CONTENT` says."""
    text = wanted.env.get("OPENCODE_CONFIG_CONTENT") or "{}"
    try:
        config: dict[str, Any] = {"autoupdate": False, "share": "disabled", **json.loads(text)}
    except (ValueError, TypeError) as error:
        raise AgentStartError(f"OPENCODE_CONFIG_CONTENT in the agent's `env` is no JSON object: {error}") from error
    config["permission"] = _RULES[wanted.permissions]
    if wanted.model:
        config["model"] = wanted.model
    override = {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}
    return Setup(override=override, env={"OPENCODE_DISABLE_AUTOUPDATE": "1"})
