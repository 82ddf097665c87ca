"""What being observed costs: 3 Works of 2 Tasks with logs, metrics and traces, against the same with all of them off.

Both sides are the engine without Dagster, in this process, with the built-in agent. Off means: nothing is logged, the
events count nothing, no timing is gathered, no span is made. The events' rows stay on both sides: they are how the
system works, not how it is watched.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from bench.measure import Cost, Figure, figure_of_costs, interleaved, main, timed
from bench.overhead import WORKS
from bench.world import make_repository, stderr_discarded, temporary_world, write_spec
from orchestrator.engine.create import create
from orchestrator.engine.engine import open_engine
from orchestrator.engine.perform import perform
from orchestrator.engine.plan import load_plan
from orchestrator.observe import log
from orchestrator.observe.mask import Mask
from orchestrator.observe.timings import Timings
from orchestrator.observe.trace import stop_tracing
from orchestrator.settings import Settings
from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.store.changes import Changes


def measure(*, tries: int = 15) -> Figure:
    """Wall time of a Workflow that is observed against one that is not."""
    with temporary_world() as world, _collector() as endpoint:
        repository = make_repository(world.folder / "upstream", files=200)
        loaded = load_spec(world.specs / write_spec(world, "bench", repository=repository, queries=WORKS) / "defs.yaml")
        log.configure_logging("info", mask=Mask.load())
        traced = replace(world.settings, otel_enabled=True, otel_exporter_otlp_endpoint=endpoint)
        with stderr_discarded():
            # The first run of each side clones the repository and imports what it needs.
            _off(world.settings, loaded)
            _perform(traced, loaded)
            pairs = interleaved(lambda: _perform(traced, loaded), lambda: _off(world.settings, loaded), pairs=tries)
            stop_tracing()
    return figure_of_costs(
        pairs,
        name="observed",
        what="3 Works x 2 Tasks with logs, metrics and traces on against the same with all of them off",
        at_most=1.05,
    )


def _perform(settings: Settings, loaded: LoadedSpec) -> Cost:
    """One Workflow, from its first Work's start to its last Checkpoint."""
    engine = open_engine(settings)
    row = create(engine.store, run_id=str(uuid.uuid4()), document=loaded.document, digest=loaded.digest, inputs={})
    _, plan = load_plan(engine.store, row.id)

    def works() -> None:
        for work in plan.works:
            list(perform(engine, workflow_id=row.id, work=work.name))

    cost = timed(works)
    engine.store.close()
    return cost


def _off(settings: Settings, loaded: LoadedSpec) -> Cost:
    """The same, observed by nobody."""
    nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731 — what every patched call does
    with ExitStack() as off:
        off.enter_context(patch.object(Changes, "write_measures", nothing))
        off.enter_context(patch.object(Timings, "add", nothing))
        off.enter_context(patch("orchestrator.engine.engine.log_events", nothing))
        off.enter_context(patch.object(log, "_write", nothing))
        off.enter_context(patch("orchestrator.observe.log.render", lambda *_, **__: ""))
        off.enter_context(patch("orchestrator.observe.trace._Process.tracing", None))
        return _perform(settings, loaded)


@contextmanager
def _collector() -> Iterator[str]:
    """A collector that takes everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


if __name__ == "__main__":
    main(measure)
