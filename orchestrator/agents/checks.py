"""Shell commands beside an agent: supervised as it is, in its environment. The spec's `checks:` run so."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agents.loop import LoopThread
from orchestrator.agents.process import BUFFER_BYTES, SupervisedProcess
from orchestrator.agents.sandbox import Sandbox, sandboxed
from orchestrator.domain.errors import AgentTimeout
from orchestrator.domain.stop import Stop

OUTPUT_KEPT_BYTES = 64 * 1024
_END_GRACE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended.

    Attributes:
        exit_code: negative: the signal that ended it; None: it was stopped at its time-out.
        output: the last 64 KiB of standard output and error, as they came.
        dropped_bytes: how much came before that.
    """

    exit_code: int | None
    output: str
    dropped_bytes: int
    duration_ms: int


def run_command(
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_ms: int,
    stop_timeout_ms: int = 30_000,
    pass_fds: tuple[int, ...] = (),
    sandbox: Sandbox = "off",
    stop: Stop | None = None,
) -> CommandResult:
    """Run `sh -c command` to its end or its time-out; nothing that it started is left then, whatever ends the wait.

    Args:
        env: the complete environment, HOME included.
        sandbox: as for the agent; `cwd` and HOME are then all that it can write.

    Raises:
        AgentUnavailable: the sandbox is required, and this machine has none.
        AgentStartError: there is no `sh` on the PATH, or no such directory.
        AgentTimeout: something of it would not die.
        WorkStopped: the order to stop came.
    """
    # One stream, so that errors stand where they happened.
    words = ("sh", "-c", f"exec 2>&1\n{command}")
    home = Path(env.get("HOME", cwd))
    with LoopThread(stop) as loop:
        running = _Command(sandboxed(words, mode=sandbox, workspace=cwd, writable=(cwd,), home=home, env=env))
        try:
            return loop.call(running.run(cwd, env, timeout_ms, stop_timeout_ms, pass_fds))
        except BaseException:
            with contextlib.suppress(AgentTimeout):
                loop.finish(running.stop(stop_timeout_ms))
            raise


class _Command:
    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._process: SupervisedProcess | None = None
        self._output = bytearray()
        self._dropped = 0

    async def run(
        self, cwd: Path, env: Mapping[str, str], timeout_ms: int, stop_timeout_ms: int, pass_fds: tuple[int, ...]
    ) -> CommandResult:
        began = time.monotonic()
        self._process = process = SupervisedProcess(
            self._command,
            cwd=cwd,
            env=env,
            stop_timeout_ms=stop_timeout_ms,
            pass_fds=pass_fds,
        )
        exit_code = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_ms / 1000):
                await process.connect()
                process.stdin.close()
                reading = asyncio.create_task(self._read_all(process.stdout))
                exit_code = (await asyncio.shield(process.ended)).exit_code
                # At its end, for nobody is left to write; unless the supervisor was killed before it could sweep.
                await asyncio.wait({reading}, timeout=_END_GRACE_S)
        await self.stop(stop_timeout_ms)
        return CommandResult(
            exit_code=exit_code,
            output=self._output.decode(errors="replace"),
            dropped_bytes=self._dropped,
            duration_ms=int((time.monotonic() - began) * 1000),
        )

    async def stop(self, timeout_ms: int) -> None:
        process, self._process = self._process, None
        if process:
            await process.stop(timeout_ms)

    async def _read_all(self, stdout: asyncio.StreamReader) -> None:
        while chunk := await stdout.read(BUFFER_BYTES):
            self._output += chunk
            excess = max(0, len(self._output) - OUTPUT_KEPT_BYTES)
            del self._output[:excess]
            self._dropped += excess
