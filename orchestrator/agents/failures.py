"""Why a turn failed, from what each adapter tells of it.

Claude's and Codex's adapters share an extension of the protocol that its client asks for, `SESSION_FAILURE`: the end of
a turn that the provider failed carries the category, and warnings come as notices. Without it Codex reports a used-up
quota as the text of an ordinary answer (2.6). Where there is no category, the words are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from acp.exceptions import RequestError

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

SESSION_FAILURE = {"jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}}}
AUTH_REQUIRED = -32000  # the protocol's own code
# JSON-RPC: parse error, invalid request, method not found, invalid params.
_PROTOCOL_CODES = frozenset({-32700, -32600, -32601, -32602})
_SHOWN_CHARS = 600

# What Claude's adapter calls errors, as data of a JSON-RPC error.
_KINDS: Mapping[str, type[AgentError]] = {
    "authentication_failed": AgentLoginFailed,
    "oauth_org_not_allowed": AgentLoginFailed,
    "verification_required": AgentLoginFailed,
    "cloud_credential_error": AgentLoginFailed,
    "billing_error": AgentQuotaReached,
    "account_on_hold": AgentQuotaReached,
    "rate_limit": AgentQuotaReached,
    "overloaded": AgentOverloaded,
    "invalid_request": AgentRequestInvalid,
    "model_not_found": AgentRequestInvalid,
}
# In the order in which they decide: an overload may be said with a word of the others.
_WORDS: tuple[tuple[re.Pattern[str], type[AgentError]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), error)
    for words, error in (
        (r"\b(?:529|503)\b|overloaded|high demand|service unavailable", AgentOverloaded),
        (r"\b429\b|rate.?limit|quota|(?:usage|session|weekly|spend\w*) limit|too many requests|credit balance|"
         r"hit your limit|resource.?exhausted", AgentQuotaReached),
        (r"\b401\b|unauthori[sz]ed|authenticat|api.?key|log ?in\b|sign.?in\b|credential", AgentLoginFailed),
        (r"\b(?:400|404|422)\b|model.{0,80}not (?:exist|found)|selected model|invalid.request", AgentRequestInvalid),
        (r"\b5\d\d\b|api error|fetch failed|ECONN|ENOTFOUND|disconnected|connection|network|timed? ?out",
         AgentApiError),
    )
)  # fmt: skip
_UNIT = r"(?:ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)?"
_RETRY_AFTER = re.compile(
    r"(?:retry|try again|resets?|available)(?: again)?[ -]{0,3}(?:after|in)[:= ]{0,3}"
    rf"(?P<numbers>(?:\d{{1,7}}(?:\.\d{{1,3}})?\s{{0,2}}{_UNIT}\b[, ]{{0,2}}){{1,4}})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?P<number>\d{1,7}(?:\.\d{1,3})?)\s{0,2}(?P<unit>[a-z]{0,12})", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "mi": 60, "m": 60, "h": 3600, "d": 86_400, "s": 1, "": 1}


def failure_in(meta: Mapping[str, Any] | None, provider: str) -> AgentError | None:
    """The error in the `_meta` of a turn's end or of an update; None where it holds none, or only a warning."""
    failure = session_failure(meta)
    if failure is None or failure.get("severity") != "error":
        return None
    said = str(failure.get("title") or "")
    if failure.get("details"):
        said = f"{said} {failure['details']}"
    category, actions = failure.get("category"), failure.get("actions") or ()
    if category == "access":
        return _made(AgentLoginFailed, provider, said)
    if category == "limit":
        if "new_session" in actions:
            return AgentRefused(f"agent {provider!r} came to a limit of its session: {_cut(said)}", stop_reason="limit")
        return _made(AgentQuotaReached, provider, said)
    if category == "request":
        return _made(AgentRequestInvalid, provider, said)
    # Whether all have to wait, this one has to try again or nothing will help, only the words say.
    return _made(_by_words(said) or AgentApiError, provider, said)


def session_failure(meta: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The adapters' extension in a `_meta`: `category`, `severity`, `title`, `details`, `actions`."""
    place: Any = meta
    for key in ("jetbrains", "air", "sessionFailure"):
        place = place.get(key) if isinstance(place, Mapping) else None
    return place if isinstance(place, Mapping) else None


def failure_of(error: RequestError, provider: str, *, text: str = "") -> AgentError:
    """The error that an agent answered a request with; `text` is what it had said until then."""
    said = f"{error} {error.data}" if error.data else str(error)
    kind = error.data.get("errorKind") if isinstance(error.data, Mapping) else None
    if error.code == AUTH_REQUIRED:
        return _made(AgentLoginFailed, provider, f"{said} {text[-_SHOWN_CHARS:]}".strip())
    if error.code in _PROTOCOL_CODES and kind is None:
        return AgentProtocolError(f"agent {provider!r} refused the request: {_cut(said)}")
    found = _KINDS.get(str(kind)) or _by_words(said)
    if found is AgentApiError or kind in ("server_error", "unknown"):
        found = AgentOverloaded if _by_words(said) is AgentOverloaded else AgentApiError
    if found is None:
        return AgentRefused(f"agent {provider!r} failed: {_cut(said)}", stop_reason="error", text=text)
    return _made(found, provider, said)


def lost_connection(provider: str, notice: str) -> AgentApiError:
    """For a turn that ended without a word, after this notice of a broken connection."""
    return AgentApiError(
        f"agent {provider!r} lost the connection to its provider and answered nothing ({_cut(notice)}); "
        "look whether the workers reach it"
    )


def retry_after_s(said: str) -> int | None:
    """`try again in 1h 30m` -> 5400; None where the words name no time."""
    match = _RETRY_AFTER.search(said)
    if match is None:
        return None
    seconds = 0.0
    for part in _NUMBER.finditer(match["numbers"]):
        unit = part["unit"].lower()
        known = next((name for name in ("ms", "mi", "m", "h", "d", "s") if unit.startswith(name)), "")
        # `milliseconds` begins as `minutes` does.
        seconds += float(part["number"]) * (0.001 if unit.startswith("mill") else _UNIT_S[known])
    return max(1, round(seconds))


def _by_words(said: str) -> type[AgentError] | None:
    return next((error for words, error in _WORDS if words.search(said)), None)


def _made(error: type[AgentError], provider: str, said: str) -> AgentError:
    said = _cut(said)
    if issubclass(error, AgentQuotaReached):
        what = "finds its provider overloaded" if error is AgentOverloaded else "has no quota left for now"
        return error(f"agent {provider!r} {what}: {said}; wait, then resume", retry_after_s=retry_after_s(said))
    if error is AgentLoginFailed:
        return error(
            f"agent {provider!r} could not log in: {said}; give its key in the spec, as in "
            f'`agent: {{env: {{NAME: "${{NAME}}"}}}}`, and set that variable where the workers run'
        )
    if error is AgentRequestInvalid:
        return error(f"the provider of agent {provider!r} refuses the request: {said}; correct `agent` in the spec")
    return error(f"the provider of agent {provider!r} failed: {said}; try again, or look at the provider's status")


def _cut(said: str) -> str:
    said = " ".join(said.split())
    return said if len(said) <= _SHOWN_CHARS else f"{said[:_SHOWN_CHARS]}…"
