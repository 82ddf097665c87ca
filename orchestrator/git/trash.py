"""Where removed trees wait for their deletion: deleting 20,000 files can take half a minute, renaming a folder none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

from orchestrator.git.command import GitSettings


def throw_away(path: Path, settings: GitSettings) -> None:
    """Move a file, link or folder under the worktree root into the trash; nothing where there is none."""
    trash = _trash(settings)
    trash.mkdir(exist_ok=True)
    if path.exists() or path.is_symlink():
        path.rename(trash / f"{path.parent.name}-{path.name}-{uuid4().hex}")


def empty_trash(settings: GitSettings) -> int:
    """Delete what lies in the trash, and tell how many trees that were; several processes may do it at once."""
    deleted = 0
    for entry in list(_trash(settings).glob("*")):
        if entry.is_symlink() or not entry.is_dir():
            entry.unlink(missing_ok=True)
        else:
            _make_writable(entry)
            shutil.rmtree(entry, ignore_errors=True)
        deleted += not entry.exists()
    return deleted


def _make_writable(tree: Path) -> None:
    # A package cache in the tree may hold read-only folders, whose entries nobody but root can delete.
    for folder, names, _ in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and not os.access(path, os.W_OK | os.X_OK):
                path.chmod(0o700)


def _trash(settings: GitSettings) -> Path:
    return settings.worktree_root / ".trash"
