"""The content of a tree, taken into our index and put back from it: plumbing only, so that nothing runs in a submodule.

`git add -A` would start `git status` inside every populated submodule, under a configuration that an agent may have
written, and stops at an embedded repository without a commit. Here a submodule is its recorded hash. The files of a
repository that an agent created inside the tree are kept as ordinary files (without its `.git`), so they are not lost.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.domain.errors import GitError
from orchestrator.domain.failpoints import reached
from orchestrator.git.command import Runner
from orchestrator.git.control import discard

_GITLINK = "160000"


def stage(runner: Runner, tree: Path) -> str:
    """Take every change in the tree into the index, untracked files that are not ignored included; its tree's id."""
    changed = _files(runner.run("ls-files", "-z", "--others", "--modified", "--deleted", "--exclude-standard"))
    paths = {path for path in changed if not path.endswith("/")}
    for folder in changed - paths:
        paths |= _embedded(runner, tree, folder)
    if paths:
        _take(runner, paths)
    try:
        return runner.run("write-tree").strip()
    except GitError:
        # An object that the index names is gone: no commit held it, and an agent pruned the mirror. Entries put in by
        # hand have no file times, so that git reads each file, and writes its object, again.
        entries = runner.run("ls-files", "-z", "--stage")
        runner.run("update-index", "-z", "--index-info", stdin=entries)
        _take(runner, {entry.partition("\t")[2] for entry in _files(entries)})
        return runner.run("write-tree").strip()


def checkout(runner: Runner, commit: str) -> None:
    """Make the tracked files those of the commit, whatever stands in their way; the index last, in one step."""
    runner.run("read-tree", "--reset", "-u", "--no-recurse-submodules", commit)
    reached("worktree.checkout.after")


def clean(runner: Runner, tree: Path) -> None:
    """Delete what is neither tracked nor ignored, embedded repositories included, and empty the submodules' folders."""
    runner.run("clean", "-ffdq")
    reached("worktree.clean.after")
    for entry in runner.run("ls-files", "-z", "--stage").split("\0"):
        mode_hash_stage, _, path = entry.partition("\t")
        if mode_hash_stage.startswith(_GITLINK) and any((tree / path).iterdir()):
            discard(tree / path)
            (tree / path).mkdir()


def _take(runner: Runner, paths: set[str]) -> None:
    options = ("--add", "--remove", "--replace", "-z", "--stdin")
    runner.run("update-index", *options, stdin="".join(f"{path}\0" for path in sorted(paths)))
    reached("worktree.stage.after")


def _embedded(runner: Runner, tree: Path, folder: str) -> set[str]:
    """Files of a repository inside the tree, by its own ignore rules and those of repositories inside it."""
    alone = replace(
        runner,
        folder=tree / folder,
        # An index that does not exist: to git, every file there is untracked.
        environment={
            **runner.environment,
            "GIT_WORK_TREE": str(tree / folder),
            "GIT_INDEX_FILE": runner.environment["GIT_INDEX_FILE"] + ".none",
        },
    )
    found: set[str] = set()
    for path in _files(alone.run("ls-files", "-z", "--others", "--exclude-standard")):
        found |= _embedded(runner, tree, folder + path) if path.endswith("/") else {folder + path}
    return found


def _files(listed: str) -> set[str]:
    return {path for path in listed.split("\0") if path}
