"""Running systems to launch into: the product under `orchestrator up`, stock Dagster under `dagster dev`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.world import ROOT, World
from orchestrator.ops.processes import free_port

_START_S = 180
_RUN_S = 180
_LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }
"""
_RUN = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { startTime } } }
  logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A system that takes launches at `url`.

    Attributes:
        repository, location: where its jobs are.
    """

    url: str
    repository: str
    location: str

    def launch(self, job: str) -> str:
        """The id of a new run."""
        selector = {"pipelineName": job, "repositoryName": self.repository, "repositoryLocationName": self.location}
        answer = self._ask(_LAUNCH, params={"selector": selector, "runConfigData": {}})["launchRun"]
        if "run" not in answer:
            raise RuntimeError(f"{job} was not launched: {answer}")
        return str(answer["run"]["runId"])

    def first_op_at(self, run_id: str) -> float:
        """When the first op began, seconds since the epoch; waits for it."""
        deadline = time.monotonic() + _RUN_S
        while not (began := [step["startTime"] for step in self._run(run_id)["stepStats"] if step["startTime"]]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"run {run_id} has not begun after {_RUN_S} s")
            time.sleep(0.2)
        return float(min(began))

    def await_end(self, run_id: str) -> None:
        """Until the run has succeeded."""
        deadline = time.monotonic() + _RUN_S
        while (status := self._run(run_id)["status"]) != "SUCCESS":
            if status in ("FAILURE", "CANCELED") or time.monotonic() > deadline:
                raise RuntimeError(f"run {run_id} is {status}")
            time.sleep(0.2)

    def worker_pid(self, run_id: str) -> int:
        """Of the run's worker, as Dagster's own event says it."""
        events = self._ask(_RUN, id=run_id)["logsForRun"]["events"]
        said = next(event["message"] for event in events if "Started process for run" in event.get("message", ""))
        return int(said.rpartition("pid: ")[2].rstrip(")."))

    def _run(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self._ask(_RUN, id=run_id)["runOrError"]
        return run

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=120).json()
        if answer.get("errors"):
            raise RuntimeError(str(answer["errors"]))
        data: dict[str, Any] = answer["data"]
        return data

    def await_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Until its definitions are loaded."""
        deadline = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if self._ask(_LOADED)["repositoriesOrError"].get("nodes"):
                    return
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(0.5)
        raise RuntimeError(f"the system at {self.url} did not come up")


@contextmanager
def product(world: World) -> Iterator[Running]:
    """`orchestrator up` in the world."""
    ports = {"PORT": str(free_port()), "DAGSTER_UI_PORT": str(free_port())}
    running = Running(
        url=f"http://127.0.0.1:{ports['DAGSTER_UI_PORT']}", repository="__repository__", location="orchestrator"
    )
    with _up([sys.executable, "-m", "orchestrator.cli", "up"], {**world.environment, **ports}, running):
        deadline = time.monotonic() + _START_S
        while not list((world.settings.orchestrator_home / "run").glob("*.sock")) and time.monotonic() < deadline:
            time.sleep(0.2)
        yield running


@contextmanager
def stock(world: World, gate: Path) -> Iterator[Running]:
    """`dagster dev` with `bench.stock`, every default of Dagster's."""
    home = world.folder / "stock"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    port = free_port()
    running = Running(url=f"http://127.0.0.1:{port}", repository="__repository__", location="bench.stock")
    command = [sys.executable, "-m", "dagster", "dev", "-m", "bench.stock", "-p", str(port), "-h", "127.0.0.1"]
    with _up(command, {**world.environment, "DAGSTER_HOME": str(home), "BENCH_GATE": str(gate)}, running):
        yield running


@contextmanager
def _up(command: Sequence[str], environment: Mapping[str, str], running: Running) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        running.await_ready(process)
        yield
    finally:
        process.terminate()
        process.wait()
