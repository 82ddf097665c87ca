"""What the running system shows: assets over GraphQL, the commands' JSON, and logs in one form."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from orchestrator.observe.line import FIELDS
from tests.parts.system import System

_GRAPH = "{ assetNodes(group: {groupName: %s, repositoryName: %s, repositoryLocationName: %s}) { %s } }"
_NODES = _GRAPH % (
    '"note"',
    '"__repository__"',
    '"orchestrator"',
    "assetKey { path } dependencyKeys { path } kinds staleStatus",
)
_METADATA = """
query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(limit: 1) {
  metadataEntries { __typename label ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue }
  ... on FloatMetadataEntry { floatValue } ... on TextMetadataEntry { text } }
} } } }
"""


@pytest.fixture(scope="module")
def finished(system: System) -> dict[str, Any]:
    ended = system.run("run", "note", "--input", "text=seen", "--wait", "--json")
    assert ended.returncode == 0, ended.stderr
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary


def metadata(system: System, *path: str) -> dict[str, dict[str, Any]]:
    asset = system.graphql(_METADATA, key={"path": path})["assetOrError"]
    return {entry["label"]: entry for entry in asset["assetMaterializations"][0]["metadataEntries"]}


def test_the_lineage_leads_from_git_to_report_to_checkpoint_and_nothing_is_out_of_date(
    system: System, finished: dict[str, Any]
) -> None:
    assert finished["status"] == "COMPLETED"
    nodes = {"/".join(node["assetKey"]["path"]): node for node in system.graphql(_NODES)["assetNodes"]}

    entry, checkpoint = nodes["note/write/entry"], nodes["note/write/checkpoint"]
    [git] = entry["dependencyKeys"]
    assert git["path"][0] == "git"
    assert sorted(key["path"] for key in checkpoint["dependencyKeys"]) == [git["path"], entry["assetKey"]["path"]]
    assert (set(entry["kinds"]), set(checkpoint["kinds"])) == ({"markdown", "builtin"}, {"git", "builtin"})
    assert {node["staleStatus"] for node in nodes.values()} == {"FRESH"}


def test_a_report_can_be_read_and_plotted_in_the_ui(system: System, finished: dict[str, Any]) -> None:
    report = metadata(system, "note", "write", "entry")
    checkpoint = metadata(system, "note", "write", "checkpoint")

    assert "## Written\n\nseen" in report["report"]["mdStr"]
    assert {report[name]["__typename"] for name in ("input_tokens", "output_tokens")} == {"IntMetadataEntry"}
    assert report["seconds"]["floatValue"] > 0
    assert checkpoint["commit/book"]["text"] == finished["checkpoints"][0]["commits"]["book"]


def test_the_commands_print_the_documented_json(system: System, finished: dict[str, Any]) -> None:
    workflow_id = finished["workflow_id"]
    keys = {"workflow_id", "run_id", "correlation_id", "status", "reports", "checkpoints", "usage", "error"}
    assert keys <= finished.keys()
    assert finished["usage"].keys() == {"input_tokens", "output_tokens", "cost_usd"}
    [report], [checkpoint] = finished["reports"], finished["checkpoints"]
    assert (report["work"], report["task"]) == ("write", "entry")
    assert (checkpoint["work"], checkpoint["sequence"]) == ("write", 1)

    listed = json.loads(system.run("list", "--json").stdout)
    assert next(one for one in listed if one["workflow_id"] == workflow_id) == finished
    status = system.status(workflow_id)
    assert {name: status[name] for name in finished} == finished
    assert status["works"][0]["tasks"] == [{"name": "entry", "status": "COMPLETED"}]


def test_validate_names_the_broken_spec_and_the_others_load(system: System) -> None:
    ended = system.run("validate", "--json")

    said = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert {workflow["name"] for workflow in said["workflows"]} == {"demo", "note", "hold", "guard"}
    assert any("broken/defs.yaml:2" in problem and '"nmae"' in problem for problem in said["problems"])
    refused = [line for line in lines(system) if line["event"] == "SpecRefused"]
    assert refused
    assert {line["level"] for line in refused} == {"ERROR"}


def lines(system: System) -> list[dict[str, Any]]:
    """Every line of every process's log, by time; one that is no JSON fails the test."""
    found = []
    for path in sorted(system.home.glob("logs/**/*.log")):
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pytest.fail(f"{path.name} has a line of another form: {line[:300]!r}")
    return sorted(found, key=lambda line: str(line["timestamp"]))


def test_every_line_of_every_process_has_exactly_the_fields_of_a_log_line(
    system: System, finished: dict[str, Any]
) -> None:
    assert {path.stem for path in system.home.glob("logs/*.log")} == {
        "code-server",
        "launcher",
        "webserver",
        "daemon",
        "operations",
    }
    for line in lines(system):
        assert tuple(line) == FIELDS
        assert line["level"] in ("ERROR", "WARN", "INFO", "DEBUG")
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
        assert line["correlationId"]
        assert isinstance(line["context"], dict)
    chain = [line for line in lines(system) if line["workflowId"] == finished["workflow_id"]]
    assert {line["correlationId"] for line in chain} == {finished["correlation_id"]}
    said = [line["event"] for line in chain]
    order = ["WorkflowCreated", "WorkflowStarted", "WorkStarted", "QuerySent", "QueryResponded", "ReportGenerated"]
    assert [event for event in said if event in order] == order
    assert {"WorkCompleted", "CheckpointCreated", "WorkflowCompleted"} <= set(said)
