"""`orchestrator agents` and `orchestrator mcp check`, run as a user runs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from orchestrator.agents.profiles import PROFILES
from tests.orchestrator.cli.test_cli import orchestrator
from tests.orchestrator.mcp.servers import write_program


def test_agents_lists_every_provider_with_what_it_can_do(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "agents", "--json", PATH=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    rows = {row["provider"]: row for row in json.loads(ended.stdout)}
    assert set(rows) == set(PROFILES)
    assert (rows["builtin"]["installed"], rows["claude"]["installed"]) == (True, False)
    assert rows["claude"]["install"].startswith("npm install --global @agentclientprotocol/claude-agent-acp@")
    assert rows["codex"]["capabilities"]["mcp"] == ["http", "stdio"]
    assert rows["builtin"]["capabilities"]["permissions"] == ["edit", "full"]


def test_mcp_check_names_what_is_down_and_ends_badly(tmp_path: Path) -> None:
    servers: dict[str, dict[str, object]] = {
        "fine": {"command": sys.executable, "args": [str(write_program(tmp_path)), "stdio"]},
        "spare": {"command": "no-such-server", "required": False},
    }
    (tmp_path / "mcp_servers.yaml").write_text(json.dumps({"servers": servers}))
    ended = orchestrator(tmp_path, "mcp", "check", "--json", MCP_VALIDATION_TIMEOUT_MS="60000")
    assert ended.returncode == 0, ended.stderr
    found = {row["name"]: row for row in json.loads(ended.stdout)}
    assert (found["fine"]["error"], "first" in found["fine"]["tools"]) == (None, True)
    assert "no-such-server" in found["spare"]["error"]

    servers["spare"].pop("required")
    (tmp_path / "mcp_servers.yaml").write_text(json.dumps({"servers": servers}))
    ended = orchestrator(tmp_path, "mcp", "check", "spare")
    assert ended.returncode == 1
    assert "spare" in ended.stdout
    assert "fine" not in ended.stdout


def test_mcp_check_of_an_unknown_name_or_a_bad_file_says_so(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "mcp", "check", "nobody")
    assert ended.returncode == 1
    assert 'no MCP server "nobody"' in ended.stderr
    (tmp_path / "mcp_servers.yaml").write_text("servers:\n  a: {}\n")
    ended = orchestrator(tmp_path, "validate")
    assert ended.returncode == 1
    assert f'{tmp_path}/mcp_servers.yaml:2: mcp server "a": has neither' in ended.stderr
