"""A tree is called unchanged only where git finds nothing either."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.git import Mirror, TreeLock, WorkTree
from orchestrator.git.unchanged import is_unchanged
from tests.orchestrator.git.repository import Repository, new_repository


def looks_unchanged(tree: WorkTree) -> bool:
    (tree_id,) = tree.mirror.control.find(f"{tree.refs.head}^{{tree}}")
    assert tree_id is not None
    return is_unchanged(
        tree.path, tree.mirror.control.path / "indexes" / f"wf-0123456789ab-{tree.name}", tree_id=tree_id
    )


def test_a_fresh_tree_and_one_behind_a_checkpoint_are_unchanged(tree: WorkTree, agent: Repository, base: str) -> None:
    assert looks_unchanged(tree)
    agent.write("more/deep/odd\nname", "x").chmod(0o755)
    (tree.path / "link").symlink_to("README.md")
    (tree.path / "empty").mkdir()
    tree.commit_checkpoint(parent=base, message="work", trailers={"Checkpoint-Id": "cp-1"})
    assert looks_unchanged(tree)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: (path / "new").write_text(""), id="a new file"),
        pytest.param(lambda path: (path / "sub").mkdir() or (path / "sub" / "new").touch(), id="a new file below"),
        pytest.param(lambda path: (path / "README.md").unlink(), id="a missing file"),
        pytest.param(lambda path: (path / "README.md").chmod(0o755), id="another mode"),
        pytest.param(lambda path: (path / "README.md").write_text("HELLO\n"), id="other content of one size"),
        pytest.param(lambda path: _same_times(path / "README.md"), id="other content under the old times"),
        pytest.param(lambda path: _to_link(path / "README.md"), id="a link in a file's place"),
        pytest.param(lambda path: new_repository(path / "inner"), id="a repository inside"),
        pytest.param(lambda path: os.mkfifo(path / "pipe"), id="a pipe"),
    ],
)
@pytest.mark.parametrize("old", [False, True], ids=["young", "old"])
def test_any_change_is_seen(tree: WorkTree, change: Callable[[Path], object], old: bool) -> None:
    if old:
        # The index is younger than the files by more than a tick of the clock: their times alone must tell.
        time.sleep(0.05)
        index = tree.mirror.control.path / "indexes" / "wf-0123456789ab-api"
        os.utime(index)
        assert looks_unchanged(tree)
    change(tree.path)
    assert not looks_unchanged(tree)


def test_a_change_within_one_tick_of_the_clock_is_seen_by_the_content(tree: WorkTree) -> None:
    """As if the file had been written anew before the clock went on: the index has the very times that it has now."""
    index = tree.mirror.control.path / "indexes" / "wf-0123456789ab-api"
    path = tree.path / "README.md"
    path.write_text("HELLO\n")
    status = path.stat()
    data = bytearray(index.read_bytes())
    begin = data.index(b"README.md") - 62
    second = 1_000_000_000
    times = (*divmod(status.st_ctime_ns, second), *divmod(status.st_mtime_ns, second))
    data[begin : begin + 16] = struct.pack(">4I", *times)
    index.write_bytes(data)
    os.utime(index, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert not looks_unchanged(tree)


def test_an_index_that_stands_for_another_commit_or_is_damaged_is_no_proof(tree: WorkTree, agent: Repository) -> None:
    index = tree.mirror.control.path / "indexes" / "wf-0123456789ab-api"
    whole = index.read_bytes()
    (tree_id,) = tree.mirror.control.find(f"{tree.refs.head}^{{tree}}")
    assert tree_id is not None
    assert is_unchanged(tree.path, index, tree_id=tree_id)
    assert not is_unchanged(tree.path, index, tree_id="0" * 40)
    for damaged in (b"", whole[:10], whole[:80], b"XXXX" + whole[4:], whole[:4] + b"\0\0\0\4" + whole[8:]):
        index.write_bytes(damaged)
        assert not is_unchanged(tree.path, index, tree_id=tree_id)
    index.unlink()
    assert not is_unchanged(tree.path, index, tree_id=tree_id)


def test_a_commit_that_the_agent_made_keeps_the_tree_from_going_unrescued(
    tree: WorkTree, agent: Repository, mirror: Mirror, lock: TreeLock
) -> None:
    agent.git("checkout", "-q", "--detach")
    agent.write("new", "x")
    made = agent.commit("made")
    (tree.path / "new").unlink()
    agent.git("rm", "-q", "--cached", "new")
    agent.git("commit", "-q", "-m", "unmade")
    rescued = tree.remove()
    assert rescued is not None
    assert made in mirror.control.runner().run("rev-list", rescued).split()


def _same_times(path: Path) -> None:
    before = path.stat()
    path.write_text("HELLO\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("src/app.py")
