"""One worker process: it launches the Workflow, or takes it up, and dies where it is told to."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.domain import failpoints
from orchestrator.domain.errors import NotFound
from orchestrator.engine.create import create
from orchestrator.engine.ended import run_ended
from orchestrator.engine.engine import open_engine
from orchestrator.engine.perform import perform
from orchestrator.settings import load_settings, prepare_folders
from tests.sweep import naive
from tests.sweep.checker import marked_processes
from tests.sweep.scenario import RUN_ID, RUNS_VARIABLE, STEPS, WORKFLOW_ID

# kill: this process alone, its agent is left behind. power: this process, its agent and all that they started.
# full: the disk is full at one write, and the process goes on with that.
Action = Literal["kill", "power", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens at the n-th boundary, from 1, that a process reaches."""

    boundary: int
    action: Action = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one worker process is to do.

    Attributes:
        home: the try's folder; in the environment or the working directory of every process that belongs to it.
        ledger: gets the name of each boundary as it is reached, a line each.
        naive: perform it with the control's flaws.
        settled: as after the sensor has seen the dead worker's run: the Workflow is FAILED before it is taken up.
    """

    home: Path
    database: str
    document: str
    digest: str
    ledger: Path
    fault: Fault | None = None
    naive: bool = False
    settled: bool = False


def start(task: Task) -> int:
    """Fork a worker from this process, which has everything imported and one thread; its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(task)
    return pid


def _live(task: Task) -> None:
    """Perform the Workflow and exit: 0 when it is done, 1 when something was raised."""
    code = 1
    try:
        # As a run launcher does it: a session, and logs, of its own.
        os.setsid()
        log = os.open(task.home / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ[RUNS_VARIABLE] = str(task.home / "runs")
        _arm(task)
        if task.naive:
            naive.install()
        _perform(task)
        code = 0
    except BaseException:  # noqa: BLE001 — what was raised is in the log, and the exit code says that something was
        traceback.print_exc()
    finally:
        # Not the interpreter's end: this is a copy of a process that has its own.
        os._exit(code)


def _perform(task: Task) -> None:
    settings = load_settings(
        {"ORCHESTRATOR_HOME": str(task.home / "data"), "DATABASE_URL": task.database, "AGENT_STOP_TIMEOUT_MS": "5000"}
    )
    prepare_folders(settings)
    engine = open_engine(settings)
    if task.settled:
        # A launch that was killed before its Workflow existed left nothing to settle.
        with suppress(NotFound):
            run_ended(engine.store, workflow_id=WORKFLOW_ID, run_id=RUN_ID, cancelled=False, error="killed")
    create(engine.store, run_id=RUN_ID, document=task.document, digest=task.digest, inputs={})
    for step in STEPS:
        for _ in perform(engine, workflow_id=WORKFLOW_ID, work=step.work):
            pass
    engine.store.close()


def _arm(task: Task) -> None:
    ledger = os.open(task.ledger, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    lock = threading.Lock()
    count = 0

    def act(boundary: str) -> None:
        nonlocal count
        with lock:
            count += 1
            os.write(ledger, f"{boundary}\n".encode())
            if task.fault is None or count != task.fault.boundary:
                return
        if task.fault.action == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), boundary)
        if task.fault.action == "power":
            for pid in marked_processes(str(task.home)):
                if pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(act)
