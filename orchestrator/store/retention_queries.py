"""Queries of retention: what has ended, stands, is archived or is history. Each costs what it finds, not what there is.

Moments are compared before rows leave the database; how long each is kept is up to `domain.retention`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from orchestrator.domain.events import EventType
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store.rows import ArchiveRow, DiskUse, EndedRow, InvalidRow, WorkTreeRow
from orchestrator.store.tables import (
    archives,
    checkpoints,
    events,
    gits,
    notes,
    orphans,
    reports,
    specs,
    workflows,
    worktrees,
)

_STANDS = worktrees.c.removed_at.is_(None)
_HAS_TREES = exists().where(worktrees.c.workflow_id == workflows.c.id, _STANDS)
_HAS_REPORTS = exists().where(reports.c.workflow_id == workflows.c.id)
_IS_ARCHIVED = exists().where(archives.c.workflow_id == workflows.c.id, archives.c.restored_at.is_(None))
_HAS_ARCHIVE = exists().where(archives.c.workflow_id == workflows.c.id)


class RetentionQueries:
    """The part of `Reader` that retention asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def shortest_keep_s(self) -> Mapping[str, int | None]:
        """The shortest time that any stored spec asks for: `worktrees`, `reports`, `checkpoints`; None: none asks."""
        query = select(
            func.min(specs.c.keep_worktrees_s), func.min(specs.c.keep_reports_s), func.min(specs.c.keep_checkpoints_s)
        )
        return dict(zip(("worktrees", "reports", "checkpoints"), self._connection.execute(query).one(), strict=True))

    def ended_with_worktrees(self, statuses: Collection[WorkflowStatus], *, before: datetime) -> list[EndedRow]:
        """Workflows that ended by then and still have WorkTrees, oldest first."""
        return self._ended(specs.c.keep_worktrees_s, workflows.c.status.in_(statuses), before, _HAS_TREES)

    def ended_with_reports(self, statuses: Collection[WorkflowStatus], *, before: datetime) -> list[EndedRow]:
        """Workflows that ended by then and have Reports in their folder, oldest first."""
        which = and_(_HAS_REPORTS, ~_IS_ARCHIVED)
        return self._ended(specs.c.keep_reports_s, workflows.c.status.in_(statuses), before, which)

    def ended_with_any_reports(self, statuses: Collection[WorkflowStatus], *, before: datetime) -> list[EndedRow]:
        """Workflows that ended by then and have Reports, wherever, oldest first."""
        which = or_(_HAS_REPORTS, _HAS_ARCHIVE)
        return self._ended(specs.c.keep_reports_s, workflows.c.status.in_(statuses), before, which)

    def invalid_checkpoints(self, *, before: datetime) -> list[InvalidRow]:
        """Checkpoints that were invalidated by then, oldest first."""
        query = (
            select(
                checkpoints.c.id,
                checkpoints.c.workflow_id,
                checkpoints.c.invalidated_at,
                specs.c.keep_checkpoints_s.label("keep_s"),
            )
            .join(workflows, workflows.c.id == checkpoints.c.workflow_id)
            .join(specs, specs.c.digest == workflows.c.spec_digest)
            .where(checkpoints.c.invalidated_at.is_not(None), checkpoints.c.invalidated_at <= before)
            .order_by(checkpoints.c.invalidated_at, checkpoints.c.id)
        )
        return [InvalidRow(**found._mapping) for found in self._connection.execute(query)]

    def invalid_checkpoint_count(self) -> int:
        """How many Checkpoints are kept as history."""
        query = select(func.count()).select_from(checkpoints).where(checkpoints.c.invalidated_at.is_not(None))
        return self._connection.execute(query).scalar_one()

    def standing_worktrees(self, workflow_ids: Sequence[str] | None = None) -> list[WorkTreeRow]:
        """WorkTrees that were not removed, of these Workflows or of all."""
        query = select(*_columns(WorkTreeRow, worktrees)).where(_STANDS)
        if workflow_ids is not None:
            query = query.where(worktrees.c.workflow_id.in_(workflow_ids))
        query = query.order_by(worktrees.c.workflow_id, worktrees.c.git)
        return [WorkTreeRow(**found._mapping) for found in self._connection.execute(query)]

    def worktrees_to_measure(self, *, limit: int) -> list[WorkTreeRow]:
        """WorkTrees whose size may have changed since it was measured, the longest unmeasured first.

        Only a Workflow that runs writes to its trees: those of any other are measured once after it came to rest.
        """
        running = workflows.c.status == WorkflowStatus.RUNNING
        stale = or_(worktrees.c.measured_at.is_(None), running, worktrees.c.measured_at < workflows.c.updated_at)
        query = (
            select(*_columns(WorkTreeRow, worktrees))
            .join(workflows, workflows.c.id == worktrees.c.workflow_id)
            .where(_STANDS, stale)
            .order_by(worktrees.c.measured_at.asc().nulls_first(), worktrees.c.workflow_id, worktrees.c.git)
            .limit(limit)
        )
        return [WorkTreeRow(**found._mapping) for found in self._connection.execute(query)]

    def disk_use(self) -> DiskUse:
        """What WorkTrees, Reports and archives take, as written down."""
        archived = select(archives.c.workflow_id).where(archives.c.restored_at.is_(None))
        trees = select(func.coalesce(func.sum(worktrees.c.bytes), 0)).where(_STANDS)
        files = select(func.coalesce(func.sum(reports.c.bytes), 0)).where(reports.c.workflow_id.not_in(archived))
        packed = select(func.coalesce(func.sum(archives.c.bytes), 0))
        sums = [int(self._connection.execute(query).scalar_one() or 0) for query in (trees, files, packed)]
        return DiskUse(worktrees=sums[0], reports=sums[1], archives=sums[2])

    def archive(self, workflow_id: str) -> ArchiveRow | None:
        """The archive of a Workflow's Reports; None where there never was one, or it was deleted."""
        query = select(archives).where(archives.c.workflow_id == workflow_id)
        found = self._connection.execute(query).mappings().one_or_none()
        return None if found is None else ArchiveRow(**{str(name): value for name, value in found.items()})

    def workflow_ids(self) -> frozenset[str]:
        """Of every Workflow."""
        return frozenset(self._connection.scalars(select(workflows.c.id)))

    def git_urls(self) -> Mapping[str, str]:
        """Git's id -> its address without credentials."""
        return {id: url for id, url in self._connection.execute(select(gits.c.id, gits.c.url))}

    def orphans(self) -> Mapping[str, datetime]:
        """Ids of Workflows of which only something on a disk is left -> when that was first seen."""
        return {id: seen for id, seen in self._connection.execute(select(orphans.c.workflow_id, orphans.c.seen_at))}

    def note(self, name: str) -> dict[str, Any] | None:
        """What was noted under the name; None where nothing was."""
        value: dict[str, Any] | None = self._connection.scalar(select(notes.c.value).where(notes.c.name == name))
        return value

    def deleted_workflows(self, *, after: int, limit: int) -> tuple[list[str], int]:
        """Ids of Workflows that were deleted, from the next `limit` events behind a position, and the last's."""
        query = select(events.c.position, events.c.type, events.c.workflow_id).where(events.c.position > after)
        found = self._connection.execute(query.order_by(events.c.position).limit(limit)).all()
        ids = [row.workflow_id for row in found if row.type is EventType.WORKFLOW_DELETED and row.workflow_id]
        return ids, found[-1].position if found else after

    def _ended(
        self, keep: Any, status: ColumnElement[bool], before: datetime, which: ColumnElement[bool]
    ) -> list[EndedRow]:
        query = (
            select(workflows.c.id, workflows.c.status, workflows.c.ended_at, keep.label("keep_s"))
            .join(specs, specs.c.digest == workflows.c.spec_digest)
            .where(status, workflows.c.ended_at <= before, which)
            .order_by(workflows.c.ended_at, workflows.c.id)
        )
        return [EndedRow(**found._mapping) for found in self._connection.execute(query)]


def _columns(row: type[Any], table: Any) -> list[Any]:
    return [table.c[field.name] for field in fields(row)]
