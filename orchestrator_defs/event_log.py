"""Dagster's own SQLite event log, with files that stay open.

Dagster opens and closes the database for every statement, and with each closing SQLite writes its log back to the file:
80 ms a Report. Files, tables and contents are Dagster's own; either class reads what the other wrote.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

from orchestrator_defs import shards


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """`base_dir` is the folder of the files, `history/runs` in DAGSTER_HOME where Dagster's default has them."""

    _obs: Any  # Dagster starts it with None and says no type

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        super().__init__(base_dir=base_dir, inst_data=inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledSqliteEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with shards.connection(Path(self.path_for_shard(shard)), prepare=self._initdb) as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        # Asked for with every event. No table is ever dropped, but one may come with a migration.
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def delete_events(self, run_id: str) -> None:
        super().delete_events(run_id)
        shard = Path(self.path_for_shard(run_id))
        shards.close(shard)
        # Dagster empties the file of a deleted run and leaves it: 100 kB a run, for good.
        for suffix in ("", "-wal", "-shm"):
            shard.with_name(f"{shard.name}{suffix}").unlink(missing_ok=True)
        self._initialized_dbs.discard(run_id)

    def wipe(self) -> None:
        shards.close(Path(self._base_dir))
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        shards.close(Path(self._base_dir))

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        if not self._obs:
            self._obs = Observer()
            self._obs.start()
        watchdog = _Watchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = (watchdog, self._obs.schedule(watchdog, self._base_dir, recursive=True))


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Sees a write at once: while a file stays open, SQLite writes to the log beside it."""

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.event_type == "modified" and event.src_path in (self._log_path, f"{self._log_path}-wal"):
            self._process_log()
