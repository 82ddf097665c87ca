"""Real MCP servers, called by real agents."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.agents.session import McpServer, Update
from orchestrator.agents.start import start_agent
from orchestrator.mcp import usable_servers, validate_servers
from tests.agents_real.conftest import Starts
from tests.agents_real.drivers import Driver
from tests.orchestrator.agents.world import World
from tests.parts.agent_programs import NODE, install

pytestmark = pytest.mark.has_model
PATIENT_MS = 60_000


def everything() -> tuple[str, str]:
    """The program of `@modelcontextprotocol/server-everything`, to be run by Node."""
    folder = install("everything") / "node_modules" / "@modelcontextprotocol" / "server-everything" / "dist"
    return str(NODE / "bin" / "node"), str(folder / "index.js")


@contextmanager
def everything_over_http() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*everything(), "streamableHttp"], env={**os.environ, "PORT": str(port)}, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def test_the_git_server_shows_the_trees_status(world: World, driver: Driver, start: Starts) -> None:
    subprocess.run(["git", "init", "-q", str(world.workspace / "repo")], check=True)
    (world.workspace / "repo" / "new-file").write_text("x")
    server = McpServer(name="git", command=sys.executable, args=("-m", "mcp_server_git"))
    heard: list[Update] = []
    servers = usable_servers(validate_servers([server], timeout_ms=PATIENT_MS))
    with world.nothing_left(within_s=5), start_agent(start(mcp_servers=servers, on_update=heard.append)) as agent:
        step = {"mcp": "git/git_status", "input": {"repo_path": str(world.workspace / "repo")}}
        turn = agent.query(driver.query(step, {"text": "done"}))
    assert turn.tool_calls == 1, turn.text
    assert "completed" in [update.status for update in heard if update.kind == "tool_call"]


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_the_server_of_everything_answers(world: World, driver: Driver, start: Starts, kind: str) -> None:
    node, program = everything()
    heard: list[Update] = []

    def ask(server: McpServer) -> None:
        servers = usable_servers(validate_servers([server], timeout_ms=PATIENT_MS))
        with world.nothing_left(within_s=5), start_agent(start(mcp_servers=servers, on_update=heard.append)) as agent:
            step = {"mcp": "everything/echo", "input": {"message": "hello from the script"}}
            turn = agent.query(driver.query(step, {"text": "done"}))
            assert turn.tool_calls == 1, turn.text

    if kind == "stdio":
        ask(McpServer(name="everything", command=node, args=(program, "stdio")))
    else:
        with everything_over_http() as url:
            ask(McpServer(name="everything", kind="http", url=url))
    calls = [update for update in heard if update.kind == "tool_call"]
    assert "completed" in [call.status for call in calls], json.dumps([str(call) for call in calls])


def test_a_servers_environment_reaches_it(world: World, driver: Driver, start: Starts) -> None:
    seen = world.folder / "seen"
    wrapper = world.folder / "wrapper.sh"
    wrapper.write_text(f'#!/bin/sh\nprintf %s "$PROBE" > {seen}\nexec {sys.executable} -m mcp_server_git\n')
    wrapper.chmod(0o755)
    server = McpServer(name="git", command=str(wrapper), env={"PROBE": "given"})
    with start_agent(start(mcp_servers=(server,))) as agent:
        agent.query(driver.query({"text": "done"}))
    assert seen.read_text() == "given"


def test_who_may_only_read_may_call_the_servers_of_the_spec(world: World, driver: Driver, start: Starts) -> None:
    subprocess.run(["git", "init", "-q", str(world.workspace / "repo")], check=True)
    server = McpServer(name="git", command=sys.executable, args=("-m", "mcp_server_git"))
    heard: list[Update] = []
    with start_agent(start(mcp_servers=(server,), permissions="read", on_update=heard.append)) as agent:
        step = {"mcp": "git/git_status", "input": {"repo_path": str(world.workspace / "repo")}}
        turn = agent.query(driver.query(step, {"text": "done"}))
    assert turn.denied == ()
    assert "completed" in [update.status for update in heard if update.kind == "tool_call"]
