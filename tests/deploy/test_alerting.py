"""From a failed Workflow to a called webhook, through a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from orchestrator.domain.states import WorkflowStatus
from orchestrator.ops.processes import free_port
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import NewWork, NewWorkflow, WorkflowRow
from tests.deploy.test_alerts import DEPLOY
from tests.orchestrator.ops.serving import served
from tests.parts.prometheus import program, run, template_folder

_DEADLINE_S = 180


def test_a_spike_of_failures_calls_the_critical_receiver_and_holds_back_its_warnings(tmp_path: Path) -> None:
    alertmanager_port, prometheus_port = free_port(), free_port()
    with (
        served(tmp_path / "home") as server,
        receiver() as (told, port),
        alertmanager(tmp_path, port=alertmanager_port, webhook=f"http://127.0.0.1:{port}") as alerts_url,
        prometheus(tmp_path, port=prometheus_port, target=server.port, alertmanager=alertmanager_port) as url,
    ):
        workflows = [create(server.store, number) for number in range(4)]
        until(lambda: query(url, 'workflow_failed_total{workflow="nightly"}') == [0.0])
        server.store.write(lambda tx: [fail(tx, workflow) for workflow in workflows])
        until(lambda: "WorkflowFailureSpike" in names(told, "critical"))
        until(lambda: states(alerts_url).get("WorkflowSuccessRateLow") == "suppressed")
        until(lambda: any(summary(alert).startswith("4 executions of nightly") for alert in alerts(told, "critical")))

        spike = next(alert for alert in alerts(told, "critical") if name(alert) == "WorkflowFailureSpike")
        assert spike["labels"]["workflow"] == "nightly"
        assert "WorkflowSuccessRateLow" not in names(told, "warning")

        # The command of docs/operations.md.
        silenced = run(
            *("amtool", f"--alertmanager.url={alerts_url}", "silence", "add", "alertname=~.+"),
            *("--author=ops", "--duration=30m", "--comment=deployment"),
        )
        assert silenced.returncode == 0, silenced.stderr
        until(lambda: states(alerts_url)["WorkflowFailureSpike"] == "suppressed")


def fail(tx: Transaction, workflow_id: str) -> WorkflowRow:
    return tx.change_workflow(workflow_id, WorkflowStatus.FAILED, error="no")


def summary(alert: dict[str, Any]) -> str:
    return str(alert["annotations"]["summary"])


def create(store: Store, number: int) -> str:
    new = NewWorkflow(
        id=f"wf-{number:012d}",
        workflow="nightly",
        spec_digest="d",
        works=(NewWork(name="w", provider="builtin", tasks=("t",)),),
    )
    store.write(lambda tx: tx.put_spec(digest="d", workflow="nightly", document="{}"))
    store.write(lambda tx: tx.create_workflow(new))
    return new.id


@contextmanager
def receiver() -> Iterator[tuple[list[tuple[str, dict[str, Any]]], int]]:
    """A webhook that keeps what it is told, with the path it was told at."""
    told: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield told, http.server_port
        http.shutdown()


@contextmanager
def alertmanager(folder: Path, *, port: int, webhook: str) -> Iterator[str]:
    """The shipped configuration, each receiver a webhook under its name."""
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    config["receivers"] = [
        {"name": one["name"], "webhook_configs": [{"url": f"{webhook}/{one['name']}"}]} for one in config["receivers"]
    ]
    config["route"]["group_wait"] = "10s"
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    command = [
        *(program("prometheus-alertmanager"), f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    ]
    log = folder / "alertmanager.log"
    with running(command, log, f"http://127.0.0.1:{port}", folder=template_folder()) as url:
        yield url


@contextmanager
def prometheus(folder: Path, *, port: int, target: int, alertmanager: int) -> Iterator[str]:
    """The shipped configuration and rules, asked every second instead of every 15."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{target}"]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    (folder / "rules").mkdir()
    for file in (DEPLOY / "prometheus" / "rules").glob("*.yml"):
        (folder / "rules" / file.name).write_text(file.read_text().replace("interval: 15s", "interval: 1s"))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        *(program("prometheus"), f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    with running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}") as url:
        yield url


@contextmanager
def running(command: list[str], log: Path, url: str, *, folder: Path | None = None) -> Iterator[str]:
    """A program that answers at `/-/ready`, until the block is left."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder or log.parent)
    try:
        until(lambda: process.poll() is not None or answers(f"{url}/-/ready"))
        assert process.poll() is None, log.read_text()[-4000:]
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def query(url: str, expression: str) -> list[float]:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=30).json()
    return [float(sample["value"][1]) for sample in answer["data"]["result"]]


def states(url: str) -> dict[str, str]:
    found = httpx.get(f"{url}/api/v2/alerts", timeout=30).json()
    return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in found}


def alerts(told: list[tuple[str, dict[str, Any]]], level: str) -> list[dict[str, Any]]:
    return [alert for path, message in told if path == f"/{level}" for alert in message["alerts"]]


def name(alert: dict[str, Any]) -> str:
    return str(alert["labels"]["alertname"])


def names(told: list[tuple[str, dict[str, Any]]], level: str) -> set[str]:
    return {name(alert) for alert in alerts(told, level)}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.2)
