"""What a warm parent loads ahead, so that a fork has nothing left to load and shares the memory of what is loaded."""

import gc
import threading
from importlib import import_module
from pathlib import Path

from orchestrator.domain.errors import OrchestratorError
from orchestrator.settings import load_settings
from orchestrator_defs.migrations import read_migrations_once

# What a run imports only once it is under way.
_LATE_IMPORTS = (
    "orchestrator.agents.acp",
    "orchestrator.agents.checks",
    "orchestrator.agents.start",
    "orchestrator_defs.coordinator",
    "orchestrator_defs.launcher",
    "dagster._core.execution.plan.execute_plan",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.migration.utils",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.utility_ops",
    "fsspec.implementations.local",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "upath.implementations.local",
)
_POSTGRES_IMPORTS = ("dagster_postgres", "sqlalchemy.dialects.postgresql.psycopg2")


def prepare() -> None:
    """Import what a run needs and resolve every job.

    Raises:
        OrchestratorError: something of it has started a thread, which a fork would lose in the middle of its work.
    """
    postgres = load_settings().database_url.startswith("postgresql")
    definitions = import_module("orchestrator_defs.definitions").defs
    for job in definitions.get_repository_def().get_all_jobs():
        job.get_job_snapshot_id()
    for name in (*_LATE_IMPORTS, *(_POSTGRES_IMPORTS if postgres else ())):
        import_module(name)
    read_migrations_once()
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1 or threading.active_count() != 1:
        raise OrchestratorError(f"the definitions start threads when imported ({threads}); none may run at a fork")
    gc.collect()
    # The collector writes to what it looks at; frozen, the pages stay shared between the workers.
    gc.freeze()
