"""Real MCP servers for tests: a program that speaks the protocol by the library's own server, over every transport."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.domain.mcp import McpServer

_PROGRAM = """
import os, sys
from mcp.server import MCPServer

server = MCPServer("probe")

@server.tool()
def first(text: str) -> str:
    return text

@server.tool()
def named_by_the_environment() -> str:
    return os.environ.get("PROBE", "")

transport, *port = sys.argv[1:]
if transport == "stdio":
    if os.environ.get("PROBE") == "refuse":
        sys.exit("the token is wrong")
    server.run("stdio")
else:
    server.run(transport, host="127.0.0.1", port=int(port[0]))
"""


def write_program(folder: Path) -> Path:
    """The server's program in a folder."""
    program = folder / "probe_server.py"
    program.write_text(_PROGRAM)
    return program


def stdio_server(folder: Path, name: str = "probe", *, required: bool = True, **env: str) -> McpServer:
    """One that is started by whoever connects to it."""
    command = (str(write_program(folder)), "stdio")
    return McpServer(name=name, command=sys.executable, args=command, env=env, required=required)


@contextmanager
def running_server(folder: Path, transport: str) -> Iterator[str]:
    """The address of one that listens, over `streamable-http` or `sse`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{transport}.log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, write_program(folder), transport, str(port)], stderr=output)
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
    finally:
        process.kill()
        process.wait()
