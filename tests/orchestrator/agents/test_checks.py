"""Commands beside an agent: what they printed, how they ended, and nothing left of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.checks import CommandResult, run_command
from orchestrator.domain.errors import AgentStartError
from tests.orchestrator.agents.world import MARKER, World


def run(world: World, command: str, **changes: Any) -> CommandResult:
    arguments: dict[str, Any] = {
        "cwd": world.workspace,
        "env": {"PATH": os.environ["PATH"], MARKER: world.marker},
        "timeout_ms": 20_000,
        "stop_timeout_ms": 1_000,
    }
    return run_command(command, **{**arguments, **changes})


def test_output_and_errors_come_in_order_with_the_exit_code(world: World) -> None:
    result = run(world, "echo one; echo two >&2; echo three; exit 3")
    assert (result.exit_code, result.output, result.dropped_bytes) == (3, "one\ntwo\nthree\n", 0)
    assert 0 <= result.duration_ms < 10_000


def test_a_command_that_ends_at_once_is_seen_to_end(world: World) -> None:
    # Once in 20 it ended while the supervisor was still starting it, and its exit code was lost.
    assert [run(world, "exit 3", timeout_ms=2_000).exit_code for _ in range(30)] == [3] * 30


def test_runs_in_the_given_directory_and_environment(world: World) -> None:
    result = run(world, "pwd; env | grep -c SECRET; true", env={"PATH": os.environ["PATH"], "SECRET_ID": "1"})
    assert result.output == f"{world.workspace}\n1\n"


def test_input_is_empty(world: World) -> None:
    assert run(world, "cat; echo done").output == "done\n"


def test_a_long_output_keeps_its_end(world: World) -> None:
    result = run(world, "head -c 5000000 /dev/zero | tr '\\0' x; echo the end")
    assert result.output.endswith("xthe end\n")
    assert len(result.output) == 64 * 1024
    assert result.dropped_bytes == 5_000_000 + len("the end\n") - 64 * 1024


def test_a_time_out_has_no_exit_code_and_keeps_what_was_said(world: World) -> None:
    with world.nothing_left():
        result = run(world, "trap '' TERM; echo begun; setsid sleep 600 & sleep 600; sleep 600", timeout_ms=500)
    assert (result.exit_code, result.output) == (None, "begun\n")


def test_what_is_left_in_the_background_ends_with_the_command(world: World) -> None:
    with world.nothing_left():
        began = time.monotonic()
        assert run(world, "setsid sleep 600 & sleep 600 & echo done").output == "done\n"
        assert time.monotonic() - began < 2


def test_a_signal_shows_in_the_exit_code(world: World) -> None:
    assert run(world, "kill -9 $$").exit_code == -signal.SIGKILL


def test_a_missing_directory_is_named(world: World) -> None:
    with pytest.raises(AgentStartError, match="no-such"):
        run(world, "true", cwd=Path("/no-such"))


def test_an_interrupt_leaves_nothing(world: World) -> None:
    # A shell that started these tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with world.nothing_left():
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            run(world, "setsid sleep 600 & sleep 600")
    signal.signal(signal.SIGINT, before)
