"""Kills and interrupts: whoever dies or is interrupted, the agent and all that it started are gone soon after."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.agents.profiles import BUILTIN
from orchestrator.agents.session import AgentStart
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentCrashed
from tests.orchestrator.agents.world import MARKER, World, until

# Hears no SIGTERM, ignores the end of its input, and keeps a tool in a session of its own that does the same.
STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP; while :; do sleep 600; done"], start_new_session=True)
    hear()
    time.sleep(600)
"""


class Interrupted(BaseException):
    """As Dagster interrupts a step: raised in the main thread by a signal handler."""


@contextmanager
def interrupts() -> Iterator[None]:
    """SIGUSR1 raises `Interrupted` in the main thread."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def interrupt_after(delay_s: float) -> None:
    threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGUSR1)).start()


def worker(world: World, command: tuple[str, ...], query: str) -> subprocess.Popen[str]:
    """A worker process with an agent that works on a query, holding a lock that the agent inherits."""
    source = f"""
        import fcntl, os, sys
        from pathlib import Path
        from orchestrator.agents.profiles import profile_of
        from orchestrator.agents.session import AgentStart
        from orchestrator.agents.start import start_agent

        here = Path({str(world.workspace)!r})
        lock = os.open(here / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        start = AgentStart(
            profile=profile_of("command", {list(command)!r}),
            workspace=here,
            home=here / "home",
            env={{"PATH": os.environ["PATH"], {MARKER!r}: {world.marker!r}}},
            stop_timeout_ms=2_000,
            pass_fds=(lock,),
        )
        with start_agent(start) as agent:
            print("ready", flush=True)
            agent.query({query!r})
    """
    script = world.folder / "worker.py"
    script.write_text(textwrap.dedent(source))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, script], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def lock_is_free(world: World) -> bool:
    with (world.workspace / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_killed_worker_leaves_no_process_and_the_lock_until_then(world: World) -> None:
    command = world.start(STUBBORN).profile.command
    with worker(world, command, "go") as process:
        until(lambda: len(world.alive()) >= 3, within_s=5, what=lambda: f"only {world.alive()}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert world.alive()
        assert not lock_is_free(world)
        until(lambda: not world.alive(), within_s=5, what=lambda: f"still alive: {world.alive()}")
        until(lambda: lock_is_free(world), within_s=1, what=lambda: "nobody lives and the lock is held")


def test_a_killed_worker_ends_the_block_of_the_builtin_agent_at_once(world: World) -> None:
    block = "```sh\nsetsid sleep 600 & sleep 600\n```"
    with worker(world, BUILTIN.command, block) as process:
        until(lambda: len(world.alive()) >= 4, within_s=5, what=lambda: f"only {world.alive()}")
        process.kill()
        until(lambda: not world.alive(), within_s=3, what=lambda: f"still alive: {world.alive()}")


def test_a_killed_supervisor_takes_the_agent_with_it(world: World) -> None:
    with start_agent(world.start("ready(); hear(); time.sleep(600)")) as agent:
        threading.Timer(0.2, os.kill, (parent_of(agent.pid), signal.SIGKILL)).start()
        with pytest.raises(AgentCrashed, match="supervisor was killed") as crashed:
            agent.query("go")
        assert crashed.value.exit_code is None
    until(lambda: not world.alive(), within_s=3, what=lambda: f"still alive: {world.alive()}")


def test_a_killed_supervisor_takes_the_agents_group_with_it(world: World) -> None:
    keeps_a_tool = "ready(); subprocess.Popen(['sleep', '600']); hear(); time.sleep(600)"
    with start_agent(world.start(keeps_a_tool)) as agent:
        threading.Timer(0.2, os.kill, (parent_of(agent.pid), signal.SIGKILL)).start()
        with pytest.raises(AgentCrashed):
            agent.query("go")
    until(lambda: not world.alive(), within_s=3, what=lambda: f"still alive: {world.alive()}")


def test_a_worker_and_a_supervisor_killed_together_take_the_agent_with_them(world: World) -> None:
    command = world.start("signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(600)").profile.command
    with worker(world, command, "go") as process:
        supervisor = next(pid for pid, command_line in world.alive().items() if "supervisor" in command_line)
        process.kill()
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: not world.alive(), within_s=3, what=lambda: f"still alive: {world.alive()}")


def test_a_supervisor_told_to_end_stops_its_agent(world: World) -> None:
    with start_agent(world.start(STUBBORN)) as agent:
        threading.Timer(0.2, os.kill, (parent_of(agent.pid), signal.SIGTERM)).start()
        with pytest.raises(AgentCrashed, match="SIGKILL"):
            agent.query("go")
        assert not world.alive()


def test_a_killed_agent_takes_its_detached_tools_with_it(world: World) -> None:
    with world.nothing_left(), start_agent(world.start(STUBBORN)) as agent:
        threading.Timer(0.2, os.kill, (agent.pid, signal.SIGKILL)).start()
        with pytest.raises(AgentCrashed, match="SIGKILL"):
            agent.query("go")
        assert not world.alive()


def ask(start: AgentStart, query: str, *, interrupts_after_s: Sequence[float]) -> None:
    """A query that is interrupted, the first time while it waits for the answer."""
    with start_agent(start) as agent:
        for delay_s in interrupts_after_s:
            interrupt_after(delay_s)
        agent.query(query)


def test_an_interrupt_in_a_query_leaves_nothing(world: World) -> None:
    with interrupts(), world.nothing_left(), pytest.raises(Interrupted):
        ask(world.start(STUBBORN), "go", interrupts_after_s=[0.2])


def test_an_interrupt_lets_the_builtin_agent_end_at_once(world: World) -> None:
    with interrupts(), world.nothing_left():
        began = time.monotonic()
        with pytest.raises(Interrupted):
            ask(world.start(BUILTIN), "```sh\nsleep 600\n```", interrupts_after_s=[0.3])
        assert time.monotonic() - began < 2


def test_an_interrupt_at_the_start_leaves_nothing(world: World) -> None:
    with interrupts(), world.nothing_left():
        interrupt_after(0.3)
        with pytest.raises(Interrupted), start_agent(world.start("time.sleep(600)")):
            pass


def test_a_second_interrupt_cuts_the_stop_short_and_still_leaves_nothing(world: World) -> None:
    start = world.start(STUBBORN, stop_timeout_ms=60_000)
    with interrupts(), world.nothing_left(within_s=5):
        began = time.monotonic()
        with pytest.raises(Interrupted):
            ask(start, "go", interrupts_after_s=[0.2, 0.6])
        assert time.monotonic() - began < 3


def test_an_idle_agent_stops_at_once(world: World) -> None:
    with world.nothing_left(), start_agent(world.start(BUILTIN, stop_timeout_ms=60_000)) as agent:
        agent.query("hello")
        began = time.monotonic()
    # Some 12 ms on an idle machine; the first signal of the stop sequence would come after 12 s.
    assert time.monotonic() - began < 3


def test_no_descriptor_or_thread_is_left_in_the_worker(world: World) -> None:
    def here() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 — a count, no paths

    with start_agent(world.start(BUILTIN)):
        pass
    before = here()
    for _ in range(5):
        with start_agent(world.start(BUILTIN)) as agent:
            agent.query("```sh\necho\n```")
    assert here() == before
