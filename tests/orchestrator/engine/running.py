"""Works performed beside the test, as a run worker performs them: in a thread, or in a process to be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.engine.performance import Performance
from tests.orchestrator.engine.world import World

DEADLINE_S = 60.0

_WORKER = """
import sys
from orchestrator.engine.engine import open_engine
from orchestrator.engine.perform import perform
from orchestrator.settings import load_settings

engine = open_engine(load_settings({"ORCHESTRATOR_HOME": sys.argv[1], "AGENT_STOP_TIMEOUT_MS": "3000"}))
for work in sys.argv[3:]:
    for fact in perform(engine, workflow_id=sys.argv[2], work=work):
        pass
"""


def wait_for(happened: Callable[[], object], what: str) -> None:
    """Stay until it is so; a loaded machine gets its time."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:g} s for {what}"
        time.sleep(0.02)


@contextmanager
def performing(world: World, workflow_id: str, work: str, *, until: Path) -> Iterator[Performance]:
    """The Work in a thread, once it has made the file `until`."""
    with Performance(world.engine, workflow_id=workflow_id, work=work) as performance:
        wait_for(until.exists, f"{until.name} of work {work}")
        yield performance


@contextmanager
def worker(world: World, workflow_id: str, *works: str, until: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The Works in a process, once they have made the file `until`; killed at the end."""
    home = str(world.engine.settings.orchestrator_home)
    process = subprocess.Popen([sys.executable, "-c", _WORKER, home, workflow_id, *works])
    try:
        wait_for(lambda: until.exists() or process.poll() is not None, f"{until.name} of works {works}")
        yield process
    finally:
        process.kill()
        process.wait()


def processes_under(path: Path) -> list[str]:
    """Command lines of the processes whose working directory lies in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(path) in str((entry / "cwd").resolve()):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
