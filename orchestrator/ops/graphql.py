"""Launch through the running system's GraphQL, as the UI does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from orchestrator.domain.errors import LaunchError, SystemUnreachable
from orchestrator.domain.tags import SPEC_METADATA
from orchestrator.spec.load import parse_document
from orchestrator.spec.resolve import parse_inputs

TIMEOUT_S = 60.0

_JOBS = """
query Jobs { repositoriesOrError {
  __typename
  ... on RepositoryConnection { nodes { name location { name } pipelines { name } } }
  ... on PythonError { message }
} }
"""
_DOCUMENT = """
query Document($selector: PipelineSelector!) { pipelineOrError(params: $selector) {
  __typename
  ... on Pipeline { metadataEntries { label ... on TextMetadataEntry { text } } }
  ... on PythonError { message }
} }
"""
_LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on PythonError { message }
  ... on UnauthorizedError { message }
  ... on PipelineNotFoundError { message }
} }
"""

_SENSOR = """
query Switch($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
  __typename ... on Sensor { sensorState { status } }
} }
"""
_SCHEDULE = """
query Switch($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) {
  __typename ... on Schedule { scheduleState { status } }
} }
"""
_TERMINATE = """
mutation Terminate($runId: String!) { terminateRun(runId: $runId) {
  __typename
  ... on TerminateRunFailure { message }
  ... on RunNotFoundError { message }
  ... on UnauthorizedError { message }
  ... on PythonError { message }
} }
"""


def launch(url: str, name: str, texts: Mapping[str, str]) -> str:
    """Launch the job `name` with inputs given as text, and return its run id.

    Raises:
        InputError: the inputs do not fit the spec; nothing was launched.
        LaunchError: the system is not there, has no such workflow, or refused.
    """
    selector = _find(url, name)
    document = _ask(url, _DOCUMENT, {"selector": selector}, "pipelineOrError")
    text = next((entry["text"] for entry in document["metadataEntries"] if entry["label"] == SPEC_METADATA), None)
    if text is None:
        raise LaunchError(f'job "{name}" is no workflow; `orchestrator validate` lists those there are')
    return _launch(url, selector, parse_inputs(parse_document(text), texts), {})


def resume(url: str, name: str, inputs: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Launch the job `name` again, to go on with the Workflow that the tags name; returns the run's id.

    Raises:
        LaunchError: the system is not there, no longer has the workflow, or refused.
    """
    return _launch(url, _find(url, name), inputs, tags)


def find(url: str, name: str) -> dict[str, str]:
    """The job `name`, for `fire` and `is_switched_off`; `SystemUnreachable` where the system has none just now."""
    try:
        return _find(url, name)
    except LaunchError as error:
        raise SystemUnreachable(str(error)) from error


def fire(url: str, job: Mapping[str, str], inputs: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Launch a job for a trigger; returns the run's id. Raises `LaunchError` where the system refuses."""
    return _launch(url, job, inputs, tags)


def is_switched_off(url: str, job: Mapping[str, str], instigator: str) -> bool:
    """Whether somebody has stopped a sensor or schedule in the UI; False for one that the system does not know."""
    where = {key: job[key] for key in ("repositoryName", "repositoryLocationName")}
    for query, kind in ((_SENSOR, "sensor"), (_SCHEDULE, "schedule")):
        answer = _ask(url, query, {"selector": {**where, f"{kind}Name": instigator}}, f"{kind}OrError")
        if state := answer.get(f"{kind}State"):
            return bool(state["status"] == "STOPPED")
    return False


def terminate(url: str, run_id: str) -> None:
    """Have Dagster end a run that waits in its queue; raises `LaunchError` where it will not."""
    _ask(url, _TERMINATE, {"runId": run_id}, "terminateRun")


def _launch(url: str, selector: Mapping[str, str], inputs: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    marked = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
    params = {"selector": selector, "runConfigData": inputs, "executionMetadata": marked}
    answer = _ask(url, _LAUNCH, {"params": params}, "launchRun")
    return str(answer["run"]["runId"])


def _find(url: str, name: str) -> dict[str, str]:
    nodes = _ask(url, _JOBS, {}, "repositoriesOrError")["nodes"]
    jobs = {pipeline["name"]: node for node in nodes for pipeline in node["pipelines"]}
    if name not in jobs:
        known = ", ".join(sorted(job for job in jobs if not job.startswith("__"))) or "none"
        raise LaunchError(f'no workflow "{name}" in the running system at {url}; there are: {known}')
    node = jobs[name]
    return {
        "pipelineName": name,
        "repositoryName": node["name"],
        "repositoryLocationName": node["location"]["name"],
    }


def _ask(url: str, query: str, variables: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The one field that the query asks for; its error forms become `LaunchError`."""
    try:
        # The status says little: Dagster sends an error that it describes in the body as 500.
        body = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=TIMEOUT_S).json()
    except (httpx.HTTPError, ValueError) as error:
        raise SystemUnreachable(
            f"the running system does not answer at {url} ({error}); start it with `orchestrator up`, or use --local"
        ) from error
    if not isinstance(body, dict) or not ({"data", "errors"} & body.keys()):
        raise LaunchError(f"what answers at {url} is no Dagster webserver; start ours with `orchestrator up`")
    if body.get("errors"):
        raise LaunchError(f"{url}: {body['errors'][0]['message']}")
    answer: dict[str, Any] = body["data"][field]
    if "message" in answer:
        raise LaunchError(str(answer["message"]).strip())
    if answer.get("errors"):
        raise LaunchError("; ".join(problem["message"] for problem in answer["errors"]))
    return answer
