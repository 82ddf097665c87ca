"""`orchestrator cleanup` and `restore-reports`: what they print, and when they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.engine.retention.roots import MARK
from tests.orchestrator.engine.retention.world import ended, reports, stands
from tests.orchestrator.engine.world import World, opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from opened(tmp_path)


def orchestrator(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")},
        "ORCHESTRATOR_HOME": str(world.engine.settings.orchestrator_home),
        "DISK_CRITICAL_THRESHOLD_GB": "0.001",
    }
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_cleanup_says_what_would_go_then_what_went_and_reports_come_back(world: World) -> None:
    workflow_id = ended(world, ago=timedelta(days=8))
    said = orchestrator(world, "cleanup", "--dry-run", "--json")
    assert said.returncode == 0, said.stderr
    would = json.loads(said.stdout)
    assert (would["dry_run"], would["worktrees_removed"], would["reports_archived"]) == (True, 1, 1)
    assert stands(world, workflow_id)

    done = orchestrator(world, "cleanup")
    assert done.returncode == 0, done.stderr
    assert "worktrees removed    1" in done.stdout
    assert not stands(world, workflow_id)

    back = orchestrator(world, "restore-reports", workflow_id, "--json")
    assert json.loads(back.stdout)["files"] == 1
    assert len(reports(world, workflow_id)) == 1
    again = orchestrator(world, "restore-reports", workflow_id)
    assert again.returncode == 1
    assert "stand in" in again.stderr
    unknown = orchestrator(world, "restore-reports", "wf-000000000000")
    assert unknown.returncode == 1
    assert "no workflow with id" in unknown.stderr


def test_what_could_not_go_is_an_error_and_exit_code_1(world: World) -> None:
    ended(world, ago=timedelta(days=2))
    assert orchestrator(world, "cleanup").returncode == 0
    (world.engine.settings.worktree_root_path / MARK).write_text("another\n")
    failed = orchestrator(world, "cleanup", "--json")
    assert failed.returncode == 1
    assert "belongs to another database" in failed.stderr
    assert "belongs to another database" in json.loads(failed.stdout)["problems"][0]
