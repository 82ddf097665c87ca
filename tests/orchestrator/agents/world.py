"""What the tests of agents share: scripted agents, starts, and a look at what is left in the process table."""

from __future__ import annotations

import os
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.agents.profiles import Profile, profile_of
from orchestrator.agents.session import AgentStart

MARKER = "TEST_MARKER"

# A protocol-speaking program in a few lines; `body` runs after it.
_PRELUDE = """
import json, os, signal, subprocess, sys, time

def say(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()

def hear():
    line = sys.stdin.readline()
    return json.loads(line) if line else None

def update(**fields):
    say(method="session/update", params={"sessionId": "s1", "update": fields})

def speak(text, **fields):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text}, **fields)

def ready(capabilities={}):
    say(id=hear()["id"], result={"protocolVersion": 1, "agentCapabilities": capabilities})
    say(id=hear()["id"], result={"sessionId": "s1"})

def end(prompt, stop_reason="end_turn", **fields):
    say(id=prompt["id"], result={"stopReason": stop_reason, **fields})
"""


def scripted(folder: Path, body: str) -> Profile:
    """The profile of an agent that is the given Python program."""
    script = folder / f"agent-{uuid.uuid4().hex[:8]}.py"
    script.write_text(_PRELUDE + textwrap.dedent(body))
    return profile_of("command", [sys.executable, "-I", "-S", str(script)])


class World:
    """One test's folder, and one marker in the environment of every process that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = uuid.uuid4().hex
        self.workspace = folder / "workspace"
        self.workspace.mkdir()

    def start(self, agent: Profile | str, **changes: Any) -> AgentStart:
        """A start of a profile, or of a script, with time-outs that suit a test."""
        start = AgentStart(
            profile=scripted(self.folder, agent) if isinstance(agent, str) else agent,
            workspace=self.workspace,
            home=self.folder / "home",
            env={"PATH": os.environ["PATH"], MARKER: self.marker},
            start_timeout_ms=10_000,
            query_timeout_ms=10_000,
            stop_timeout_ms=2_000,
        )
        return replace(start, **changes)

    def alive(self) -> dict[int, str]:
        """The processes that carry the marker: pid -> command line."""
        found = {}
        mark = f"{MARKER}={self.marker}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    @contextmanager
    def nothing_left(self, within_s: float = 0.0) -> Iterator[None]:
        """Fail unless all that carries the marker is gone at the block's end."""
        try:
            yield
        finally:
            until(lambda: not self.alive(), within_s=within_s, what=lambda: f"still alive: {self.alive()}")


def until(holds: Callable[[], bool], *, within_s: float, what: Callable[[], str]) -> None:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.01)
