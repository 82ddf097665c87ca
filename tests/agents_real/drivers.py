"""How the one suite speaks to each provider: what its model does is written into the query."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.agents.profiles import PROFILES, Profile
from tests.parts.agent_programs import path_of
from tests.parts.model import script

Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One provider.

    Attributes:
        model: the one that the suite asks for; None where there is none to choose.
        environment: from the fake model's address to what its program needs to speak to it.
        query: from steps to the text of a query that has them done.
    """

    profile: Profile
    model: str | None
    environment: Callable[[str], dict[str, str]]
    query: Callable[..., str]

    @property
    def has_model(self) -> bool:
        """Whether a model, here the fake one, decides what is done."""
        return self.profile.model_choice


def _blocks(*steps: Step) -> str:
    """For the agent that has no model: each command a block, each text one that prints it."""
    commands = [step["sh"] if "sh" in step else f"echo {step['text']}" for step in steps]
    return "\n".join(f"```sh\n{command}\n```" for command in commands)


def _scripted(*steps: Step) -> str:
    return f"Do what the script says.\n{script(*[dict(step) for step in steps])}"


def _claude(url: str) -> dict[str, str]:
    # Else a model has to search for the tools of MCP servers before it can call one.
    plain = {"ENABLE_TOOL_SEARCH": "false"}
    return {"PATH": path_of("claude"), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "dummy-key", **plain}


def _codex(url: str) -> dict[str, str]:
    fake = {
        "name": "fake",
        "base_url": f"{url}/v1",
        "wire_api": "responses",
        "env_key": "OPENAI_API_KEY",
        "request_max_retries": 1,
        "stream_max_retries": 1,
    }
    config = {"model_provider": "fake", "model_providers": {"fake": fake}}
    return {"PATH": path_of("codex"), "OPENAI_API_KEY": "dummy-key", "CODEX_CONFIG": json.dumps(config)}


def _opencode(url: str) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "fake",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy-key"},
        "models": {"fake-model": {"name": "fake-model"}},
    }
    config = {"provider": {"fake": provider}, "small_model": "fake/fake-model"}
    return {"PATH": path_of("opencode"), "OPENCODE_CONFIG_CONTENT": json.dumps(config)}


DRIVERS = {
    "builtin": Driver(
        profile=PROFILES["builtin"], model=None, environment=lambda _: {"PATH": "/usr/bin:/bin"}, query=_blocks
    ),
    "claude": Driver(profile=PROFILES["claude"], model="claude-sonnet-4-5", environment=_claude, query=_scripted),
    "codex": Driver(profile=PROFILES["codex"], model="gpt-5", environment=_codex, query=_scripted),
    "opencode": Driver(profile=PROFILES["opencode"], model="fake/fake-model", environment=_opencode, query=_scripted),
}
