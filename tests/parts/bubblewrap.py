"""A real bubblewrap: that of the system, or Debian's package unpacked into `.parts/` without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agents.sandbox import find_sandbox

FOLDER = Path(__file__).parent.parent.parent / ".parts" / "bubblewrap"
_COMMAND = "apt-get download bubblewrap && dpkg -x bubblewrap_*.deb ."


@pytest.fixture
def bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`bwrap` on the PATH. Skips where there is no apt to get it with, and where the kernel allows no namespaces."""
    monkeypatch.setenv("PATH", f"{_folder()}{os.pathsep}{os.environ['PATH']}")
    find_sandbox.cache_clear()
    if find_sandbox() is None:
        pytest.skip("this kernel allows no user namespaces: `sysctl kernel.unprivileged_userns_clone=1`")
    yield
    find_sandbox.cache_clear()


def _folder() -> Path:
    if found := shutil.which("bwrap"):
        return Path(found).parent
    folder = FOLDER / "usr" / "bin"
    if not (folder / "bwrap").exists():
        if shutil.which("apt-get") is None:
            pytest.skip("no bwrap and no apt to get it with; install bubblewrap")
        _unpack()
    return folder


def _unpack() -> None:
    aside = FOLDER.with_name(f".bubblewrap.{os.getpid()}")
    aside.mkdir(parents=True)
    ended = subprocess.run(["sh", "-ec", _COMMAND], cwd=aside, capture_output=True, text=True, timeout=180, check=False)
    if ended.returncode != 0:
        shutil.rmtree(aside)
        raise RuntimeError(
            f"no bubblewrap: `apt-get install bubblewrap`, or mend what keeps this from working:\n"
            f"{_COMMAND}\n{ended.stdout}{ended.stderr}"
        )
    try:
        aside.rename(FOLDER)
    except OSError:
        # Another process of these tests was faster.
        shutil.rmtree(aside)
