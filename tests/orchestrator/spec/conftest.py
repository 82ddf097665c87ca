"""A folder to write one spec into."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where one workflow's `defs.yaml` goes, with an empty folder around it."""
    made = tmp_path / "ship"
    made.mkdir()
    return made
