"""Many trees go at once; one that cannot go keeps no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.git import GitSettings, Mirror, WorkTree, remove_all, tree_lock
from tests.orchestrator.git.repository import Repository


@pytest.fixture(params=[3, 12], ids=["flushed each", "flushed together"])
def trees(request: pytest.FixtureRequest, mirror: Mirror, settings: GitSettings, base: str) -> Iterator[list[WorkTree]]:
    with ExitStack() as locks:
        made = []
        for number in range(request.param):
            lock = locks.enter_context(tree_lock(settings, f"wf-{number:012x}"))
            made.append(WorkTree(mirror=mirror, lock=lock, name="api"))
            made[-1].add(base)
        yield made


def test_all_go_and_what_was_unsaved_or_committed_stays_reachable(
    trees: list[WorkTree], stored: Repository, base: str
) -> None:
    (trees[1].path / "new").write_text("precious")
    (trees[2].path / "done").write_text("done")
    commit = trees[2].commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})

    removed = {one.tree.path: one for one in remove_all(trees)}

    assert {one.error for one in removed.values()} == {None}
    assert not any(tree.path.exists() for tree in trees)
    assert stored.git("branch", "--list") == ""
    assert len(stored.git("worktree", "list").splitlines()) == 1
    assert [one.tree for one in removed.values() if one.rescued] == [trees[1]]
    assert stored.git("show", f"{removed[trees[1].path].rescued}:new") == "precious"
    assert stored.git("rev-parse", trees[2].refs.removed) == commit
    assert {one.error for one in remove_all(trees)} == {None}, "again changes nothing"
    assert stored.git("rev-parse", trees[2].refs.removed) == commit


def test_a_tree_that_cannot_be_saved_stays_whole_and_the_others_go(
    trees: list[WorkTree], stored: Repository, mirror: Mirror
) -> None:
    (trees[0].path / "new").write_text("precious")
    # No rescue ref can be written below a file.
    refs = mirror.control.mirror_path / "refs" / "orchestrator" / "rescue"
    refs.mkdir(parents=True)
    (refs / "wf-000000000000").write_text("")

    removed = {one.tree.path: one.error for one in remove_all(trees)}

    assert [path for path, error in removed.items() if error] == [trees[0].path]
    assert (trees[0].path / "new").read_text() == "precious"
    assert stored.git("for-each-ref", "--format=%(refname)", "refs/heads").split() == [trees[0].refs.head]


def test_a_link_in_the_place_of_the_workflows_folder_is_removed_and_not_followed(
    trees: list[WorkTree], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "api").mkdir(parents=True)
    (outside / "api" / "precious").write_text("x")
    folder = trees[0].path.parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(outside)

    remove_all(trees)

    assert not folder.is_symlink()
    assert (outside / "api" / "precious").read_text() == "x"


def test_without_the_mirror_nothing_can_be_saved_and_nothing_goes(trees: list[WorkTree], mirror: Mirror) -> None:
    mirror.control.mirror_path.rename(mirror.control.mirror_path.with_suffix(".away"))
    assert all("is gone" in str(one.error) for one in remove_all(trees))
    assert all(tree.path.is_dir() for tree in trees)
