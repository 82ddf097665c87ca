"""Files that must be whole or absent, whatever dies: written aside, flushed to the disk, renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from orchestrator.domain.failpoints import reached


def write_whole(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path`, which afterwards holds all of it or what it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    aside = Path(name)
    try:
        # Agents answer with whatever bytes they like; a lone surrogate must not lose the Report.
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        reached(f"file.{path.name}.before")
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    reached(f"file.{path.name}.after")


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    # Without this the rename itself can be lost by a power cut, although the bytes are on the disk.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
