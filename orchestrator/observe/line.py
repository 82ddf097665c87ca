"""The form of a log line: one JSON object with exactly the fields of requirement LOG-2, always all of them, masked."""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from orchestrator.domain.ids import new_process_id
from orchestrator.observe.mask import MASKING_FAILED, Mask

SERVICE = "workflow-orchestrator"
FIELDS = (
    "timestamp", "level", "correlationId", "workflowId", "workId", "taskId",
    "event", "message", "context", "duration", "service", "hostname",
)  # fmt: skip

_IDS = {"correlation_id": "correlationId", "workflow_id": "workflowId", "work_id": "workId", "task_id": "taskId"}
_HOSTNAME = socket.gethostname()
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# What a reader that splits at any Unicode line break would take for the end of a line; JSON leaves them raw.
_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Process:
    """The id of what a process logs on its own behalf; a forked child gets one of its own."""

    correlation_id = new_process_id()

    @classmethod
    def renew(cls) -> None:
        cls.correlation_id = new_process_id()


os.register_at_fork(after_in_child=_Process.renew)


def render(mask: Mask, *, level: int, event: object, fields: Mapping[str, Any], created: float | None = None) -> str:
    """One line, without its line break. Never raises: what cannot be rendered is replaced by a word that says so.

    Args:
        level: a level of `logging`.
        event: what happened, as one word: `WorkCompleted`.
        fields: `message`, `duration` (milliseconds), `context` (a mapping), the ids in either spelling, `exc_info`;
            every other one goes into the context.
        created: seconds since the epoch, UTC; None for now.
    """
    head = {"timestamp": _timestamp(created), "level": _level(level), "correlationId": _Process.correlation_id}
    try:
        return _dumped({**head, **_body(mask, level, event, dict(fields))})
    except Exception as error:  # noqa: BLE001 — a log call must not fail its caller, whatever it was given
        lost = {"event": "LogLineLost", "message": f"a log line could not be rendered: {type(error).__name__}"}
        return _dumped({**head, **lost, "context": {}})


def _body(mask: Mask, level: int, event: object, rest: dict[str, Any]) -> dict[str, Any]:
    both = {camel: (rest.pop(camel, None), rest.pop(snake, None)) for snake, camel in _IDS.items()}
    message = rest.pop("message", None)
    error = _error(rest.pop("exc_info", None))
    context = _context(rest)
    duration = _milliseconds(context.pop("duration", None), context)
    if error:
        context["error"] = error
    masked = mask.value(context, show_queries=level <= logging.DEBUG)
    return {
        **{name: mask.text(str(given or bound)) for name, (given, bound) in both.items() if given or bound},
        "event": mask.text(str(event)),
        "message": mask.text(str(event if message is None else message)),
        # A mask that failed gives a text, and this field is always an object.
        "context": {"masking": MASKING_FAILED} if masked == MASKING_FAILED else masked,
        "duration": duration,
    }


def _context(rest: dict[str, Any]) -> dict[str, Any]:
    """What a line says beside its fields: the given `context` and all that was bound or named besides."""
    given = rest.pop("context", None)
    if given is None:
        return rest
    return {**given, **rest} if isinstance(given, Mapping) else {"context": given, **rest}


def _dumped(line: Mapping[str, Any]) -> str:
    constant = {"service": SERVICE, "hostname": _HOSTNAME}
    whole = {name: line.get(name, constant.get(name)) for name in FIELDS}
    text = _JSON.encode(whole)
    return text if text.isascii() else text.translate(_LINE_BREAKS)


def _timestamp(created: float | None) -> str:
    moment = datetime.now(UTC) if created is None else datetime.fromtimestamp(created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(level: int) -> str:
    if level >= logging.ERROR:
        return "ERROR"
    if level >= logging.WARNING:
        return "WARN"
    return "INFO" if level >= logging.INFO else "DEBUG"


def _milliseconds(duration: Any, context: dict[str, Any]) -> int | None:
    if duration is None:
        return None
    if isinstance(duration, int | float) and not isinstance(duration, bool) and math.isfinite(duration):
        return round(duration)
    context["duration"] = duration
    return None


def _error(exc_info: Any) -> dict[str, Any] | None:
    """Type, message and stack of `exc_info` as `logging` and structlog take it: an exception, its tuple, or true."""
    if not exc_info:
        return None
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    else:
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]
    if error is None:
        return None
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"type": name, "message": str(error), "stack": "".join(traceback.format_exception(error))}
