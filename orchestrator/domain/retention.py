"""How long what a Workflow leaves behind is kept. Pure: moments in, decisions out, all by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.states import WorkflowStatus

TIDY = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED})
"""Ended for good: their WorkTrees may go early, when the disk is full. A FAILED one may be resumed."""

# Reading two clocks takes a moment, and a machine's clock is put right by little steps all the time.
_DRIFT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the settings say; a spec's `retention` goes before it.

    Attributes:
        worktrees: from the end of a COMPLETED or CANCELLED Workflow.
        failed_worktrees: from the end of a FAILED one.
        archive_reports, delete_reports: from the end.
        checkpoints: from their invalidation.
        rescues: from when their Workflow was first seen to be gone.
        orphans: likewise, of everything else that belongs to nobody.
    """

    worktrees: timedelta
    failed_worktrees: timedelta
    archive_reports: timedelta
    delete_reports: timedelta
    checkpoints: timedelta
    rescues: timedelta
    orphans: timedelta

    def of_worktrees(self, status: WorkflowStatus, keep_s: int | None) -> timedelta:
        """How long the WorkTrees of a Workflow that ended so are kept."""
        if keep_s is not None:
            return timedelta(seconds=keep_s)
        return self.failed_worktrees if status is WorkflowStatus.FAILED else self.worktrees

    def of_reports(self, keep_s: int | None) -> tuple[timedelta, timedelta]:
        """When Reports are archived, and when deleted."""
        delete = self.delete_reports if keep_s is None else timedelta(seconds=keep_s)
        return min(self.archive_reports, delete), delete

    def of_checkpoints(self, keep_s: int | None) -> timedelta:
        """How long a Checkpoint is kept as history."""
        return self.checkpoints if keep_s is None else timedelta(seconds=keep_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leap:
    """The database's clock was seen to go by another amount than time did.

    Attributes:
        seen_at: by that clock, afterwards.
        by_s: forward where positive.
    """

    seen_at: datetime
    by_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The database's clock as one pass sees it, with the leaps that were seen before.

    Attributes:
        now: as the database says.
    """

    now: datetime
    leaps: Sequence[Leap] = ()

    def age(self, moment: datetime) -> timedelta:
        """How long ago that was, never longer than it really is: what a leap added is taken off again."""
        # Leaps back are not set against those forward: after one, a moment that came later may read as earlier, and
        # nobody can tell which of the two came first.
        added = sum(leap.by_s for leap in self.leaps if leap.by_s > 0 and moment < leap.seen_at)
        return self.now - moment - timedelta(seconds=added)

    def is_over(self, moment: datetime, keep: timedelta) -> bool:
        """Whether what is kept from that moment on has had its time."""
        return self.age(moment) >= keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Two clocks of one host, read at one moment.

    Attributes:
        boot: of the host's run; a monotonic clock says nothing across two.
        monotonic_s: goes on while the host sleeps, and never back.
    """

    database: datetime
    boot: str
    monotonic_s: float


def leap_between(before: Reading, after: Reading) -> Leap | None:
    """The leap of the database's clock between two readings of one host; None: it went with time, or nobody knows."""
    if before.boot != after.boot:
        return None
    by = (after.database - before.database) - timedelta(seconds=after.monotonic_s - before.monotonic_s)
    return None if abs(by) <= _DRIFT else Leap(seen_at=after.database, by_s=by.total_seconds())


class DiskLevel(StrEnum):
    """How much room there is."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


def disk_level(free_bytes: Mapping[str, int], *, warning_bytes: float, critical_bytes: float) -> DiskLevel:
    """The level of the root that has the least room."""
    least = min(free_bytes.values(), default=None)
    if least is None:
        return DiskLevel.OK
    if least < critical_bytes:
        return DiskLevel.CRITICAL
    return DiskLevel.WARNING if least < warning_bytes else DiskLevel.OK
