"""The one suite over every provider: `builtin` always, the real programs that ORCHESTRATOR_TEST_AGENTS names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.session import AgentStart
from tests.agents_real.drivers import DRIVERS, Driver
from tests.orchestrator.agents.world import MARKER, World
from tests.parts.model import Model, running_model

REAL = tuple(name for name in os.environ.get("ORCHESTRATOR_TEST_AGENTS", "").replace(",", " ").split() if name)
# Real programs on a loaded machine; nothing here measures time.
START_MS, QUERY_MS, STOP_MS = 120_000, 120_000, 30_000

Starts = Callable[..., AgentStart]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `driver` run over all; those marked `has_model` over the real programs alone."""
    if "driver" in metafunc.fixturenames:
        own = () if metafunc.definition.get_closest_marker("has_model") else ("builtin",)
        metafunc.parametrize("driver", [*own, *REAL], indirect=True)


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Driver:
    return DRIVERS[request.param]


@pytest.fixture
def model() -> Iterator[Model]:
    with running_model() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def start(world: World, driver: Driver, model: Model) -> Starts:
    """Makes starts of the provider, talking to the fake model."""

    def make(**changes: Any) -> AgentStart:
        env = {**driver.environment(model.url), MARKER: world.marker, **changes.pop("env", {})}
        fields = {
            "model": driver.model,
            "env": env,
            "start_timeout_ms": START_MS,
            "query_timeout_ms": QUERY_MS,
            "stop_timeout_ms": STOP_MS,
        }
        return world.start(driver.profile, **{**fields, **changes})

    return make
