"""What Workflows have in a mirror, told without reading every ref: whose it is, and how it goes.

Only names of the form that our own ids have are looked at; whatever else lies there is somebody else's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.git.locks import TreeLock
from orchestrator.git.mirror import Mirror
from orchestrator.git.refs import BRANCHES, hidden_of, rescues_of
from orchestrator.git.worktree import WorkTree

WORKFLOW_ID = re.compile(r"\Awf-[0-9a-f]{12}\Z")
_BEGINS = re.compile(r"\A(wf-[0-9a-f]{12})(?:-|\Z)")
_PACKED = re.compile(rb" refs/(?:heads/orchestrator|orchestrator(/rescue)?)/(wf-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Ids of the Workflows that have something in a mirror, in use or not.

    Attributes:
        refs: those with branches, hidden refs or trees.
        rescues: those with rescue refs.
    """

    refs: frozenset[str]
    rescues: frozenset[str]


def leftovers(mirror: Mirror) -> Leftovers:
    """Whose refs and trees there are: a listing of four folders and one read of the packed refs."""
    control, bare = mirror.control.path, mirror.control.mirror_path
    refs = {
        *_ids(bare / "refs" / "heads" / BRANCHES),
        *_ids(bare / "refs" / "orchestrator"),
        *_ids(control / "indexes"),
        *_ids(bare / "worktrees"),
    }
    rescues = set(_ids(bare / "refs" / "orchestrator" / "rescue"))
    with suppress(FileNotFoundError), (bare / "packed-refs").open("rb") as packed:
        for line in packed:
            if found := _PACKED.search(line):
                (rescues if found[1] else refs).add(found[2].decode())
    return Leftovers(refs=frozenset(refs), rescues=frozenset(rescues))


def trees_of(mirror: Mirror, lock: TreeLock) -> list[WorkTree]:
    """The trees of one Workflow that were checked out whole, by what the mirror knows of them."""
    prefix = f"{lock.workflow_id}-"
    branches = set(_branches(mirror, lock.workflow_id))
    names = sorted(path.name.removeprefix(prefix) for path in (mirror.control.path / "indexes").glob(f"{prefix}*"))
    return [
        WorkTree(
            mirror=mirror,
            lock=lock,
            name=name,
            # The second Git of one address has a branch of its own name; see `branch_names`.
            branch=f"{BRANCHES}{prefix}{name}" if f"{BRANCHES}{prefix}{name}" in branches else None,
        )
        for name in names
        if not name.endswith((".lock", ".none"))
    ]


def retire(mirror: Mirror, workflow_id: str) -> None:
    """Drop branches and hidden refs of a Workflow that is gone; where its branches ended stays on rescue refs."""
    listed = mirror.control.runner().run(
        *("for-each-ref", "--format=%(refname) %(objectname)", hidden_of(workflow_id)),
        *(f"refs/heads/{branch}" for branch in _branches(mirror, workflow_id)),
    )
    moves: list[str] = []
    for ref, commit in (line.split() for line in listed.splitlines()):
        if ref.startswith("refs/heads/"):
            moves.append(f"update {rescues_of(workflow_id)}{Path(ref).name}/branch {commit}")
        elif ref.endswith("/removed"):
            moves.append(f"update {rescues_of(workflow_id)}{Path(ref).parent.name}/removed-branch {commit}")
        moves.append(f"delete {ref} {commit}")
    if moves:
        mirror.control.move_refs(*moves)


def _branches(mirror: Mirror, workflow_id: str) -> list[str]:
    listed = mirror.control.runner().run("for-each-ref", "--format=%(refname:lstrip=2)", f"refs/heads/{BRANCHES}")
    return [name for name in listed.split() if _owner(name.removeprefix(BRANCHES)) == workflow_id]


def _ids(folder: Path) -> Iterable[str]:
    try:
        with os.scandir(folder) as listed:
            return [owner for entry in listed if (owner := _owner(entry.name)) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _owner(name: str) -> str | None:
    found = _BEGINS.match(name)
    return found[1] if found else None
