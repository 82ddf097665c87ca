"""Each published figure can be measured and says what it must; how fast this machine is, is not tested."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from bench import help as help_
from bench import masking, memory, overhead, pause, task, worktree
from bench.__main__ import FIGURES
from bench.measure import Figure
from bench.recording import GitStep, Query, record
from bench.world import ROOT, World, append_line, local_run, log_lines, make_repository, temporary_world, write_spec

_LINE = re.compile(r"\w+ +[\d.]+ (x|ms) +at most [\d.]+ (x|ms) +(met|not met) +\(ours [\d.]+ (ms|MB), .+\): .+")
_LIMITS = {"overhead": 1.25, "worktree": 1.1, "memory": 1.2, "help": 0.3, "task": 30, "masking": 0.2, "pause": 2000}
# Measured over minutes, with their own tests or by `make bench` alone.
_LONG = {"observability", "scrape", "health"}


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(lambda: overhead.measure(tries=1), id="overhead"),
        pytest.param(lambda: worktree.measure(tries=1, files=50), id="worktree"),
        pytest.param(lambda: memory.measure(tries=1), id="memory"),
        pytest.param(lambda: help_.measure(tries=1), id="help"),
        pytest.param(lambda: task.measure(tries=1, tasks=4), id="task"),
        pytest.param(lambda: masking.measure(tries=1), id="masking"),
        pytest.param(lambda: pause.measure(tries=1), id="pause"),
    ],
)
def test_a_figure_is_one_line_with_its_limit_and_verdict(
    measure: Callable[[], Figure], request: pytest.FixtureRequest
) -> None:
    figure = measure()
    assert figure.name == request.node.callspec.id
    assert figure.at_most == _LIMITS[figure.name]
    assert figure.value > 0
    assert _LINE.fullmatch(figure.line())


def test_one_command_prints_every_figure_and_each_has_one_of_its_own() -> None:
    assert {module.__name__ for module in FIGURES} == {f"bench.{name}" for name in _LIMITS.keys() | _LONG}


def test_a_figure_of_its_own_is_printed_by_its_module() -> None:
    command = [sys.executable, "-m", "bench.help", "--tries", "1"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert _LINE.fullmatch(printed.rstrip("\n"))


def test_the_scripts_git_commands_are_those_of_a_local_run() -> None:
    with temporary_world(log_level="debug") as world:
        repository = make_repository(world.folder / "upstream", files=3)
        queries = {work: [append_line(f"{work} {number}") for number in (1, 2)] for work in ("one", "two")}
        workflow = write_spec(world, "recorded", repository=repository, queries=queries)
        steps = record(world, workflow).steps
        assert [step.arguments[0] for step in steps if isinstance(step, GitStep)] == _logged(world, workflow)
        assert sum(isinstance(step, Query) for step in steps) == 4


def _logged(world: World, workflow: str) -> list[str]:
    """The git commands from the first Work's start on, as the log of a whole run names them."""
    commands: list[str] = []
    started = False
    with local_run(world, workflow) as process:
        for line in log_lines(process):
            started = started or line.event == "WorkStarted"
            if started and line.event == "GitCommand":
                commands.append(line.message.split()[1])
    return commands
