from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine.retention.cleanup import clean_up
from tests.orchestrator.engine.world import World, opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An engine on SQLite, on a disk that has room, whose roots a first pass has marked."""
    for made in opened(tmp_path, DISK_CRITICAL_THRESHOLD_GB="0.001", DISK_WARNING_THRESHOLD_GB="0.002"):
        clean_up(made.engine)
        yield made
