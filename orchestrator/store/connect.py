"""Engines: how the two databases are opened, and what each needs so that a committed change is never lost."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from orchestrator.domain.errors import StoreError
from orchestrator.store.tables import SCHEMA
from orchestrator.store.urls import shown, sqlite_path

# `observe(operation, duration_ms)`: operation is one of select, insert, update, delete, commit, other.
Observe = Callable[[str, float], None]

_OPERATIONS = frozenset({"select", "insert", "update", "delete"})
_BEGIN = "sqlite_begin"


def connect(url: URL, *, pool_min: int, pool_max: int, connection_timeout_ms: int) -> Engine:
    """An engine with a pool that keeps `pool_min` and opens at most `pool_max` connections, lazily.

    `connection_timeout_ms` bounds the wait for a free connection, for the server's answer and for SQLite's lock.
    """
    common: dict[str, Any] = {
        "pool_size": pool_min,
        "max_overflow": pool_max - pool_min,
        "pool_timeout": connection_timeout_ms / 1000,
        # NaN is no JSON: PostgreSQL refuses it, SQLite would hand it to whoever reads next.
        "json_serializer": lambda value: json.dumps(value, allow_nan=False, separators=(",", ":")),
    }
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, common, busy_ms=connection_timeout_ms)
    return _postgresql(url, common, connect_seconds=math.ceil(connection_timeout_ms / 1000))


def writing(engine: Engine) -> Engine:
    """The same pool, for transactions that write."""
    # IMMEDIATE takes the write lock at once and waits for it; taken later, after a read, SQLite fails instead.
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def outside_transaction(engine: Engine) -> Engine:
    """The same pool, for what SQLite only does outside a transaction."""
    return engine.execution_options(**{_BEGIN: "SELECT 1"})


def reading(engine: Engine) -> Engine:
    """The same pool, for transactions that see one moment of the database and cannot change it."""
    if engine.dialect.name == "sqlite":
        return engine  # every SQLite transaction sees one moment
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def observe_statements(engine: Engine, observe: Observe) -> None:
    """Time every statement of the engine."""

    @event.listens_for(engine, "before_cursor_execute")
    def _start(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        context.started = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _end(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        verb = statement.lstrip().partition(" ")[0].lower()
        observe(verb if verb in _OPERATIONS else "other", (time.perf_counter() - context.started) * 1000)


def _sqlite(url: URL, common: dict[str, Any], *, busy_ms: int) -> Engine:
    try:
        sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"database {shown(url)}: its folder cannot be made: {error.strerror}; set DATABASE_URL to a writable place"
        ) from error
    # Without isolation_level=None the driver begins transactions by itself, and only before some statements.
    engine = create_engine(url, **common, connect_args={"isolation_level": None, "timeout": busy_ms / 1000})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        # FULL: with NORMAL, a power loss in WAL mode may take back the last commits, and a state may not be lost.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _postgresql(url: URL, common: dict[str, Any], *, connect_seconds: int) -> Engine:
    return create_engine(
        url,
        **common,
        execution_options={"schema_translate_map": {None: SCHEMA}},
        connect_args={
            "connect_timeout": connect_seconds,
            "application_name": "workflow-orchestrator",
            # A server whose machine vanished sends nothing at all; without these a query would wait for hours.
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    )
