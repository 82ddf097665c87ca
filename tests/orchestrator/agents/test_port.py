"""What every implementation of the agent port does, each with the real client and a real process."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.agents.environment import agent_environment
from orchestrator.agents.profiles import Profile
from orchestrator.agents.session import McpServer, Update, Usage
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentError, AgentRefused
from tests.orchestrator.agents.world import MARKER, World


def test_answers_a_query_and_then_another(world: World, profile: Profile) -> None:
    with world.nothing_left(), start_agent(world.start(profile)) as agent:
        first = agent.query("```sh\necho one > file; echo first\n```")
        second = agent.query("```sh\ncat file\n```")

    assert "first" in first.text
    assert "one" in second.text
    assert first.text != second.text
    assert (first.stop_reason, first.tool_calls) == ("end_turn", 1)
    assert first.duration_ms >= 0


def test_says_what_it_is_and_what_it_used(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        assert (agent.provider, agent.model, agent.resumed) == (profile.provider, None, False)
        assert b"builtin" in Path(f"/proc/{agent.pid}/cmdline").read_bytes()
        assert agent.start_duration_ms > 0
        turn = agent.query("hello")
        assert turn.usage == agent.usage == Usage(input_tokens=0, output_tokens=0, cost_usd=None)


def test_works_in_the_workspace(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        agent.query("```sh\npwd > where\n```")
    assert (world.workspace / "where").read_text().strip() == str(world.workspace)


def test_a_failed_step_is_refused_with_what_was_said(world: World, profile: Profile) -> None:
    with (
        world.nothing_left(),
        start_agent(world.start(profile)) as agent,
        pytest.raises(AgentRefused) as refused,
    ):
        agent.query("```sh\necho before; exit 3\n```")
    assert refused.value.stop_reason == "refusal"
    assert "exit code 3" in refused.value.text
    assert "before" in refused.value.text


def test_a_refused_query_leaves_the_session_usable(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        with pytest.raises(AgentRefused):
            agent.query("```sh\nfalse\n```")
        assert "fine" in agent.query("```sh\necho fine\n```").text


def test_cancel_from_another_thread_ends_the_turn(world: World, profile: Profile) -> None:
    with world.nothing_left(), start_agent(world.start(profile)) as agent:
        cancelling = threading.Timer(0.3, agent.cancel)
        cancelling.start()
        began = time.monotonic()
        turn = agent.query("```sh\nsleep 60\n```")
        assert turn.stop_reason == "cancelled"
        assert time.monotonic() - began < 5
        assert "next" in agent.query("```sh\necho next\n```").text


def test_cancel_without_a_turn_does_nothing(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        agent.cancel()
        assert agent.query("hello").stop_reason == "end_turn"


def test_a_session_goes_on_in_a_later_process(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        session_id, pid = agent.session_id, agent.pid
    with start_agent(world.start(profile, resume_session_id=session_id)) as agent:
        assert agent.resumed
        assert agent.session_id == session_id
        assert agent.pid != pid
        assert agent.query("hello").stop_reason == "end_turn"


def test_a_lost_session_becomes_a_new_one(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile, resume_session_id="0123456789abcdef")) as agent:
        assert not agent.resumed
        assert agent.session_id != "0123456789abcdef"
        assert agent.query("hello").stop_reason == "end_turn"


def test_updates_tell_of_words_and_tool_calls(world: World, profile: Profile) -> None:
    heard: list[Update] = []
    with start_agent(world.start(profile, on_update=heard.append)) as agent:
        turn = agent.query("```sh\necho hello\n```")
    calls = [update for update in heard if update.kind == "tool_call"]
    assert [call.status for call in calls] == ["in_progress", "completed"]
    assert calls[0].text == "echo hello"
    assert len({call.tool_call_id for call in calls}) == 1
    assert "".join(update.text for update in heard if update.kind == "message").strip() == turn.text.strip()


def test_sees_no_secret_of_the_worker(world: World, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret-of-the-worker")
    env = agent_environment(
        given={"GIVEN": "by the spec", MARKER: world.marker}, correlation_id="wf-1-001", workflow_id="wf-1"
    )
    with start_agent(world.start(profile, env=env)) as agent:
        printed = agent.query("```sh\nenv\n```").text
        assert b"secret-of-the-worker" not in Path(f"/proc/{agent.pid}/environ").read_bytes()
    assert "secret-of-the-worker" not in printed
    assert "GIVEN=by the spec" in printed
    assert "ORCHESTRATOR_CORRELATION_ID=wf-1-001" in printed
    assert "ORCHESTRATOR_WORKFLOW_ID=wf-1" in printed
    assert f"HOME={world.folder / 'home'}" in printed


def test_inherits_the_locks_it_is_given(world: World, profile: Profile) -> None:
    lock = os.open(world.folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        with start_agent(world.start(profile, pass_fds=(lock,))) as agent:
            target = agent.query(f"```sh\nreadlink /proc/self/fd/{lock}\n```").text
    finally:
        os.close(lock)
    assert str(world.folder / "lock") in target


def test_takes_mcp_servers_of_every_kind(world: World, profile: Profile) -> None:
    servers = (
        McpServer(name="a", command="/bin/true", args=("-x",), env={"TOKEN": "hush"}),
        McpServer(name="b", kind="http", url="http://127.0.0.1:1/mcp", headers={"Authorization": "hush"}),
        McpServer(name="c", kind="sse", url="http://127.0.0.1:1/sse"),
    )
    assert "hush" not in repr(servers)
    with start_agent(world.start(profile, mcp_servers=servers)) as agent:
        assert agent.query("hello").stop_reason == "end_turn"


def test_twenty_at_once(world: World, profile: Profile) -> None:
    def one(number: int) -> str:
        with start_agent(world.start(profile, start_timeout_ms=30_000, query_timeout_ms=30_000)) as agent:
            return agent.query(f"```sh\necho answer-$(({number} * 1000))\n```").text

    with world.nothing_left(), ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(1, 21)))
    assert all(f"answer-{number}000" in answer for number, answer in enumerate(answers, start=1))


def test_after_the_end_a_query_is_refused_and_a_cancel_does_nothing(world: World, profile: Profile) -> None:
    with start_agent(world.start(profile)) as agent:
        pass
    with pytest.raises(AgentError, match="has ended"):
        agent.query("hello")
    agent.cancel()
