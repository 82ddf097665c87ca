"""What only the operations server can tell the metrics: what it sees of others, and of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from orchestrator.domain.errors import StoreError
from orchestrator.domain.measures import count
from orchestrator.events import Bus
from orchestrator.ops.dependencies import ConnectMcp, McpConnection
from orchestrator.ops.monitor import Monitor
from orchestrator.ops.scrape import Live
from orchestrator.store import Store

_DATABASE = "database"


class Connections:
    """Connects to the MCP servers, counts the failures, remembers who answered."""

    def __init__(self, connect: ConnectMcp, store: Store) -> None:
        self._connect = connect
        self._store = store
        self.last: Mapping[str, bool] = {}

    def connect(self) -> Sequence[McpConnection]:
        """Whether each server answers now."""
        found = self._connect()
        self.last = {connection.server: connection.reachable for connection in found}
        failed = [count("mcp_validation_failure_total", int(not up), server=name) for name, up in self.last.items()]
        if failed:
            # A database that is down says nothing of the servers.
            with suppress(StoreError):
                self._store.write(lambda tx: tx.add_measures(failed), patient=False)
        return found


def live_values(store: Store, bus: Bus, monitor: Monitor, connections: Connections, *, database_up: bool) -> Live:
    """The gauges of this moment. A scrape that could not read the database knows better than the last check."""
    seen = monitor.seen
    up: dict[tuple[str, ...], float] = {(name,): float(one.up) for name, one in seen.items()}
    streaks: dict[tuple[str, ...], float] = {(name,): float(one.streak) for name, one in seen.items()}
    if not database_up:
        up[(_DATABASE,)] = 0.0
        streaks[(_DATABASE,)] = max(1.0, streaks.get((_DATABASE,), 0.0))
    return Live(
        values={
            "dependency_up": up,
            "dependency_failure_streak": streaks,
            "disk_free_bytes": {(root,): float(free) for root, free in monitor.free_bytes.items()},
            "event_publish_failure_streak": {(): float(bus.publish_failure_streak)},
            "mcp_connection_active": {(server,): float(up) for server, up in connections.last.items()},
            "db_connection_pool_active": {(): float(store.connections_in_use())},
            "db_connection_pool_size": {(): float(store.pool_max)},
        }
    )
