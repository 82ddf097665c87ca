"""The dependencies of requirement HLT-3: how each is looked at, and for how long."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import ProcessFailed
from orchestrator.engine.engine import git_settings
from orchestrator.events import Bus
from orchestrator.git import git_version
from orchestrator.ops.health import Check, Look
from orchestrator.ops.location import code_location, daemons
from orchestrator.settings import Settings
from orchestrator.store import Store

_GB = 1_000_000_000
# A bus that has not come round for so long hangs in the database or in a handler.
_RELAY_STALLED_S = 60.0
_NO_ROOT = {"available": False, "freeSpaceGB": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class McpConnection:
    """A registered, active MCP server, and whether it could be connected to just now."""

    server: str
    reachable: bool


# Connects to every active MCP server, in parallel, and within the check's own limit.
ConnectMcp = Callable[[], Sequence[McpConnection]]


def no_mcp_servers() -> Sequence[McpConnection]:
    """No server is registered."""
    return ()


def checks(settings: Settings, store: Store, bus: Bus, connect_mcp: ConnectMcp) -> list[Check]:
    """The checks that decide whether the system is ready, in the order of the answer."""
    roots = {"worktreeRoot": settings.worktree_root_path, "workflowRoot": settings.workflow_root_path}
    return [
        Check(name="database", timeout_s=3, look=lambda: _database(store)),
        Check(name="gitClient", timeout_s=5, look=lambda: _git(settings)),
        Check(
            name="mcpServers",
            timeout_s=10,
            look=lambda: mcp_look(connect_mcp()),
            otherwise={"activeConnections": 0},
            timed=False,
        ),
        Check(name="eventBus", timeout_s=3, look=lambda: _event_bus(store, bus), otherwise={"queueDepth": None}),
        Check(
            name="fileSystem",
            timeout_s=3,
            look=lambda: _file_system(roots),
            otherwise=dict.fromkeys(roots, _NO_ROOT),
            timed=False,
        ),
    ]


def informing(settings: Settings) -> list[Check]:
    """What `/ready` says beside its checks: how Dagster is."""
    port = settings.dagster_ui_port
    return [
        Check(name="dagsterDaemon", timeout_s=3, look=lambda: Look(**daemons(port))),
        Check(name="codeLocation", timeout_s=3, look=lambda: Look(**code_location(port))),
    ]


def mcp_look(connections: Sequence[McpConnection]) -> Look:
    """UP where every server answers."""
    reachable = sum(connection.reachable for connection in connections)
    return Look(
        up=reachable == len(connections),
        fields={
            "activeConnections": reachable,
            "detail": f"{reachable}/{len(connections)} servers reachable",
        },
    )


def _database(store: Store) -> Look:
    store.ping()
    return Look()


def _git(settings: Settings) -> Look:
    return Look(fields={"detail": git_version(git_settings(settings))})


def _event_bus(store: Store, bus: Bus) -> Look:
    # The queue of every bus is the outbox: one that cannot be read carries nothing.
    depth = store.read(lambda reader: reader.pending_event_count(), patient=False)
    bus.ping()
    if bus.idle_s() > _RELAY_STALLED_S:
        raise ProcessFailed(f"the bus of events has not come round for {bus.idle_s():.0f} s; see its last log lines")
    return Look(fields={"queueDepth": depth})


def _file_system(roots: Mapping[str, Path]) -> Look:
    found = {name: _root(path) for name, path in roots.items()}
    return Look(up=all(root["available"] for root in found.values()), fields=found)


def _root(path: Path) -> dict[str, Any]:
    """Written to and not only looked at: a read-only or full disk shows no other way."""
    probe = path / f".probe-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        probe.write_bytes(b"probe")
        probe.unlink()
        return {"available": True, "freeSpaceGB": round(shutil.disk_usage(path).free / _GB, 1)}
    except OSError:
        return dict(_NO_ROOT)
