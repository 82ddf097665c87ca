"""Whether the running webserver could load the code location."""

from __future__ import annotations

import httpx

TIMEOUT_S = 30.0
_QUERY = """
{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  ... on PythonError { message errorChain { error { message } } }
} } } } }
"""


def location_problems(ui_port: int) -> list[str]:
    """One text for each code location that failed to load, with the words of the error that is at its root."""
    answer = httpx.post(f"http://127.0.0.1:{ui_port}/graphql", json={"query": _QUERY}, timeout=TIMEOUT_S).json()
    problems = []
    for entry in answer["data"]["workspaceOrError"].get("locationEntries", []):
        error = entry["locationOrLoadError"] or {}
        if "message" in error:
            chain = [link["error"]["message"] for link in error["errorChain"]]
            words = (chain or [error["message"]])[-1].strip()
            problems.append(f"code location {entry['name']} did not load: {words}")
    return problems
