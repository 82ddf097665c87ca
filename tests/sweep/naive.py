"""The control: an engine as one would write it at first. The sweep must catch it, or it catches nothing.

Without a death it does what ours does. Its flaws:

- a Checkpoint is a commit on top of the branch; whether it was made already is not looked up
- a Work that is taken up again goes on in the trees as they are
- a Task's row says COMPLETED before the whole Report is in its file
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.engine import files
from orchestrator.git import WorkTree
from orchestrator.store import Store

_commit = WorkTree.commit_checkpoint
_write = Store.write
_unwritten: list[tuple[Path, bytes]] = []


def install() -> None:
    """Make this process's engine the naive one."""
    for name, flaw in _FLAWS.items():
        setattr(WorkTree, name, flaw)
    setattr(Store, "write", _write_and_then_the_files)  # noqa: B010 — an assignment would have to fit the type
    ours = files.write_whole
    for module in list(sys.modules.values()):
        if getattr(module, "write_whole", None) is ours:
            module.write_whole = _write_later  # type: ignore[attr-defined]  # it has it


def _commit_on_top(tree: WorkTree, *, parent: str, message: str, trailers: Mapping[str, str]) -> str:
    branch = tree.head()
    commit = _commit(tree, parent=parent, message=message, trailers=trailers)
    if branch == parent or commit == parent:
        return commit
    # Ours has put the commit in the place of what was on the branch; this one belongs on top of it.
    control = tree.mirror.control
    (content,) = control.find(f"{commit}^{{tree}}")
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    made = control.runner().run("commit-tree", str(content), "-p", branch, stdin=f"{message}\n\n{lines}\n").strip()
    control.move_refs(f"update {tree.refs.head} {made} {commit}")
    return made


def _find_nothing(tree: WorkTree, checkpoint_id: str) -> str | None:
    return None


def _keep_nothing(tree: WorkTree, ref_id: str, *, since: str) -> str | None:
    return None


def _leave_as_it_is(tree: WorkTree, commit: str, *, branch_at: str | None = None) -> None:
    return None


def _write_later(path: Path, text: str) -> None:
    content = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(len(content) - half))
    _unwritten.append((path, content))


def _write_and_then_the_files(store: Store, fn: Callable[[Any], Any]) -> Any:
    result = _write(store, fn)
    while _unwritten:
        path, content = _unwritten.pop()
        path.write_bytes(content)
    return result


_FLAWS: Mapping[str, Callable[..., object]] = {
    "commit_checkpoint": _commit_on_top,
    "find_checkpoint": _find_nothing,
    "rescue": _keep_nothing,
    "restore": _leave_as_it_is,
}
