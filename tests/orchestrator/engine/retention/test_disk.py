"""A disk that fills up: what has ended goes, oldest first, until there is room; what runs waits."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.domain.retention import DiskLevel
from orchestrator.domain.states import PauseReason, RequestKind, WorkflowStatus
from orchestrator.engine.retention import disk
from orchestrator.engine.retention.cleanup import clean_up, watch_disk
from orchestrator.engine.retention.disk import disk_is_critical, look, measure
from orchestrator.engine.retention.policy import GB
from tests.orchestrator.engine.retention.world import clean, ended, events, mirror, rescued, stands
from tests.orchestrator.engine.world import World

HOUR = timedelta(hours=1)
ROOT = Path(__file__).parents[4]
PLENTY = 100 * GB


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What both file systems say is free: a stand-in that the test fills and empties."""
    left = {"worktree": PLENTY, "workflow": PLENTY}
    monkeypatch.setattr(disk, "free_bytes", lambda settings: dict(left))
    return left


def test_under_pressure_the_oldest_tidy_workflows_go_until_there_is_room(
    world: World, free: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ended(world, status=WorkflowStatus.FAILED, ago=10 * HOUR)
    oldest = ended(world, ago=9 * HOUR, unsaved=True)
    cancelled = ended(world, status=WorkflowStatus.CANCELLED, ago=8 * HOUR)
    young = ended(world, ago=1 * HOUR)
    paused = ended(world, status=WorkflowStatus.PAUSED)
    free["worktree"] = 0
    # One at a time, and two are enough.
    monkeypatch.setattr("orchestrator.engine.retention.cleanup._AT_ONCE", 1)
    monkeypatch.setattr(
        disk, "free_bytes", lambda settings: {"worktree": 0 if stands(world, cancelled) else PLENTY, "workflow": PLENTY}
    )
    assert disk_is_critical(world.engine.settings)

    assert clean(world).worktrees_removed == 2

    assert [stands(world, id) for id in (failed, oldest, cancelled, young, paused)] == [True, False, False, True, True]
    assert rescued(world, oldest) == oldest
    assert [event["reason"] for event in events(world, oldest, "WorkTreeRemoved")] == ["pressure"]
    assert not disk_is_critical(world.engine.settings)


def test_worktrees_above_their_limit_are_pressure_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = ended(world, ago=2 * HOUR), ended(world, ago=1 * HOUR)
    measure(world.engine.store)
    each = look(world.engine).use.worktrees // 2
    assert each > 0
    monkeypatch.setattr("orchestrator.engine.retention.cleanup._AT_ONCE", 1)
    object.__setattr__(world.engine.settings, "worktree_disk_limit_gb", each * 1.5 / GB)
    clean(world)
    assert (stands(world, gone), stands(world, kept)) == (False, True)


def test_what_runs_is_asked_to_pause_and_goes_on_once_there_is_room(world: World, free: dict[str, int]) -> None:
    running = ended(world, status=WorkflowStatus.RUNNING)
    _hold_lease(world, running)
    free["workflow"] = 1
    clean(world)
    (request,) = world.engine.store.read(lambda reader: reader.requests(running))
    assert (request.kind, request.reason) == (RequestKind.PAUSE, PauseReason.DISK)
    world.engine.store.write(lambda tx: tx.change_workflow(running, WorkflowStatus.PAUSED, reason=PauseReason.DISK))
    assert watch_disk(world.engine).level is DiskLevel.CRITICAL
    free["workflow"] = int(world.engine.settings.disk_critical_threshold_gb * GB * 1.1)
    watch_disk(world.engine)
    assert world.engine.store.read(lambda reader: reader.requests(kind=RequestKind.RESUME)) == [], (
        "so little fills at once"
    )
    free["workflow"] = PLENTY
    watch_disk(world.engine)
    assert [
        one.workflow_id for one in world.engine.store.read(lambda reader: reader.requests(kind=RequestKind.RESUME))
    ] == [running]


def test_a_level_is_told_once_when_it_becomes_worse(world: World, free: dict[str, int]) -> None:
    def told() -> list[str]:
        found = world.engine.store.read(lambda reader: reader.events(limit=10_000))
        return [event.context["level"] for event in found if event.type == "DiskSpaceLow"]

    watch_disk(world.engine)
    assert told() == []
    free["worktree"] = int(0.0015 * GB)
    watch_disk(world.engine)
    watch_disk(world.engine)
    assert told() == ["warning"]
    free["worktree"] = 1
    watch_disk(world.engine)
    free["worktree"] = PLENTY
    watch_disk(world.engine)
    free["worktree"] = 1
    watch_disk(world.engine)
    assert told() == ["warning", "critical", "critical"]


def test_trees_at_rest_are_walked_once_and_those_that_run_again(world: World) -> None:
    rest, running = ended(world), ended(world, status=WorkflowStatus.RUNNING)
    assert measure(world.engine.store) == 2
    before = look(world.engine).use.worktrees
    (world.tree(rest, "api") / "big").write_bytes(b"x" * 1_000_000)
    (world.tree(running, "api") / "big").write_bytes(b"x" * 1_000_000)
    assert measure(world.engine.store) == 1
    assert 900_000 < look(world.engine).use.worktrees - before < 1_500_000


def test_report_use_is_what_was_written_and_archives_are_counted_apart(world: World) -> None:
    ended(world)
    archived = ended(world, ago=200 * HOUR)
    use = look(world.engine).use
    assert (use.reports > 0, use.archives) == (True, 0)
    clean(world)
    after = look(world.engine).use
    assert after.reports == use.reports // 2
    assert after.archives == (world.engine.settings.archive_root_path / "reports" / f"{archived}.tar.gz").stat().st_size


_FILLED = """
import os, subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", sys.argv[1]], check=True)
from datetime import timedelta
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.retention.disk import disk_is_critical
from tests.orchestrator.engine.retention.world import archive, ended, reports, rescued, stands
from tests.orchestrator.engine.world import World

small = {"DISK_CRITICAL_THRESHOLD_GB": "0.003", "DISK_WARNING_THRESHOLD_GB": "0.004"}
world = World.make(Path(sys.argv[1]), **small)
clean_up(world.engine)
hour = timedelta(hours=1)
old = [ended(world, ago=(9 - n) * hour, unsaved=True) for n in range(3)]
due = ended(world, ago=200 * hour)
for number in range(200):
    (world.folder(due) / "reports" / "only" / f"{number}.md").write_bytes(os.urandom(4000))
for workflow_id in old[:2]:
    (world.tree(workflow_id, "api") / ".gitignore").write_text("cache\\n")
    (world.tree(workflow_id, "api") / "cache").write_bytes(b"x" * 1_500_000)
filler = world.home / "filler"
with filler.open("wb") as file:
    while os.statvfs(world.home).f_bavail * 4096 > 450_000:
        file.write(b"x" * 50_000)
        file.flush()
assert disk_is_critical(world.engine.settings)
# No room to pack: the Reports stay, no half archive does; what is unsaved in the oldest trees is saved all the same.
outcome = clean_up(world.engine)
assert not stands(world, old[0]) and not stands(world, old[1]), outcome
assert [rescued(world, id) for id in old[:2]] == old[:2]
assert len(reports(world, due)) == 201 or archive(world, due).exists(), outcome
assert not list(archive(world, due).parent.glob(".*")), "nothing half-written stays"
filler.unlink()
outcome = clean_up(world.engine)
assert outcome.problems == [], outcome
assert not disk_is_critical(world.engine.settings)
assert archive(world, due).exists() and reports(world, due) == []
assert stands(world, old[2]) or rescued(world, old[2]) == old[2]
print("held")
"""


def test_a_real_file_system_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    """A tmpfs of 12 MB in a mount namespace of its own; where the machine allows no such namespace there is none."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no user namespaces; the stand-ins above remain")
    ended_process = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-c", _FILLED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended_process.stdout.strip().endswith("held"), ended_process.stderr[-3000:]


def _hold_lease(world: World, workflow_id: str) -> None:
    from orchestrator.engine.lease import LEASE_S, this_process

    world.engine.store.write(lambda tx: tx.take_lease(workflow_id, this_process(), seconds=LEASE_S))


def test_the_rescue_is_made_before_the_tree_goes_also_under_pressure(world: World, free: dict[str, int]) -> None:
    workflow_id = ended(world, unsaved=True)
    refs = mirror(world) / "refs" / "orchestrator" / "rescue"
    refs.mkdir(parents=True, exist_ok=True)
    (refs / workflow_id).write_text("")
    free["worktree"] = 0
    outcome = clean_up(world.engine)
    assert len(outcome.problems) == 1
    assert (world.tree(workflow_id, "api") / "unsaved.txt").exists()
