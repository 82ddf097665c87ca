"""Names in a spec: one form for all, safe in Dagster, in paths, in branch names and in environment variables."""

from __future__ import annotations

import keyword
import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

MAX_LENGTH = 60
PATTERN = r"^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$"
_NAME = re.compile(PATTERN, re.ASCII)
_MCP_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$"
_MCP_NAME = re.compile(_MCP_PATTERN, re.ASCII)
_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VARIABLE = re.compile(_VARIABLE_PATTERN, re.ASCII)

# Dagster's own list (DISALLOWED_NAMES in dagster/_core/definitions/utils.py, 1.13.27); this package imports no Dagster.
_DAGSTER = frozenset(
    {"context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict"}
    | {"int", "str", "float", "bool", "input", "output", "type"}
    | set(keyword.kwlist)
)
_CONTROL_JOBS = frozenset(
    {"pause_workflow", "resume_workflow", "cancel_workflow", "rollback_workflow", "delete_workflow", "cleanup"}
)


def check_name(name: str) -> str:
    """The name itself; `ValueError` where it has another form or is Dagster's."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name[:MAX_LENGTH]}" is not a name; use letters, digits and single underscores, a letter first'
        )
    if len(name) > MAX_LENGTH:
        raise ValueError(f'"{name[:20]}…" is too long; a name has {MAX_LENGTH} characters at most')
    if name in _DAGSTER:
        raise ValueError(f'"{name}" is reserved by Dagster; choose another name')
    return name


def _check_workflow(name: str) -> str:
    return _unreserved(name, _CONTROL_JOBS, "is the name of a control job")


def _check_task(name: str) -> str:
    return _unreserved(name, {"checkpoint"}, "is the Work's own asset beside its Reports")


def _check_git(name: str) -> str:
    return _unreserved(name, {"reports"}, "is a folder of every WorkSpace")


def _unreserved(name: str, reserved: frozenset[str] | set[str], why: str) -> str:
    # A WorkSpace may lie on a file system that does not tell `Reports` from `reports`.
    if check_name(name).casefold() in reserved:
        raise ValueError(f'"{name}" is reserved: it {why}; choose another name')
    return name


def _check_mcp(name: str) -> str:
    if not _MCP_NAME.fullmatch(name):
        raise ValueError(f'"{name[:MAX_LENGTH]}" is not a server name; use letters, digits, "_" and "-", at most 60')
    return name


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f'"{name[:MAX_LENGTH]}" is not the name of an environment variable')
    return name


_SCHEMA = WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH})
Name = Annotated[str, AfterValidator(check_name), _SCHEMA]
WorkflowName = Annotated[str, AfterValidator(_check_workflow), _SCHEMA]
TaskName = Annotated[str, AfterValidator(_check_task), _SCHEMA]
GitName = Annotated[str, AfterValidator(_check_git), _SCHEMA]
McpName = Annotated[str, AfterValidator(_check_mcp), WithJsonSchema({"type": "string", "pattern": _MCP_PATTERN})]
VariableName = Annotated[
    str, AfterValidator(_check_variable), WithJsonSchema({"type": "string", "pattern": _VARIABLE_PATTERN})
]
