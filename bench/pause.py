"""From a pause that another process asks for to the agent gone, while the built-in agent works on a query.

The worker is this process, performing as a run worker does; the request is a row, as `orchestrator pause` writes it.
"""

from __future__ import annotations

import time
import uuid
from math import ceil
from pathlib import Path

import psutil

from bench.measure import Figure, main
from bench.world import GIT, World, make_repository, stderr_discarded, temporary_world, write_spec
from orchestrator.domain.events import EventType
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.engine.control import ask_pause
from orchestrator.engine.create import create
from orchestrator.engine.engine import Engine, open_engine
from orchestrator.engine.performance import Performance
from orchestrator.spec.load import LoadedSpec, load_spec

_DEADLINE_S = 60.0


def measure(*, tries: int = 20) -> Figure:
    """The slowest but one in twenty, in milliseconds."""
    with temporary_world() as world, stderr_discarded():
        repository = make_repository(world.folder / "upstream", files=10)
        wait = f"```sh\necho x >> {GIT}/notes.txt\ntouch {world.folder}/$ORCHESTRATOR_WORKFLOW_ID\nsleep 60\n```\n"
        workflow = write_spec(world, "bench_pause", repository=repository, queries={"only": [wait]})
        loaded = load_spec(world.specs / workflow / "defs.yaml")
        engine = open_engine(world.settings)
        times = sorted(_pause(world, engine, loaded) for _ in range(tries))
        engine.store.close()
    return Figure(
        name="pause",
        what="pause asked for by another process -> agent gone, built-in agent in a query, p95",
        unit="ms",
        at_most=2000,
        ours=(times[ceil(0.95 * len(times)) - 1],),
    )


def _pause(world: World, engine: Engine, loaded: LoadedSpec) -> float:
    run_id = str(uuid.uuid4())
    create(engine.store, run_id=run_id, document=loaded.document, digest=loaded.digest, inputs={})
    workflow_id = workflow_id_of_run(run_id)
    with Performance(engine, workflow_id=workflow_id, work="only"):
        _await(world.folder / workflow_id)
        events = engine.store.read(lambda reader: reader.events(workflow_id))
        (pid,) = (int(event.context["pid"]) for event in events if event.type is EventType.AGENT_STARTED)
        agent = psutil.Process(pid)
        began = time.perf_counter()
        ask_pause(engine.store, workflow_id)
        psutil.wait_procs([agent, *agent.children(recursive=True)], timeout=_DEADLINE_S)
        return (time.perf_counter() - began) * 1000


def _await(file: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the agent did not begin in {_DEADLINE_S:g} s")
        time.sleep(0.01)


if __name__ == "__main__":
    main(measure)
