"""A real bubblewrap: that of the system, or Debian's package unpacked into `.parts/` without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / ".parts" / "bubblewrap"


def bubblewrap_folder() -> Path | None:
    """The folder of a program `bwrap`; None where there is none and it cannot be had."""
    if found := shutil.which("bwrap"):
        return Path(found).parent
    folder = FOLDER / "usr" / "bin"
    if (folder / "bwrap").exists():
        return folder
    aside = FOLDER.with_name(f".bubblewrap.{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "download", "bubblewrap"], cwd=aside, capture_output=True, timeout=120, check=True)
        package = next(aside.glob("*.deb"))
        subprocess.run(["dpkg", "-x", package, aside], capture_output=True, timeout=60, check=True)
        aside.rename(FOLDER)
    except (OSError, subprocess.SubprocessError, StopIteration):
        shutil.rmtree(aside, ignore_errors=True)
    return folder if (folder / "bwrap").exists() else None
