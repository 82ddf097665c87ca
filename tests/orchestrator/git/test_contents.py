"""What repositories hold in practice: links, submodules, odd names, line ends, large-file pointers, nesting."""

from __future__ import annotations

import os

import pytest
from git import GitDB, Repo

from orchestrator.git import Mirror, TreeLock, WorkTree
from tests.orchestrator.git.repository import Repository, new_repository


def _added(mirror: Mirror, lock: TreeLock, upstream: Repository) -> tuple[WorkTree, Repository, str]:
    """A tree at what the upstream holds now."""
    base = upstream.commit()
    mirror.update()
    tree = WorkTree(mirror=mirror, lock=lock, name="web", branch="orchestrator/web")
    tree.add(base)
    return tree, Repository(path=tree.path), base


def _checkpoint(tree: WorkTree, parent: str) -> str:
    return tree.commit_checkpoint(parent=parent, message="m", trailers={"Checkpoint-Id": "cp-1"})


def test_symbolic_links_stay_links_and_are_not_followed(
    mirror: Mirror, lock: TreeLock, upstream: Repository, stored: Repository
) -> None:
    (upstream.path / "to-file").symlink_to("README.md")
    (upstream.path / "to-outside").symlink_to("/etc/passwd")
    tree, _, base = _added(mirror, lock, upstream)
    assert (tree.path / "to-outside").readlink().as_posix() == "/etc/passwd"
    (tree.path / "to-folder").symlink_to("src")
    (tree.path / "dangling").symlink_to("nowhere")
    (tree.path / "to-file").unlink()
    (tree.path / "to-file").symlink_to("src/app.py")
    commit = _checkpoint(tree, base)
    links = {
        line.partition("\t")[2] for line in stored.git("ls-tree", commit).splitlines() if line.startswith("120000")
    }
    assert links == {"to-file", "to-outside", "to-folder", "dangling"}
    assert stored.git("show", f"{commit}:to-outside") == "/etc/passwd"
    tree.restore(base)
    assert (tree.path / "to-file").readlink().as_posix() == "README.md"


# Deprecated for being slow; that it asks no git is what it is here for.
@pytest.mark.filterwarnings("ignore:GitDB is deprecated")
def test_a_checkpoint_is_read_by_an_implementation_that_is_not_git(
    mirror: Mirror, lock: TreeLock, upstream: Repository
) -> None:
    tree, agent, base = _added(mirror, lock, upstream)
    agent.write("src/été.py", "x = 1\n")
    commit = _checkpoint(tree, base)
    with Repo(mirror.control.mirror_path, odbt=GitDB) as repository:
        read = repository.heads["orchestrator/web"].commit
        assert (read.hexsha, [parent.hexsha for parent in read.parents]) == (commit, [base])
        assert read.trailers_dict == {"Checkpoint-Id": ["cp-1"]}
        assert (read.tree / "src" / "été.py").data_stream.read() == b"x = 1\n"


@pytest.fixture
def with_submodule(upstream: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    library = new_repository(tmp_path_factory.mktemp("library") / "lib")
    library.write("lib.c", "x")
    library.commit()
    upstream.git("submodule", "add", "-q", str(library.path), "lib")
    return upstream


def test_submodule_is_kept_as_its_hash_and_not_entered(
    mirror: Mirror, lock: TreeLock, with_submodule: Repository, stored: Repository
) -> None:
    tree, agent, base = _added(mirror, lock, with_submodule)
    assert list((tree.path / "lib").iterdir()) == []
    assert tree.snapshot(work="w", task="t", message="m") == base
    agent.write("new", "x")
    commit = _checkpoint(tree, base)
    assert stored.git("ls-tree", commit, "lib") == stored.git("ls-tree", base, "lib")


def test_submodule_that_the_agent_filled_and_moved_is_recorded_and_restored_empty(
    mirror: Mirror, lock: TreeLock, with_submodule: Repository, stored: Repository
) -> None:
    tree, agent, base = _added(mirror, lock, with_submodule)
    agent.git("submodule", "update", "-q", "--init")
    assert tree.snapshot(work="w", task="t", message="m") == base
    inside = Repository(path=tree.path / "lib")
    inside.write("lib.c", "y")
    moved = inside.commit()
    commit = _checkpoint(tree, base)
    assert stored.git("rev-parse", f"{commit}:lib") == moved
    tree.restore(base)
    assert list((tree.path / "lib").iterdir()) == []
    assert tree.snapshot(work="w", task="t", message="m") == base
    agent.git("submodule", "update", "-q", "--init")


@pytest.mark.parametrize(
    "name",
    [
        "naïve résumé.md",
        "文件/файл.txt",
        "line\nbreak",
        'quo"te',
        "-dash",
        ":(glob)magic",
        "back\\slash",
        "tab\t",
        " space ",
        "n" * 255,
        "/".join(["d" * 200] * 12 + ["deep"]),
    ],
)
def test_odd_and_very_long_names_make_the_round_trip(
    tree: WorkTree, agent: Repository, mirror: Mirror, base: str, name: str
) -> None:
    agent.write(name, "x")
    snapshot = tree.snapshot(work="w", task="t", message="m")
    assert mirror.files_changed(since=base, until=snapshot) == (name,)
    tree.restore(base)
    assert not (tree.path / name).exists()
    tree.restore(snapshot)
    assert (tree.path / name).read_text() == "x"


def test_name_that_is_no_utf8_makes_the_round_trip(tree: WorkTree, base: str) -> None:
    path = os.fsencode(tree.path) + b"/latin-\xe9"
    try:
        with open(path, "wb") as file:  # noqa: PTH123 — pathlib takes no bytes
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    snapshot = tree.snapshot(work="w", task="t", message="m")
    tree.restore(base)
    assert not os.path.lexists(path)
    tree.restore(snapshot)
    assert os.path.lexists(path)


def test_line_ends_are_kept_as_they_are_without_attributes(
    mirror: Mirror, lock: TreeLock, upstream: Repository, stored: Repository
) -> None:
    upstream.write("dos.txt", "a\r\nb\r\n")
    tree, agent, base = _added(mirror, lock, upstream)
    assert (tree.path / "dos.txt").read_bytes() == b"a\r\nb\r\n"
    assert tree.snapshot(work="w", task="t", message="m") == base
    agent.write("mixed.txt", "a\r\nb\n")
    commit = _checkpoint(tree, base)
    assert stored.git("cat-file", "-s", f"{commit}:mixed.txt") == "5"
    assert agent.git("status", "--porcelain") == ""


def test_line_ends_follow_attributes_and_an_unnormalized_file_is_no_change(
    mirror: Mirror, lock: TreeLock, upstream: Repository, stored: Repository
) -> None:
    upstream.write("dos.txt", "a\r\nb\r\n")
    upstream.commit()
    upstream.write(".gitattributes", "*.bat text eol=crlf\n*.sh text eol=lf\n")
    upstream.write("run.bat", "a\r\n")
    tree, agent, base = _added(mirror, lock, upstream)
    assert (tree.path / "run.bat").read_bytes() == b"a\r\n"
    assert tree.snapshot(work="w", task="t", message="m") == base
    agent.write("new.bat", "a\r\n")
    agent.write("new.sh", "a\r\n")
    commit = _checkpoint(tree, base)
    assert stored.git("cat-file", "-s", f"{commit}:new.bat") == stored.git("cat-file", "-s", f"{commit}:new.sh") == "2"


def test_large_file_pointer_stays_a_pointer_and_no_filter_runs(
    mirror: Mirror, lock: TreeLock, upstream: Repository, stored: Repository
) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    upstream.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    upstream.write("model.bin", pointer)
    tree, agent, base = _added(mirror, lock, upstream)
    assert (tree.path / "model.bin").read_text() == pointer
    agent.write("model.bin", pointer.replace("12345", "54321"))
    commit = _checkpoint(tree, base)
    assert stored.git("show", f"{commit}:model.bin") + "\n" == pointer.replace("12345", "54321")


@pytest.mark.parametrize("committed", [False, True])
def test_repository_made_inside_the_tree_is_kept_as_files(
    tree: WorkTree, agent: Repository, stored: Repository, base: str, committed: bool
) -> None:
    inner = new_repository(tree.path / "vendor" / "lib")
    inner.write("lib.c", "x")
    inner.write(".gitignore", "*.o\n")
    inner.write("lib.o", "x")
    if committed:
        inner.commit()
    new_repository(inner.path / "deeper").write("deep.c", "x")
    commit = _checkpoint(tree, base)
    expected = ["vendor/lib/.gitignore", "vendor/lib/deeper/deep.c", "vendor/lib/lib.c"]
    assert stored.git("diff", "--name-only", base, commit).split() == expected
    inner.write("more.c", "x")
    again = tree.commit_checkpoint(parent=commit, message="m", trailers={"Checkpoint-Id": "cp-2"})
    assert stored.git("diff", "--name-only", commit, again) == "vendor/lib/more.c"


def test_empty_repository_inside_the_tree_breaks_nothing(tree: WorkTree, agent: Repository, base: str) -> None:
    new_repository(tree.path / "empty")
    assert tree.snapshot(work="w", task="t", message="m") == base


def test_read_only_and_executable_files(tree: WorkTree, agent: Repository, stored: Repository, base: str) -> None:
    (tree.path / "README.md").chmod(0o444)
    agent.write("run.sh", "x").chmod(0o555)
    commit = _checkpoint(tree, base)
    assert stored.git("ls-tree", commit, "run.sh").startswith("100755")
    agent.write("other", "x")
    tree.restore(base)
    assert not (tree.path / "run.sh").exists()
    assert (tree.path / "README.md").read_text() == "hello\n"


def test_pipes_and_sockets_in_the_tree_block_nothing(tree: WorkTree, stored: Repository, base: str) -> None:
    os.mkfifo(tree.path / "pipe")
    (tree.path / ".git").unlink()
    os.mkfifo(tree.path / ".git")
    (stored.path / "worktrees/wf-0123456789ab-api/HEAD").unlink()
    os.mkfifo(stored.path / "worktrees/wf-0123456789ab-api/HEAD")
    tree.add(base)
    assert tree.snapshot(work="w", task="t", message="m") == base
    assert (tree.path / ".git").is_file()
