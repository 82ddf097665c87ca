from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.engine.world import World, opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An engine on SQLite with two repositories."""
    yield from opened(tmp_path)
