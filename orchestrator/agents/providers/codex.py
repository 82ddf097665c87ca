"""Codex by its ACP adapter."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.agents.setup import Setup, Wanted
from orchestrator.domain.errors import AgentStartError
from orchestrator.domain.permissions import Permissions

_MODES: dict[Permissions, str] = {"full": "agent-full-access", "edit": "agent", "read": "read-only"}
# Within AGENT_START_TIMEOUT_MS.
_MCP_START_MS = 20_000
_KEYS = ("CODEX_API_KEY", "OPENAI_API_KEY")


def setup(wanted: Wanted) -> Setup:
    """The model goes into the session's configuration, over what the spec's own `CODEX_CONFIG` says."""
    config = _given(wanted)
    if wanted.model:
        config["model"] = wanted.model
    # Updates and questions have no place in an unattended session.
    config.setdefault("check_for_update_on_startup", False)
    # Suggestions for what a person might type next cost a model call each turn.
    env = {"NO_BROWSER": "1", "CODEX_ACP_PROMPT_SUGGESTIONS": "false"}
    if "model_provider" not in config and any(wanted.env.get(name) for name in _KEYS):
        # Else it waits for a login although it has a key.
        env["DEFAULT_AUTH_REQUEST"] = json.dumps({"methodId": "api-key"})
    # A namespace inside a namespace is often forbidden, and then every command of its own sandbox fails.
    mode = _MODES["full" if wanted.sandboxed and wanted.permissions == "edit" else wanted.permissions]
    return Setup(
        env={**env, "INITIAL_AGENT_MODE": mode},
        override={"CODEX_CONFIG": json.dumps(config)},
        # It starts MCP servers beside the first turn, which then sees no tool of a server that takes a second.
        session={"mcpStartupAwaitTimeoutMs": _MCP_START_MS},
        mode=mode,
    )


def _given(wanted: Wanted) -> dict[str, Any]:
    text = wanted.env.get("CODEX_CONFIG") or "{}"
    try:
        config = json.loads(text)
    except ValueError as error:
        raise AgentStartError(f"CODEX_CONFIG in the agent's `env` is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise AgentStartError("CODEX_CONFIG in the agent's `env` is no JSON object")
    return config
