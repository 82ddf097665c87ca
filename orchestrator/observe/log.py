"""Logs: what this system and every library under it has to say, as JSON lines on stderr.

    log = get_logger(__name__)

    with bind_workflow(correlation_id="wf-12ab-001", workflow_id="wf-12ab"):
        log.info("WorkCompleted", message="Work fix completed", duration=41_200, context={"tasks": 3})

Ids are bound once, at the start of an op or a handler, and stand on every line below it, libraries' lines included.
They follow `asyncio` tasks; a new thread starts without them unless it runs in `contextvars.copy_context()`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from orchestrator.domain.errors import SettingsError
from orchestrator.observe.fields import FieldRules
from orchestrator.observe.line import ExcInfo, render
from orchestrator.observe.mask import Mask

Level = Literal["error", "warn", "info", "debug"]

_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
_METHODS = {**_LEVELS, "warning": logging.WARNING, "critical": logging.CRITICAL, "exception": logging.ERROR}
_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "dagster_meta"),
    # A whole object with every stack three times; what it says is in the message.
    "dagster_event",
}
# What these say at INFO is how they work, once for each request or migration.
_CHATTY = ("alembic", "httpx")
_DAGSTER_FIELDS = ("run_id", "job_name", "op_name", "step_key")


def get_logger(name: str | None = None) -> FilteringBoundLogger:
    """A logger whose methods take an event and fields: `message`, `duration` (ms), `context`, ids, `exc_info`, others.

    Before `configure_logging` it writes in the same form from INFO on: structlog's own default would write to stdout.
    """
    if not structlog.is_configured():
        _configure_structlog(logging.INFO)
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure_logging(level: Level, *, mask: Mask) -> None:
    """Take over all that this process logs, warns of, or dies of. Calling it again changes level and mask.

    Libraries stop at INFO: at DEBUG theirs would drown ours.
    """
    _Masks.current = mask
    _configure_structlog(_LEVELS[level])
    _take_over_console_handlers()
    root = logging.getLogger()
    root.addHandler(JsonLineHandler())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    root.setLevel(max(_LEVELS[level], logging.INFO))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


@contextlib.contextmanager
def bind_workflow(
    *, correlation_id: str, workflow_id: str | None = None, work_id: str | None = None, task_id: str | None = None
) -> Iterator[None]:
    """These ids on every line logged within; one left out stays as it was bound outside."""
    given = {"correlation_id": correlation_id, "workflow_id": workflow_id, "work_id": work_id, "task_id": task_id}
    with structlog.contextvars.bound_contextvars(**{name: id_ for name, id_ in given.items() if id_ is not None}):
        yield


def mask_text(text: str) -> str:
    """The text as it may leave this process: what goes elsewhere than to the log passes through here."""
    return _Masks.get().text(text)


def hide_environment(env: Mapping[str, str]) -> None:
    """From now on nothing that leaves this process shows what an MCP server is given in `env` or in its headers."""
    _Masks.get().add_environment(env)


class JsonLineHandler(logging.Handler):
    """Records of `logging` as JSON lines on stderr; Dagster can name it in `python_logs.dagster_handler_config`."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line for one record, never an exception."""
        fields = {name: value for name, value in vars(record).items() if name not in _PLAIN_RECORD}
        dagster = getattr(record, "dagster_meta", None) or {}
        fields |= {name: dagster[name] for name in _DAGSTER_FIELDS if dagster.get(name)}
        fields |= {"logger": record.name, "message": dagster.get("orig_message") or _message(record)}
        fields = {**structlog.contextvars.get_contextvars(), **fields, "exc_info": record.exc_info}
        _write(render(_Masks.get(), level=record.levelno, event="Log", fields=fields, created=record.created))


class _Masks:
    """The mask of this process: the configured one, or, for what is logged before that, one of the environment."""

    current: Mask | None = None

    @classmethod
    def get(cls) -> Mask:
        if cls.current is None:
            try:
                cls.current = Mask.load()
            except SettingsError:
                # Whoever configures logging reports it; until then the shipped rules protect.
                cls.current = Mask(FieldRules.read(), secrets=())
        return cls.current


class _Stderr:
    """What structlog hands a finished line to; the method's name says nothing that the line does not."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def msg(self, line: str) -> None:
        _write(line)

    debug = info = warn = warning = error = critical = exception = msg


# Reentrant, as a signal handler may log while the same thread writes.
_writing = threading.RLock()


def _renew_lock() -> None:
    # A thread of the parent may have held it at the fork, and does not exist here to let go of it.
    global _writing
    _writing = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


def _write(line: str) -> None:
    # A closed or full pipe must never fail the work that is being logged.
    with contextlib.suppress(OSError, ValueError), _writing:
        if sys.stderr is None:
            return
        encoded = f"{line}\n".encode(errors="replace")
        try:
            descriptor = sys.stderr.fileno()
        except (OSError, ValueError, AttributeError):  # replaced by a buffer, as tests do
            sys.stderr.write(encoded.decode())
            return
        # Past Python's buffer: what a closed pipe leaves in there is retried at exit and turns the exit code into 120.
        while encoded:
            encoded = encoded[os.write(descriptor, encoded) :]


def _configure_structlog(level: int) -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        # Loggers of modules live as long as the process and must follow a later change of level.
        cache_logger_on_first_use=False,
    )


def _rendered(stderr: WrappedLogger, method: str, fields: EventDict) -> str:
    if stderr.name:
        fields.setdefault("logger", stderr.name)
    return render(_Masks.get(), level=_METHODS[method], event=fields.pop("event", None), fields=fields)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 — a library's format string and its arguments may not fit
        return f"{record.msg} {record.args}"


def _take_over_console_handlers() -> None:
    """Remove what would print a record a second time in another form; handlers to files and elsewhere stay."""
    named = [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in [logging.getLogger(), *named]:
        for handler in logger.handlers[:]:
            if isinstance(handler, JsonLineHandler) or _is_console(handler):
                logger.removeHandler(handler)
                logger.propagate = True


def _is_console(handler: logging.Handler) -> bool:
    consoles = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, logging.StreamHandler) and any(handler.stream is console for console in consoles)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger().error("UncaughtException", message=f"the process ends: {error!r}", exc_info=error)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if issubclass(args.exc_type, SystemExit):
        return
    exc_info: ExcInfo = (args.exc_type, args.exc_value, args.exc_traceback)
    thread = args.thread.name if args.thread else None
    get_logger().error(
        "UncaughtException", message=f"a thread ended: {args.exc_value!r}", thread=thread, exc_info=exc_info
    )
