"""Become the worker of a new run: `python -m bench.worker MODULE JOB`.

The run is made in the instance of DAGSTER_HOME; the process is then replaced by the command that a run launcher
starts, `dagster api execute_run`, so that nothing of this module is in the memory that gets measured.
"""

import os
import sys
from importlib import import_module

import dagster as dg
from dagster._core.code_pointer import CodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteRunArgs


def become_worker(module: str, job_name: str) -> None:
    """Make a run of the job in `module.defs` and replace this process by its worker; does not return."""
    job = import_module(module).defs.resolve_job_def(job_name)
    pointer = CodePointer.from_module(module, "defs", working_directory=None)
    repository = RepositoryPythonOrigin(executable_path=sys.executable, code_pointer=pointer)
    origin = JobPythonOrigin(job_name=job_name, repository_origin=repository)
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(job_def=job, job_code_origin=origin)
        arguments = ExecuteRunArgs(job_origin=origin, run_id=run.run_id, instance_ref=instance.get_ref())
    command = [sys.executable, "-m", "dagster", *arguments.get_command_args()[-3:]]
    os.execv(command[0], command)  # noqa: S606 — a list of arguments; a shell would be one more process to measure


if __name__ == "__main__":
    become_worker(sys.argv[1], sys.argv[2])
