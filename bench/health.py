"""The operations server's answers: p99 of `/health` at 200 requests a second, and `/ready` while everything hangs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Figure, main
from orchestrator.ops.health import Check, Health, Look
from orchestrator.ops.processes import free_port
from orchestrator.settings import load_settings

AT_MOST_MS = 20
RATE_PER_S = 200
SECONDS = 5
_CONNECTIONS = 20
_LATE_MS = 100
_LIMIT_S = 1.0
_READY_S = 60


def measure(*, tries: int = 3) -> Figure:
    """p99 of `/health` under 200 requests a second; in words, how late `/ready` is when every check hangs."""
    with _server() as port:
        asyncio.run(_load(port, seconds=1))
        p99 = tuple(asyncio.run(_load(port, seconds=SECONDS)) for _ in range(tries))
    late = asyncio.run(_hanging())
    return Figure(
        name="health",
        what=f"p99 of /health at {RATE_PER_S} requests a second; with every check hanging /ready came {late:.0f} ms "
        f"after the slowest limit, of {_LATE_MS} allowed",
        unit="ms",
        at_most=AT_MOST_MS,
        ours=p99,
    )


async def _load(port: int, *, seconds: int) -> float:
    """The 99th percentile in ms, over connections that are kept and take turns, each request at its time.

    Written straight to sockets: an HTTP library would take more of the machine than the server does.
    """
    began = time.perf_counter()
    every_s = _CONNECTIONS / RATE_PER_S

    async def connection(number: int) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        times = []
        for turn in range(int(seconds / every_s)):
            due = began + number / RATE_PER_S + turn * every_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            times.append((time.perf_counter() - sent) * 1000)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
        writer.close()
        return times

    each = await asyncio.gather(*(connection(number) for number in range(_CONNECTIONS)))
    times = sorted(one for own in each for one in own)
    return times[int(len(times) * 0.99)]


async def _hanging() -> float:
    def hang() -> Look:
        time.sleep(_LIMIT_S * 10)
        return Look()

    names = ("database", "gitClient", "mcpServers", "eventBus", "fileSystem")
    health = Health([Check(name=name, timeout_s=_LIMIT_S, look=hang) for name in names])
    began = time.perf_counter()
    await health.ready()
    return (time.perf_counter() - began - _LIMIT_S) * 1000


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """`orchestrator serve` in a process of its own, as it is run."""
    port = free_port()
    with TemporaryDirectory() as home:
        environment = {"ORCHESTRATOR_HOME": home, "PORT": str(port), "PATH": "/usr/bin:/bin", "LOG_LEVEL": "warn"}
        load_settings(environment)
        with (Path(home) / "log").open("wb") as log:
            command = [sys.executable, "-m", "orchestrator.cli", "serve"]
            process = subprocess.Popen(command, env={**environment, "PYTHONPATH": ":".join(sys.path)}, stderr=log)
        try:
            deadline = time.monotonic() + _READY_S
            while not _listens(port):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError((Path(home) / "log").read_text())
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(measure)
