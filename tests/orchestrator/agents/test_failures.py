"""What the adapters say of a failure, and the error that it becomes; the words are those that the real ones sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from acp.exceptions import RequestError
from acp.schema import PromptResponse

from orchestrator.agents.accounting import usage_of
from orchestrator.agents.failures import failure_in, failure_of, retry_after_s
from orchestrator.agents.profiles import PROFILES
from orchestrator.agents.session import Usage
from orchestrator.domain.errors import (
    AgentApiError,
    AgentError,
    AgentLoginFailed,
    AgentOverloaded,
    AgentProtocolError,
    AgentQuotaReached,
    AgentRefused,
    AgentRequestInvalid,
)


def session_failure(category: str, title: str, *actions: str, severity: str = "error") -> dict[str, Any]:
    failure = {"category": category, "severity": severity, "title": title, "actions": list(actions)}
    return {"jetbrains": {"air": {"version": 1, "sessionFailure": failure}}}


@pytest.mark.parametrize(
    ("meta", "error", "remedy"),
    [
        (session_failure("access", "Sign in to continue.", "login"), AgentLoginFailed, "fail"),
        (session_failure("limit", "Request rejected (429)", "retry"), AgentQuotaReached, "pause"),
        (session_failure("limit", "You've hit your usage limit."), AgentQuotaReached, "pause"),
        (session_failure("limit", "Context window exceeded", "new_session"), AgentRefused, "retry"),
        (session_failure("service", "API Error: 529 Overloaded", "retry"), AgentOverloaded, "pause"),
        (session_failure("service", "API Error: 500 oops", "retry"), AgentApiError, "retry"),
        (session_failure("service", "API Error: 400 no", "retry"), AgentRequestInvalid, "fail"),
        (session_failure("connection", "unexpected status 529 <unknown>", "retry"), AgentOverloaded, "pause"),
        (session_failure("connection", "stream disconnected", "retry"), AgentApiError, "retry"),
        (session_failure("request", "The selected model does not exist"), AgentRequestInvalid, "fail"),
        (session_failure("news", "something new"), AgentApiError, "retry"),
    ],
)
def test_a_category_is_an_error(meta: dict[str, Any], error: type[AgentError], remedy: str) -> None:
    found = failure_in(meta, "claude")
    assert type(found) is error
    assert found.remedy == remedy
    assert "claude" in str(found)


@pytest.mark.parametrize(
    "meta", [None, {}, {"jetbrains": {"air": 3}}, session_failure("service", "Retrying, attempt 1", severity="warning")]
)
def test_a_warning_is_no_error(meta: dict[str, Any] | None) -> None:
    assert failure_in(meta, "claude") is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestError(-32000, "Authentication required"), AgentLoginFailed),
        (RequestError(-32603, "Internal error", {"errorKind": "rate_limit"}), AgentQuotaReached),
        (RequestError(-32603, "Internal error", {"errorKind": "billing_error"}), AgentQuotaReached),
        (RequestError(-32603, "API Error: 529 x", {"errorKind": "server_error"}), AgentOverloaded),
        (RequestError(-32603, "API Error: 500 x", {"errorKind": "server_error"}), AgentApiError),
        (RequestError(-32603, "no such model", {"errorKind": "model_not_found"}), AgentRequestInvalid),
        (RequestError(-32603, "Too Many Requests"), AgentQuotaReached),
        (RequestError(-32603, "401 Unauthorized"), AgentLoginFailed),
        (RequestError(-32603, "connect ECONNREFUSED 127.0.0.1:1"), AgentApiError),
        (RequestError(-32603, "Reached maximum budget"), AgentRefused),
        (RequestError(-32601, "Method not found"), AgentProtocolError),
    ],
)
def test_an_answer_that_is_an_error_is_told_apart(error: RequestError, expected: type[AgentError]) -> None:
    assert type(failure_of(error, "codex")) is expected


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Please try again in 7s.", 7),
        ("try again in 1h 30m", 5400),
        ("Try again in 2 days, 3 hours", 183_600),
        ("retry after 90 seconds", 90),
        ("Retry-After: 12", 12),
        ("try again in 350ms", 1),
        ("try again in 20 minutes", 1200),
        ("limit resets in 5 minutes", 300),
        ("try again in a moment", None),
        ("HTTP 429 after 3 tries", None),
        ("", None),
    ],
)
def test_when_to_come_back_is_read_from_the_words(said: str, seconds: int | None) -> None:
    assert retry_after_s(said) == seconds


def test_a_quota_carries_the_time() -> None:
    found = failure_in(session_failure("limit", "Limit reached, try again in 2m"), "claude")
    assert isinstance(found, AgentQuotaReached)
    assert found.retry_after_s == 120


def response(**fields: Any) -> PromptResponse:
    return PromptResponse.model_validate({"stopReason": "end_turn", **fields})


def spent(answer: PromptResponse, provider: str = "claude", model: str | None = None, **cost: Decimal | None) -> Usage:
    given = {"cost_before": None, "cost_after": None, **cost}
    return usage_of(answer, profile=PROFILES[provider], model=model, **given)


def test_what_came_from_a_cache_was_read_too() -> None:
    usage = {"inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 100, "cachedWriteTokens": 20, "totalTokens": 135}
    assert spent(response(usage=usage)) == Usage(input_tokens=130, output_tokens=5)


def test_the_models_of_subagents_count() -> None:
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    rows = [
        {"model": "a", "token_count": {"inputTokens": 10, "cachedInputTokens": 3, "outputTokens": 5}},
        {"model": "b", "token_count": {"inputTokens": 7, "cacheWriteInputTokens": 2, "outputTokens": 1}},
    ]
    assert spent(response(usage=usage, _meta={"quota": {"model_usage": rows}})) == Usage(
        input_tokens=22, output_tokens=6
    )


def test_a_count_beside_the_usage_is_taken_where_there_is_no_other() -> None:
    quota = {"quota": {"token_count": {"input_tokens": 9, "output_tokens": 4}, "model_usage": []}}
    assert spent(response(_meta=quota), "gemini") == Usage(input_tokens=9, output_tokens=4)


def test_what_a_provider_counts_wrong_is_unknown() -> None:
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    assert spent(response(usage=usage), "opencode") == Usage()


def test_cost_is_the_turns_share_of_the_sessions() -> None:
    one, three = Decimal("1.0"), Decimal("3.0")
    assert spent(response(), cost_before=one, cost_after=three).cost_usd == Decimal("2.0")
    assert spent(response(), cost_before=three, cost_after=one).cost_usd == one, "counted from zero after a resume"
    assert spent(response(), model="our-own", cost_before=one, cost_after=three).cost_usd is None
    assert spent(response(), "codex", cost_after=three).cost_usd is None
