"""Dagster's own storage in bounds: runs, event logs and compute logs of Workflows that are deleted, and old ones.

Ticks are Dagster's to purge (`retention` in dagster.yaml).
"""

import shutil
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from orchestrator.domain.tags import CLEANUP_JOB, WORKFLOW_ID_TAG
from orchestrator.engine.engine import Engine
from orchestrator.observe.log import get_logger
from orchestrator.store import Reader, Transaction
from orchestrator_defs.control import CONTROL_JOBS

_log = get_logger(__name__)
_NOTE = "history"
_AT_ONCE = 1_000
_DAY_S = 86_400


def prune_history(instance: dg.DagsterInstance, engine: Engine) -> int:
    """Delete what Dagster keeps of deleted Workflows and of maintenance long past; returns how many runs that were."""
    keep = timedelta(days=engine.settings.report_delete_days)
    deleted = 0
    for workflow_ids, position in _deleted_workflows(engine):
        for workflow_id in workflow_ids:
            runs = instance.get_runs(dg.RunsFilter(tags={WORKFLOW_ID_TAG: workflow_id}, statuses=FINISHED_STATUSES))
            deleted += _delete(instance, (run.run_id for run in runs))
        engine.store.write(partial(_note, position=position))
    before = datetime.now(UTC) - keep
    for job in (CLEANUP_JOB, *(job.name for job in CONTROL_JOBS)):
        old = dg.RunsFilter(job_name=job, statuses=FINISHED_STATUSES, created_before=before)
        deleted += _delete(instance, (run.run_id for run in instance.get_runs(old, limit=_AT_ONCE)))
    _delete_old_compute_logs(instance, keep)
    if deleted:
        _log.info("RunsDeleted", message=f"{deleted} runs of Dagster are deleted with their logs")
    return deleted


def _deleted_workflows(engine: Engine) -> Iterable[tuple[list[str], int]]:
    """Ids of Workflows deleted since the last pass, some at a time, with the position to go on from."""
    noted = engine.store.read(lambda reader: reader.note(_NOTE)) or {"position": 0}
    position = int(noted["position"])
    while True:
        found, last = engine.store.read(partial(_events, after=position))
        if last == position:
            return
        position = last
        yield found, position


def _events(reader: Reader, *, after: int) -> tuple[list[str], int]:
    return reader.deleted_workflows(after=after, limit=_AT_ONCE)


def _note(tx: Transaction, *, position: int) -> None:
    tx.put_note(_NOTE, {"position": position})


def _delete(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> int:
    count = 0
    for run_id in list(run_ids):
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        count += 1
    return count


def _delete_old_compute_logs(instance: dg.DagsterInstance, keep: timedelta) -> None:
    manager = instance.compute_log_manager
    if not isinstance(manager, LocalComputeLogManager):
        return
    # The folder is Dagster's for other things too: only those named as a run are looked at.
    for folder in Path(manager._base_dir).glob("*-*-*-*-*"):
        if not _is_run_id(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        if time.time() - folder.stat().st_mtime > keep.days * _DAY_S + _DAY_S:
            shutil.rmtree(folder, ignore_errors=True)


def _is_run_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
