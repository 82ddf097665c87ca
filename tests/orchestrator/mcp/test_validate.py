"""Servers are really connected to; one that is down is named with its reason, and holds nobody up."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from orchestrator.domain.errors import McpError
from orchestrator.domain.mcp import McpServer
from orchestrator.mcp import usable_servers, validate_servers
from tests.orchestrator.mcp.servers import running_server, stdio_server

PATIENT_MS = 60_000
TOOLS = {"first", "named_by_the_environment"}


def test_a_program_is_started_asked_and_ended(tmp_path: Path) -> None:
    mark = f"PROBE_MARK={tmp_path.name}"
    (found,) = validate_servers([stdio_server(tmp_path, PROBE_MARK=tmp_path.name)], timeout_ms=PATIENT_MS)
    assert found.reason is None
    assert set(found.tools) == TOOLS
    assert found.duration_ms > 0
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in _environment(pid)]  # noqa: PTH208 — names, no paths


@pytest.mark.parametrize(("transport", "kind"), [("streamable-http", "http"), ("sse", "sse")])
def test_an_address_is_asked(tmp_path: Path, transport: str, kind: str) -> None:
    with running_server(tmp_path, transport) as url:
        server = McpServer(name="probe", kind="http" if kind == "http" else "sse", url=url)
        (found,) = validate_servers([server], timeout_ms=PATIENT_MS)
    assert found.reason is None
    assert set(found.tools) == TOOLS


def test_the_real_git_server_has_its_tools() -> None:
    server = McpServer(name="git", command=sys.executable, args=("-m", "mcp_server_git"))
    (found,) = validate_servers([server], timeout_ms=PATIENT_MS)
    assert found.reason is None
    assert "git_status" in found.tools


def test_a_server_that_ends_is_named_with_what_it_said(tmp_path: Path) -> None:
    (found,) = validate_servers([stdio_server(tmp_path, PROBE="refuse")], timeout_ms=PATIENT_MS)
    assert found.tools == ()
    assert found.reason is not None
    assert "the token is wrong" in found.reason


def test_a_missing_program_is_named() -> None:
    (found,) = validate_servers([McpServer(name="gone", command="no-such-server")], timeout_ms=PATIENT_MS)
    assert found.reason is not None
    assert "'no-such-server'" in found.reason
    assert "install" in found.reason


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/mcp"
    for kind in ("http", "sse"):
        server = McpServer(name="down", kind="http" if kind == "http" else "sse", url=url)
        (found,) = validate_servers([server], timeout_ms=PATIENT_MS)
        assert found.reason is not None
        assert url in found.reason


def test_one_that_hangs_is_named_and_ends_within_the_time_out_and_holds_nobody_up(tmp_path: Path) -> None:
    mark = tmp_path.name
    hangs = McpServer(
        name="hangs", command="sh", args=("-c", "trap '' TERM; sleep 600 & sleep 600"), env={"PROBE_MARK": mark}
    )
    began = time.monotonic()
    slow, fine = validate_servers([hangs, stdio_server(tmp_path)], timeout_ms=20_000)
    assert time.monotonic() - began < 600
    assert slow.reason is not None
    assert "no answer in 18 s" in slow.reason
    assert "MCP_VALIDATION_TIMEOUT_MS" in slow.reason
    assert fine.reason is None
    assert fine.duration_ms < slow.duration_ms
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and f"PROBE_MARK={mark}" in _environment(pid)]  # noqa: PTH208 — as above


def test_an_address_that_never_answers_is_named() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = McpServer(name="silent", kind="http", url=f"http://127.0.0.1:{silent.getsockname()[1]}/mcp")
        (found,) = validate_servers([server], timeout_ms=1_000)
    assert found.reason is not None
    assert "no answer in 1 s" in found.reason


def test_no_secret_is_in_a_reason(tmp_path: Path) -> None:
    server = McpServer(name="x", command="sh", args=("-c", "echo token=ghp_0123456789abcdefghijklmnopqrstuvwxyz >&2"))
    (found,) = validate_servers([server], timeout_ms=PATIENT_MS)
    assert found.reason is not None
    assert "ghp_0123456789abcdefghijklmnopqrstuvwxyz" not in found.reason


def test_one_that_is_required_fails_by_name_and_one_that_is_not_is_left_out(tmp_path: Path) -> None:
    fine, gone = stdio_server(tmp_path, "fine"), McpServer(name="gone", command="no-such-server", required=False)
    validations = validate_servers([fine, gone], timeout_ms=PATIENT_MS)
    assert usable_servers(validations) == (fine,)
    needed = McpServer(name="needed", command="no-such-server")
    with pytest.raises(McpError, match='mcp server "needed" cannot be used: there is no program') as failed:
        usable_servers(validate_servers([fine, gone, needed], timeout_ms=PATIENT_MS))
    assert len(failed.value.problems) == 1


def test_no_server_takes_no_time() -> None:
    assert validate_servers([], timeout_ms=1) == ()


def _environment(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
