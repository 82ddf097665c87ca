"""Runs one program and leaves nothing of it behind. A process of its own, standard library only:

    python -I -S supervisor.py CONTROL_FD ORPHAN_STOP_MS COMMAND [ARGUMENT...]

Standard input, output, environment, working directory and inherited descriptors are the program's. CONTROL_FD is a
stream socket to the worker. The worker hears `started PID` or `failed REASON`, and at the end one line
`ended EXIT_CODE UPTIME_MS STDERR_BYTES_DROPPED` followed by the last of the program's stderr up to the end of the
stream. The worker says `stop MS`; when it goes away, that is `stop ORPHAN_STOP_MS`.

A process group is not enough: tool shells of agents call setsid(). As a child subreaper this process inherits whatever
loses its parent, and kills it; in the worker such a sweep would hit children of others.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

STDERR_KEPT_BYTES = 64 * 1024
SWEEP_LIMIT_S = 10.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36


class Tail:
    """The last bytes of a stream, in bounded memory."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self.dropped = 0

    def read(self, fd: int) -> bool:
        """Take what is there; False at the end of the stream."""
        chunk = os.read(fd, 256 * 1024)
        self._kept += chunk
        excess = max(0, len(self._kept) - STDERR_KEPT_BYTES)
        del self._kept[:excess]
        self.dropped += excess
        return bool(chunk)

    def bytes(self) -> bytes:
        return bytes(self._kept)


def supervise(control: int, orphan_stop_ms: int, command: list[str]) -> None:
    """Run `command` to its end, or to the end that the worker asks for, then kill what it left."""
    os.set_inheritable(control, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wakeup = _signals_as_bytes()
    started_at = time.monotonic()
    try:
        # Held to the end: a Popen that is collected reaps its child, and the exit code with it.
        process, stderr = _start(command)
    except OSError as error:
        _tell(control, f"failed {error.strerror}\n".encode())
        return
    program = process.pid
    _tell(control, f"started {program}\n".encode())

    tail = Tail()
    poller = select.poll()
    for fd in (control, wakeup, stderr):
        poller.register(fd, select.POLLIN)
    plan: list[tuple[float, signal.Signals]] = []
    while (exit_code := _reap(program)) is None:
        for fd, _ in poller.poll(_until(plan)):
            if fd == stderr:
                if not tail.read(stderr):
                    poller.unregister(stderr)
            elif fd == wakeup:
                if signal.SIGTERM in os.read(wakeup, 512):
                    plan = _stop_plan(orphan_stop_ms)
            elif request := _hear(control):
                plan = _stop_plan(int(request.split()[1]))
            else:
                poller.unregister(control)
                plan = _stop_plan(orphan_stop_ms)
        while plan and plan[0][0] <= time.monotonic():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program, plan.pop(0)[1])
    uptime_ms = int((time.monotonic() - started_at) * 1000)

    _sweep()
    os.set_blocking(stderr, False)
    with contextlib.suppress(BlockingIOError):
        while tail.read(stderr):
            pass
    _tell(control, f"ended {exit_code} {uptime_ms} {tail.dropped}\n".encode() + tail.bytes())


def _start(command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the program as leader of its own session: its process and the reading end of its stderr."""
    supervisor = os.getpid()

    def die_with_supervisor() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)

    stderr, stderr_of_program = os.pipe()
    # One thread, so preexec_fn is safe. Descriptors stay open: the locks among them must live as long as the program.
    process = subprocess.Popen(
        command, stderr=stderr_of_program, start_new_session=True, close_fds=False, preexec_fn=die_with_supervisor
    )
    os.close(stderr_of_program)
    # Only the program may hold its streams, or their ends would never be seen.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return process, stderr


def _stop_plan(within_ms: int) -> list[tuple[float, signal.Signals]]:
    """When to send what to the program's group; its input has ended already. The rest of the time is the sweep's."""
    now, within_s = time.monotonic(), within_ms / 1000
    return [(now + 0.2 * within_s, signal.SIGTERM), (now + 0.5 * within_s, signal.SIGKILL)]


def _until(plan: list[tuple[float, signal.Signals]]) -> float | None:
    """Milliseconds until the plan's next step; None waits for an event."""
    return max(0.0, (plan[0][0] - time.monotonic()) * 1000) if plan else None


def _reap(program: int) -> int | None:
    """Collect every child that ended; the program's exit code (negative: its signal) when it is among them."""
    exit_code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == program:
                exit_code = os.waitstatus_to_exitcode(ended[1])
    return exit_code


def _sweep() -> None:
    """Kill what the program left, level by level: the children of what dies become ours, until there are none."""
    give_up_at = time.monotonic() + SWEEP_LIMIT_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < give_up_at:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                for pid in _children():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.002)


def _children() -> list[int]:
    """Our children, from /proc; where there is none (macOS), nothing that lost its parent comes to us anyway."""
    found = []
    ours = str(os.getpid()).encode()
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc"):  # noqa: PTH208 — pathlib would cost this short process 7 ms of start
            with contextlib.suppress(OSError):
                if name.isdigit() and _stat_fields(name)[1] == ours:
                    found.append(int(name))
    return found


def _stat_fields(pid: str) -> list[bytes]:
    """State, parent and so on, see proc(5): what follows the name, which may hold anything and ends at the last `)`."""
    with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 — as above
        return stat.read().rpartition(b")")[2].split()


def _signals_as_bytes() -> int:
    """Make SIGCHLD and SIGTERM readable from the returned descriptor; ignore what a terminal sends."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return reading


def _hear(control: int) -> bytes:
    try:
        return os.read(control, 64)
    except ConnectionError:
        return b""


def _tell(control: int, message: bytes) -> None:
    # The worker may be gone; there is nobody else to tell.
    with contextlib.suppress(OSError):
        while message:
            message = message[os.write(control, message) :]


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    supervise(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
