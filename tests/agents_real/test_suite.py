"""What a Work needs of every provider, with its real program: each test is one behaviour of the port."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from orchestrator.agents.session import Update
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentCrashed
from tests.agents_real.conftest import Starts
from tests.agents_real.drivers import Driver
from tests.orchestrator.agents.world import World, until
from tests.parts.model import Model


def test_a_tool_call_writes_a_file_and_a_second_query_goes_on(world: World, driver: Driver, start: Starts) -> None:
    with world.nothing_left(within_s=5), start_agent(start()) as agent:
        first = agent.query(driver.query({"sh": "echo one > written"}, {"text": "first"}))
        second = agent.query(driver.query({"sh": "cat written > copied"}, {"text": "second"}))
    assert (first.stop_reason, second.stop_reason) == ("end_turn", "end_turn")
    assert first.text.strip().endswith("first") or "first" in first.text
    assert "second" in second.text
    assert first.tool_calls >= 1
    assert (world.workspace / "copied").read_text() == "one\n"


def test_the_answer_is_the_models_and_nothing_else(driver: Driver, start: Starts) -> None:
    with start_agent(start()) as agent:
        answer = agent.query(driver.query({"text": "hello"})).text
    assert "hello" in answer
    assert "Warning" not in answer


def test_a_tree_that_the_workspace_links_to_can_be_written(world: World, driver: Driver, start: Starts) -> None:
    tree = world.folder / "trees" / "api"
    tree.mkdir(parents=True)
    (world.workspace / "api").symlink_to(tree)
    with start_agent(start(directories=(tree,))) as agent:
        agent.query(driver.query({"sh": "echo fixed > api/file"}, {"text": "done"}))
    assert (tree / "file").read_text() == "fixed\n"


def test_usage_is_what_the_provider_sent(driver: Driver, start: Starts, model: Model) -> None:
    with start_agent(start()) as agent:
        one = agent.query(driver.query({"sh": "true"}, {"text": "done"}))
        two = agent.query(driver.query({"text": "done"}))
        whole = agent.usage
    assert whole == one.usage + two.usage
    if not driver.profile.tokens:
        assert (whole.input_tokens, whole.output_tokens) == (None, None)
        return
    # Both ask beside the conversation, without tools, for a title; Claude reports that too, Codex does not.
    conversation = [request for request in model.served if request.tools]
    assert len(conversation) == (3 if driver.has_model else 0)
    for reported, of in ((whole.input_tokens, "input_tokens"), (whole.output_tokens, "output_tokens")):
        assert reported is not None
        assert sum(getattr(request, of) for request in conversation) <= reported
        assert reported <= sum(getattr(request, of) for request in model.served)
    assert (whole.cost_usd is not None) == driver.profile.cost
    assert not driver.profile.cost or (whole.cost_usd or 0) > 0


def test_the_model_is_the_one_that_was_asked_for(driver: Driver, start: Starts, model: Model) -> None:
    with start_agent(start()) as agent:
        agent.query(driver.query({"text": "done"}))
        assert agent.model == driver.model
    wanted = (driver.model or "").rpartition("/")[2]
    assert {request.model for request in model.served if request.tools} <= {wanted}


def test_cancel_ends_the_turn_and_the_session_goes_on(world: World, driver: Driver, start: Starts) -> None:
    with world.nothing_left(within_s=5), start_agent(start()) as agent:
        begun = world.workspace / "begun"

        def cancel_in_the_middle() -> None:
            until(begun.exists, within_s=60, what=lambda: "the tool never ran")
            agent.cancel()

        waiting = threading.Thread(target=cancel_in_the_middle)
        waiting.start()
        turn = agent.query(driver.query({"sh": "touch begun; sleep 300"}, {"text": "too late"}))
        waiting.join()
        assert turn.stop_reason == "cancelled"
        assert "next" in agent.query(driver.query({"text": "next"})).text


def test_a_killed_agent_is_a_crash_and_its_session_goes_on_in_another_process(
    world: World, driver: Driver, start: Starts
) -> None:
    def kill_in_the_middle(pid: int) -> None:
        until((world.workspace / "begun").exists, within_s=60, what=lambda: "the tool never ran")
        os.kill(pid, signal.SIGKILL)

    with world.nothing_left(within_s=10), start_agent(start()) as agent:
        session_id, pid = agent.session_id, agent.pid
        agent.query(driver.query({"sh": "echo kept > memory"}, {"text": "before"}))
        threading.Thread(target=kill_in_the_middle, args=(pid,)).start()
        with pytest.raises(AgentCrashed) as crashed:
            agent.query(driver.query({"sh": "touch begun; sleep 300"}, {"text": "never"}))
        assert crashed.value.uptime_ms > 0
    assert not world.alive()
    with world.nothing_left(within_s=5), start_agent(start(resume_session_id=session_id)) as agent:
        assert agent.not_resumed is None
        assert agent.resumed
        assert agent.session_id == session_id
        assert "after" in agent.query(driver.query({"sh": "cat memory"}, {"text": "after"})).text


def test_a_lost_session_is_a_new_one_that_says_why(driver: Driver, start: Starts) -> None:
    lost = "0197c0de-0000-7000-8000-000000000000"
    with start_agent(start(resume_session_id=lost)) as agent:
        assert not agent.resumed
        assert agent.not_resumed is not None
        assert lost in agent.not_resumed
        assert agent.session_id != lost
        assert "hello" in agent.query(driver.query({"text": "hello"})).text


def test_updates_tell_of_words_and_tool_calls(driver: Driver, start: Starts) -> None:
    heard: list[Update] = []
    with start_agent(start(on_update=heard.append)) as agent:
        agent.query(driver.query({"sh": "echo hello"}, {"text": "done"}))
    calls = [update for update in heard if update.kind == "tool_call"]
    assert any("echo hello" in call.text for call in calls)
    assert calls[-1].status == "completed"
    assert "done" in "".join(update.text for update in heard if update.kind == "message")


def test_nothing_is_left_of_a_tool_that_went_its_own_way(world: World, driver: Driver, start: Starts) -> None:
    detached = "setsid sh -c 'touch detached; sleep 300' >/dev/null 2>&1 </dev/null & sleep 0.5"
    with world.nothing_left(within_s=5), start_agent(start()) as agent:
        agent.query(driver.query({"sh": detached}, {"text": "done"}))
        until((world.workspace / "detached").exists, within_s=30, what=lambda: "it never began")


def test_every_file_of_the_session_is_in_its_own_home(
    world: World, driver: Driver, start: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = world.folder / "home-of-the-worker"
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(elsewhere))
    with start_agent(start()) as agent:
        agent.query(driver.query({"text": "hello"}))
    assert list(elsewhere.iterdir()) == []
    assert any((world.folder / "home").rglob("*"))
    assert sorted(path.name for path in Path(world.workspace).iterdir()) == []
