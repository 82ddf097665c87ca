"""What a turn cost, from each adapter's way of counting.

All tokens that were read count as input: Anthropic leaves out of `input_tokens` what came from its cache, and Codex's
adapter takes it out of OpenAI's number; both tell the rest apart. The adapters of Claude and Codex also list each
model's tokens, with those of subagents and of requests beside the conversation, which are paid for too: where that list
is there it is the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from acp.schema import PromptResponse

from orchestrator.agents.profiles import Profile
from orchestrator.agents.session import Usage

_READ = ("inputTokens", "cachedInputTokens", "cachedWriteTokens", "cacheWriteInputTokens")


def usage_of(
    response: PromptResponse,
    *,
    profile: Profile,
    model: str | None,
    cost_before: Decimal | None,
    cost_after: Decimal | None,
) -> Usage:
    """The usage of one turn.

    Args:
        cost_before: what the agent said for the session when the turn began; None where it had not said.
        cost_after: likewise at its end. Agents count from zero again after a resume.
    """
    cost = cost_after
    if cost_after is not None and cost_before is not None and cost_after >= cost_before:
        cost = cost_after - cost_before
    read, written = _tokens(response) if profile.tokens else (None, None)
    return Usage(
        input_tokens=read, output_tokens=written, cost_usd=cost if profile.cost and profile.is_priced(model) else None
    )


def _tokens(response: PromptResponse) -> tuple[int | None, int | None]:
    quota = (response.field_meta or {}).get("quota")
    counts: list[Mapping[str, Any]] = []
    if isinstance(quota, Mapping):
        counts = [row["token_count"] for row in quota.get("model_usage") or () if row.get("token_count")]
        if not counts and response.usage is None and quota.get("token_count"):
            counts = [quota["token_count"]]
    if counts:
        return _read(counts), sum(int(count.get("outputTokens", count.get("output_tokens", 0))) for count in counts)
    usage = response.usage
    if usage is None:
        return None, None
    return usage.input_tokens + (usage.cached_read_tokens or 0) + (usage.cached_write_tokens or 0), usage.output_tokens


def _read(counts: list[Mapping[str, Any]]) -> int:
    return sum(
        int(count["input_tokens"]) if "input_tokens" in count else sum(int(count.get(name) or 0) for name in _READ)
        for count in counts
    )
