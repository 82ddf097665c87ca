"""Where removed folders wait for their deletion: deleting 20,000 files can take half a minute, renaming a folder none.

Each root has a trash of its own, so that a rename never leaves the file system.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from orchestrator.git.command import GitSettings

TRASH = ".trash"


def throw_away(path: Path, settings: GitSettings) -> None:
    """Move a file, link or folder under the worktree root into the trash; nothing where there is none."""
    throw_into(trash_of(settings.worktree_root), path)


def empty_trash(settings: GitSettings) -> int:
    """Delete what was thrown away, and tell how many trees that were; several processes may do it at once."""
    empty(trash_of(settings.root))
    return empty(trash_of(settings.worktree_root))


def trash_of(root: Path) -> Path:
    """The trash of a root."""
    return root / TRASH


def throw_into(trash: Path, path: Path) -> None:
    """Move a file, a link (not what it points to) or a folder into a trash on its file system."""
    if not path.exists() and not path.is_symlink():
        return
    _make(trash)
    with suppress(FileNotFoundError):  # another cleaner was faster
        path.rename(trash / f"{path.parent.name}-{path.name}-{uuid4().hex}")


def empty(trash: Path) -> int:
    """Delete what lies in a trash, and tell how many entries went. What cannot be deleted stays for the next time."""
    if trash.is_symlink() or not trash.is_dir():
        return 0
    deleted = 0
    for entry in list(trash.iterdir()):
        with suppress(OSError):
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink(missing_ok=True)
            else:
                shutil.rmtree(entry, ignore_errors=True)
                if entry.exists():
                    _make_writable(entry)
                    shutil.rmtree(entry, ignore_errors=True)
        deleted += not entry.exists() and not entry.is_symlink()
    return deleted


def _make(trash: Path) -> None:
    # An agent could have put a link here: what we throw away would land, and be deleted, where that points to.
    if trash.is_symlink():
        trash.unlink()
    trash.mkdir(exist_ok=True)


def _make_writable(tree: Path) -> None:
    # A package cache in the tree may hold read-only folders, whose entries nobody but root can delete.
    tree.chmod(0o700)
    for folder, names, _ in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                with suppress(OSError):  # another user's
                    path.chmod(0o700)
