"""Reports go into an archive, come back from it, and are deleted with it.

Archived: the archive is whole and was read back, then the originals go into the trash, then the row says so. Whoever is
killed in between leaves an archive without a row, which the next pass takes as its own.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.domain.errors import ArchiveDamaged, LeaseLost, WrongState
from orchestrator.domain.retention import Clock, Policy
from orchestrator.domain.states import ENDED, WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.ended import settle_crashed
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import owned
from orchestrator.engine.retention.archive import Contents, inspect, pack, unpack
from orchestrator.engine.retention.hold import Held, holding
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.worktrees import bytes_on_disk, throw_workspaces
from orchestrator.engine.workspace import REPORTS, workflow_folder
from orchestrator.git.trash import throw_into, trash_of
from orchestrator.observe.log import bind_workflow, get_logger
from orchestrator.settings import Settings
from orchestrator.store.rows import EndedRow, WorkflowRow

_log = get_logger(__name__)
# Held while one after the other is packed.
_TOGETHER = 20
_ASIDE = ".restored."


def archive_path(settings: Settings, workflow_id: str) -> Path:
    """Where the Reports of a Workflow lie once they are archived."""
    return settings.archive_root_path / "reports" / f"{workflow_id}.tar.gz"


def reports_to_archive(engine: Engine, clock: Clock, policy: Policy) -> list[EndedRow]:
    """Ended Workflows whose Reports stand and have had their time there, oldest first."""
    shortest = engine.store.read(lambda reader: reader.shortest_keep_s())["reports"]
    before = clock.now - min(policy.of_reports(None)[0], policy.of_reports(shortest)[0])
    rows = engine.store.read(lambda reader: reader.ended_with_reports(ENDED, before=before))
    return [row for row in rows if clock.is_over(row.ended_at, policy.of_reports(row.keep_s)[0])]


def reports_to_delete(engine: Engine, clock: Clock, policy: Policy) -> list[EndedRow]:
    """Ended Workflows whose Reports have had their time altogether, oldest first."""
    shortest = engine.store.read(lambda reader: reader.shortest_keep_s())["reports"]
    before = clock.now - min(policy.of_reports(None)[1], policy.of_reports(shortest)[1])
    rows = engine.store.read(lambda reader: reader.ended_with_any_reports(ENDED, before=before))
    return [row for row in rows if clock.is_over(row.ended_at, policy.of_reports(row.keep_s)[1])]


def archive_reports(
    engine: Engine, rows: Sequence[EndedRow], *, clock: Clock, policy: Policy, outcome: Outcome
) -> None:
    """Archive the Reports of these Workflows; those of one that cannot be archived stay as they are."""

    def archive(own: Engine, held: Held) -> None:
        restored = own.store.read(lambda reader: reader.archive(held.workflow.id))
        if restored is not None and restored.restored_at is not None:
            # Somebody wanted to read them: they stay out for as long as they did the first time.
            keep_s = next(row.keep_s for row in rows if row.id == held.workflow.id)
            if not clock.is_over(restored.restored_at, policy.of_reports(keep_s)[0]):
                return
        outcome.freed_bytes += _archive(own, held.workflow)
        outcome.reports_archived += 1

    _each(engine, rows, archive, outcome)


def delete_reports(engine: Engine, rows: Sequence[EndedRow], *, outcome: Outcome) -> None:
    """Delete Reports and archives of these Workflows."""

    def delete(own: Engine, held: Held) -> None:
        workflow = held.workflow
        freed = throw_reports(own.settings, workflow.id)
        own.store.write(lambda tx: tx.reports_deleted(workflow, bytes=freed, reason="expired"))
        outcome.freed_bytes += freed
        outcome.reports_deleted += 1

    _each(engine, rows, delete, outcome)


def throw_reports(settings: Settings, workflow_id: str) -> int:
    """Throw away a Workflow's Reports and their archive, and tell how many bytes that were."""
    folder = workflow_folder(settings.workflow_root_path, workflow_id)
    archive = archive_path(settings, workflow_id)
    freed = archive.lstat().st_blocks * 512 if archive.is_file() else 0
    if not folder.is_symlink():
        freed += bytes_on_disk(folder / REPORTS)
        throw_into(trash_of(settings.workflow_root_path), folder / REPORTS)
        for aside in folder.glob(f"{_ASIDE}*"):
            throw_into(trash_of(settings.workflow_root_path), aside)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    archive.unlink(missing_ok=True)
    return freed


def restore_reports(engine: Engine, workflow_id: str) -> Contents:
    """Put the archived Reports of a Workflow back into its folder; the archive stays.

    Raises:
        NotFound: there is no such Workflow.
        WrongState: nothing is archived, its Reports stand already, or it runs.
        ArchiveDamaged: the archive is not what was written; nothing was changed.
        LeaseHeld: somebody else has the Workflow just now.
    """
    settle_crashed(engine.store, workflow_id)
    workflow = engine.store.read(lambda reader: reader.workflow(workflow_id))
    if workflow.status is WorkflowStatus.RUNNING:
        raise WrongState(f"workflow {workflow_id} is RUNNING and has its Reports")
    with (
        bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow_id),
        owned(engine, workflow_id, Stop()) as own,
    ):
        return _restore(own, workflow_id)


def return_reports(engine: Engine, workflow_id: str) -> None:
    """Before a Workflow goes on: its earlier Reports stand again, where they can. The caller owns it."""
    archive = engine.store.read(lambda reader: reader.archive(workflow_id))
    if archive is None or archive.restored_at is not None:
        return
    try:
        _restore(engine, workflow_id)
    except (ArchiveDamaged, WrongState, OSError) as error:
        _log.error("ReportsNotRestored", message=f"the Workflow goes on without its earlier Reports: {error}")
        # What it writes from here on will be archived in its turn; what may still be saved of this one stays beside it.
        path = Path(archive.path)
        if path.exists():
            path.replace(path.with_name(f"{workflow_id}.damaged.tar.gz"))
        engine.store.write(lambda tx: tx.reports_restored(workflow_id))


def _each(engine: Engine, rows: Sequence[EndedRow], act: Callable[[Engine, Held], None], outcome: Outcome) -> None:
    as_seen = {row.id: row for row in rows}

    def still(now: WorkflowRow) -> bool:
        return now.status is as_seen[now.id].status and now.ended_at == as_seen[now.id].ended_at

    for start in range(0, len(rows), _TOGETHER):
        batch = [row.id for row in rows[start : start + _TOGETHER]]
        try:
            with holding(engine, batch, still=still) as (own, held):
                for each in held.values():
                    _try(own, each, act, outcome)
        except LeaseLost as lost:
            outcome.problems.append(str(lost))


def _try(engine: Engine, held: Held, act: Callable[[Engine, Held], None], outcome: Outcome) -> None:
    try:
        act(engine, held)
    except (ArchiveDamaged, OSError) as error:
        problem = f"workflow {held.workflow.id}: its Reports are left as they are: {error}"
        _log.warning("ReportsKept", message=problem)
        outcome.problems.append(problem)


def _archive(engine: Engine, workflow: WorkflowRow) -> int:
    """Archive the Reports of one Workflow and tell how many bytes that freed."""
    began = time.monotonic()
    folder = workflow_folder(engine.settings.workflow_root_path, workflow.id)
    path = archive_path(engine.settings, workflow.id)
    reports = folder / REPORTS
    if folder.is_symlink() or reports.is_symlink():
        raise OSError(f"{reports} is reached through a link, which is not followed")
    for aside in path.parent.glob(f".{path.name}.*"):
        aside.unlink()  # of a pass that was killed: the lease is ours, nobody writes to it
    # An archive without originals: a pass before this one was killed behind it.
    contents = pack(reports, path) if reports.is_dir() or not path.exists() else inspect(path)
    for name in contents.skipped:
        _log.warning("NotArchived", message=f"{folder / name} is neither file nor folder", workflowId=workflow.id)
    before = bytes_on_disk(reports)
    throw_into(trash_of(engine.settings.workflow_root_path), reports)
    throw_workspaces(engine.settings, workflow.id)
    size = path.stat().st_size
    engine.store.write(
        lambda tx: tx.reports_archived(
            workflow,
            path=str(path),
            bytes=size,
            files=contents.files,
            digest=contents.digest,
            freed=before,
            duration_ms=round((time.monotonic() - began) * 1000),
        )
    )
    return max(0, before - size)


def _restore(engine: Engine, workflow_id: str) -> Contents:
    row = engine.store.read(lambda reader: reader.archive(workflow_id))
    folder = workflow_folder(engine.settings.workflow_root_path, workflow_id)
    reports = folder / REPORTS
    if row is None:
        raise WrongState(f"workflow {workflow_id} has no archived Reports")
    if folder.is_symlink() or reports.is_symlink():
        raise WrongState(f"{reports} is reached through a link; remove the link first")
    if reports.is_dir() and any(reports.iterdir()):
        raise WrongState(f"the Reports of workflow {workflow_id} stand in {reports} already")
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=_ASIDE))
    try:
        contents = unpack(Path(row.path), aside)
        if (contents.files, contents.digest) != (row.files, row.digest):
            raise ArchiveDamaged(f"{row.path}: is not the archive that was written; nothing was changed")
        (aside / REPORTS).mkdir(exist_ok=True)
        if reports.is_dir():
            reports.rmdir()
        (aside / REPORTS).rename(reports)
        engine.store.write(lambda tx: tx.reports_restored(workflow_id))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return contents
