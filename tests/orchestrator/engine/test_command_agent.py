"""A program of the spec's own as the agent: its tokens count against budgets, its MCP servers reach it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import McpError, Paused
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.spec.load import LoadedSpec
from tests.orchestrator.engine.world import World, work
from tests.orchestrator.mcp.servers import write_program

# Answers every query with 60 tokens in and 40 out, and writes down how its session was opened.
AGENT = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    method, result = call.get("method"), None
    if method == "initialize":
        result = {"protocolVersion": 1, "agentCapabilities": {}}
    elif method == "session/new":
        open(sys.argv[1], "w").write(json.dumps(call["params"]))
        result = {"sessionId": "s-1"}
    elif method == "session/prompt":
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "done"}}
        update = {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update": chunk}}
        print(json.dumps(update), flush=True)
        result = {"stopReason": "end_turn", "usage": {"inputTokens": 60, "outputTokens": 40, "totalTokens": 100}}
    if "id" in call:
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result or {}}), flush=True)
"""


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    return tmp_path / "opened.json"


def spec(world: World, opened: Path, **attributes: Any) -> LoadedSpec:
    program = world.home / "agent.py"
    program.write_text(AGENT)
    tasks = [{"name": name, "query": f"Do {name}."} for name in ("one", "two", "three")]
    agent = {"command": [sys.executable, str(program), str(opened)]}
    return world.spec([work("fix", *tasks)], agent=agent, **attributes)


def test_tokens_are_counted_for_the_workflow(world: World, opened: Path) -> None:
    workflow_id = world.create(spec(world, opened))
    world.perform(workflow_id, "fix")
    usage = world.engine.store.read(lambda reader: reader.usage(workflow_id))
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (180, 120, None)


def test_a_used_up_budget_pauses_before_the_next_query(world: World, opened: Path) -> None:
    workflow_id = world.create(spec(world, opened, budget={"tokens": 200}))
    with pytest.raises(Paused, match=r'workflow "ship" has used 200 of its 200 tokens; raise `budget.tokens`'):
        world.perform(workflow_id, "fix")
    workflow = world.workflow(workflow_id)
    assert (workflow.status, workflow.pause_reason) == (WorkflowStatus.PAUSED, PauseReason.BUDGET)
    assert world.events(workflow_id).count("QuerySent") == 2
    assert world.events(workflow_id)[-1] == "WorkflowPaused"


def test_mcp_servers_reach_the_agent_with_their_variables_filled_in(
    world: World, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "geheim-1234")
    program = str(write_program(world.home))
    servers = {
        "tracker": {"command": sys.executable, "args": [program, "stdio"], "env": {"TOKEN": "${TRACKER_TOKEN}"}},
    }
    workflow_id = world.create(spec(world, opened, mcp_servers=servers))
    world.perform(workflow_id, "fix")
    (server,) = json.loads(opened.read_text())["mcpServers"]
    assert server["name"] == "tracker"
    assert (server["command"], server["args"]) == (sys.executable, [program, "stdio"])
    assert server["env"] == [{"name": "TOKEN", "value": "geheim-1234"}]
    document = world.engine.store.read(lambda reader: reader.spec_document(world.workflow(workflow_id).spec_digest))
    assert "geheim" not in document


def test_a_server_that_is_down_fails_the_work_before_its_agent_starts(world: World, opened: Path) -> None:
    workflow_id = world.create(spec(world, opened, mcp_servers={"tracker": {"command": "no-such-server"}}))
    with pytest.raises(McpError, match='mcp server "tracker" cannot be used: there is no program'):
        world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED
    assert not opened.exists()


def test_a_server_that_is_down_and_not_required_is_left_out(world: World, opened: Path) -> None:
    servers = {"tracker": {"command": "no-such-server", "required": False}}
    workflow_id = world.create(spec(world, opened, mcp_servers=servers))
    world.perform(workflow_id, "fix")
    assert json.loads(opened.read_text())["mcpServers"] == []


def test_a_registered_server_is_used_by_its_name(world: World, opened: Path) -> None:
    program = str(write_program(world.home))
    registered = {"servers": {"tracker": {"command": sys.executable, "args": [program, "stdio"], "env": {"MODE": "a"}}}}
    world.engine.settings.mcp_servers_path.write_text(json.dumps(registered))
    servers = {"tracker": {"env_overrides": {"MODE": "b"}}}
    loaded = spec(world, opened, registered_mcp=["tracker"], mcp_servers=servers)
    world.perform(world.create(loaded), "fix")
    (server,) = json.loads(opened.read_text())["mcpServers"]
    assert server["env"] == [{"name": "MODE", "value": "b"}]
