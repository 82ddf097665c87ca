"""Changes of retention: many Workflows at once, so that a thousand WorkTrees cost a few transactions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, tuple_, update

from orchestrator.domain.errors import LeaseLost
from orchestrator.domain.events import EventType
from orchestrator.domain.states import RequestKind
from orchestrator.store.changes import Changes
from orchestrator.store.rows import ArchiveRow, Holder, LeaseRow, WorkflowRow, WorkTreeRow
from orchestrator.store.tables import (
    archives,
    checkpoints,
    leases,
    notes,
    orphans,
    reports,
    requests,
    workflows,
    works,
    worktrees,
)


class RetentionChanges(Changes):
    """What goes, and what is written down about it."""

    def take_leases(
        self, workflow_ids: Collection[str], holder: Holder, *, seconds: float
    ) -> dict[str, tuple[WorkflowRow, LeaseRow]]:
        """As `take_lease`, of all that nobody holds and nobody has asked to resume; the others are left out."""
        # In one order: two cleaners that lock the same Workflows never wait for each other in a circle.
        query = select(workflows).where(workflows.c.id.in_(workflow_ids)).order_by(workflows.c.id)
        found = self._all(WorkflowRow, query.with_for_update(key_share=True))
        resumed = set(
            self._connection.scalars(
                select(requests.c.workflow_id).where(
                    requests.c.workflow_id.in_(workflow_ids), requests.c.kind == RequestKind.RESUME
                )
            )
        )
        held = {
            row.workflow_id: row
            for row in self._connection.execute(select(leases).where(leases.c.workflow_id.in_(workflow_ids)))
        }
        taken: dict[str, tuple[WorkflowRow, LeaseRow]] = {}
        for row in found:
            lease = held.get(row.id)
            free = lease is None or lease.host is None or (lease.expires_at is None or lease.expires_at <= self.now)
            if free and row.id not in resumed:
                token = 1 if lease is None else lease.token + 1
                taken[row.id] = row, LeaseRow(workflow_id=row.id, token=token, holder=holder, expired=False)
        if taken:
            rows = [
                {
                    "workflow_id": id,
                    "token": lease.token,
                    "host": holder.host,
                    "pid": holder.pid,
                    "process_started": holder.process_started,
                    "expires_at": self.now + timedelta(seconds=seconds),
                }
                for id, (_, lease) in taken.items()
            ]
            upsert = self._upsert(leases).values(rows)
            new = {name: upsert.excluded[name] for name in rows[0]}
            self._connection.execute(upsert.on_conflict_do_update(index_elements=["workflow_id"], set_=new))
        return taken

    def check_leases(self, held: Collection[LeaseRow]) -> None:
        """Raise `LeaseLost` unless each is still the newest; until the transaction ends, they stay so."""
        query = select(leases.c.workflow_id, leases.c.token).where(
            leases.c.workflow_id.in_([lease.workflow_id for lease in held])
        )
        tokens = {id: token for id, token in self._connection.execute(query.with_for_update(read=True))}
        for lease in held:
            if tokens.get(lease.workflow_id) != lease.token:
                raise LeaseLost(f"workflow {lease.workflow_id} was taken over by a worker; it is left alone")

    def renew_leases(self, held: Collection[LeaseRow], *, seconds: float) -> None:
        """Move the end of those that are still the newest."""
        self._connection.execute(
            update(leases).where(_is_one_of(held)).values(expires_at=self.now + timedelta(seconds=seconds))
        )

    def give_back_leases(self, held: Collection[LeaseRow]) -> None:
        """End those that are still the newest."""
        self._connection.execute(
            update(leases).where(_is_one_of(held)).values(host=None, pid=None, process_started=None, expires_at=None)
        )

    def removing_worktrees(self, workflow_ids: Collection[str]) -> None:
        """The tombstone: from now on the folders of these may be gone, whatever happens to who wrote it."""
        self._connection.execute(
            update(worktrees)
            .where(worktrees.c.workflow_id.in_(workflow_ids), worktrees.c.removed_at.is_(None))
            .values(removing_at=self.now)
        )

    def worktrees_removed(
        self,
        gone: Sequence[tuple[WorkflowRow, WorkTreeRow, str | None]],
        *,
        reason: str,
        duration_ms: int | None = None,
    ) -> None:
        """Folders and branches of WorkTrees are gone; `WorkTreeRemoved` for each.

        Args:
            gone: Workflow, WorkTree, and the commit of what was unsaved in it.
            reason: `expired`, `pressure`, `deleted` or `missing`.
            duration_ms: of each, on the average.
        """
        keys = [(tree.workflow_id, tree.git) for _, tree, _ in gone]
        self._connection.execute(
            update(worktrees)
            .where(tuple_(worktrees.c.workflow_id, worktrees.c.git).in_(keys))
            .values(removed_at=self.now, removing_at=None)
        )
        for of, tree, rescued in gone:
            context = {"git": tree.git, "reason": reason, "bytes": tree.bytes or 0, "path": tree.path}
            told = {**context, "rescued": rescued}
            self._event(EventType.WORKTREE_REMOVED, of, context=told, duration_ms=duration_ms)

    def forget_sessions(self, workflow_ids: Collection[str]) -> None:
        """The agents' HOME is gone: a Work that is taken up begins a new session."""
        self._connection.execute(update(works).where(works.c.workflow_id.in_(workflow_ids)).values(session_id=None))

    def worktrees_return(self, workflow_id: str) -> None:
        """Removed WorkTrees are about to be made again, or were found standing."""
        self._connection.execute(
            update(worktrees)
            .where(worktrees.c.workflow_id == workflow_id)
            .values(removed_at=None, removing_at=None, bytes=None, measured_at=None)
        )

    def worktree_measured(self, workflow_id: str, git: str, *, bytes: int) -> None:
        """What a WorkTree takes on the disk now."""
        self._connection.execute(
            update(worktrees)
            .where(worktrees.c.workflow_id == workflow_id, worktrees.c.git == git)
            .values(bytes=bytes, measured_at=self.now)
        )

    def reports_archived(
        self, of: WorkflowRow, *, path: str, bytes: int, files: int, digest: str, freed: int, duration_ms: int
    ) -> None:
        """The Reports are in an archive that is durable and was read back; `ReportsArchived`."""
        row = ArchiveRow(
            workflow_id=of.id,
            path=path,
            bytes=bytes,
            files=files,
            digest=digest,
            archived_at=self.now,
            restored_at=None,
        )
        self._replace(archives, row)
        context = {"path": path, "bytes": freed, "archiveBytes": bytes, "files": files}
        self._event(EventType.REPORTS_ARCHIVED, of, context=context, duration_ms=duration_ms)

    def reports_restored(self, workflow_id: str) -> None:
        """The Reports stand beside their archive again."""
        self._connection.execute(
            update(archives).where(archives.c.workflow_id == workflow_id).values(restored_at=self.now)
        )

    def reports_deleted(self, of: WorkflowRow, *, bytes: int, reason: str) -> None:
        """Reports and archive are gone; `ReportsDeleted`. The Tasks they came from stay."""
        self._connection.execute(delete(reports).where(reports.c.workflow_id == of.id))
        self._connection.execute(delete(archives).where(archives.c.workflow_id == of.id))
        self._event(EventType.REPORTS_DELETED, of, context={"bytes": bytes, "reason": reason})

    def drop_checkpoints(self, checkpoint_ids: Sequence[str]) -> int:
        """Delete Checkpoints that are history; one that is valid stays whatever is asked. Returns how many went."""
        query = delete(checkpoints).where(checkpoints.c.id.in_(checkpoint_ids))
        return self._connection.execute(query.where(checkpoints.c.invalidated_at.is_not(None))).rowcount

    def see_orphans(self, workflow_ids: Collection[str]) -> None:
        """Remember what belongs to nobody, from when on; what was seen before keeps its moment."""
        for workflow_id in workflow_ids:
            self._insert_new(orphans, workflow_id=workflow_id, seen_at=self.now)

    def forget_orphans(self, workflow_ids: Collection[str]) -> None:
        """They are gone, or belong to somebody again."""
        self._connection.execute(delete(orphans).where(orphans.c.workflow_id.in_(workflow_ids)))

    def put_note(self, name: str, value: Mapping[str, Any]) -> None:
        """Leave something for the next pass, in the place of what stood under the name."""
        row = {"name": name, "value": dict(value), "noted_at": self.now}
        query = self._upsert(notes).values(row)
        self._connection.execute(query.on_conflict_do_update(index_elements=["name"], set_=row))


def _is_one_of(held: Collection[LeaseRow]) -> Any:
    return tuple_(leases.c.workflow_id, leases.c.token).in_([(lease.workflow_id, lease.token) for lease in held])
