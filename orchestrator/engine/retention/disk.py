"""How much room there is, without walking files: free space is asked of the file systems, use is added up from rows.

A Report's size is written down with the Report, an archive's with the archive. A WorkTree can change only while its
Workflow runs: it is walked once after that came to rest, and while it runs a few trees at a time, the longest
unmeasured first. A look at a million files at rest walks none.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.domain import ids
from orchestrator.domain.errors import StoreError, WrongState
from orchestrator.domain.events import EventType
from orchestrator.domain.retention import DiskLevel, disk_level
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.engine.control import ask_pause, ask_resume
from orchestrator.engine.engine import Engine
from orchestrator.engine.retention.policy import GB
from orchestrator.engine.retention.worktrees import bytes_on_disk
from orchestrator.observe.log import get_logger
from orchestrator.settings import Settings
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import DiskUse, WorkTreeRow

_log = get_logger(__name__)
_NOTE = "disk"
# Of one look: what it may spend on walking trees of Workflows that run.
_WALK_S = 2.0
_MEASURED_AT_MOST = 200
# Above the critical threshold by as much before what was paused goes on: it would be paused again at once.
_RESUME_AT = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskState:
    """One look at the disks.

    Attributes:
        free_bytes: by root, `worktree` and `workflow`.
        over_limit: the WorkTrees take more than WORKTREE_DISK_LIMIT_GB.
    """

    level: DiskLevel
    free_bytes: Mapping[str, int]
    use: DiskUse
    over_limit: bool

    @property
    def is_pressing(self) -> bool:
        """Whether WorkTrees have to go whatever their age."""
        return self.over_limit or self.level is DiskLevel.CRITICAL


def roots_of(settings: Settings) -> Mapping[str, Path]:
    """The roots whose room is looked at, by the name that metrics give them."""
    return {"worktree": settings.worktree_root_path, "workflow": settings.workflow_root_path}


def free_bytes(settings: Settings) -> Mapping[str, int]:
    """What a user of the system may still write below each root; one that cannot be asked is left out."""
    found: dict[str, int] = {}
    for name, root in roots_of(settings).items():
        with suppress(OSError):
            found[name] = shutil.disk_usage(root).free
    return found


def disk_is_critical(settings: Settings) -> bool:
    """Whether new Workflows have to wait; two system calls, so that it can be asked before each launch."""
    return _level(settings, free_bytes(settings)) is DiskLevel.CRITICAL


def look(engine: Engine) -> DiskState:
    """The disks as they are now, by the rows."""
    free = free_bytes(engine.settings)
    use = engine.store.read(lambda reader: reader.disk_use())
    return DiskState(
        level=_level(engine.settings, free),
        free_bytes=free,
        use=use,
        over_limit=use.worktrees > engine.settings.worktree_disk_limit_gb * GB,
    )


def measure(store: Store) -> int:
    """Walk the WorkTrees whose size may have changed, for a bounded time; returns how many."""
    began = time.monotonic()
    measured = 0
    for row in store.read(lambda reader: reader.worktrees_to_measure(limit=_MEASURED_AT_MOST)):
        if time.monotonic() - began > _WALK_S:
            break
        store.write(partial(_measured, row=row, size=bytes_on_disk(Path(row.path))))
        measured += 1
    return measured


def _measured(tx: Transaction, *, row: WorkTreeRow, size: int) -> None:
    tx.worktree_measured(row.workflow_id, row.git, bytes=size)


def announce(engine: Engine, state: DiskState) -> None:
    """Tell of a level that has become worse; `DiskSpaceLow` once, and a line in the log that says how much is left."""

    def write(tx: Transaction) -> bool:
        before = DiskLevel((tx.note(_NOTE) or {"level": "ok"})["level"])
        if before is state.level:
            return False
        tx.put_note(_NOTE, {"level": state.level})
        order = list(DiskLevel)
        worse = order.index(state.level) > order.index(before)
        if worse:
            context = {
                "level": state.level,
                "freeBytes": dict(state.free_bytes),
                "worktreeBytes": state.use.worktrees,
                "thresholdBytes": int(_threshold_gb(engine.settings, state.level) * GB),
            }
            tx.add_event(EventType.DISK_SPACE_LOW, correlation_id=ids.new_tick_id(), context=context)
        return worse

    if engine.store.write(write):
        least = min(state.free_bytes, key=lambda root: state.free_bytes[root])
        _log.warning(
            "DiskThresholdPassed",
            message=f"{state.free_bytes[least] / GB:.1f} GB are free for the {least} root: {state.level}",
            level=state.level,
            root=least,
        )


def pause_running(store: Store) -> int:
    """Ask every RUNNING Workflow to pause with the reason disk; returns how many were asked."""
    asked = 0
    for row in store.read(lambda reader: reader.workflows(status=WorkflowStatus.RUNNING, limit=10_000)):
        try:
            ask_pause(store, row.id, reason=PauseReason.DISK)
            asked += 1
        except (WrongState, StoreError) as error:
            _log.warning("NotPaused", message=str(error), workflowId=row.id)
    return asked


def resume_paused(engine: Engine) -> int:
    """Ask for the resume of what a full disk paused, once there is room again; returns how many were asked for."""
    free = free_bytes(engine.settings)
    if any(left < engine.settings.disk_critical_threshold_gb * GB * _RESUME_AT for left in free.values()):
        return 0
    asked = 0
    for row in engine.store.read(lambda reader: reader.workflows(status=WorkflowStatus.PAUSED, limit=10_000)):
        if row.pause_reason is PauseReason.DISK:
            with suppress(WrongState):  # being resumed already
                ask_resume(engine.store, row.id)
                asked += 1
    return asked


def _level(settings: Settings, free: Mapping[str, int]) -> DiskLevel:
    return disk_level(
        free,
        warning_bytes=settings.disk_warning_threshold_gb * GB,
        critical_bytes=settings.disk_critical_threshold_gb * GB,
    )


def _threshold_gb(settings: Settings, level: DiskLevel) -> float:
    critical = level is DiskLevel.CRITICAL
    return settings.disk_critical_threshold_gb if critical else settings.disk_warning_threshold_gb
