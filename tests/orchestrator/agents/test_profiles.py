"""Profiles: what the spec promises is what the agents can do; each program is brought to do what a Work wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.agents.adapters import adapters, find_program
from orchestrator.agents.profiles import PROFILES
from orchestrator.agents.setup import Wanted
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentStartError, AgentUnavailable
from orchestrator.domain.permissions import Permissions
from orchestrator.spec.providers import PROVIDERS
from tests.orchestrator.agents.world import World


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_spec_is_promised_what_the_profile_can_do(name: str) -> None:
    promised, profile = PROVIDERS[name], PROFILES[name]
    assert promised.model == profile.model_choice
    assert promised.mcp_kinds == profile.mcp_kinds
    assert promised.permissions == profile.permissions
    assert (promised.tokens, promised.cost) == (profile.tokens, profile.cost)


def test_every_profile_is_promised() -> None:
    assert {*PROVIDERS, "command"} == set(PROFILES)


def test_every_pin_is_a_profiles_and_exact() -> None:
    assert set(adapters()) == {name for name, profile in PROFILES.items() if profile.adapter}
    for adapter in adapters().values():
        assert adapter.version.replace(".", "").isdigit()
        assert adapter.install_command.endswith(f"{adapter.package}@{adapter.version}")


def test_a_program_is_found_with_the_version_of_its_package(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@scope" / "an-agent"
    (package / "dist").mkdir(parents=True)
    program = package / "dist" / "index.js"
    program.write_text("#!/usr/bin/env node\n")
    program.chmod(0o755)
    (package / "package.json").write_text(json.dumps({"version": "1.2.3", "bin": {"an-agent": "dist/index.js"}}))
    links = tmp_path / "node_modules" / ".bin"
    links.mkdir()
    (links / "an-agent").symlink_to(program)
    found = find_program("an-agent", path=str(links))
    assert found is not None
    assert (found.path, found.version) == (links / "an-agent", "1.2.3")
    assert find_program("another", path=str(links)) is None


def test_a_provider_whose_program_is_missing_says_how_to_install_it(world: World) -> None:
    start = world.start(PROFILES["claude"], env={"PATH": str(world.folder)})
    with pytest.raises(AgentUnavailable, match=r"npm install --global @agentclientprotocol/claude-agent-acp@\d"):  # noqa: SIM117 — the block must not be entered
        with start_agent(start):
            pass


def wanted(
    permissions: Permissions = "edit", *, model: str | None = "big", sandboxed: bool = False, **env: str
) -> Wanted:
    return Wanted(model=model, permissions=permissions, env=env, sandboxed=sandboxed)


@pytest.mark.parametrize(
    ("provider", "modes"),
    [
        ("claude", ("bypassPermissions", "acceptEdits", "default")),
        ("codex", ("agent-full-access", "agent", "read-only")),
        ("gemini", ("yolo", "autoEdit", "default")),
        ("opencode", (None, None, None)),
        ("builtin", (None, None, None)),
    ],
)
def test_permissions_are_the_providers_own_mode(provider: str, modes: tuple[str | None, ...]) -> None:
    given: tuple[Permissions, ...] = ("full", "edit", "read")
    assert tuple(PROFILES[provider].setup(wanted(permissions)).mode for permissions in given) == modes


def test_each_provider_takes_the_model_its_own_way() -> None:
    claude = PROFILES["claude"].setup(wanted())
    assert claude.session["claudeCode"]["options"]["model"] == "big"
    codex = PROFILES["codex"].setup(wanted(CODEX_CONFIG='{"model_provider": "ours", "model": "small"}'))
    assert json.loads(codex.override["CODEX_CONFIG"])["model"] == "big"
    assert json.loads(codex.override["CODEX_CONFIG"])["model_provider"] == "ours"
    assert PROFILES["gemini"].setup(wanted()).arguments == ("--model", "big")
    opencode = PROFILES["opencode"].setup(wanted())
    assert json.loads(opencode.override["OPENCODE_CONFIG_CONTENT"])["model"] == "big"
    assert PROFILES["command"].setup(wanted()).model_option == "big"


def test_without_a_model_the_providers_default_stays() -> None:
    for profile in PROFILES.values():
        setup = profile.setup(wanted(model=None))
        assert "model" not in json.dumps([setup.session, setup.override, setup.arguments, setup.model_option])


def test_codex_logs_in_with_the_key_that_it_is_given() -> None:
    assert "DEFAULT_AUTH_REQUEST" in PROFILES["codex"].setup(wanted(OPENAI_API_KEY="key")).env
    assert "DEFAULT_AUTH_REQUEST" not in PROFILES["codex"].setup(wanted()).env


def test_codex_makes_no_sandbox_inside_ours() -> None:
    assert PROFILES["codex"].setup(wanted(sandboxed=True)).mode == "agent-full-access"
    assert PROFILES["codex"].setup(wanted("read", sandboxed=True)).mode == "read-only"


def test_a_configuration_that_is_no_json_is_named() -> None:
    with pytest.raises(AgentStartError, match="CODEX_CONFIG"):
        PROFILES["codex"].setup(wanted(CODEX_CONFIG="model = 1"))
    with pytest.raises(AgentStartError, match="OPENCODE_CONFIG_CONTENT"):
        PROFILES["opencode"].setup(wanted(OPENCODE_CONFIG_CONTENT="[1"))


def test_a_price_for_an_unknown_model_is_no_price() -> None:
    priced = PROFILES["claude"].is_priced
    assert priced("claude-sonnet-4-5")
    assert priced(None)
    assert not priced("our-own-model")
