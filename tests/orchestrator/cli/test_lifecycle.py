"""Pause, resume, cancel, roll back, delete and logs as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.orchestrator.cli.test_cli import orchestrator
from tests.orchestrator.engine.running import wait_for
from tests.orchestrator.engine.world import repository, task, work


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A folder with the workflow `slow`, whose second Task waits until the file `go` is there."""
    wait = f"test -e {tmp_path}/go || {{ touch {tmp_path}/running; sleep 60; }}"
    works = [
        work("first", task("quick", "echo one >> api/log.txt"), task("waits", wait, "echo two >> api/log.txt")),
        work("second", task("more", "echo three >> api/log.txt")),
    ]
    api = repository(tmp_path / "api", {"README.md": "# api\n"})
    attributes = {"name": "slow", "gits": {"api": {"url": str(api)}}, "agent": {"provider": "builtin"}, "works": works}
    file = tmp_path / "specs" / "slow" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"type": "orchestrator_defs.Workflow", "attributes": attributes}))
    return tmp_path / "specs"


def test_a_workflow_is_paused_resumed_rolled_back_and_deleted(tmp_path: Path, specs: Path) -> None:
    home = tmp_path / "home"

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return orchestrator(home, *arguments, WORKFLOW_SPECS_PATH=str(specs))

    def answer(*arguments: str) -> dict[str, Any]:
        ended = command(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr[-3000:]
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    environment = {"ORCHESTRATOR_HOME": str(home), "WORKFLOW_SPECS_PATH": str(specs), "PATH": os.environ["PATH"]}
    launch = [sys.executable, "-m", "orchestrator.cli", "run", "slow", "--local", "--json"]
    with subprocess.Popen(launch, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        wait_for((tmp_path / "running").exists, "the second Task")
        (listed,) = json.loads(command("list", "--json").stdout)
        workflow_id = listed["workflow_id"]
        assert "is RUNNING and cannot be deleted: pause or cancel it first" in command("delete", workflow_id).stderr
        assert answer("pause", workflow_id)["status"] == "PAUSED"
        assert run.stdout is not None
        assert json.loads(run.stdout.read())["status"] == "PAUSED"
    assert run.returncode == 1, "it was asked to complete"

    (tmp_path / "go").touch()
    resumed = answer("resume", workflow_id, "--local")
    assert resumed["status"] == "COMPLETED"
    log = home / "worktrees" / workflow_id / "api" / "log.txt"
    assert log.read_text().split() == ["one", "two", "three"]
    assert "cannot be resumed: roll it back" in command("resume", workflow_id, "--local").stderr

    said = command("logs", workflow_id).stdout
    assert "first/quick  [query] ```sh" in said
    assert "second/more  [end] end_turn" in said

    first = resumed["checkpoints"][0]["id"]
    assert answer("rollback", workflow_id, first)["status"] == "PAUSED"
    assert log.read_text().split() == ["one", "two"]
    assert answer("cancel", workflow_id)["status"] == "CANCELLED"
    assert command("rollback", workflow_id, first).returncode == 1
    assert answer("delete", workflow_id) == {"workflow_id": workflow_id, "deleted": True}
    assert command("status", workflow_id).returncode == 1
    assert json.loads(command("list", "--json").stdout) == []


@pytest.mark.parametrize("name", ["pause", "resume", "cancel", "delete", "logs"])
def test_an_unknown_workflow_is_one_clear_line(tmp_path: Path, name: str) -> None:
    ended = orchestrator(tmp_path, name, "wf-000000000000")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: no workflow with id 'wf-000000000000'")
