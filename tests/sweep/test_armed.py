"""A process of the running system dies once, at the boundary that its environment names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CODE = "from orchestrator.domain.failpoints import reached; reached('one'); reached('two'); print('alive')"


def _run(failpoint: str, file: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT / "tests" / "sweep" / "armed"), str(_ROOT)]),
        "ORCHESTRATOR_FAILPOINT": failpoint,
        "ORCHESTRATOR_FAILPOINT_FILE": str(file),
    }
    return subprocess.run([sys.executable, "-c", _CODE], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("failpoint", ["two", "2"])
def test_it_is_killed_at_the_boundary_and_its_successor_lives(failpoint: str, tmp_path: Path) -> None:
    assert _run(failpoint, tmp_path / "fired").returncode == -signal.SIGKILL
    assert (tmp_path / "fired").exists()
    assert _run(failpoint, tmp_path / "fired").stdout == "alive\n"


def test_a_boundary_that_is_not_reached_kills_nobody(tmp_path: Path) -> None:
    assert _run("three", tmp_path / "fired").stdout == "alive\n"
    assert not (tmp_path / "fired").exists()
