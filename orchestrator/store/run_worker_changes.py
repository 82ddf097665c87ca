"""Run workers: which process performs a run."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete

from orchestrator.store.changes import Changes
from orchestrator.store.tables import run_workers


class RunWorkerChanges(Changes):
    """A run is performed by the first process that claims it. No event is written: what a run does, its Works tell."""

    def claim_run(self, run_id: str, *, host: str, pid: int, birth: str, log_path: str) -> bool:
        """Make a process the run's worker; False where another one is, alive or dead.

        Again by or for the same process it is True: the launcher claims for the process that it started, and that
        process for itself, because either may die before the other.
        """
        if self._insert_new(
            run_workers, run_id=run_id, host=host, pid=pid, birth=birth, log_path=log_path, launched_at=self.now
        ):
            return True
        row = self.run_worker(run_id)
        return row is not None and (row.host, row.pid, row.birth) == (host, pid, birth)

    def delete_run_workers(self, *, before: datetime) -> list[str]:
        """Forget the workers launched before a moment, which must have ended; their logs' paths, for deletion."""
        query = delete(run_workers).where(run_workers.c.launched_at < before).returning(run_workers.c.log_path)
        return list(self._connection.scalars(query))
