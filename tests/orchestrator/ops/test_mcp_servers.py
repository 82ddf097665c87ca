"""Registered MCP servers as the readiness check sees them: really connected to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.ops.dependencies import McpConnection
from orchestrator.ops.mcp_servers import registered
from orchestrator.settings import Settings, load_settings
from tests.orchestrator.engine.running import wait_for


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_HOME": str(tmp_path)})


def test_without_a_registry_there_is_nothing_to_connect_to(settings: Settings) -> None:
    assert registered(settings)() == []


def test_a_server_that_answers_is_reachable_and_one_that_ends_at_once_is_not(settings: Settings) -> None:
    settings.mcp_servers_path.write_text(
        "servers:\n"
        f"  good: {{command: {sys.executable}, args: [-m, mcp_server_git]}}\n"
        f"  dead: {{command: {sys.executable}, args: [-c, pass]}}\n"
    )
    connect = registered(settings)
    # A loaded machine may need more than one limit's time to start a program.
    wait_for(lambda: McpConnection(server="good", reachable=True) in connect(), "a server that answers")
    assert McpConnection(server="dead", reachable=False) in connect()


def test_a_bad_registry_is_down_by_its_files_name(settings: Settings) -> None:
    settings.mcp_servers_path.write_text("servers: [1]\n")
    assert registered(settings)() == [McpConnection(server="mcp_servers.yaml", reachable=False)]
