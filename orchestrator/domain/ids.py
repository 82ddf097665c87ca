"""The ids of everything, in the forms that requirements section 0 gives.

Ids below a Workflow derive from it, so that a worker that takes over computes the same ones without asking.
"""

from __future__ import annotations

import hashlib
import re
import uuid

# Also the allow-list for anything that becomes a path component: no separator, no leading dot or dash.
SAFE_ID = re.compile(r"\A[A-Za-z0-9][\w.-]{0,63}\Z", re.ASCII)


def workflow_id_of_run(run_id: str) -> str:
    """`wf-` and the first 12 hex digits of a Dagster run id (a UUID)."""
    return "wf-" + run_id.replace("-", "")[:12]


def correlation_id(workflow_id: str, chain: int = 1) -> str:
    """The id on every event and log line of one chain; a roll back starts the next chain."""
    return f"{workflow_id}-{chain:03d}"


def trace_id(workflow_id: str, run_id: str | None) -> str:
    """The trace of one execution, 32 hex digits: the UUID of its first run."""
    hex_digits = (run_id or "").replace("-", "").lower()
    if re.fullmatch(r"[0-9a-f]{32}", hex_digits) and int(hex_digits, 16):
        return hex_digits
    return hashlib.sha256(workflow_id.encode()).hexdigest()[:32]


def work_id(workflow_id: str, work: str) -> str:
    """Id of the Work named `work` in one Workflow."""
    return _derived("wk", workflow_id, work)


def task_id(workflow_id: str, work: str, task: str) -> str:
    """Id of one Task of a Work."""
    return _derived("tk", workflow_id, work, task)


def report_id(workflow_id: str, work: str, task: str) -> str:
    """Id of the Report that a Task yields."""
    return _derived("rp", workflow_id, work, task)


def workspace_id(workflow_id: str, work: str) -> str:
    """Id of the directory in which a Work's agent runs."""
    return _derived("ws", workflow_id, work)


def git_id(url: str) -> str:
    """Id of a registered repository: the same url is the same Git, whatever workflow names it."""
    return _derived("git", url)


def dead_letter_id(handler: str, event_id: str) -> str:
    """Id of the event that a handler gave up on."""
    return _derived("dl", handler, event_id)


def firing_id(workflow: str, trigger: str, key: str) -> str:
    """Id of one firing: the same cause has the same id, whoever reports it."""
    return _derived("fr", workflow, trigger, key)


def new_checkpoint_id() -> str:
    """A fresh Checkpoint id; stored before the commit is made, so that a second try finds the first's commit."""
    return "cp-" + uuid.uuid4().hex[:12]


def new_event_id() -> str:
    """A fresh event id; consumers drop what they have seen."""
    return "ev-" + uuid.uuid4().hex


def new_request_id() -> str:
    """Correlation id of one request that belongs to no Workflow."""
    return "req-" + uuid.uuid4().hex[:12]


def new_resume_id() -> str:
    """A fresh id of one resume: the run that carries it continues the Workflow, once."""
    return "rs-" + uuid.uuid4().hex[:12]


def new_process_id() -> str:
    """Correlation id of what a process logs on its own behalf."""
    return "proc-" + uuid.uuid4().hex[:12]


def new_tick_id() -> str:
    """Correlation id of one pass of a sensor or schedule."""
    return "tick-" + uuid.uuid4().hex[:12]


def _derived(prefix: str, *parts: str) -> str:
    # NUL cannot occur in a name or url, so ("a", "bc") and ("ab", "c") never meet.
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{prefix}-{digest[:12]}"
