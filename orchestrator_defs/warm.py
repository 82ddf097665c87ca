"""A warm parent: it has the definitions imported and forks a run worker for each request.

`python -m orchestrator_defs.warm --starter PID [--version V]`. It stays one thread, opens no instance, no store and no
connection but the socket it listens on, and holds one version of the definitions: another version gets a parent of its
own, and this one ends. It ends with the process that started it, or when it is told to; the workers that it forked go
on.
"""

import argparse
import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from orchestrator.observe.log import get_logger
from orchestrator.ops.warm import short_address, socket_path
from orchestrator.ops.workers import Process, birth_of
from orchestrator.settings import load_settings
from orchestrator_defs.preload import prepare
from orchestrator_defs.version import definitions_version
from orchestrator_defs.worker import perform_run
from resources.telemetry import start_logging

_log = get_logger(__name__)
LOOK_S = 1.0
# How often, in looks, it compares its version with what lies on the disk.
VERSION_LOOKS = 30
REQUEST_S = 5.0


class Parent:
    """One parent at its socket.

    Attributes:
        children: the workers that it forked and that have not ended.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.children: set[Process] = set()

    def serve(self) -> bool:
        """Answer one request or see that there is none; False once it was told to end."""
        self._reap()
        try:
            connection, _ = self.listener.accept()
        except TimeoutError:
            return True
        with connection, contextlib.suppress(OSError, ValueError):
            # Whoever connects and says nothing must not keep the others waiting.
            connection.settimeout(REQUEST_S)
            with connection.makefile("rb") as lines:
                request = json.loads(lines.readline())
            answer = self._end() if "end" in request else self._fork(request)
            connection.sendall(json.dumps(answer).encode() + b"\n")
            return "end" not in request
        return True

    def _end(self) -> dict[str, Any]:
        own = Process(pid=os.getpid(), birth=birth_of(os.getpid()) or "")
        return {"processes": [asdict(process) for process in (own, *self.children)]}

    def _fork(self, request: dict[str, Any]) -> dict[str, Any]:
        # Until the worker has its own handlers, a signal to it waits.
        signals = {signal.SIGTERM, signal.SIGINT}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            pid = os.fork()
            if pid == 0:
                _become_worker(request)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        child = Process(pid=pid, birth=birth_of(pid) or "")
        self.children.add(child)
        return asdict(child)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self.children = {child for child in self.children if child.pid != pid}


def _become_worker(request: dict[str, Any]) -> None:
    """Shed everything that is the parent's and perform the run; does not return."""
    code = 1
    try:
        os.setsid()
        _own_descriptors(Path(request["log"]))
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        structlog.contextvars.clear_contextvars()
        gc.enable()
        # Level and mask come from the environment.
        start_logging()
        perform_run(request["run_id"], instance_ref=request["instance_ref"], log_path=request["log"])
        code = 0
    except BaseException as error:  # noqa: BLE001 — nothing may get back into the parent's loop
        _log.error("UncaughtException", message=f"the run worker ends: {error!r}", exc_info=error)
    finally:
        os._exit(code)


def _own_descriptors(log: Path) -> None:
    """The log as output, no input, and no other descriptor: a lock or a socket would outlive the parent in here."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.closerange(3, max(int(entry.name) for entry in Path("/proc/self/fd").iterdir()) + 1)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket | None]:
    """The socket of a version's only parent; None where there is one already."""
    with path.with_suffix(".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                yield listener
            finally:
                path.unlink(missing_ok=True)


def main() -> int:
    """Exit code 0: it was told to end, or there is a parent already; 1: it could not be one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starter", type=int, required=True, help="the process with which it ends")
    parser.add_argument("--version", help="what whoever waits for it takes for the present version")
    arguments = parser.parse_args()
    start_logging()
    settings = load_settings()
    version = definitions_version(settings)
    if arguments.version not in (None, version):
        _log.warning("WarmParentFailed", message=f"version {arguments.version} is asked for, this is {version}")
        return 1
    # The system's stop reaches the whole group; a parent that is told so has nothing to save.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path = socket_path(settings, version)
    with listening(path) as listener:
        if listener is None:
            return 0
        try:
            prepare()
        except Exception as error:  # noqa: BLE001 — the workers will meet it themselves and say it in the run
            _log.warning("WarmParentFailed", message=f"run workers start by themselves: {error}", exc_info=error)
            return 1
        _open(listener, path)
        _log.info("WarmParentReady", message=f"run workers are forked for version {version}", version=version)
        parent = Parent(listener)
        looks = 0
        while parent.serve() and os.getppid() == arguments.starter:
            looks += 1
            if looks % VERSION_LOOKS == 0 and definitions_version(settings) != version:
                _log.info("WarmParentOutdated", message="the definitions have changed", version=version)
                break
    return 0


def _open(listener: socket.socket, path: Path) -> None:
    # Under its name only once it listens: whoever finds a socket that refuses takes its parent for dead.
    unnamed = path.with_suffix(".new")
    unnamed.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        with short_address(unnamed) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(64)
    listener.settimeout(LOOK_S)
    unnamed.rename(path)


if __name__ == "__main__":
    sys.exit(main())
