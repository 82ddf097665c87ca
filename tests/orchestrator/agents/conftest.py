"""Fixtures of the agents' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.agents.profiles import BUILTIN, Profile, profile_of
from tests.orchestrator.agents.world import World

# Every implementation of the port that can run here; the suite in test_port.py runs over each.
PROFILES = {
    "builtin": BUILTIN,
    "command": profile_of("command", BUILTIN.command),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(params=sorted(PROFILES))
def profile(request: pytest.FixtureRequest) -> Profile:
    return PROFILES[request.param]
