"""Launches what triggers have fired, at once, through the running system's GraphQL.

The sensors of the triggers do the same every few seconds: whichever comes first claims the firing, and the coordinator
takes one run for each firing, should both come.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from structlog.contextvars import bound_contextvars

from orchestrator.domain import ids, tags
from orchestrator.domain.errors import LaunchError, NotFound, OrchestratorError, StoreError, SystemUnreachable
from orchestrator.domain.firing import FiringStatus
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.control import ask_cancel
from orchestrator.engine.launches import Launch, next_launches
from orchestrator.observe.log import get_logger, mask_text
from orchestrator.ops import graphql
from orchestrator.store import Store
from orchestrator.store.firing_rows import FiringRow

_log = get_logger(__name__)
# Without a word from whoever fired: another process did, or one that waited may go.
POLL_S = 0.25
# A system that is starting or gone is asked this seldom.
AWAY_S = 2.0
# Launches at once; each costs the webserver most of its time.
_AT_ONCE = 4


class Launcher:
    """Launches waiting firings for as long as it runs; any number may run over one store."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url
        self._owner = ids.new_process_id()
        self._woken = threading.Event()
        self._away_until = 0.0

    def wake(self) -> None:
        """Something has fired just now."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Look and launch until `stop` is set."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="launch") as pool:
            while not stop.is_set():
                self._woken.wait(POLL_S)
                self._woken.clear()
                if time.monotonic() < self._away_until:
                    continue
                try:
                    self._pass(pool)
                except StoreError as error:
                    _log.warning("TriggerLaunchStalled", message=str(error))
                    stop.wait(AWAY_S)

    def _pass(self, pool: ThreadPoolExecutor) -> None:
        # Looking first: a look costs a read, a claim the write lock.
        if not self._store.read(lambda reader: reader.waiting_firings()):
            return
        found = next_launches(self._store, owner=self._owner)
        list(pool.map(self._launch, [launch for launch in found if isinstance(launch, Launch)]))

    def _launch(self, launch: Launch) -> None:
        firing = launch.firing
        with bound_contextvars(correlationId=ids.new_tick_id()):
            try:
                job = graphql.find(self._url, firing.workflow)
                if graphql.is_switched_off(self._url, job, f"{firing.workflow}__{firing.trigger}"):
                    self._settle(firing, FiringStatus.SKIPPED, f"{firing.reason}; the trigger is switched off")
                    return
                for row in launch.cancel:
                    self._cancel(row.id)
                run_id = graphql.fire(self._url, job, firing.inputs, {tags.FIRING_TAG: firing.id})
            except SystemUnreachable as error:
                self._away_until = time.monotonic() + AWAY_S
                self._store.write(lambda tx: tx.release_firing(firing.id))
                _log.debug("TriggerLaunchWaits", message=str(error), firing=firing.id)
            except LaunchError as error:
                self._settle(firing, FiringStatus.FAILED, f"{firing.reason}: {mask_text(str(error))}")
            except StoreError:
                raise
            except OrchestratorError as error:
                self._settle(firing, FiringStatus.FAILED, f"{firing.reason}: {mask_text(str(error))}")
            else:
                _log.info("TriggerLaunched", message=f"{firing.workflow}: run {run_id}", firing=firing.id)

    def _cancel(self, workflow_id: str) -> None:
        try:
            ask_cancel(self._store, workflow_id)
            row = self._store.read(lambda reader: reader.workflow(workflow_id))
            if row.run_id is not None and row.status is WorkflowStatus.CANCELLED:
                # It had not begun: its run still stands in Dagster's queue.
                graphql.terminate(self._url, row.run_id)
        except (NotFound, LaunchError, OrchestratorError) as error:
            _log.debug("TriggerCancelRefused", message=str(error), workflow=workflow_id)

    def _settle(self, firing: FiringRow, status: FiringStatus, reason: str) -> None:
        self._store.write(lambda tx: tx.settle_firing(firing.id, status, reason=reason))
        _log.warning("TriggerNotLaunched", message=f"{firing.workflow}: {reason}", firing=firing.id)
