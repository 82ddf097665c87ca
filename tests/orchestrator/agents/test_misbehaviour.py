"""Agents that die, hang, babble or cling to life: a typed error each time, and nothing left in the process table."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.agents.profiles import profile_of
from orchestrator.agents.session import Update, Usage
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import (
    AgentCrashed,
    AgentError,
    AgentProtocolError,
    AgentRefused,
    AgentStartError,
    AgentTimeout,
)
from tests.orchestrator.agents.world import World


def test_a_missing_program_is_named(world: World) -> None:
    with (
        world.nothing_left(),
        pytest.raises(AgentStartError, match=r"no-such-agent.*No such file.*PATH"),
        start_agent(world.start(profile_of("command", ["no-such-agent", "--acp"]))),
    ):
        pass


def test_a_missing_workspace_is_named(world: World) -> None:
    gone = world.folder / "gone"
    with pytest.raises(AgentStartError, match="gone"), start_agent(world.start("ready()", workspace=gone)):
        pass


def test_a_hang_at_the_start_ends_at_the_time_out(world: World) -> None:
    with (
        world.nothing_left(),
        pytest.raises(AgentStartError, match=r"not ready in 0\.5 s.*AGENT_START_TIMEOUT_MS"),
        start_agent(world.start("time.sleep(600)", start_timeout_ms=500)),
    ):
        pass


def test_a_death_before_ready_is_a_crash_with_its_last_words(world: World) -> None:
    dies = "print('cannot reach the model', file=sys.stderr); sys.exit(7)"
    with (
        world.nothing_left(),
        pytest.raises(AgentCrashed, match="cannot reach the model") as crashed,
        start_agent(world.start(dies)),
    ):
        pass
    assert crashed.value.exit_code == 7
    assert 0 <= crashed.value.uptime_ms < 10_000


def test_a_death_in_a_query_is_a_crash(world: World) -> None:
    dies = "ready(); hear(); os.kill(os.getpid(), signal.SIGSEGV)"
    with (
        world.nothing_left(),
        start_agent(world.start(dies)) as agent,
        pytest.raises(AgentCrashed, match="SIGSEGV") as crashed,
    ):
        agent.query("go")
    assert crashed.value.exit_code == -11


def test_a_death_is_seen_although_a_tool_holds_the_output(world: World) -> None:
    dies = "ready(); hear(); subprocess.Popen(['sleep', '600'], start_new_session=True); os._exit(1)"
    with world.nothing_left(), start_agent(world.start(dies)) as agent:
        began = time.monotonic()
        with pytest.raises(AgentCrashed):
            agent.query("go")
        assert time.monotonic() - began < 5


def test_words_said_just_before_the_end_count(world: World) -> None:
    says_it_and_goes = "ready(); p = hear(); speak('do'); time.sleep(0.1); speak('ne'); end(p); os._exit(0)"

    def slow(_: Update) -> None:
        time.sleep(0.3)  # the end is known before the last words are read

    with start_agent(world.start(says_it_and_goes, on_update=slow)) as agent:
        assert agent.query("go").text == "done"


def test_a_closed_output_is_a_protocol_error(world: World) -> None:
    closes = "ready(); hear(); os.close(1); time.sleep(600)"
    with (
        world.nothing_left(),
        start_agent(world.start(closes)) as agent,
        pytest.raises(AgentProtocolError, match="closed its output"),
    ):
        agent.query("go")


def test_a_hang_in_a_query_ends_at_the_time_out(world: World) -> None:
    hangs = "ready(); hear(); time.sleep(600)"
    with world.nothing_left(), start_agent(world.start(hangs, query_timeout_ms=300)) as agent:
        with pytest.raises(AgentTimeout, match=r"0\.3 s.*AGENT_QUERY_TIMEOUT_MS"):
            agent.query("go")
        assert not world.alive()
        with pytest.raises(AgentError, match="start another"):
            agent.query("go on")


def test_an_agent_that_never_reads_does_not_hold_us(world: World) -> None:
    deaf = "ready(); time.sleep(600)"
    with (
        world.nothing_left(),
        start_agent(world.start(deaf, query_timeout_ms=300)) as agent,
        pytest.raises(AgentTimeout),
    ):
        agent.query("x" * 5_000_000)


@pytest.mark.parametrize("babble", ["Welcome to Agent 3000!", "[1, 2]", "[" * 200_000])
def test_what_is_no_message_is_a_protocol_error(world: World, babble: str) -> None:
    babbles = f"ready(); hear(); print({babble!r}); sys.stdout.flush(); time.sleep(600)"
    with (
        world.nothing_left(),
        start_agent(world.start(babbles)) as agent,
        pytest.raises(AgentProtocolError, match="not a protocol message"),
    ):
        agent.query("go")


def test_an_answer_of_the_wrong_form_is_a_protocol_error(world: World) -> None:
    wrong = "ready(); say(id=hear()['id'], result={'stopReason': 12}); hear()"
    with start_agent(world.start(wrong)) as agent, pytest.raises(AgentProtocolError, match="wrong form"):
        agent.query("go")


def test_another_protocol_version_is_refused_at_the_start(world: World) -> None:
    other = "say(id=hear()['id'], result={'protocolVersion': 2}); hear()"
    with pytest.raises(AgentStartError, match="version 2"), start_agent(world.start(other)):
        pass


@pytest.mark.parametrize("reason", ["refusal", "max_tokens", "max_turn_requests"])
def test_a_turn_that_ends_without_an_answer_is_refused(world: World, reason: str) -> None:
    refuses = f"ready(); p = hear(); speak('as far as I came'); end(p, {reason!r}); hear()"
    with start_agent(world.start(refuses)) as agent, pytest.raises(AgentRefused) as refused:
        agent.query("go")
    assert (refused.value.stop_reason, refused.value.text) == (reason, "as far as I came")


def test_an_error_of_the_provider_is_refused_in_its_words(world: World) -> None:
    fails = "ready(); say(id=hear()['id'], error={'code': -32603, 'message': 'Reached maximum budget'}); hear()"
    with start_agent(world.start(fails)) as agent, pytest.raises(AgentRefused, match="Reached maximum budget"):
        agent.query("go")


def test_five_megabytes_of_stderr_block_nobody(world: World) -> None:
    noisy = "ready(); p = hear(); sys.stderr.write('n' * 5_000_000); speak('still here'); end(p); hear()"
    with world.nothing_left(), start_agent(world.start(noisy)) as agent:
        assert agent.query("go").text == "still here"


def test_what_clings_to_life_is_killed_within_the_stop_time_out(world: World) -> None:
    clings = """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        ready()
        prompt = hear()
        stubborn = "trap '' TERM HUP; sleep 600 & while :; do sleep 600; done"
        subprocess.Popen(["sh", "-c", stubborn])
        subprocess.Popen(["sh", "-c", stubborn], start_new_session=True)
        subprocess.Popen(["setsid", "sh", "-c", "setsid sh -c 'sleep 600' & " + stubborn], start_new_session=True)
        time.sleep(0.2)
        end(prompt)
        time.sleep(600)
    """
    with start_agent(world.start(clings)) as agent:
        agent.query("go")
        assert len(world.alive()) >= 6
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert not world.alive()


def test_an_agent_that_ends_politely_may_finish(world: World) -> None:
    polite = "ready(); hear() or open('saved', 'w').write('state')"
    with world.nothing_left(), start_agent(world.start(polite)):
        pass
    assert (world.workspace / "saved").read_text() == "state"


def test_permission_is_given_once(world: World) -> None:
    asks = """
        ready()
        prompt = hear()
        kinds = ("allow_always", "allow_once", "reject_once")
        options = [{"optionId": kind, "name": kind, "kind": kind} for kind in kinds]
        say(id=99, method="session/request_permission",
            params={"sessionId": "s1", "toolCall": {"toolCallId": "t1"}, "options": options})
        speak(json.dumps(hear()["result"]["outcome"]))
        end(prompt)
        hear()
    """
    with start_agent(world.start(asks)) as agent:
        assert '"optionId": "allow_once"' in agent.query("go").text


def test_messages_around_a_tool_call_stay_apart(world: World) -> None:
    works = """
        ready()
        prompt = hear()
        speak("I look "); speak("first.")
        update(sessionUpdate="tool_call", toolCallId="t1", title="look")
        update(sessionUpdate="tool_call_update", toolCallId="t1", status="completed")
        speak("## Summary\\n"); speak("fine")
        end(prompt)
        hear()
    """
    with start_agent(world.start(works)) as agent:
        turn = agent.query("go")
    assert turn.text == "I look first.\n\n## Summary\nfine"
    assert turn.tool_calls == 1


def test_cost_is_counted_per_turn_from_what_the_agent_counts_per_session(world: World) -> None:
    counts = """
        ready()
        for amount in (0.25, 0.75):
            prompt = hear()
            update(sessionUpdate="usage_update", used=1, size=2, cost={"amount": amount, "currency": "USD"})
            end(prompt, usage={"totalTokens": 30, "inputTokens": 10, "outputTokens": 20})
        hear()
    """
    with start_agent(world.start(counts)) as agent:
        assert agent.query("one").usage == Usage(input_tokens=10, output_tokens=20, cost_usd=Decimal("0.25"))
        assert agent.query("two").usage == Usage(input_tokens=10, output_tokens=20, cost_usd=Decimal("0.5"))
        assert agent.usage == Usage(input_tokens=20, output_tokens=40, cost_usd=Decimal("0.75"))


def test_unknown_usage_stays_unknown(world: World) -> None:
    with start_agent(world.start("ready(); end(hear()); hear()")) as agent:
        assert agent.query("go").usage == Usage(input_tokens=None, output_tokens=None, cost_usd=None)


def test_ids_go_to_the_agent_as_metadata(world: World) -> None:
    shows = """
        say(id=hear()["id"], result={"protocolVersion": 1})
        session = hear()
        say(id=session["id"], result={"sessionId": "s1"})
        prompt = hear()
        speak(json.dumps([session["params"]["_meta"], prompt["params"]["_meta"]]))
        end(prompt)
        hear()
    """
    with start_agent(world.start(shows, metadata={"correlationId": "wf-1-001"})) as agent:
        assert agent.query("go").text == '[{"correlationId": "wf-1-001"}, {"correlationId": "wf-1-001"}]'


@pytest.mark.parametrize(
    ("spew", "ends"),
    [
        ("sys.stdout.write('x' * 1_000_000)", "AgentProtocolError"),
        ("speak('word ' * 2_000)", "Turn"),
    ],
    ids=["one line without end", "messages without end"],
)
def test_two_hundred_megabytes_of_output_cost_less_than_fifty(world: World, spew: str, ends: str) -> None:
    agent = world.start(
        f"ready(); p = hear(); began = time.monotonic()\nsent = 0\nwhile sent < 200e6:\n    {spew}; sent += "
        + ("1_000_000" if ends != "Turn" else "10_100")
        + "\nend(p); hear()"
    ).profile.command[-1]
    worker = f"""
        import resource, sys
        from pathlib import Path
        import orchestrator.agents.acp
        from orchestrator.agents.profiles import profile_of
        from orchestrator.agents.session import AgentStart
        from orchestrator.agents.start import start_agent
        from orchestrator.domain.errors import AgentProtocolError

        profile = profile_of("command", [sys.executable, "-I", "-S", {agent!r}])
        here = Path({str(world.workspace)!r})
        start = AgentStart(profile=profile, workspace=here, home=here, env={{}}, stop_timeout_ms=2_000)
        with start_agent(start) as agent:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                ended = type(agent.query("go")).__name__
            except AgentProtocolError as error:
                ended = type(error).__name__
            print(ended, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    script = world.folder / "worker.py"
    script.write_text(textwrap.dedent(worker))
    root = str(Path(__file__).parents[3])
    printed = subprocess.check_output([sys.executable, script], env={"PYTHONPATH": root}, text=True)
    ended, grown_kb = printed.split()
    assert ended == ends
    assert int(grown_kb) < 50 * 1024
