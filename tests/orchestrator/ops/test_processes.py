"""Stopping: everything is told, what stays is killed when the time is up, or at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator.domain.errors import ProcessFailed
from orchestrator.ops.processes import Program, System
from orchestrator.ops.workers import Process, birth_of

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready', 'w'); time.sleep(300)"


def start(folder: Path, *programs: Program) -> System:
    system = System(programs, environment=os.environ, log_folder=folder / "logs")
    system.start()
    return system


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_second_signal_does_not_wait_for_what_ignores_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    system = start(tmp_path, Program(name="stubborn", command=[sys.executable, "-c", STUBBORN]))
    await_file(tmp_path / "ready")
    at_once = threading.Event()
    stopping = threading.Thread(target=system.stop, kwargs={"timeout_s": 3600, "at_once": at_once})

    stopping.start()
    stopping.join(1)
    assert stopping.is_alive()
    at_once.set()
    stopping.join(60)

    assert not stopping.is_alive()


def test_run_workers_are_told_though_they_have_a_session_of_their_own(tmp_path: Path) -> None:
    system = start(tmp_path)
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as worker:
        process = Process(pid=worker.pid, birth=birth_of(worker.pid) or "")

        system.stop(timeout_s=60, workers=lambda: {process} if process.is_alive() else set())

        assert not process.is_alive()


def test_the_end_of_a_spare_program_is_not_the_systems_end(tmp_path: Path) -> None:
    spare = Program(name="spare", command=["true"], spare=True)
    needed = Program(name="needed", command=["sh", "-c", "sleep 1; exit 3"])
    system = start(tmp_path, spare, needed)

    with pytest.raises(ProcessFailed, match="needed ended with exit code 3"):
        system.watch(threading.Event())

    system.stop(timeout_s=10)
