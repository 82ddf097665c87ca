"""What goes wrong on the provider's side, as its real program tells of it: each a typed error that says what to do."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import (
    AgentApiError,
    AgentDenied,
    AgentError,
    AgentLoginFailed,
    AgentOverloaded,
    AgentQuotaReached,
    AgentRequestInvalid,
    AgentTimeout,
)
from tests.agents_real.conftest import Starts
from tests.agents_real.drivers import Driver
from tests.orchestrator.agents.world import World, until
from tests.parts.model import Model

pytestmark = pytest.mark.has_model
# Each waits longer before the next try; what they do at the end of their patience is what is looked at here.
IMPATIENT = {"CLAUDE_CODE_MAX_RETRIES": "1"}


@pytest.mark.parametrize(
    ("step", "error", "remedy"),
    [
        ({"status": 401}, AgentLoginFailed, "fail"),
        ({"status": 429}, AgentQuotaReached, "pause"),
        ({"status": 529}, AgentOverloaded, "pause"),
        ({"status": 500}, AgentApiError, "retry"),
        ({"status": 400, "type": "invalid_request_error"}, AgentRequestInvalid, "fail"),
        ({"cut": True}, AgentApiError, "retry"),
    ],
    ids=["401", "429", "529", "500", "400", "cut"],
)
def test_an_error_of_the_api_is_told_apart(
    driver: Driver, start: Starts, step: dict[str, Any], error: type[AgentError], remedy: str
) -> None:
    with start_agent(start(env=IMPATIENT)) as agent:
        with pytest.raises(AgentError) as raised:
            agent.query(driver.query(step))
        if (driver.profile.provider, step.get("status")) == ("codex", 500):
            # It says "We're currently experiencing high demand" for every 500.
            assert isinstance(raised.value, AgentOverloaded)
            return
        if (driver.profile.provider, step.get("status")) == ("codex", 400):
            assert isinstance(raised.value, AgentApiError)
            return
        assert type(raised.value) is error, raised.value
        assert raised.value.remedy == remedy
        assert driver.profile.provider in str(raised.value)


def test_a_quota_says_when_to_come_back(driver: Driver, start: Starts) -> None:
    message = "Usage limit reached. Please try again in 1h 30m"
    with start_agent(start(env=IMPATIENT)) as agent, pytest.raises(AgentQuotaReached) as raised:
        agent.query(driver.query({"status": 429, "type": "rate_limit_error", "message": message}))
    # Codex gives the words of a 429 away.
    assert raised.value.retry_after_s == (5400 if driver.profile.provider == "claude" else None)


def test_a_provider_that_never_answers_is_a_time_out(world: World, driver: Driver, start: Starts) -> None:
    with world.nothing_left(within_s=5), start_agent(start(query_timeout_ms=8_000)) as agent:
        with pytest.raises(AgentTimeout):
            agent.query(driver.query({"hang": True}))
        assert not world.alive()


def test_a_cancel_is_heard_while_the_provider_does_not_answer(driver: Driver, start: Starts, model: Model) -> None:
    with start_agent(start()) as agent:

        def cancel() -> None:
            until(lambda: any("hang" in request.step for request in model.served), within_s=60, what=lambda: "no call")
            agent.cancel()

        waiting = threading.Thread(target=cancel)
        waiting.start()
        assert agent.query(driver.query({"hang": True})).stop_reason == "cancelled"
        waiting.join()


def test_a_session_goes_on_after_an_error(driver: Driver, start: Starts) -> None:
    with start_agent(start(env=IMPATIENT)) as agent:
        with pytest.raises(AgentQuotaReached):
            agent.query(driver.query({"status": 429}))
        assert "fine" in agent.query(driver.query({"text": "fine"})).text


def test_who_may_only_read_changes_nothing(world: World, driver: Driver, start: Starts) -> None:
    with start_agent(start(permissions="read")) as agent:
        try:
            turn = agent.query(driver.query({"sh": "echo no > written"}, {"text": "done"}))
        except AgentDenied as denied:
            assert denied.denied  # noqa: PT017 — one of the two ways to be kept from it
        else:
            assert turn.text
    assert not (world.workspace / "written").exists()


def test_who_may_do_all_writes_outside_too(world: World, driver: Driver, start: Starts) -> None:
    outside = world.folder / "outside"
    with start_agent(start(permissions="full")) as agent:
        agent.query(driver.query({"sh": f"echo yes > {outside}"}, {"text": "done"}))
    assert outside.read_text() == "yes\n"
