"""The real Prometheus and Alertmanager: those on the PATH, else Debian's packages, unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PACKAGES = ("prometheus", "prometheus-alertmanager")
FOLDER = Path(__file__).parent.parent.parent / ".parts" / "prometheus"
# What Debian's package adds to the name, upstream's does not have.
_OTHER_NAMES = {"prometheus-alertmanager": "alertmanager"}
_DOWNLOAD_S = 300
# Debian's Alertmanager reads its templates at a path that only root can make: unpacked, it gets a path of the same
# length that means its working directory.
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_HERE = b"./" * (len(_TEMPLATES) // 2)
_COMMAND = f"apt-get download {' '.join(PACKAGES)} && for package in *.deb; do dpkg -x $package .; done"


def program(name: str) -> str:
    """One of the programs' path. Skips the test on a system that has neither the program nor apt."""
    installed = shutil.which(name) or shutil.which(_OTHER_NAMES.get(name, name))
    if installed is not None:
        return installed
    if not (FOLDER / "usr").exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            pytest.skip(f"no {name} and no apt to get it with; install Prometheus and Alertmanager, or: {_COMMAND}")
        _unpack()
    return str(FOLDER / "usr" / "bin" / name)


def template_folder() -> Path | None:
    """The working directory that Alertmanager needs; None where the installed one finds its templates itself."""
    unpacked = FOLDER / "usr" / "share" / "prometheus" / "alertmanager"
    return unpacked if program("prometheus-alertmanager").startswith(str(FOLDER)) else None


def _unpack() -> None:
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place and renamed: one that was killed half-way, or another process's at the same time, does no harm.
    aside = Path(tempfile.mkdtemp(prefix=".prometheus-", dir=FOLDER.parent))
    ended = subprocess.run(
        ["sh", "-ec", _COMMAND], cwd=aside, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(
            f"no Prometheus: `apt-get install {' '.join(PACKAGES)}`, or mend what keeps this from working:\n"
            f"{_COMMAND}\n{ended.stdout}{ended.stderr}"
        )
    alertmanager = aside / "usr" / "bin" / "prometheus-alertmanager"
    alertmanager.write_bytes(alertmanager.read_bytes().replace(_TEMPLATES, _HERE))
    try:
        aside.rename(FOLDER)
    except OSError:
        if not (FOLDER / "usr").exists():
            raise
        shutil.rmtree(aside)


def run(name: str, *arguments: str | os.PathLike[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A tool's answer."""
    return subprocess.run(
        [program(name), *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
