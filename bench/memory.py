"""Resident memory of a run worker between Tasks, against a bare Dagster worker of a 3-op job.

Both are started the way a run launcher starts them, `dagster api execute_run`, on the same SQLite instance, and are
looked at once: ours when the last Task of the last Work begins, the bare one when its last op does.
"""

from __future__ import annotations

import subprocess
import sys

import psutil

from bench.bare import MARK
from bench.measure import Figure, interleaved, main
from bench.world import World, append_line, log_lines, make_repository, temporary_world, watched, write_spec

_WORKS = 3


def measure(*, tries: int = 3) -> Figure:
    """Resident memory of our worker against that of a bare one."""
    with temporary_world() as world:
        repository = make_repository(world.folder / "upstream", files=10)
        queries = {f"work{number}": [append_line("one"), append_line("two", sleep_s=1)] for number in range(_WORKS)}
        workflow = write_spec(world, "bench_memory", repository=repository, queries=queries)
        pairs = interleaved(lambda: _ours(world, workflow), lambda: _bare(world), pairs=tries)
    return Figure(
        name="memory",
        what="resident memory of a run worker between Tasks against a bare Dagster worker of a 3-op job",
        unit="MB",
        at_most=1.2,
        ours=tuple(ours for ours, _ in pairs),
        baseline=tuple(bare for _, bare in pairs),
    )


def _ours(world: World, workflow: str) -> float:
    sent = 0
    samples = []
    with watched(_worker("orchestrator_defs.definitions", workflow), world.environment) as process:
        for line in log_lines(process):
            if line.event == "QuerySent":
                sent += 1
                if sent == 2 * _WORKS:
                    samples.append(_resident_mb(process))
    return _only(samples)


def _bare(world: World) -> float:
    samples = []
    with watched(_worker("bench.bare", "three_ops"), world.environment) as process:
        for line in process.stderr or ():
            if line.strip() == MARK.encode():
                samples.append(_resident_mb(process))
    return _only(samples)


def _only(samples: list[float]) -> float:
    if len(samples) != 1:
        raise RuntimeError(f"the moment to look at the worker came {len(samples)} times, not once; read its log")
    return samples[0]


def _worker(module: str, job: str) -> list[str]:
    return [sys.executable, "-m", "bench.worker", module, job]


def _resident_mb(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


if __name__ == "__main__":
    main(measure)
