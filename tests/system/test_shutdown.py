"""SIGTERM ends the whole system."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.system import System

pytestmark = pytest.mark.xdist_group("system")


def test_sigterm_leaves_no_process_behind(tmp_path: Path) -> None:
    system = System.start(tmp_path / "home")
    running = system.processes()

    code = system.stop()

    # up, code server, its server of definitions, webserver, daemon, operations server
    assert len(running) >= 6, running
    assert code == 0
    assert system.processes() == []
