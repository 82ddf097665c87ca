"""What the use cases need of the outside, opened once per process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.events import Event, EventType
from orchestrator.domain.measures import Measure, count, observe
from orchestrator.git import GitCommand, GitSettings
from orchestrator.observe.log import get_logger
from orchestrator.observe.timings import TIMINGS
from orchestrator.observe.trace import start_tracing, trace_database, tracing, workflow_ended
from orchestrator.settings import Settings
from orchestrator.store import Store, open_store

_log = get_logger(__name__)
_ENDED = frozenset({EventType.WORKFLOW_COMPLETED, EventType.WORKFLOW_FAILED, EventType.WORKFLOW_CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that the use cases work with. Safe to share between threads."""

    settings: Settings
    store: Store
    git: GitSettings


def open_engine(settings: Settings) -> Engine:
    """Open the store (its tables must exist) and say where git works; from here on this process is traced."""
    start_settings_tracing(settings)
    return Engine(settings=settings, store=open_settings_store(settings), git=git_settings(settings))


def open_settings_store(settings: Settings) -> Store:
    """The store that the settings name; every event it commits is logged, this process's timings are stored in it."""

    def announce(events: Sequence[Event]) -> None:
        log_events(events)
        for event in events:
            if event.type in _ENDED:
                _emit_root(store, event)

    store = open_store(
        settings.database_url,
        pool_min=settings.database_pool_min,
        pool_max=settings.database_pool_max,
        connection_timeout_ms=settings.database_connection_timeout_ms,
        observe=TIMINGS.query,
        announce=announce,
    )

    def write(measures: Sequence[Measure]) -> None:
        store.write(lambda tx: tx.add_measures(measures), patient=False)

    store.instrument(trace_database)
    TIMINGS.attach(write)
    store.on_close(lambda: TIMINGS.detach(write))
    return store


def start_settings_tracing(settings: Settings) -> None:
    """Trace this process as the settings say; before its store is opened, whose statements are spans too."""
    start_tracing(
        enabled=settings.otel_enabled,
        endpoint=settings.otel_exporter_otlp_endpoint,
        version=settings.app_version,
    )


def git_settings(settings: Settings) -> GitSettings:
    """How git is run under these settings; each command is logged at DEBUG."""
    return GitSettings(
        root=settings.git_root_path,
        worktree_root=settings.worktree_root_path,
        timeout_ms=settings.git_command_timeout_ms,
        clone_depth=settings.git_clone_depth,
        observe=_observe_git,
    )


def log_events(events: Sequence[Event]) -> None:
    """One INFO line an event, after its transaction: what the log says has happened."""
    for event in events:
        _log.info(
            str(event.type),
            message=_sentence(event),
            correlationId=event.correlation_id,
            workflowId=event.workflow_id,
            workId=event.work_id,
            taskId=event.task_id,
            duration=event.duration_ms,
            context=dict(event.context),
        )


def _emit_root(store: Store, event: Event) -> None:
    """The root span of the execution that this event ended; whatever goes wrong with it is no fault of the Workflow."""
    if not tracing() or event.workflow_id is None:
        return
    try:
        workflow_id = event.workflow_id
        row = store.read(lambda reader: reader.workflow(workflow_id), patient=False)
    except OrchestratorError:
        return
    workflow_ended(
        workflow_id=row.id,
        trace_id=row.trace_id,
        status=str(row.status),
        # From accepted: the first Work makes the WorkTrees before the Workflow is RUNNING.
        began_at=row.created_at,
        ended_at=event.occurred_at,
        error=event.context.get("error"),
        attributes={"workflow.name": row.workflow, "correlation.id": event.correlation_id},
    )


def _sentence(event: Event) -> str:
    said = {"previousStatus", "newStatus"} <= event.context.keys()
    if said:
        return f"{event.workflow}: {event.context['previousStatus']} -> {event.context['newStatus']}"
    named = [event.workflow, *(event.context.get(name) for name in ("work", "task"))]
    return f"{event.type} {'/'.join(str(name) for name in named if name)}".rstrip()


def _observe_git(command: GitCommand) -> None:
    TIMINGS.add(observe("git_command_duration_milliseconds", command.duration_ms, command=command.name))
    TIMINGS.add([count("git_command_failed_total", int(command.failed), command=command.name)])
    _log.debug("GitCommand", message=command.line, duration=round(command.duration_ms), failed=command.failed)
