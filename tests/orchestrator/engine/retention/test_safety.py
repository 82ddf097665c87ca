"""What must never happen: a clock that leaps, a root that is not ours or not there, a link that leads outside."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from orchestrator.domain.errors import SettingsError
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.retention.clock import read_clock
from orchestrator.engine.retention.roots import MARK
from orchestrator.settings import load_settings, prepare_folders
from orchestrator.store import reader
from orchestrator.store.types import UtcTime
from tests.orchestrator.engine.retention.world import age, archive, clean, ended, reports, stands
from tests.orchestrator.engine.world import World, opened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def leap(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """The database's clock goes by so much more than time does, from now on."""
    now = f"SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{by.total_seconds():+f} seconds') AS now"
    monkeypatch.setitem(reader._CLOCK, "sqlite", text(now).columns(now=UtcTime))


@pytest.mark.parametrize("by", [48 * HOUR, -48 * HOUR], ids=["forward", "back"])
def test_a_leap_of_the_clock_removes_nothing_early(
    world: World, monkeypatch: pytest.MonkeyPatch, by: timedelta
) -> None:
    young, due = ended(world, ago=1 * HOUR), ended(world, ago=25 * HOUR)
    leap(monkeypatch, by)
    first = clean_up(world.engine)
    assert first.skipped is not None
    assert "clock leapt by" in first.skipped
    assert (stands(world, young), stands(world, due)) == (True, True)

    for _ in range(3):
        assert clean(world).skipped is None
    assert stands(world, young), "not with any later pass either"
    if by > timedelta():
        assert not stands(world, due), "it is due by the time that has really gone by"

    leap(monkeypatch, timedelta())
    clean_up(world.engine)
    clean(world)
    assert stands(world, young)
    # What a clock that went back and forth leaves in doubt is kept longer by as much, and not for ever.
    age(world, due, 48 * HOUR)
    clean(world)
    assert not stands(world, due)


def test_a_leap_that_the_disk_monitor_saw_is_known_to_the_next_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    young = ended(world, ago=1 * HOUR)
    leap(monkeypatch, 48 * HOUR)
    _, seen = read_clock(world.engine.store)
    assert seen is not None
    assert seen.by_s == pytest.approx(48 * 3600, abs=60)
    clean(world)
    assert stands(world, young)


def test_a_root_that_has_lost_its_mark_is_not_touched(world: World) -> None:
    workflow_id = ended(world, ago=40 * DAY)
    for root in (world.engine.settings.worktree_root_path, world.engine.settings.workflow_root_path):
        (root / MARK).unlink()
    outcome = clean_up(world.engine)
    assert [("has lost its mark" in problem) for problem in outcome.problems] == [True, True]
    assert stands(world, workflow_id)
    assert reports(world, workflow_id)
    assert not (world.engine.settings.worktree_root_path / MARK).exists()


def test_the_roots_of_another_database_are_not_touched(world: World, tmp_path: Path) -> None:
    workflow_id = ended(world)
    other = f"sqlite:///{tmp_path}/other.db"
    for wrong in opened(tmp_path / "second", DATABASE_URL=other, ORCHESTRATOR_HOME=str(tmp_path / "data")):
        outcome = clean_up(wrong.engine)
        assert [("belongs to another database" in problem) for problem in outcome.problems] == [True, True]
    assert stands(world, workflow_id)


def test_an_unmounted_root_looks_empty_and_changes_no_row(world: World) -> None:
    workflow_id = ended(world)
    root = world.engine.settings.worktree_root_path
    root.rename(world.home / "unmounted")
    root.mkdir()
    (problem,) = clean_up(world.engine).problems
    assert "as an empty mount point has" in problem
    root.rmdir()
    (world.home / "unmounted").rename(root)
    (row,) = world.engine.store.read(lambda reader: reader.standing_worktrees([workflow_id]))
    assert row.removed_at is None
    assert clean(world).worktrees_removed == 0


def test_links_in_the_place_of_folders_are_removed_and_what_they_lead_to_stays(world: World) -> None:
    workflow_id = ended(world, ago=40 * DAY)
    outside = world.home / "outside"
    (outside / "api").mkdir(parents=True)
    (outside / "reports").mkdir()
    for name in ("api", "reports"):
        (outside / name / "precious").write_text("x")
    for folder in (world.tree(workflow_id, "api").parent, world.folder(workflow_id)):
        shutil.rmtree(folder)
        folder.symlink_to(outside)
    clean_up(world.engine)
    assert (outside / "api" / "precious").exists()
    assert (outside / "reports" / "precious").exists()


def test_a_trash_that_is_a_link_is_not_emptied(world: World) -> None:
    outside = world.home / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    for root in (world.engine.settings.worktree_root_path, world.engine.settings.workflow_root_path):
        if (root / ".trash").exists():
            (root / ".trash").rmdir()
        (root / ".trash").symlink_to(outside)
    workflow_id = ended(world, ago=40 * DAY)
    clean_up(world.engine)
    assert (outside / "precious").exists()
    assert not stands(world, workflow_id)
    assert not archive(world, workflow_id).exists()


def test_roots_that_are_links_or_that_links_nest_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    given = {"ORCHESTRATOR_HOME": str(tmp_path / "home")}
    with pytest.raises(SettingsError, match=r"GIT_ROOT_PATH=.*/link: is a symbolic link; name the folder itself"):
        prepare_folders(load_settings({**given, "GIT_ROOT_PATH": str(tmp_path / "link")}))
    nested = {"GIT_ROOT_PATH": str(tmp_path / "real"), "WORKTREE_ROOT_PATH": str(tmp_path / "link" / "trees")}
    with pytest.raises(
        SettingsError, match=r"WORKTREE_ROOT_PATH=.*/real/trees: expected a folder outside GIT_ROOT_PATH"
    ):
        prepare_folders(load_settings({**given, **nested}))
