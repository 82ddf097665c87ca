"""Dagster's migrations are read once, and mean the same as when they are read each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# In a process of its own: what is replaced stays replaced.
_PROGRAM = """
import sys
from alembic.script import ScriptDirectory
loads = 0
load = ScriptDirectory._load_revisions
def counted(self):
    global loads
    loads += 1
    return load(self)
ScriptDirectory._load_revisions = counted
import dagster as dg
if "once" in sys.argv:
    from orchestrator_defs.migrations import read_migrations_once
    read_migrations_once()
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
for name in ("a", "b"):
    with dg.DagsterInstance.local_temp(sys.argv[1] + name) as instance:
        instance.create_run_for_job(dg.GraphDefinition(name="empty").to_job())
        print([storage.alembic_version() for storage in (instance.run_storage, instance.event_log_storage)])
print(loads)
"""


def test_the_revisions_are_the_same_and_the_files_are_read_once(tmp_path: Path) -> None:
    once, each_time = (run(tmp_path / mode, mode) for mode in ("once", "each"))

    assert once[:-1] == each_time[:-1]
    assert int(once[-1]) == 1
    assert int(each_time[-1]) > 1


def run(folder: Path, mode: str) -> list[str]:
    for name in ("a", "b"):
        Path(f"{folder}{name}").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(folder), mode], capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()
