"""3 Works of 2 Tasks with the built-in agent, `--local`, against a plain shell script that does the same without us.

Ours: from the first Work's start to the Checkpoint of the last, by the log of `orchestrator run --local`.

The script: what a person would be left with if the product were taken away. Its git commands are not chosen but taken
from a run of the same workflow, with their input, environment and order (`bench.recording`); what the engine asks of
git it asks too, so the ratio says nothing about those commands being few. Its agents are the same processes, one
supervisor and one built-in agent a Work, asked the same queries over a minimal exchange in the shell itself. It has no
Python, store, log, Report or Dagster. Mirror, WorkTree and WorkSpaces stand there before either clock starts. In the
end its branch must be at the very commit that the recorded run made, or it did something else.
"""

from __future__ import annotations

import socket
import subprocess
from itertools import count
from pathlib import Path

import psutil

from bench.measure import Cost, Figure, figure_of_costs, interleaved, main, timed
from bench.recording import Recording, record
from bench.script import write_script
from bench.world import GIT, World, append_line, local_run, log_lines, make_repository, temporary_world, write_spec
from orchestrator.agents import agent_environment
from orchestrator.engine import workspace
from orchestrator.engine.engine import git_settings
from orchestrator.git import Mirror, WorkTree, tree_lock
from orchestrator.settings import load_settings

WORKS = {f"work{work}": [append_line(f"work{work} task{task}") for task in (1, 2)] for work in (1, 2, 3)}


def measure(*, tries: int = 7) -> Figure:
    """Time from the first Work's start to the last Checkpoint against that of a plain shell script."""
    with temporary_world() as world:
        repository = make_repository(world.folder / "upstream", files=200)
        workflow = write_spec(world, "bench_overhead", repository=repository, queries=WORKS)
        recording = record(world, workflow)
        numbers = count()
        pairs = interleaved(
            lambda: run_product(world, workflow),
            lambda: run_script(world, recording, repository, world.folder / f"plain{next(numbers)}"),
            pairs=tries,
        )
    return figure_of_costs(
        pairs,
        name="overhead",
        what="3 Works x 2 Tasks, `--local`, against a shell script with the same git commands and agent processes",
        at_most=1.25,
    )


def run_product(world: World, workflow: str) -> Cost:
    """One run; its cost between the two log lines, CPU with all processes that the worker has waited for by then."""
    seen: list[tuple[float, float]] = []
    with local_run(world, workflow) as process:
        for line in log_lines(process):
            if line.event == "CheckpointCreated" or (line.event == "WorkStarted" and not seen):
                (worker,) = psutil.Process(process.pid).children()
                seen.append((line.at_ms, sum(worker.cpu_times()[:4]) * 1000))
    (began, cpu_began), (ended, cpu_ended) = seen[0], seen[-1]
    return Cost(wall_ms=ended - began, cpu_ms=cpu_ended - cpu_began)


def run_script(world: World, recording: Recording, repository: Path, home: Path) -> Cost:
    """The script, in a data folder of its own that stands as the recorded one stood when the first Work began."""
    settings = load_settings({**world.environment, "ORCHESTRATOR_HOME": str(home), "DATABASE_URL": ""})
    mirror = Mirror.open(str(repository), git_settings(settings))
    mirror.update()
    with tree_lock(mirror.settings, recording.workflow_id) as lock:
        tree = WorkTree(mirror=mirror, lock=lock, name=GIT)
        tree.add(mirror.resolve("main"))
    workspaces = {
        work: workspace.make(
            settings.workflow_root_path, recording.workflow_id, work, trees={GIT: tree.path}, reports={}
        )
        for work in recording.works
    }
    agent_home = workspace.agent_home(settings.workflow_root_path, recording.workflow_id)
    agent_home.mkdir()
    ours, supervisors = socket.socketpair()
    with ours, supervisors:
        script = write_script(
            recording.moved(world.settings.orchestrator_home, home),
            workspaces=workspaces,
            folder=home / "script",
        )
        cost = timed(lambda: _shell(script, agent_home, recording.workflow_id, supervisors))
    (made,) = mirror.control.find(tree.refs.head)
    if made != recording.checkpoint:
        raise RuntimeError(f"the script's branch is at {made}, the recorded run's was at {recording.checkpoint}")
    return cost


def _shell(script: Path, agent_home: Path, workflow_id: str, control: socket.socket) -> None:
    environment = agent_environment(given={}, correlation_id=workflow_id, workflow_id=workflow_id)
    subprocess.run(
        ["sh", str(script)], env={**environment, "HOME": str(agent_home)}, stdin=control.fileno(), check=True
    )


if __name__ == "__main__":
    main(measure)
