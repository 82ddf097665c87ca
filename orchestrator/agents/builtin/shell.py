"""Commands of the built-in agent: one at a time, cancellable, with bounded output."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

OUTPUT_MAX_BYTES = 256 * 1024
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended and what it printed, standard output and error as they came.

    Attributes:
        exit_code: negative: the signal that ended it.
        output: cut in the middle where it is over the limit.
    """

    exit_code: int
    output: str


class Shell:
    """Runs commands in one directory. `run` belongs to one thread, `cancel` to any."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.cancelled = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        command: Sequence[str],
        *,
        max_bytes: int = OUTPUT_MAX_BYTES,
        on_output: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Run a command to its end; `on_output` gets each piece as it is printed.

        Raises:
            OSError: the command cannot be started.
        """
        with self._lock:
            if self.cancelled:
                return Outcome(exit_code=-signal.SIGKILL, output="")
            self._process = process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                # Inherited descriptors are locks: what still writes to a WorkTree must still hold its lock.
                close_fds=False,
            )
        assert process.stdout is not None  # noqa: S101 — Popen was told to make it
        output = _Output(max_bytes)
        with process.stdout as stream:
            for piece in _pieces(process, stream.fileno()):
                output.add(piece)
                if on_output:
                    on_output(piece.decode(errors="replace"))
        exit_code = process.wait()
        with self._lock:
            self._process = None
        return Outcome(exit_code=exit_code, output=output.text())

    def cancel(self) -> None:
        """Kill the running command with its process group, and run no other until `resume`."""
        with self._lock:
            self.cancelled = True
            if self._process and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def resume(self) -> None:
        """Run commands again: a new turn begins."""
        with self._lock:
            self.cancelled = False


def _pieces(process: subprocess.Popen[bytes], stream: int) -> Iterator[bytes]:
    """What the process prints until it ends; what it left in the background may hold the pipe open for ever."""
    while True:
        ended = process.poll() is not None
        if select.select([stream], [], [], 0 if ended else _POLL_S)[0]:
            piece = os.read(stream, 64 * 1024)
            if not piece:
                return
            yield piece
        elif ended:
            return


class _Output:
    """The first and the last bytes of an output, half the limit each."""

    def __init__(self, max_bytes: int) -> None:
        self._half = max_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, piece: bytes) -> None:
        room = self._half - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        excess = max(0, len(self._tail) - self._half)
        del self._tail[:excess]
        self._dropped += excess

    def text(self) -> str:
        head, tail = self._head.decode(errors="replace"), self._tail.decode(errors="replace")
        return f"{head}\n[{self._dropped:,} bytes left out here]\n{tail}" if self._dropped else head + tail
