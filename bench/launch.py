"""From the launch over GraphQL to the first op and to the first query sent, and the memory of ten running workers.

Both systems are up at once and launched into by turns: ours with a workflow of three Works and the built-in agent,
stock Dagster with a job of three ops, its own queue and launcher, everything in one process (its default executor
starts one more for each op). A query's other side is stock's first op. Of ten launches at once the last one to begin
counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from bench.measure import Figure, interleaved
from bench.running import Running, product, stock
from bench.world import World, append_line, make_repository, temporary_world, write_spec

_MANY = 10
_WAIT_S = 60
_JOB = "three_ops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What one launch, or one of many at once, took from before its request.

    Attributes:
        query_ms: to the first query sent; to the first op where there is none.
    """

    op_ms: float
    query_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two systems, and what is launched in it.

    Attributes:
        quick, held: a job that ends at once, and one that stays in its first op until the gate is there.
        logs: of run workers; None where there are no queries.
    """

    running: Running
    quick: str
    held: str
    logs: Path | None

    def launch(self, many: int = 1) -> Launch:
        """Launch `quick` so many times at once and see them to their ends."""
        began = time.time()
        with ThreadPoolExecutor(many) as threads:
            runs = list(threads.map(lambda _: self.running.launch(self.quick), range(many)))
        ops = [self.running.first_op_at(run) for run in runs]
        for run in runs:
            self.running.await_end(run)
        queries = ops if self.logs is None else [_query_at(self.logs / f"{run}.log") for run in runs]
        return Launch(op_ms=(max(ops) - began) * 1000, query_ms=(max(queries) - began) * 1000)


def measures(*, tries: int = 5, bursts: int = 2) -> Iterator[Figure]:
    """One launch, ten at once, and the memory of ten."""
    with temporary_world() as world:
        gate = world.folder / "gate"
        gate.touch()
        quick, held = _workflows(world, gate)
        logs = world.settings.orchestrator_home / "logs" / "runs"
        with product(world) as ours, stock(world, gate) as plain:
            sides = (
                Side(running=ours, quick=quick, held=held, logs=logs),
                Side(running=plain, quick=_JOB, held=_JOB, logs=None),
            )
            for side in sides:
                side.launch()  # so that no side pays for byte code, a cold disk or its first connection
            singles = interleaved(sides[0].launch, sides[1].launch, pairs=tries)
            yield from _figures(singles, name="launch", what="one launch")
            many = interleaved(lambda: sides[0].launch(_MANY), lambda: sides[1].launch(_MANY), pairs=bursts)
            yield from _figures(many, name="launch10", what=f"{_MANY} launches at once, the last")
            gate.unlink()
            yield _memory(sides, gate)


def _workflows(world: World, gate: Path) -> tuple[str, str]:
    repository = make_repository(world.folder / "upstream", files=10)
    wait = f"```sh\nwhile ! test -e {gate}; do sleep 0.1; done\necho '## Summary'\necho\necho done\n```\n"
    works = {f"work{number}": [append_line("line")] for number in (1, 2, 3)}
    return (
        write_spec(world, "bench_quick", repository=repository, queries=works),
        write_spec(world, "bench_held", repository=repository, queries={"work1": [wait]}),
    )


def _figures(pairs: Sequence[tuple[Launch, Launch]], *, name: str, what: str) -> Iterator[Figure]:
    baseline = tuple(stock.op_ms for _, stock in pairs)
    yield Figure(
        name=name,
        what=f"{what}: to the first op, against stock Dagster's",
        unit="ms",
        at_most=0.1,
        ours=tuple(ours.op_ms for ours, _ in pairs),
        baseline=baseline,
    )
    yield Figure(
        name=name,
        what=f"{what}: to the first query sent, against stock Dagster's first op",
        unit="ms",
        at_most=0.2,
        ours=tuple(ours.query_ms for ours, _ in pairs),
        baseline=baseline,
    )


def _memory(sides: Sequence[Side], gate: Path) -> Figure:
    """Ten workers in their first op on both sides at once; ours with the parent whose pages they share."""
    began = [[side.running.launch(side.held) for _ in range(_MANY)] for side in sides]
    sums = []
    for side, runs in zip(sides, began, strict=True):
        for run in runs:
            side.running.first_op_at(run)
            if side.logs is not None:
                _query_at(side.logs / f"{run}.log")
        pids = {side.running.worker_pid(run) for run in runs}
        if side.logs is not None:
            pids |= {psutil.Process(pid).ppid() for pid in pids}
        sums.append(sum(_pss_mb(pid) for pid in pids))
    gate.touch()
    for side, runs in zip(sides, began, strict=True):
        for run in runs:
            side.running.await_end(run)
    return Figure(
        name="workers",
        what=f"PSS of {_MANY} running workers and the warm parent, against {_MANY} of stock Dagster",
        unit="MB",
        at_most=0.5,
        ours=(sums[0],),
        baseline=(sums[1],),
    )


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1000


def _query_at(log: Path) -> float:
    """When the first query was sent, seconds since the epoch; waits for it."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        lines = log.read_text().splitlines() if log.exists() else []
        for line in lines:
            if '"QuerySent"' in line and line.endswith("}"):
                return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
        time.sleep(0.1)
    raise RuntimeError(f"no query in {log} after {_WAIT_S} s")


def main() -> None:
    """Print the figures, a line each."""
    parser = argparse.ArgumentParser(description=measures.__doc__)
    parser.add_argument("--tries", type=int, default=5, help="how many pairs of single launches")
    parser.add_argument("--bursts", type=int, default=2, help="how many pairs of ten launches")
    arguments = parser.parse_args()
    for figure in measures(tries=arguments.tries, bursts=arguments.bursts):
        sys.stdout.write(f"{figure.line()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
