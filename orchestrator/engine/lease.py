"""One worker owns a Workflow: its lease, its heartbeat, and what others ask of it meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psutil

from orchestrator.domain.errors import Cancelled, LeaseHeld, LeaseLost, NotFound, Paused, StoreError, WorkStopped
from orchestrator.domain.states import PauseReason, RequestKind, WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.engine import Engine
from orchestrator.observe.log import get_logger
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import Holder, LeaseRow, RequestRow

LEASE_S = 30.0
HEARTBEAT_S = 5.0
# How long a pause waits to be seen: half of it on average.
POLL_S = 0.25
_KILL_S = 5.0
# A worker that has just written down how it ended gives its lease back a moment later.
_HAND_OVER_S = 2.0
_AT_REST_S = 600.0
# Two readings of one process's start differ by rounding alone.
_SAME_START_S = 0.1

_log = get_logger(__name__)


@contextmanager
def owned(engine: Engine, workflow_id: str, stop: Stop) -> Iterator[Engine]:
    """Own the Workflow for the time of the block; yields an engine that writes nothing once the lease is lost.

    What others ask for meanwhile, and the loss of the lease, become the order to stop.

    Raises:
        LeaseHeld: another worker performs it.
    """
    lease = _take(engine.store, workflow_id)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(engine.store, lease, stop, ended), name="lease", daemon=True)
    watch.start()
    try:
        guarded = engine.store.guarded(lambda tx: tx.check_lease(lease))
        yield replace(engine, store=guarded, git=replace(engine.git, stop=stop))
    finally:
        ended.set()
        watch.join()
        try:
            engine.store.write(partial(_give_back, lease=lease))
        except NotFound:
            pass  # the Workflow was deleted under it
        except StoreError as error:
            # It ends by itself, and what comes next on this host sees that we are gone.
            _log.warning("LeaseKept", message=str(error))


def _give_back(tx: Transaction, *, lease: LeaseRow) -> None:
    # Between two Works of one run it is kept, so that a death there is seen as one.
    if tx.workflow(lease.workflow_id).status is not WorkflowStatus.RUNNING:
        tx.give_back_lease(lease)


def is_dead(lease: LeaseRow) -> bool:
    """Whether nobody performs the Workflow any more: the holder's time is up, or it was a process of this host."""
    return lease.holder is None or lease.expired or _process(lease.holder) is _GONE


def _take(store: Store, workflow_id: str) -> LeaseRow:
    me = this_process()
    began = time.monotonic()
    while True:
        before = store.read(lambda reader: reader.lease(workflow_id))
        holder = None if before is None or before.holder == me else before.holder
        process = None if holder is None else _process(holder)
        over = None if before is None or process is not _GONE else before.token
        if before is not None and before.expired and isinstance(process, psutil.Process):
            # Stopped or stuck. Its writes would be refused, but the trees stay locked for as long as it lives.
            _log.warning("WorkerKilled", message=f"process {process.pid} let its lease lapse and is ended")
            _kill(process)
        try:
            return store.write(partial(_take_once, workflow_id=workflow_id, over=over))
        except LeaseHeld:
            # A live one on this host will not go away by itself, of another host only time tells; and whoever holds a
            # Workflow that does not run (to clean up, to roll back) is done in a while.
            patience_s = LEASE_S + HEARTBEAT_S if process is None else _HAND_OVER_S
            if store.read(lambda reader: reader.workflow(workflow_id)).status is not WorkflowStatus.RUNNING:
                patience_s = _AT_REST_S
            if time.monotonic() - began > patience_s:
                raise
            time.sleep(POLL_S)


def _take_once(tx: Transaction, *, workflow_id: str, over: int | None) -> LeaseRow:
    return tx.take_lease(workflow_id, this_process(), seconds=LEASE_S, over=over)


def _renew(tx: Transaction, *, lease: LeaseRow) -> None:
    tx.renew_lease(lease, seconds=LEASE_S)


def _watch(store: Store, lease: LeaseRow, stop: Stop, ended: threading.Event) -> None:
    renewed = time.monotonic()
    while not ended.wait(POLL_S):
        try:
            for request in store.read(lambda reader: reader.requests(lease.workflow_id)):
                if why := _order(request):
                    stop.order(why)
            if time.monotonic() - renewed >= HEARTBEAT_S:
                store.write(partial(_renew, lease=lease))
                renewed = time.monotonic()
        except LeaseLost as lost:
            stop.order(lost)
            return
        except StoreError as error:
            _log.warning("HeartbeatMissed", message=str(error))


def _order(request: RequestRow) -> WorkStopped | None:
    if request.kind is RequestKind.CANCEL:
        return Cancelled(f"workflow {request.workflow_id} was cancelled")
    if request.kind is RequestKind.PAUSE:
        reason = request.reason or PauseReason.OPERATOR
        return Paused(f"paused ({reason}); `orchestrator resume {request.workflow_id}` goes on", reason=reason)
    return None


def this_process() -> Holder:
    """This very process, as a lease's holder."""
    return Holder(host=socket.gethostname(), pid=os.getpid(), process_started=psutil.Process().create_time())


class _Gone:
    """The holder was a process of this host and has ended."""


_GONE = _Gone()


def _process(holder: Holder) -> psutil.Process | _Gone | None:
    """The holder's process; None where it is on another host, of which we cannot tell."""
    if holder.host != socket.gethostname():
        return None
    try:
        process = psutil.Process(holder.pid)
        same = abs(process.create_time() - holder.process_started) < _SAME_START_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else _GONE
    except psutil.NoSuchProcess:
        return _GONE


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(_KILL_S)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
