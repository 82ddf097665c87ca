"""Names by which the code location, the sensors and the command line find each other's things in Dagster."""

from __future__ import annotations

WORKFLOW_ID_TAG = "orchestrator/workflow_id"
CORRELATION_ID_TAG = "orchestrator/correlation_id"
SPEC_DIGEST_TAG = "orchestrator/spec_digest"
TRACE_ID_TAG = "orchestrator/trace_id"
STATUS_TAG = "orchestrator/status"
# On the run of a resume: which request it answers; see `engine.control.ask_resume`.
RESUME_TAG = "orchestrator/resume"
# On a run that a trigger asked for: which firing it is; the coordinator takes one run for each.
FIRING_TAG = "orchestrator/firing"

# Job metadata: the spec's document, so that whoever accepts a run needs no user code to know what was asked for.
SPEC_METADATA = "orchestrator/spec"

# The job of the retention, and on its runs why it runs before its time.
CLEANUP_JOB = "cleanup"
CLEANUP_REASON_TAG = "orchestrator/cleanup_reason"
