"""Reads what a Workflow left, in database, git, files and processes, and says what is wrong.

Shares no code with the engine: plain SQL, plain `git`, plain files. It may not import `orchestrator`: a test looks.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.sweep.events import wrong_events
from tests.sweep.rows import Rows, read_rows
from tests.sweep.scenario import FILE, GITS, STARTING_LINE, STEPS, WORKFLOW_ID, report_ending


class Kind(StrEnum):
    """What sort of promise was broken."""

    UNFINISHED = "not completed"
    LOST = "lost Task"
    DUPLICATE = "duplicate commit"
    DOUBLED = "doubled edit"
    CHECKPOINT = "wrong Checkpoint"
    REPORT = "wrong Report"
    STATE = "illegal state"
    RERUN = "re-runs"
    LEFTOVER = "leftover"
    UNSAVED = "lost edit"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One broken promise."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A file as it stood in a WorkTree when a worker was dead."""

    git: str
    path: str
    content: bytes


def check(home: Path, database: str, *, deaths: int, edits: Sequence[Edit] = ()) -> list[Problem]:
    """Everything that is wrong with the try in `home`, whose workers died `deaths` times; empty is good.

    Args:
        edits: that must still be reachable from some ref.
    """
    rows = read_rows(database, WORKFLOW_ID)
    return [
        *_finished(rows),
        *(problem for name in GITS for problem in _git(rows, name)),
        *_reports(rows, home),
        *(Problem(kind=Kind.STATE, text=text) for text in wrong_events(rows.events)),
        *_reruns(rows, home, deaths),
        *_leftovers(home),
        *_unsaved(rows, edits),
    ]


def _finished(rows: Rows) -> Iterator[Problem]:
    if rows.status != "COMPLETED":
        yield Problem(kind=Kind.UNFINISHED, text=f"the Workflow is {rows.status}")
    for work in (work for work in rows.works if work["status"] != "COMPLETED"):
        yield Problem(kind=Kind.UNFINISHED, text=f"work {work['name']} is {work['status']}")
    for task in (task for task in rows.tasks if task["status"] != "COMPLETED"):
        yield Problem(kind=Kind.LOST, text=f"task {task['name']} is {task['status']}")


def _git(rows: Rows, name: str) -> Iterator[Problem]:
    """One Git: its commits, what is in each, and the Checkpoints' rows about it."""
    tree = next((row for row in rows.worktrees if row["git"] == name), None)
    if tree is None or not Path(tree["path"]).is_dir():
        yield Problem(kind=Kind.CHECKPOINT, text=f"{name} has no WorkTree")
        return
    folder = Path(tree["path"])
    branch = f"orchestrator/{WORKFLOW_ID}"
    if _run(folder, "symbolic-ref", "HEAD") != f"refs/heads/{branch}":
        yield Problem(kind=Kind.LEFTOVER, text=f"{name}: HEAD is not on {branch}")
    if left := _run(folder, "status", "--porcelain"):
        yield Problem(kind=Kind.LEFTOVER, text=f"{name}: not clean: {left}")
    if said := _run(folder, "fsck", "--full", "--no-dangling", "--no-progress"):
        yield Problem(kind=Kind.CHECKPOINT, text=f"{name}: fsck: {said}")
    yield from _history(rows, name, folder, branch=branch, base=tree["base_commit"])


def _history(rows: Rows, name: str, folder: Path, *, branch: str, base: str) -> Iterator[Problem]:
    lines = [STARTING_LINE]
    commits = _commits(folder, f"{base}..{branch}")
    parent = base
    for sequence, step in enumerate(STEPS, start=1):
        work = next(work for work in rows.works if work["name"] == step.work)
        made = [commit for commit in commits if commit["Work-Id"] == work["id"]]
        expected = 1 if name in step.changes else 0
        lines += step.lines() if expected else []
        if len(made) > expected:
            yield Problem(kind=Kind.DUPLICATE, text=f"{name}: {len(made)} commits of {step.work}, not {expected}")
        if len(made) < expected:
            yield Problem(kind=Kind.LOST, text=f"{name}: no commit of {step.work}")
        checkpoint = next((row for row in rows.checkpoints if row["work_id"] == work["id"]), None)
        for commit in made:
            trailers = (commit["Workflow-Id"], commit["Work-Sequence"], commit["Checkpoint-Id"])
            if trailers != (WORKFLOW_ID, str(sequence), checkpoint and checkpoint["id"]):
                yield Problem(kind=Kind.CHECKPOINT, text=f"{name}: {step.work}: trailers {trailers}")
            if commit["parents"] != parent:
                yield Problem(kind=Kind.CHECKPOINT, text=f"{name}: {step.work} has the parents {commit['parents']}")
            parent = commit["hash"]
            yield from _content(f"{name} after {step.work}", _run(folder, "show", f"{parent}:{FILE}"), lines)
        if checkpoint is None or checkpoint["sequence"] != sequence or checkpoint["commits"].get(name) != parent:
            yield Problem(kind=Kind.CHECKPOINT, text=f"{name}: the Checkpoint of {step.work} is {checkpoint}")
    if foreign := len(commits) - sum(commit["Work-Id"] in {work["id"] for work in rows.works} for commit in commits):
        yield Problem(kind=Kind.DUPLICATE, text=f"{name}: {foreign} commits of no Work")


def _content(where: str, text: str, expected: Sequence[str]) -> Iterator[Problem]:
    found, wanted = Counter(text.splitlines()), Counter(expected)
    if lost := wanted - found:
        yield Problem(kind=Kind.LOST, text=f"{where}: missing {sorted(lost)}")
    if doubled := found - wanted:
        yield Problem(kind=Kind.DOUBLED, text=f"{where}: too often {sorted(doubled)}")
    if found == wanted and text.splitlines() != list(expected):
        yield Problem(kind=Kind.DOUBLED, text=f"{where}: in another order")


def _commits(folder: Path, commits: str) -> list[dict[str, str]]:
    """From the oldest on."""
    names = ("Workflow-Id", "Work-Id", "Checkpoint-Id", "Work-Sequence")
    trailers = "%x00".join(f"%(trailers:key={name},valueonly,separator=%x2C)" for name in names)
    listed = _run(folder, "log", "--reverse", f"--format=%H%x00%P%x00{trailers}", commits)
    return [dict(zip(("hash", "parents", *names), line.split("\0"), strict=True)) for line in listed.splitlines()]


def _reports(rows: Rows, home: Path) -> Iterator[Problem]:
    folder = home / "data" / "workflows" / WORKFLOW_ID / "reports"
    wanted = {
        folder / step.work / f"{task}.md": report_ending(step.work, task) for step in STEPS for task in step.tasks
    }
    files = {path for path in folder.rglob("*") if path.is_file()}
    for path in files - wanted.keys():
        yield Problem(kind=Kind.LEFTOVER, text=f"beside the Reports: {path.name}")
    for path, ending in wanted.items():
        found = [row for row in rows.reports if row["path"] == str(path)]
        content = path.read_bytes() if path in files else b""
        if not content.startswith(b"---\n") or ending.encode() not in content or b"\0" in content:
            yield Problem(kind=Kind.REPORT, text=f"{path.parent.name}/{path.name} is not whole")
        if [(row["bytes"], bool(row["stale"])) for row in found] != [(len(content), False)]:
            yield Problem(kind=Kind.REPORT, text=f"{path.parent.name}/{path.name} has the rows {found}")
    if len(rows.reports) != len(wanted):
        yield Problem(kind=Kind.REPORT, text=f"{len(rows.reports)} rows of Reports")


def reruns(rows: Rows) -> int:
    """How many queries were sent more than once, each time counted."""
    sent = Counter(event["task_id"] for event in rows.events if event["type"] == "QuerySent")
    return sum(times - 1 for times in sent.values())


def _reruns(rows: Rows, home: Path, deaths: int) -> Iterator[Problem]:
    if (again := reruns(rows)) > deaths:
        yield Problem(kind=Kind.RERUN, text=f"{again} queries were sent again after {deaths} deaths")
    performed = Counter((home / "runs").read_text().splitlines())
    for step in STEPS:
        for line in step.lines():
            if not 1 <= performed[line] <= 1 + deaths:
                yield Problem(kind=Kind.RERUN, text=f"the agent did {line!r} {performed[line]} times")


def _leftovers(home: Path) -> Iterator[Problem]:
    # `update.lock` is a file to lock, not a lock.
    for lock in (home / "data" / "git").rglob("*.lock"):
        if lock.name != "update.lock":
            yield Problem(kind=Kind.LEFTOVER, text=f"lock {lock.relative_to(home)}")
    for clone in (home / "data" / "git").glob("*.clone"):
        yield Problem(kind=Kind.LEFTOVER, text=f"half a clone: {clone.name}")


def edits_of(database: str) -> list[Edit]:
    """What stands in the WorkTrees now, for `check` to look for later; only once no process writes there any more."""
    trees = [(row["git"], Path(row["path"])) for row in read_rows(database, WORKFLOW_ID).worktrees]
    return [
        Edit(git=name, path=FILE, content=(folder / FILE).read_bytes())
        for name, folder in trees
        if (folder / FILE).is_file()
    ]


def _unsaved(rows: Rows, edits: Sequence[Edit]) -> Iterator[Problem]:
    folders: Mapping[str, Path] = {row["git"]: Path(row["path"]) for row in rows.worktrees}
    for edit in edits:
        blob = hashlib.sha1(b"blob %d\0" % len(edit.content) + edit.content, usedforsecurity=False).hexdigest()
        reachable = _run(folders[edit.git], "rev-list", "--objects", "--all")
        if blob not in reachable:
            yield Problem(kind=Kind.UNSAVED, text=f"{edit.git}/{edit.path} as it was is on no ref: {edit.content!r}")


def marked_processes(mark: str) -> list[int]:
    """Processes, zombies not among them, that have the mark in their environment, command or working directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            shown = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if mark.encode() in shown or mark in str((entry / "cwd").readlink()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until_gone(mark: str, *, seconds: float) -> tuple[float, list[int]]:
    """Wait for the end of every process with the mark: how long that took, and who is still there."""
    began = time.monotonic()
    while (left := marked_processes(mark)) and time.monotonic() - began < seconds:
        time.sleep(0.02)
    return time.monotonic() - began, left


def _run(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    return ended.stdout.strip() if ended.returncode == 0 else f"exit code {ended.returncode}: {ended.stderr.strip()}"
