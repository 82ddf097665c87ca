"""The real system, as `orchestrator up` runs it: on free ports and with a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestrator.ops.processes import free_port

START_S = 180
STOP_S = 70
RUN_S = 120
_COMMAND = [sys.executable, "-m", "orchestrator.cli"]
_LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on PythonError { message }
} }
"""


@dataclass(frozen=True, kw_only=True)
class System:
    """A system that is up.

    Attributes:
        home: its ORCHESTRATOR_HOME; no process outside the system has it in its environment.
        environment: what its processes, and the commands that talk to it, are started with.
    """

    home: Path
    environment: Mapping[str, str]
    ui_port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Path, **variables: str) -> System:
        """`orchestrator up`, ready to take launches."""
        ports = {"PORT": str(free_port()), "DAGSTER_UI_PORT": str(free_port())}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")}
        environment = {**inherited, "ORCHESTRATOR_HOME": str(home), **ports, **variables}
        home.mkdir(parents=True, exist_ok=True)
        with (home / "up.log").open("wb") as log:
            process = subprocess.Popen([*_COMMAND, "up"], env=environment, stdout=subprocess.DEVNULL, stderr=log)
        system = cls(home=home, environment=environment, ui_port=int(ports["DAGSTER_UI_PORT"]), process=process)
        try:
            system._await_ready()
        except BaseException:
            system.stop()
            raise
        return system

    @property
    def url(self) -> str:
        """The Dagster UI, and GraphQL below it."""
        return f"http://127.0.0.1:{self.ui_port}"

    def stop(self) -> int:
        """SIGTERM, as a service manager sends it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def processes(self) -> list[str]:
        """The command lines of all processes of this system that exist, whoever their parent is."""
        return sorted(_processes_with(f"ORCHESTRATOR_HOME={self.home}"))

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The `data` of an answer that has no errors."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert not answer.get("errors"), answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, workflow: str, **inputs: Any) -> dict[str, Any]:
        """The answer of GraphQL's `launchRun`."""
        selector = {
            "pipelineName": workflow,
            "repositoryName": "__repository__",
            "repositoryLocationName": "orchestrator",
        }
        answer = self.graphql(_LAUNCH, params={"selector": selector, "runConfigData": inputs})
        launched: dict[str, Any] = answer["launchRun"]
        return launched

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The `orchestrator` command, beside the running system."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )

    def status(self, workflow_id: str) -> dict[str, Any]:
        """`orchestrator status ID --json`."""
        ended = self.run("status", workflow_id, "--json")
        assert ended.returncode == 0, ended.stderr
        summary: dict[str, Any] = json.loads(ended.stdout)
        return summary

    def await_end(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended: `status`, `tags` by key."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
        deadline = time.monotonic() + RUN_S
        while True:
            run: dict[str, Any] = self.graphql(query, id=run_id)["runOrError"]
            if run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return {"status": run["status"], "tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            assert time.monotonic() < deadline, f"run {run_id} is {run['status']} after {RUN_S} s"
            time.sleep(0.3)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._answers():
            said = (self.home / "up.log").read_text()
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the system did not come up:\n{said[-4000:]}")
            time.sleep(0.3)

    def _answers(self) -> bool:
        try:
            health = httpx.get(f"http://127.0.0.1:{self.environment['PORT']}/health", timeout=5)
            return health.status_code == 200 and bool(self.graphql(_LOADED)["repositoriesOrError"].get("nodes"))
        except (httpx.HTTPError, ValueError):
            return False


def _processes_with(variable: str) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is another user's
            continue
        # A zombie has neither; it ends nothing and holds nothing.
        if variable.encode() in variables:
            yield f"{folder.name} {command}"
