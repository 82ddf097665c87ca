"""Many Workflows on one Git at once: none disturbs another, nor does a fetch or an agent's housekeeping."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from orchestrator.git import GitSettings, Mirror, WorkTree, tree_lock
from tests.orchestrator.git.repository import Repository

WORKFLOWS = 20


def test_twenty_workflows_work_while_the_mirror_is_fetched_and_packed(
    mirror: Mirror, upstream: Repository, settings: GitSettings, stored: Repository, base: str
) -> None:
    done = threading.Event()
    fetched: list[str] = []

    def perform(number: int) -> tuple[str, str]:
        own = Mirror.open(str(upstream.path), replace(settings))
        with tree_lock(settings, f"wf-{number}") as lock:
            tree = WorkTree(mirror=own, lock=lock, name="api")
            tree.add(base)
            parent = base
            for step in range(3):
                (tree.path / f"file-{number}-{step}").write_text(str(number))
                tree.snapshot(work="w", task=f"t{step}", message="m")
                parent = tree.commit_checkpoint(
                    parent=parent, message=f"{step}", trailers={"Checkpoint-Id": f"cp-{number}-{step}"}
                )
            return tree.refs.head, parent

    def fetch() -> None:
        while not done.is_set():
            head = upstream.commit("moved")
            upstream.git("branch", f"b{len(fetched)}")
            mirror.update()
            assert mirror.resolve("main") == head
            fetched.append(head)

    def keep_house() -> None:
        # What an agent may do in its tree at any time.
        while not done.is_set():
            for command in (("pack-refs", "--all"), ("worktree", "prune"), ("gc", "-q")):
                subprocess.run(["git", *command], cwd=stored.path, capture_output=True, check=False)

    with ThreadPoolExecutor(WORKFLOWS + 2) as pool:
        beside = [pool.submit(fetch), pool.submit(keep_house)]
        try:
            heads = list(pool.map(perform, range(WORKFLOWS)))
        finally:
            done.set()
        for task in beside:
            task.result()
    assert len(fetched) >= 2
    for number, (ref, commit) in enumerate(heads):
        assert stored.git("rev-parse", ref) == commit
        assert stored.git("diff", "--name-only", base, commit).split() == [f"file-{number}-{step}" for step in range(3)]
        assert stored.git("rev-list", "--count", f"{base}..{commit}") == "3"
    assert len(stored.git("worktree", "list").splitlines()) == WORKFLOWS + 1
    stored.git("fsck", "--full")


def test_ten_callers_clone_one_git_once(upstream: Repository, settings: GitSettings) -> None:
    commands: list[str] = []
    watched = replace(settings, observe=lambda command: commands.append(command.name))

    def update(_: int) -> str:
        mirror = Mirror.open(str(upstream.path), watched)
        mirror.update()
        return mirror.resolve("main")

    with ThreadPoolExecutor(10) as pool:
        heads = set(pool.map(update, range(10)))
    assert heads == {upstream.git("rev-parse", "main")}
    assert commands.count("init") == 1
