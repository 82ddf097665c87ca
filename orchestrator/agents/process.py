"""A supervised process, as the worker holds it: its pipes, how it ended, and how to end it. For one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import AgentStartError, AgentTimeout

_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
# Nobody waits for the answer of an orphan, but whoever takes over waits for its locks.
ORPHAN_STOP_LIMIT_MS = 5_000
BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended.

    Attributes:
        exit_code: negative: the signal that ended it; None: its supervisor was killed before it could tell.
        uptime_ms: from started to ended.
        stderr: the last 64 KiB of it.
        stderr_dropped_bytes: how much came before that.
    """

    exit_code: int | None
    uptime_ms: int
    stderr: str
    stderr_dropped_bytes: int

    def __str__(self) -> str:
        if self.exit_code is None:
            return "its supervisor was killed"
        if self.exit_code < 0:
            return f"killed by {signal.Signals(-self.exit_code).name}"
        return f"exit code {self.exit_code}"


class SupervisedProcess:
    """A program under its supervisor. Creating one starts it; `connect` makes it usable, `stop` must always follow.

    Attributes:
        pid: of the program itself; 0 until `connect`.
        stdin: to it.
        stdout: from it, with `BUFFER_BYTES` of buffer.
        ended: done when the program and everything it started are gone.
    """

    pid: int = 0
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stop_timeout_ms: int,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._program = command[0]
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        orphan_stop_ms = min(stop_timeout_ms, ORPHAN_STOP_LIMIT_MS)
        arguments = [sys.executable, "-I", "-S", _SUPERVISOR, str(theirs.fileno()), str(orphan_stop_ms), *command]
        with theirs:
            try:
                self._supervisor = subprocess.Popen(
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=cwd,
                    env=dict(env),
                    pass_fds=(theirs.fileno(), *pass_fds),
                    # What a terminal or a group kill sends to the worker must not reach who cleans up after it.
                    start_new_session=True,
                )
            except OSError as error:
                self._control.close()
                raise AgentStartError(f"cannot start {self._program!r} in {cwd}: {error}") from error
        self._started_at = time.monotonic()
        self._reading: asyncio.ReadTransport | None = None
        self._writing: asyncio.WriteTransport | None = None
        self._started: asyncio.Future[str] = self._loop.create_future()
        self.ended: asyncio.Task[Ended] = asyncio.create_task(self._watch())

    async def connect(self) -> None:
        """Wait until the program runs.

        Raises:
            AgentStartError: there is no such program, or it cannot be executed.
        """
        told, _, detail = (await self._started).partition(" ")
        if told != "started":
            raise AgentStartError(
                f"cannot run {self._program!r}: {detail or 'its supervisor was killed'}; "
                "install it where the workers run, on their PATH, or correct the command"
            )
        self.pid = int(detail)
        self.stdout = asyncio.StreamReader(limit=BUFFER_BYTES)
        self._reading, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.stdout), self._supervisor.stdout
        )
        self._writing, protocol = await self._loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), self._supervisor.stdin
        )
        self.stdin = asyncio.StreamWriter(self._writing, protocol, None, self._loop)

    async def stop(self, timeout_ms: int) -> None:
        """End the program and everything it started: end of input, SIGTERM, SIGKILL, sweep, within the time.

        Raises:
            AgentTimeout: something of it would not die.
        """
        try:
            self._close_input()
            with contextlib.suppress(ConnectionError):
                await self._loop.sock_sendall(self._control, f"stop {timeout_ms}\n".encode())
            await asyncio.wait({self.ended}, timeout=timeout_ms / 1000)
            if not self.ended.done():
                self._supervisor.kill()
                self._supervisor.wait()
                raise AgentTimeout(f"{self._program!r} and what it started did not end in {timeout_ms / 1000:g} s")
        finally:
            self._let_go()

    async def _watch(self) -> Ended:
        heard = b""
        while b"\n" not in heard and (chunk := await self._hear()):
            heard += chunk
        started, _, heard = heard.partition(b"\n")
        self._started.set_result(started.decode(errors="replace"))
        while chunk := await self._hear():
            heard += chunk
        # The socket ends with the supervisor, so this does not wait.
        self._supervisor.wait()
        header, _, stderr = heard.partition(b"\n")
        if not header:
            self._kill_group()
            uptime_ms = int((time.monotonic() - self._started_at) * 1000)
            return Ended(exit_code=None, uptime_ms=uptime_ms, stderr="", stderr_dropped_bytes=0)
        exit_code, uptime_ms, dropped = (int(word) for word in header.split()[1:])
        return Ended(
            exit_code=exit_code,
            uptime_ms=uptime_ms,
            stderr=stderr.decode(errors="replace"),
            stderr_dropped_bytes=dropped,
        )

    async def _hear(self) -> bytes:
        try:
            return await self._loop.sock_recv(self._control, 64 * 1024)
        except ConnectionError:
            return b""

    def _kill_group(self) -> None:
        """The kernel kills the program with its supervisor; its group, which has its number, is left to us."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close_input(self) -> None:
        if self._writing and not self._writing.is_closing():
            # Not close(): that waits until all is written, and a hung program never reads it.
            self._writing.abort()
        if self._supervisor.stdin:
            self._supervisor.stdin.close()

    def _let_go(self) -> None:
        """Close everything; a supervisor that still runs takes that for our end and stops its program."""
        self._close_input()
        if self._reading:
            self._reading.close()
        if self._supervisor.stdout:
            self._supervisor.stdout.close()
        self.ended.cancel()
        # One step later, when the cancelled task no longer listens on it.
        self._loop.call_soon(self._control.close)
