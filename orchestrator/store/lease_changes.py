"""Leases, by which one worker owns a Workflow, and the requests that reach it from other processes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select, update

from orchestrator.domain.errors import LeaseHeld, LeaseLost
from orchestrator.domain.states import PauseReason, RequestKind
from orchestrator.store.changes import Changes
from orchestrator.store.reader import BY_ID
from orchestrator.store.rows import Holder, LeaseRow, RequestRow
from orchestrator.store.tables import leases, requests

_TOKEN = select(leases.c.token).where(leases.c.workflow_id == BY_ID)
# Shared: many may write under a lease, but none while it changes hands. SQLite has one writer anyway.
_TOKEN_HELD = _TOKEN.with_for_update(read=True)


class LeaseChanges(Changes):
    """Leases and requests. A lease's end is by the database's clock, so that hosts need not agree on the time."""

    def take_lease(self, workflow_id: str, holder: Holder, *, seconds: float, over: int | None = None) -> LeaseRow:
        """Own the Workflow from now on, with a token higher than any before.

        Args:
            over: the token of a lease whose holder the caller knows to be dead: that one is taken before its time.

        Raises:
            LeaseHeld: another holder's lease has time left.
            NotFound: there is no such Workflow.
        """
        self._locked(workflow_id)
        found = self.lease(workflow_id)
        token = 1 if found is None else found.token + 1
        if found is not None and found.holder not in (None, holder) and not found.expired and found.token != over:
            raise LeaseHeld(
                f"workflow {workflow_id} is being performed by {name_of(found.holder)}; pause it there first"
            )
        row = {
            "workflow_id": workflow_id,
            "token": token,
            "host": holder.host,
            "pid": holder.pid,
            "process_started": holder.process_started,
            "expires_at": self.now + timedelta(seconds=seconds),
        }
        query = self._upsert(leases).values(row)
        self._connection.execute(query.on_conflict_do_update(index_elements=["workflow_id"], set_=row))
        return LeaseRow(workflow_id=workflow_id, token=token, holder=holder, expired=False)

    def check_lease(self, lease: LeaseRow) -> None:
        """Raise `LeaseLost` unless the lease is still the newest; until the transaction ends, it stays so."""
        token = self._connection.scalar(_TOKEN_HELD, {"row_id": lease.workflow_id})
        if token != lease.token:
            raise LeaseLost(f"workflow {lease.workflow_id} was taken over by another worker; this one leaves it alone")

    def renew_lease(self, lease: LeaseRow, *, seconds: float) -> None:
        """Move the lease's end; `LeaseLost` where it is no longer the newest."""
        self.check_lease(lease)
        self._connection.execute(
            update(leases)
            .where(leases.c.workflow_id == lease.workflow_id)
            .values(expires_at=self.now + timedelta(seconds=seconds))
        )

    def give_back_lease(self, lease: LeaseRow) -> None:
        """End the lease; does nothing where another has it by now."""
        self._connection.execute(
            update(leases)
            .where(leases.c.workflow_id == lease.workflow_id, leases.c.token == lease.token)
            .values(host=None, pid=None, process_started=None, expires_at=None)
        )

    def put_request(
        self,
        workflow_id: str,
        kind: RequestKind,
        *,
        id: str,
        reason: PauseReason | None = None,
        launched: bool = False,
    ) -> RequestRow:
        """Ask something of a Workflow; where the same is asked already, that request is returned and stays."""
        self._locked(workflow_id)
        self._insert_new(
            requests,
            workflow_id=workflow_id,
            kind=kind,
            id=id,
            reason=reason,
            launched=launched,
            requested_at=self.now,
        )
        return next(request for request in self.requests(workflow_id) if request.kind is kind)

    def mark_launched(self, workflow_id: str) -> None:
        """The run of the resume that was asked for is there."""
        self._connection.execute(
            update(requests)
            .where(requests.c.workflow_id == workflow_id, requests.c.kind == RequestKind.RESUME)
            .values(launched=True)
        )

    def drop_requests(self, workflow_id: str, *kinds: RequestKind) -> None:
        """Requests that are done, or came to nothing."""
        self._connection.execute(
            delete(requests).where(requests.c.workflow_id == workflow_id, requests.c.kind.in_(kinds))
        )


def name_of(holder: Holder | None) -> str:
    """A worker as messages name it."""
    return "nobody" if holder is None else f"process {holder.pid} on {holder.host}"
