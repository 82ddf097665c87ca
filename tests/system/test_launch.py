"""A launch is a launch: GraphQL, the command and the UI do the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import workflow_id_of_run
from tests.orchestrator.git.repository import Repository
from tests.parts.chromium import open_page
from tests.parts.system import System

_REEXECUTE = """
mutation Again($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
} }
"""


def by_graphql(system: System) -> str:
    launched = system.launch("note", text="by graphql")
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def by_command(system: System) -> str:
    ended = system.run("run", "note", "--input", "text=by command", "--wait", "--json")
    assert ended.returncode == 0, ended.stderr
    [line] = ended.stdout.splitlines()
    return str(json.loads(line)["run_id"])


def by_browser(system: System) -> str:
    with open_page() as page:
        page.goto(f"{system.url}/locations/orchestrator/jobs/note/playground")
        editor = page.locator(".CodeMirror").first
        editor.wait_for()
        editor.evaluate("(box) => box.CodeMirror.setValue('text: by browser\\ntimes: 1\\n')")
        page.get_by_role("button", name="Launch Run").click()
        page.wait_for_url("**/runs/*")
        return page.url.rpartition("/")[2].partition("?")[0]


@pytest.mark.parametrize("launch", [by_graphql, by_command, by_browser])
def test_however_it_is_launched_the_workflow_is_created_tagged_and_completed(
    system: System, launch: Callable[[System], str]
) -> None:
    run_id = launch(system)

    run = system.await_end(run_id)

    workflow_id = workflow_id_of_run(run_id)
    status = system.status(workflow_id)
    assert run["status"] == "SUCCESS"
    assert status["status"] == "COMPLETED"
    assert [(work["name"], work["status"]) for work in status["works"]] == [("write", "COMPLETED")]
    tags = {name.removeprefix("orchestrator/"): value for name, value in run["tags"].items() if "orchestrator/" in name}
    assert tags["workflow_id"] == workflow_id
    assert tags["correlation_id"] == status["correlation_id"] == f"{workflow_id}-001"
    assert len(tags["spec_digest"]) == 64


@pytest.mark.parametrize(
    ("inputs", "named"),
    [({}, "text"), ({"text": "x", "times": "often"}, "times"), ({"text": "x", "tmies": 1}, "tmies")],
)
def test_a_bad_launch_names_the_input_and_starts_nothing(system: System, inputs: dict[str, object], named: str) -> None:
    before = system.run("list", "--json").stdout

    answer = system.launch("note", **inputs)
    command = system.run("run", "note", *(f"--input={name}={value}" for name, value in inputs.items()))

    assert answer["__typename"] == "RunConfigValidationInvalid"
    assert named in answer["errors"][0]["message"]
    assert (command.returncode, command.stdout) == (1, "")
    assert f'"{named}"' in command.stderr
    assert system.run("list", "--json").stdout == before


def test_two_executions_at_once_on_one_git_each_keep_their_own_branch(system: System, book: Repository) -> None:
    runs = [str(system.launch("note", text=f"text {number}")["run"]["runId"]) for number in range(2)]

    assert [system.await_end(run)["status"] for run in runs] == ["SUCCESS", "SUCCESS"]
    written = []
    for run in runs:
        status = system.status(workflow_id_of_run(run))
        tree = Repository(path=system.home / "worktrees" / str(status["workflow_id"]) / "book")
        written.append(tree.git("show", f"{status['checkpoints'][-1]['commits']['book']}:entry.txt"))
    assert written == ["text 0", "text 1"]
    assert book.git("ls-tree", "--name-only", "main") == "README.md"


def reexecute(system: System, run_id: str, strategy: str) -> dict[str, Any]:
    answer = system.graphql(_REEXECUTE, params={"parentRunId": run_id, "strategy": strategy})["launchRunReexecution"]
    assert "run" in answer, answer
    return system.await_end(answer["run"]["runId"])


def test_a_reexecution_from_failure_finishes_the_same_workflow(system: System, gate: Path) -> None:
    failed = str(system.launch("guard", file=str(gate))["run"]["runId"])
    assert system.await_end(failed)["status"] == "FAILURE"
    before = system.status(workflow_id_of_run(failed))
    assert (before["status"], len(before["checkpoints"])) == ("FAILED", 1)
    assert "is_there" in before["error"]
    gate.touch()

    again = reexecute(system, failed, "FROM_FAILURE")

    after = system.status(workflow_id_of_run(failed))
    assert again["status"] == "SUCCESS"
    assert again["tags"]["orchestrator/workflow_id"] == before["workflow_id"]
    assert (after["status"], after["run_id"] == failed) == ("COMPLETED", False)
    assert after["checkpoints"][:1] == before["checkpoints"]


def test_a_reexecution_of_all_steps_is_a_new_workflow(system: System) -> None:
    first = by_graphql(system)
    system.await_end(first)

    again = reexecute(system, first, "ALL_STEPS")

    assert again["status"] == "SUCCESS"
    assert again["tags"]["orchestrator/workflow_id"] != workflow_id_of_run(first)
