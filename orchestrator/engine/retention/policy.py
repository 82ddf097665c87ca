"""What the settings say of retention, as the domain takes it."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.retention import Policy
from orchestrator.settings import Settings

GB = 1_000_000_000

# One pass does no more than this of each kind: a mistake has limits, and the next pass is never far.
MOST = 1_000
BATCH = 100


def policy_of(settings: Settings) -> Policy:
    """How long what is kept; orphans have as long as WorkTrees, and at least a day."""
    hours = timedelta(hours=settings.worktree_cleanup_ttl_hours)
    return Policy(
        worktrees=hours,
        failed_worktrees=timedelta(hours=settings.failed_worktree_ttl_hours),
        archive_reports=timedelta(days=settings.report_archive_days),
        delete_reports=timedelta(days=settings.report_delete_days),
        checkpoints=timedelta(days=settings.checkpoint_cleanup_days),
        rescues=timedelta(days=settings.report_delete_days),
        # A day to notice that the wrong database was named, or one restored that is older than what lies on the disk.
        orphans=max(hours, timedelta(days=1)),
    )
