"""Warm parents: processes that have the definitions imported and fork run workers. How others talk to one.

A request is one JSON object on a line over a Unix socket, the answer another. The sockets lie in a folder of mode 0700
below ORCHESTRATOR_HOME, one for each version of the definitions.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import WarmParentGone
from orchestrator.ops.workers import Process
from orchestrator.settings import Settings

# A parent answers at once: it forks, and does nothing else.
ANSWER_S = 10.0


def sockets_folder(settings: Settings) -> Path:
    """Where the parents listen; made when missing."""
    folder = settings.orchestrator_home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def socket_path(settings: Settings, version: str) -> Path:
    """Where the parent of one version of the definitions listens."""
    return sockets_folder(settings) / f"{version}.sock"


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """The same place by a name that fits into a socket's address, which holds 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the parent that listens at `path`.

    Raises:
        WarmParentGone: nobody listens there, or it did not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection, short_address(path) as address:
            connection.settimeout(ANSWER_S)
            connection.connect(address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
            answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        raise WarmParentGone(f"the warm parent at {path} does not answer: {error or type(error).__name__}") from error
    return answer


def is_listening(path: Path) -> bool:
    """Whether a parent is ready for requests; the socket of a killed one lies there still."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection, short_address(path) as address:
        connection.settimeout(ANSWER_S)
        connection.connect(address)
        return True
    return False


def end_parents(settings: Settings) -> set[Process]:
    """Tell every parent to end; returns them and the workers that they have forked and that still run."""
    found: set[Process] = set()
    for path in (settings.orchestrator_home / "run").glob("*.sock"):
        with suppress(WarmParentGone):
            answer = ask(path, {"end": True})
            found |= {Process(**process) for process in answer["processes"]}
    return found
