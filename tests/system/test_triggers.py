"""The whole chain on the running system: webhook, run, event, second workflow; and the switch in the UI."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.orchestrator.git.repository import Repository, new_repository
from tests.parts.system import RUN_S, System

SECRET = "whole-chain-secret"
SPEC = """\
type: orchestrator_defs.Workflow
attributes:
  name: NAME
  inputs: {text: {type: string, default: none}}
  gits: {book: {url: BOOK, ref: main}}
  agent: {provider: builtin}
  works:
    - name: write
      tasks:
        - name: entry
          query: |
            ```sh
            echo "$ORCHESTRATOR_INPUT_TEXT" > book/NAME.txt
            ```
  triggers:
    - TRIGGER
"""
TRIGGERS = {
    "first": '{webhook: {source: github, event: issues}, inputs: {text: "{{ payload.issue.title }}"}}',
    "second": '{event: {type: WorkflowCompleted, workflow: first}, inputs: {text: "{{ payload.workflow_id }}"}}',
    "third": "{webhook: {source: github, event: switched}}",
    "pushed": '{git_push: {git: book, interval: 5s}, inputs: {text: "{{ payload.commit }}"}}',
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("triggers")
    book = new_repository(folder / "book")
    book.write("README.md", "a book\n")
    book.commit("first")
    for name, trigger in TRIGGERS.items():
        (folder / "specs" / name).mkdir(parents=True)
        text = SPEC.replace("NAME", name).replace("BOOK", str(book.path)).replace("TRIGGER", trigger)
        (folder / "specs" / name / "defs.yaml").write_text(text)
    running = System.start(
        folder / "home", WORKFLOW_SPECS_PATH=str(folder / "specs"), WEBHOOK_SECRET_GITHUB=SECRET, LOG_LEVEL="info"
    )
    yield running
    running.stop()


def deliver(system: System, payload: dict[str, Any], *, event: str = "issues", delivery: str) -> httpx.Response:
    body = json.dumps(payload).encode()
    headers = {
        "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
    }
    url = f"http://127.0.0.1:{system.environment['PORT']}/webhooks/github"
    return httpx.post(url, content=body, headers=headers, timeout=30)


def triggers(system: System, workflow: str) -> dict[str, Any]:
    ended = system.run("triggers", "--workflow", workflow, "--json")
    assert ended.returncode == 0, ended.stderr
    [row] = json.loads(ended.stdout)
    found: dict[str, Any] = row
    return found


def settled(system: System, workflow: str) -> dict[str, Any]:
    """The last firing of the workflow's one trigger, once it is not waiting."""
    deadline = time.monotonic() + RUN_S
    while (last := triggers(system, workflow)["last"]) is None or last["status"] == "WAITING":
        assert time.monotonic() < deadline, f"{workflow}: {last}"
        time.sleep(0.5)
    found: dict[str, Any] = last
    return found


def test_a_webhook_starts_a_workflow_whose_end_starts_another(system: System) -> None:
    payload = {"issue": {"title": "Chapter one"}}
    assert [deliver(system, payload, delivery="d-1").status_code for _ in range(2)] == [202, 200]

    first = settled(system, "first")
    assert first["status"] == "LAUNCHED", first
    system.await_end(first["run_id"])
    second = settled(system, "second")
    system.await_end(second["run_id"])

    assert system.status(second["workflow_id"])["status"] == "COMPLETED"
    runs = system.graphql("{ runsOrError { ... on Runs { results { jobName tags { key value } } } } }")
    names = [run["jobName"] for run in runs["runsOrError"]["results"]]
    assert (names.count("first"), names.count("second")) == (1, 1)


def test_a_trigger_that_is_switched_off_in_the_ui_launches_nothing(system: System) -> None:
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "orchestrator",
        "sensorName": "third__webhook_1",
    }
    query = (
        "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { id sensorState { id } } } }"
    )
    sensor = system.graphql(query, s=selector)["sensorOrError"]
    stop = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
    assert system.graphql(stop, id=sensor["id"])["stopSensor"]["__typename"] == "StopSensorMutationResult"

    assert deliver(system, {"a": 1}, event="switched", delivery="off").status_code == 202
    last = settled(system, "third")
    assert last["status"] == "SKIPPED"
    assert "switched off" in last["reason"]


def test_a_push_that_no_webhook_tells_of_starts_a_workflow(system: System) -> None:
    repository = Repository(path=system.home.parent / "book")
    query = """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) {
      ... on Sensor { sensorState { typeSpecificData { ... on SensorData { lastCursor } } } } } }"""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "orchestrator",
        "sensorName": "pushed__git_push_1",
    }
    deadline = time.monotonic() + RUN_S
    while not (system.graphql(query, s=selector)["sensorOrError"]["sensorState"]["typeSpecificData"] or {}).get(
        "lastCursor"
    ):
        assert time.monotonic() < deadline, "the sensor has never looked"
        time.sleep(1)
    repository.write("page.txt", "a page\n")
    head = repository.commit("second")

    last = settled(system, "pushed")

    assert last["status"] == "LAUNCHED", last
    assert head[:12] in last["reason"]


def test_dagsters_own_client_launches_and_watches_as_the_documents_say(system: System) -> None:
    from dagster_graphql import DagsterGraphQLClient

    client = DagsterGraphQLClient("127.0.0.1", port_number=system.ui_port)
    run_id = client.submit_job_execution("third", run_config={"text": "by the client"})

    assert system.await_end(run_id)["status"] == "SUCCESS"
    assert client.get_run_status(run_id).value == "SUCCESS"
