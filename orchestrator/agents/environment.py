"""The environment of an agent: an allow-list, for a program that runs anything must not see the worker's secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping

# What programs need to run at all: to be found, to speak, to tell the time, to reach the network as this site does.
INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
)


def agent_environment(
    *, given: Mapping[str, str], correlation_id: str, workflow_id: str, worker: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The allow-listed part of the worker's environment, what the spec gives, and the ids of the execution.

    Args:
        given: from the spec; wins over what is inherited, never over the ids.
        worker: the worker's environment; `os.environ` when left out.
    """
    source = os.environ if worker is None else worker
    inherited = {name: source[name] for name in INHERITED if name in source}
    return {
        **inherited,
        **given,
        "ORCHESTRATOR_CORRELATION_ID": correlation_id,
        "ORCHESTRATOR_WORKFLOW_ID": workflow_id,
    }
