"""The tables as the checker reads them: plain SQL through the databases' own drivers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2  # type: ignore[import-untyped]  # it ships no types

Row = dict[str, Any]
_JSON = frozenset({"commits", "context"})
_QUERIES = {
    "works": "SELECT * FROM {0}works WHERE workflow_id = '{1}' ORDER BY sequence",
    "tasks": "SELECT * FROM {0}tasks WHERE workflow_id = '{1}'",
    "reports": "SELECT * FROM {0}reports WHERE workflow_id = '{1}'",
    "checkpoints": "SELECT * FROM {0}checkpoints WHERE workflow_id = '{1}' AND invalidated_at IS NULL",
    "worktrees": "SELECT * FROM {0}worktrees WHERE workflow_id = '{1}' AND removed_at IS NULL",
    "events": "SELECT * FROM {0}events WHERE workflow_id = '{1}' ORDER BY position",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All rows of one Workflow, each as column -> value.

    Attributes:
        status: of the Workflow; `missing` where there is no row.
        checkpoints: the valid ones.
    """

    status: str
    works: Sequence[Row]
    tasks: Sequence[Row]
    reports: Sequence[Row]
    checkpoints: Sequence[Row]
    worktrees: Sequence[Row]
    events: Sequence[Row]


def read_rows(database: str, workflow_id: str) -> Rows:
    """Read them by the form of `DATABASE_URL`; the workflow id is this program's own, never from outside."""
    if database.startswith("sqlite:///"):
        connection: Any = sqlite3.connect(database.removeprefix("sqlite:///"))
        schema = ""
    else:
        connection = psycopg2.connect(database)
        schema = "orchestrator."
    with closing(connection):
        status = _read(connection, f"SELECT status FROM {schema}workflows WHERE id = '{workflow_id}'")  # noqa: S608 — ours
        found = {name: _read(connection, query.format(schema, workflow_id)) for name, query in _QUERIES.items()}
    return Rows(status=status[0]["status"] if status else "missing", **found)


def _read(connection: Any, query: str) -> list[Row]:
    cursor = connection.cursor()
    cursor.execute(query)
    names = [column[0] for column in cursor.description]
    return [{name: _value(name, value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON and isinstance(value, str) else value
