"""The answers to permission requests, by the spec's `permissions`, as a real agent process gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.agents.session import McpServer, Update
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentDenied
from orchestrator.domain.permissions import Permissions
from tests.orchestrator.agents.world import World

ASKS = """
    ready()
    prompt = hear()
    options = [{"optionId": kind, "name": kind, "kind": kind} for kind in ("allow_always", "allow_once", "reject_once")]
    say(id=99, method="session/request_permission",
        params={"sessionId": "s1", "toolCall": json.loads(%r), "options": options})
    answer = hear()["result"]["outcome"]["optionId"]
    speak(answer)
    update(sessionUpdate="tool_call", toolCallId="t2", title="look", status="completed")
    end(prompt)
    hear()
"""


def answered(world: World, permissions: Permissions, **tool_call: Any) -> str:
    call = {"toolCallId": "t1", "title": "a tool", **tool_call}
    start = world.start(
        ASKS % json.dumps(call), permissions=permissions, mcp_servers=(McpServer(name="docs", command="true"),)
    )
    with start_agent(start) as agent:
        turn = agent.query("go")
    assert turn.denied == (() if turn.text.startswith("allow") else (call["title"],))
    return turn.text.split()[0]


@pytest.mark.parametrize(
    ("permissions", "kind", "answer"),
    [
        ("full", "execute", "allow_once"),
        ("full", "edit", "allow_once"),
        ("edit", "execute", "allow_once"),
        ("edit", "edit", "allow_once"),
        ("edit", "other", "allow_once"),
        ("read", "read", "allow_once"),
        ("read", "search", "allow_once"),
        ("read", "fetch", "allow_once"),
        ("read", "edit", "reject_once"),
        ("read", "execute", "reject_once"),
        ("read", "delete", "reject_once"),
        ("read", "other", "reject_once"),
        ("read", "switch_mode", "reject_once"),
    ],
)
def test_a_kind_of_tool_is_answered(world: World, permissions: Permissions, kind: str, answer: str) -> None:
    assert answered(world, permissions, kind=kind) == answer


def test_edit_ends_at_the_workspace(world: World) -> None:
    tree = world.folder / "tree"
    tree.mkdir()
    (world.workspace / "api").symlink_to(tree)
    (world.workspace / "out").symlink_to("/etc")
    for path, answer in (
        (str(world.workspace / "notes.md"), "allow_once"),
        (str(world.folder / "home" / "x"), "allow_once"),
        ("/etc/hosts", "reject_once"),
        (str(world.workspace / ".." / "x"), "reject_once"),
        (str(world.workspace / "out" / "hosts"), "reject_once"),
        (str(world.workspace / "api" / "file"), "reject_once"),
        (f"{world.workspace}-beside/x", "reject_once"),
    ):
        assert answered(world, "edit", kind="edit", locations=[{"path": path}]) == answer, path


def test_edit_reaches_the_trees_that_are_given(world: World) -> None:
    tree = world.folder / "tree"
    tree.mkdir()
    (world.workspace / "api").symlink_to(tree)
    call = {"toolCallId": "t1", "kind": "edit", "locations": [{"path": str(world.workspace / "api" / "file")}]}
    with start_agent(world.start(ASKS % json.dumps(call), directories=(tree,))) as agent:
        assert agent.query("go").text.startswith("allow_once")


def test_who_reads_may_use_the_servers_that_the_spec_gives(world: World) -> None:
    assert answered(world, "read", kind="other", title="mcp__docs__search") == "allow_once"
    assert answered(world, "read", kind="other", title="mcp__other__search") == "reject_once"


def test_a_turn_in_which_all_was_denied_is_an_error_that_says_what_to_do(world: World) -> None:
    script = ASKS.replace('status="completed"', 'status="failed"') % json.dumps(
        {"toolCallId": "t1", "title": "write x", "kind": "edit"}
    )
    heard: list[Update] = []
    start = world.start(script, permissions="read", on_update=heard.append)
    with (
        start_agent(start) as agent,
        pytest.raises(AgentDenied, match=r"'read' denied 'write x'.*permissions") as denied,
    ):
        agent.query("go")
    assert denied.value.denied == ("write x",)
    assert denied.value.remedy == "fail"
    assert [update.text for update in heard if update.status == "denied"] == ["write x"]
