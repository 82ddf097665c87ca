"""Reports into the archive and back, and what a damaged, hostile or full one does to them: nothing."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.domain.errors import ArchiveDamaged, WrongState
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.begin import begin, open_trees
from orchestrator.engine.plan import load_plan
from orchestrator.engine.retention.archive import inspect, pack, unpack
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.retention.reports import restore_reports
from orchestrator.git import tree_lock
from tests.orchestrator.engine.retention.world import age, archive, clean, ended, events, reports
from tests.orchestrator.engine.world import World

DAY = timedelta(days=1)


def test_reports_are_archived_then_deleted_and_the_events_say_so(world: World) -> None:
    workflow_id = ended(world, ago=6 * DAY)
    clean(world)
    (path,) = reports(world, workflow_id)
    text = path.read_text()

    age(world, workflow_id, 1 * DAY)
    assert clean(world).reports_archived == 1
    assert reports(world, workflow_id) == []
    with tarfile.open(archive(world, workflow_id)) as tar:
        file = tar.extractfile("reports/only/one.md")
        assert file is not None
        assert file.read().decode() == text
    (said,) = events(world, workflow_id, "ReportsArchived")
    assert (said["files"], said["path"]) == (1, str(archive(world, workflow_id)))
    assert clean(world).reports_archived == 0, "once"

    age(world, workflow_id, 22 * DAY)
    clean(world)
    assert archive(world, workflow_id).exists()
    age(world, workflow_id, 1 * DAY)
    outcome = clean(world)
    assert outcome.reports_deleted == 1
    assert outcome.freed_bytes > 0
    assert not archive(world, workflow_id).exists()
    assert not world.folder(workflow_id).exists()
    assert len(events(world, workflow_id, "ReportsDeleted")) == 1
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    assert clean(world).reports_deleted == 0


def test_restored_reports_are_what_they_were_and_stay_out_as_long_as_the_first_time(world: World) -> None:
    workflow_id = ended(world, ago=6 * DAY)
    (path,) = reports(world, workflow_id)
    text = path.read_text()
    with pytest.raises(WrongState, match="has no archived Reports"):
        restore_reports(world.engine, workflow_id)
    age(world, workflow_id, 2 * DAY)
    clean(world)

    assert restore_reports(world.engine, workflow_id).files == 1
    assert path.read_text() == text
    assert archive(world, workflow_id).exists()
    with pytest.raises(WrongState, match=r"stand in .* already"):
        restore_reports(world.engine, workflow_id)
    assert clean(world).reports_archived == 0
    age(world, workflow_id, 7 * DAY)
    assert clean(world).reports_archived == 1
    assert reports(world, workflow_id) == []


def test_a_workflow_that_goes_on_has_its_earlier_reports_and_trees_again(world: World) -> None:
    workflow_id = ended(world, status=WorkflowStatus.FAILED, ago=8 * DAY)
    clean(world)
    assert reports(world, workflow_id) == []
    _, plan = load_plan(world.engine.store, workflow_id)
    with tree_lock(world.engine.git, workflow_id) as lock:
        list(begin(world.engine, workflow_id, plan, open_trees(world.engine, plan, lock)))
    assert len(reports(world, workflow_id)) == 1
    assert (world.tree(workflow_id, "api") / "done.txt").read_text() == workflow_id
    (row,) = world.engine.store.read(lambda reader: reader.worktrees(workflow_id))
    assert row.removed_at is None
    assert clean(world).worktrees_removed == 0


def test_a_pass_that_died_behind_the_archive_is_completed(world: World) -> None:
    workflow_id = ended(world, ago=8 * DAY)
    folder = world.folder(workflow_id) / "reports"
    pack(folder, archive(world, workflow_id))
    shutil.rmtree(folder)
    assert clean(world).reports_archived == 1
    assert restore_reports(world.engine, workflow_id).files == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone", "other"])
def test_a_damaged_archive_is_refused_and_nothing_is_changed(world: World, damage: str) -> None:
    workflow_id = ended(world, ago=8 * DAY)
    clean(world)
    path = archive(world, workflow_id)
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "other":
        (world.home / "reports").mkdir()
        (world.home / "reports" / "x.md").write_text("another's")
        pack(world.home / "reports", path)
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:middle], "flipped": flipped, "empty": b""}[damage])

    with pytest.raises(ArchiveDamaged, match=r"is damaged|is gone|is not the archive|reads back"):
        restore_reports(world.engine, workflow_id)

    assert reports(world, workflow_id) == []
    assert [entry.name for entry in world.folder(workflow_id).iterdir()] == []


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(("../escaped", tarfile.REGTYPE, ""), id="above"),
        pytest.param(("reports/../../escaped", tarfile.REGTYPE, ""), id="above from below"),
        pytest.param(("/tmp/escaped-absolutely", tarfile.REGTYPE, ""), id="absolute"),
        pytest.param(("reports/link", tarfile.SYMTYPE, "/etc"), id="link"),
        pytest.param(("reports/hard", tarfile.LNKTYPE, "reports/one"), id="hard link"),
        pytest.param(("reports/pipe", tarfile.FIFOTYPE, ""), id="pipe"),
        pytest.param(("reports/device", tarfile.CHRTYPE, ""), id="device"),
        pytest.param(("reports/./x", tarfile.REGTYPE, ""), id="dot"),
    ],
)
def test_nothing_but_plain_files_below_the_folder_is_unpacked(tmp_path: Path, member: tuple[str, bytes, str]) -> None:
    hostile = tmp_path / "hostile.tar.gz"
    with tarfile.open(hostile, "w:gz") as tar:
        info = tarfile.TarInfo(member[0])
        info.type, info.linkname = member[1], member[2]
        tar.addfile(info, io.BytesIO())
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)
    with pytest.raises(ArchiveDamaged, match="no plain file below its folder"):
        unpack(hostile, into)
    assert list(tmp_path.rglob("*escaped*")) == []
    assert list(into.rglob("*")) == []


def test_any_name_and_any_number_of_files_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    names = [b"plain.md", b"new\nline.md", b"not\xffutf8.md", "ümläut.md".encode(), b"deep/er/" + b"x" * 200]
    for number, name in enumerate(names):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * number * 1000)
    (folder / "link").symlink_to("/etc/passwd")
    packed = pack(folder, tmp_path / "a" / "x.tar.gz")
    assert (packed.files, packed.skipped) == (len(names), ("reports/link",))
    assert inspect(tmp_path / "a" / "x.tar.gz").digest == packed.digest

    into = tmp_path / "into"
    into.mkdir()
    unpack(tmp_path / "a" / "x.tar.gz", into)
    back = {
        os.fsencode(path.relative_to(into / "reports")): path.read_bytes() for path in into.rglob("*") if path.is_file()
    }
    assert back == {name: bytes([number]) * number * 1000 for number, name in enumerate(names)}


def test_what_cannot_be_archived_stays_and_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = ended(world, ago=9 * DAY), ended(world, ago=8 * DAY)
    real = pack

    def full(folder: Path, path: Path) -> object:
        if bad in str(path):
            raise OSError(28, "No space left on device")
        return real(folder, path)

    monkeypatch.setattr("orchestrator.engine.retention.reports.pack", full)
    outcome = clean_up(world.engine)
    assert [bad in problem for problem in outcome.problems] == [True]
    assert len(reports(world, bad)) == 1
    assert archive(world, good).exists()


def test_reports_reached_through_a_link_are_left_alone(world: World) -> None:
    workflow_id = ended(world, ago=8 * DAY)
    outside = world.home / "outside"
    (world.folder(workflow_id) / "reports").rename(outside)
    (world.folder(workflow_id) / "reports").symlink_to(outside)
    (problem,) = clean_up(world.engine).problems
    assert "reached through a link" in problem
    assert (outside / "only" / "one.md").exists()
