"""Removing WorkTrees, a pass with nothing to do, measuring disk use, archiving Reports: each against its other side.

`python -m bench.retention` prints all four, `--only removal|idle|disk|archive` one of them.

removal: 1,000 WorkTrees of 50 files with their branches, as a pass removes them (leases, look for unsaved work, refs,
flush, rows, events) until they are gone, against `git worktree remove --force` and `git branch -D` in a loop. Their
files are in the trash by then and are deleted behind it; how long that took is said beside.
idle: one pass over 10,000 Workflows that ended and have nothing left to remove, their refs in one mirror.
disk: what a look costs beside a walk of the files, 100,000 of them in WorkTrees at rest.
archive: 100 MB of Reports, packed, flushed, read back and compared, against `tar czf`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from bench.measure import Cost, Figure, figure_of_costs, interleaved, timed
from bench.world import make_repository, temporary_world
from orchestrator.domain import ids
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.engine import Engine, open_engine
from orchestrator.engine.retention.archive import pack
from orchestrator.engine.retention.cleanup import clean_up, empty_trashes
from orchestrator.engine.retention.clock import read_clock
from orchestrator.engine.retention.disk import look, measure
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.policy import policy_of
from orchestrator.engine.retention.worktrees import bytes_on_disk, expired_worktrees, remove_worktrees
from orchestrator.git import Mirror, WorkTree, tree_lock
from orchestrator.observe.log import configure_logging
from orchestrator.observe.mask import Mask
from orchestrator.store import tables

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_ENDED = {
    "workflow": "bench",
    "spec_digest": "bench",
    "status": WorkflowStatus.COMPLETED,
    "inputs": {},
    "chain": 1,
    "created_at": _LONG_AGO,
    "ended_at": _LONG_AGO,
    "updated_at": _LONG_AGO,
}

# What a Workflow leaves in a mirror once its tree is gone.
_KEPT = ("base", "removed")


def measure_removal(*, tries: int = 1, trees: int = 1_000, files: int = 50) -> Figure:
    """Time of a pass against time of git's own commands in a loop."""
    with temporary_world(log_level="error") as world:
        repository = make_repository(world.folder / "upstream", files=files)
        bare = world.folder / "bare.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
        engine = open_engine(world.settings)
        clean_up(engine)
        deletions: list[float] = []
        pairs = interleaved(
            lambda: _our_removal(engine, repository, trees, deletions),
            lambda: _raw_removal(bare, world.folder / "raw", trees),
            pairs=tries,
        )
    return figure_of_costs(
        pairs,
        name="removal",
        what=f"{trees:,} WorkTrees of {files} files against `worktree remove --force` and `branch -D`; "
        f"their files deleted in the {median(deletions):.0f} ms behind it",
        at_most=0.1,
    )


def measure_idle(*, tries: int = 3, workflows: int = 10_000) -> Figure:
    """Milliseconds of a pass that finds nothing to do."""
    with temporary_world(log_level="error") as world:
        engine = open_engine(world.settings)
        repository = make_repository(world.folder / "upstream", files=1)
        mirror = Mirror.open(str(repository), engine.git)
        mirror.update()
        base = mirror.resolve("main")
        names = [f"wf-{number:012x}" for number in range(workflows)]
        _write_ended(engine, names, str(repository), base, removed=True)
        for start in range(0, workflows, 1_000):
            some = names[start : start + 1_000]
            refs = (f"create refs/orchestrator/{name}/project/{kind} {base}" for name in some for kind in _KEPT)
            mirror.control.move_refs(*refs, flushed=False)
        clean_up(engine)
        costs = [timed(lambda: clean_up(engine)).wall_ms for _ in range(tries)]
    return Figure(
        name="idle",
        what=f"one pass over {workflows:,} Workflows with nothing to do",
        unit="ms",
        at_most=1_000,
        ours=tuple(costs),
    )


def measure_disk(*, tries: int = 3, trees: int = 100, files: int = 1_000) -> Figure:
    """Time of a look at the disk use against a walk of the files."""
    with temporary_world(log_level="error") as world:
        engine = open_engine(world.settings)
        repository = make_repository(world.folder / "upstream", files=1)
        names = [f"wf-{number:012x}" for number in range(trees)]
        _write_ended(engine, names, str(repository), "0" * 40)
        root = world.settings.worktree_root_path
        for name in names:
            for number in range(files):
                file = root / name / "project" / f"part{number // 100}" / f"{number}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("x" * 100)
        while measure(engine.store):
            pass

        def glance() -> None:
            measure(engine.store)
            look(engine)

        pairs = interleaved(lambda: timed(glance), lambda: timed(lambda: bytes_on_disk(root)), pairs=tries)
    return figure_of_costs(
        pairs,
        name="disk",
        what=f"disk use of {trees * files:,} files at rest against a walk of them",
        at_most=0.1,
    )


def measure_archive(*, tries: int = 3, megabytes: int = 100) -> Figure:
    """Time to archive Reports against `tar czf`; at most 1.25 x its time is at least 0.8 x its speed."""
    with temporary_world(log_level="error") as world:
        folder = world.folder / "reports"
        _write_reports(folder, megabytes)
        ours, raw = world.folder / "ours.tar.gz", world.folder / "raw.tar.gz"
        command = ["tar", "czf", str(raw), "-C", str(world.folder), "reports"]
        pairs = interleaved(
            lambda: timed(lambda: pack(folder, ours)),
            lambda: timed(lambda: subprocess.run(command, check=True)),
            pairs=tries,
        )
    return figure_of_costs(
        pairs,
        name="archive",
        what=f"{megabytes} MB of Reports, flushed and read back, against `tar czf`",
        at_most=1.25,
    )


FIGURES: Mapping[str, Callable[..., Figure]] = {
    "removal": measure_removal,
    "idle": measure_idle,
    "disk": measure_disk,
    "archive": measure_archive,
}

# To see that each can be measured; the numbers say nothing.
SMALL: Mapping[str, Mapping[str, int]] = {
    "removal": {"trees": 5, "files": 3},
    "idle": {"tries": 1, "workflows": 20},
    "disk": {"tries": 1, "trees": 2, "files": 20},
    "archive": {"tries": 1, "megabytes": 1},
}


def measures() -> Iterator[Figure]:
    """Every figure, one after the other."""
    for each in FIGURES.values():
        yield each()


def _our_removal(engine: Engine, repository: Path, trees: int, deletions: list[float]) -> Cost:
    mirror = Mirror.open(str(repository), engine.git)
    mirror.update()
    base = mirror.resolve("main")
    names = [ids.workflow_id_of_run(f"{random.getrandbits(48):012x}") for _ in range(trees)]
    for name in names:
        with tree_lock(engine.git, name) as lock:
            WorkTree(mirror=mirror, lock=lock, name="project").add(base)
    _write_ended(engine, names, str(repository), base)
    subprocess.run(["sync"], check=True)
    cost = timed(lambda: _remove_expired(engine))
    if any((engine.git.worktree_root / name).exists() for name in names):
        raise RuntimeError("a WorkTree is left: the figure would be of something else")
    deletions.append(timed(lambda: empty_trashes(engine)).wall_ms)
    return cost


def _remove_expired(engine: Engine) -> None:
    clock, _ = read_clock(engine.store)
    rows = expired_worktrees(engine, clock, policy_of(engine.settings))
    remove_worktrees(engine, rows, reason="expired", outcome=Outcome())


def _raw_removal(bare: Path, folder: Path, trees: int) -> Cost:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(bare), *arguments], check=True, stdout=subprocess.DEVNULL)

    for number in range(trees):
        git("worktree", "add", "-q", "-b", f"branch{number}", str(folder / str(number)), "main")
    subprocess.run(["sync"], check=True)

    def remove() -> None:
        for number in range(trees):
            git("worktree", "remove", "--force", str(folder / str(number)))
            git("branch", "-q", "-D", f"branch{number}")

    cost = timed(remove)
    shutil.rmtree(folder, ignore_errors=True)
    return cost


def _write_ended(engine: Engine, names: Sequence[str], url: str, base: str, *, removed: bool = False) -> None:
    """The rows of Workflows that completed long ago, written at once: how they came about is no part of any figure."""
    rows = [{"id": name, "correlation_id": f"{name}-001", **_ENDED} for name in names]
    tree = {"git": "project", "git_id": ids.git_id(url), "url": url, "ref": "main", "base_commit": base}
    trees = [
        {
            "workflow_id": name,
            "path": str(engine.git.worktree_root / name / "project"),
            "branch": f"orchestrator/{name}",
            "created_at": _LONG_AGO,
            "removed_at": _LONG_AGO if removed else None,
            **tree,
        }
        for name in names
    ]
    engine.store.write(lambda tx: tx.put_spec(digest="bench", workflow="bench", document="{}"))
    with engine.store._engine.begin() as connection:
        git = {"id": ids.git_id(url), "url": url, "created_at": _LONG_AGO}
        connection.execute(sqlite.insert(tables.gits).values(git).on_conflict_do_nothing())
        connection.execute(insert(tables.workflows), rows)
        connection.execute(insert(tables.worktrees), trees)


def _write_reports(folder: Path, megabytes: int) -> None:
    words = [f"word{number}" for number in range(5_000)]
    pick = random.Random(7)  # noqa: S311 — the same text each time, no secret
    for number in range(megabytes):
        file = folder / f"work{number % 10}" / f"task{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        body = " ".join(pick.choices(words, k=140_000))
        file.write_text(body[:1_000_000])


def main() -> None:
    """Print the lines of all figures, or of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=FIGURES)
    parser.add_argument("--small", action="store_true", help="small numbers: whether it can be measured")
    given = parser.parse_args()
    configure_logging("error", mask=Mask.load())
    for name, each in FIGURES.items():
        if given.only in (None, name):
            sys.stdout.write(f"{each(**(SMALL[name] if given.small else {})).line()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
