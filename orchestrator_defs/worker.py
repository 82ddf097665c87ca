"""What a run worker does: what `dagster api execute_run` does, for a run that is this process's alone."""

import argparse
import os
import signal
import sys
from pathlib import Path

import dagster as dg
from dagster._cli.api import _execute_run_command_body
from dagster._cli.utils import get_instance_for_cli
from dagster._core.instance import InstanceRef
from dagster._serdes import deserialize_value
from dagster._utils.interrupts import capture_interrupts

from orchestrator.engine.engine import open_settings_store
from orchestrator.observe.log import get_logger
from orchestrator.ops.workers import birth_of, this_host
from orchestrator.settings import load_settings
from resources.telemetry import start_logging

_log = get_logger(__name__)


def perform_run(run_id: str, *, instance_ref: str, log_path: str) -> None:
    """Execute the run unless another process is its worker; how it ended stands in the instance.

    SIGTERM and SIGINT interrupt the Work; both may be blocked until here.

    Args:
        instance_ref: a serialized `InstanceRef`.
    """
    # Dagster gives SIGTERM the handler of SIGINT, which is none at all where a shell started us in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with capture_interrupts():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        if not _claim(run_id, log_path):
            _log.warning("RunTaken", message=f"run {run_id} has another worker; this one ends", run_id=run_id)
            return
        with get_instance_for_cli(instance_ref=deserialize_value(instance_ref, InstanceRef)) as instance:
            run = instance.get_run_by_id(run_id)
            # Read after the claim: whoever terminates says so first and then looks for a worker, so one of us sees it.
            if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, message="terminated before it began")
                return
            _execute_run_command_body(run_id, instance, lambda event: None, set_exit_code_on_failure=False)


def _claim(run_id: str, log_path: str) -> bool:
    pid = os.getpid()
    birth = birth_of(pid) or ""
    store = open_settings_store(load_settings())
    try:
        return store.write(lambda tx: tx.claim_run(run_id, host=this_host(), pid=pid, birth=birth, log_path=log_path))
    finally:
        store.close()


def main() -> None:
    """A worker that no warm parent has forked: it imports everything itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_id")
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    start_logging()
    perform_run(arguments.run_id, instance_ref=sys.stdin.read(), log_path=str(arguments.log))


if __name__ == "__main__":
    main()
