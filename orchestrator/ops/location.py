"""How the running Dagster is, by the webserver's GraphQL: its code locations and daemons."""

from __future__ import annotations

from typing import Any

import httpx

TIMEOUT_S = 30.0
# Of what only informs, beside checks that decide: it must not make their answer late.
INFORMING_S = 2.5
_QUERY = """
{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  ... on PythonError { message errorChain { error { message } } }
} } } } }
"""
_DAEMONS = """
{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } } }
"""


def location_problems(ui_port: int, *, timeout_s: float = TIMEOUT_S) -> list[str]:
    """One text for each code location that failed to load, with the words of the error that is at its root."""
    answer = httpx.post(f"http://127.0.0.1:{ui_port}/graphql", json={"query": _QUERY}, timeout=timeout_s).json()
    problems = []
    for entry in answer["data"]["workspaceOrError"].get("locationEntries", []):
        error = entry["locationOrLoadError"] or {}
        if "message" in error:
            chain = [link["error"]["message"] for link in error["errorChain"]]
            words = (chain or [error["message"]])[-1].strip()
            problems.append(f"code location {entry['name']} did not load: {words}")
    return problems


def daemons(ui_port: int) -> dict[str, Any]:
    """Whether every daemon that must run has sent its heartbeat, and when each did, seconds since the epoch."""
    url = f"http://127.0.0.1:{ui_port}/graphql"
    answer = httpx.post(url, json={"query": _DAEMONS}, timeout=INFORMING_S).json()
    required = [one for one in answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"] if one["required"]]
    return {
        "up": all(one["healthy"] for one in required),
        "fields": {"heartbeats": {one["daemonType"]: one["lastHeartbeatTime"] for one in required}},
    }


def code_location(ui_port: int) -> dict[str, Any]:
    """Whether the webserver could load the code location."""
    problems = location_problems(ui_port, timeout_s=INFORMING_S)
    return {"up": not problems, "fields": {"detail": "; ".join(problems) or "loaded"}}
