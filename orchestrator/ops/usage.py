"""How much disk a folder takes."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK = 512


def bytes_below(root: Path) -> int:
    """Bytes on disk of everything below `root`; links are not followed, what vanishes meanwhile is left out."""
    total = 0
    folders = [str(root)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    except OSError:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return total
