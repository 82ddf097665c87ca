"""Every provider's program works behind the wall, with a real bubblewrap."""

from __future__ import annotations

import pytest

from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentRefused
from tests.agents_real.conftest import Starts
from tests.agents_real.drivers import Driver
from tests.orchestrator.agents.world import World
from tests.parts.bubblewrap import bubblewrap

__all__ = ["bubblewrap"]
pytestmark = pytest.mark.usefixtures("bubblewrap")


def test_works_in_its_trees_and_sees_nothing_else(world: World, driver: Driver, start: Starts) -> None:
    tree = world.folder / "trees" / "api"
    tree.mkdir(parents=True)
    (world.workspace / "api").symlink_to(tree)
    (world.folder / "secret").write_text("hush")
    steal = f"cat {world.folder}/secret > api/stolen"
    with world.nothing_left(within_s=10), start_agent(start(directories=(tree,), sandbox="required")) as agent:
        assert agent.query(driver.query({"sh": "echo fixed > api/file"}, {"text": "done"})).tool_calls >= 1
        try:
            agent.query(driver.query({"sh": steal}, {"text": "done"}))
        except AgentRefused:
            assert not driver.has_model
        session_id = agent.session_id
    assert (tree / "file").read_text() == "fixed\n"
    assert (tree / "stolen").read_text() == ""
    with start_agent(start(directories=(tree,), sandbox="required", resume_session_id=session_id)) as agent:
        assert agent.resumed
        assert agent.query(driver.query({"text": "again"})).text
