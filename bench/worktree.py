"""The WorkTree of a large repository, its mirror present, against raw `git worktree add` on a plain bare clone.

Ours is what a Workflow's start does once the mirror is fetched: lock, control folder, base commit, files, branch and
refs. Python's start is on neither side. What the disk still has to write is written between tries, not in them.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path

from bench.measure import Cost, Figure, figure_of_costs, interleaved, main, timed
from bench.world import make_repository, temporary_world
from orchestrator.engine.engine import git_settings
from orchestrator.git import GitSettings, Mirror, WorkTree, tree_lock


def measure(*, tries: int = 7, files: int = 20_000) -> Figure:
    """Time to make a WorkTree against time of `git worktree add`."""
    with temporary_world() as world:
        repository = make_repository(world.folder / "upstream", files=files)
        bare = world.folder / "bare.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
        settings = git_settings(world.settings)
        Mirror.open(str(repository), settings).update()
        numbers = count()
        pairs = interleaved(
            lambda: _ours(settings, repository, f"wf-{next(numbers):012x}"),
            lambda: _raw(bare, world.folder / "raw" / str(next(numbers))),
            pairs=tries,
        )
    return figure_of_costs(
        pairs,
        name="worktree",
        what=f"a WorkTree of {files:,} files against `git worktree add`",
        at_most=1.1,
    )


def _ours(settings: GitSettings, repository: Path, workflow_id: str) -> Cost:
    def make() -> None:
        with tree_lock(settings, workflow_id) as lock:
            mirror = Mirror.open(str(repository), settings)
            tree = WorkTree(mirror=mirror, lock=lock, name="project")
            tree.add(mirror.resolve("main"))

    os.sync()
    cost = timed(make)
    with tree_lock(settings, workflow_id) as lock:
        WorkTree(mirror=Mirror.open(str(repository), settings), lock=lock, name="project").remove()
    return cost


def _raw(bare: Path, tree: Path) -> Cost:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(bare), "worktree", *arguments], check=True)

    os.sync()
    cost = timed(lambda: git("add", "-q", "-b", f"branch{tree.name}", str(tree), "main"))
    git("remove", "--force", str(tree))
    return cost


if __name__ == "__main__":
    main(measure)
