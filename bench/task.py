"""What one Task costs beside its agent and git: engine, store on SQLite, Dagster's records and the log.

A Work of many Tasks runs with `--local`. From one query to the next, wall time, less what the log says that the query
and each git command took. The first interval holds the warm-up of the process and is left out. The log is at DEBUG,
because git commands are logged there, so its cost is the highest that it can be.
"""

from __future__ import annotations

from bench.measure import Figure, main
from bench.world import append_line, local_run, log_lines, make_repository, temporary_world, write_spec

_APART = frozenset({"GitCommand", "QueryResponded"})


def measure(*, tries: int = 3, tasks: int = 20) -> Figure:
    """Milliseconds of a Task, agent and git excluded; each run gives `tasks` - 2 numbers."""
    costs: list[float] = []
    with temporary_world(log_level="debug") as world:
        repository = make_repository(world.folder / "upstream", files=10)
        queries = {"only": [append_line(f"line{number}") for number in range(tasks)]}
        workflow = write_spec(world, "bench_task", repository=repository, queries=queries)
        for _ in range(tries):
            with local_run(world, workflow) as process:
                began, apart = 0.0, 0.0
                intervals: list[float] = []
                for line in log_lines(process):
                    if line.event in _APART:
                        apart += line.duration_ms
                    elif line.event == "QuerySent":
                        if began:
                            intervals.append(line.at_ms - began - apart)
                        began, apart = line.at_ms, 0.0
            costs += intervals[1:]
    return Figure(
        name="task",
        what="engine, store, Dagster and log of one Task on SQLite, agent and git excluded",
        unit="ms",
        at_most=30,
        ours=tuple(costs),
    )


if __name__ == "__main__":
    main(measure)
