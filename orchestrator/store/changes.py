"""What every change shares: the lock that orders changes of one Workflow, and the events that a change writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain import ids
from orchestrator.domain.counted import measures_of
from orchestrator.domain.events import Event, EventType
from orchestrator.domain.measures import Measure
from orchestrator.store import metrics
from orchestrator.store.reader import BY_ID, Reader
from orchestrator.store.rows import TaskRow, WorkflowRow, WorkRow
from orchestrator.store.tables import events, tasks, workflows, works


def _locking(which: ColumnElement[bool]) -> Select[Any]:
    # FOR NO KEY UPDATE: rows that refer to the Workflow may be added meanwhile.
    return select(workflows).where(which).with_for_update(key_share=True)


def _owner(table: Table) -> Any:
    return select(table.c.workflow_id).where(table.c.id == BY_ID).scalar_subquery()


_LOCK = _locking(workflows.c.id == BY_ID)
_LOCK_OF_WORK = _locking(workflows.c.id == _owner(works))
_LOCK_OF_TASK = _locking(workflows.c.id == _owner(tasks))
_PUT = insert(events).returning(events.c.position)


class Changes(Reader):
    """Locks and events. Every change takes the row lock of its Workflow before it reads what it changes.

    So changes of one Workflow happen one after another, none can deadlock with another of the same Workflow, and the
    positions of its events rise in the order of what happened. On SQLite the transaction itself is that lock.

    Attributes:
        written: the events of this transaction so far.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.written: list[Event] = []
        self._measures: list[Measure] = []

    def add_measures(self, measures: Iterable[Measure]) -> None:
        """Add to the metrics what no event tells of; kept with the rest of the transaction, or not at all."""
        self._measures.extend(measures)

    def write_measures(self) -> None:
        """Write what the events of this transaction count, and what was added: once, at its end.

        Here and nowhere else are events counted, so that each is counted as often as it is written.
        """
        told = (measure for event in self.written for measure in measures_of(event))
        metrics.add(self._connection, (*told, *self._measures))

    def add_event(
        self,
        type: EventType,
        *,
        workflow_id: str | None = None,
        work_id: str | None = None,
        task_id: str | None = None,
        correlation_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        duration_ms: int | None = None,
    ) -> Event:
        """Write a fact that no other method here writes (`AgentStarted`, `DiskSpaceLow`, …).

        Of a Workflow it has the correlation id and the name from there; without one it needs a `correlation_id`.
        """
        if workflow_id is not None:
            of = self._locked(workflow_id)
            return self._event(
                type, of, work_id=work_id, task_id=task_id, context=context or {}, duration_ms=duration_ms
            )
        if not correlation_id:
            raise ValueError(f"{type} belongs to no Workflow: it needs a correlation_id (`ids.new_request_id()`, …)")
        return self._put(
            Event(
                id=ids.new_event_id(),
                type=type,
                correlation_id=correlation_id,
                occurred_at=self.now,
                context=dict(context or {}),
                duration_ms=duration_ms,
            )
        )

    def _locked(self, workflow_id: str) -> WorkflowRow:
        return self._one(WorkflowRow, _LOCK, "workflow", workflow_id)

    def _locked_work(self, work_id: str) -> tuple[WorkflowRow, WorkRow]:
        return self._one(WorkflowRow, _LOCK_OF_WORK, "work", work_id), self.work(work_id)

    def _locked_task(self, task_id: str) -> tuple[WorkflowRow, WorkRow, TaskRow]:
        workflow = self._one(WorkflowRow, _LOCK_OF_TASK, "task", task_id)
        task = self.task(task_id)
        return workflow, self.work(task.work_id), task

    def _event(
        self,
        type: EventType,
        of: WorkflowRow,
        *,
        work_id: str | None = None,
        task_id: str | None = None,
        context: Mapping[str, Any],
        duration_ms: int | None = None,
    ) -> Event:
        return self._put(
            Event(
                id=ids.new_event_id(),
                type=type,
                correlation_id=of.correlation_id,
                occurred_at=self.now,
                workflow_id=of.id,
                workflow=of.workflow,
                work_id=work_id,
                task_id=task_id,
                context=dict(context),
                duration_ms=duration_ms,
            )
        )

    def _put(self, event: Event) -> Event:
        values = _values(event)
        del values["position"]  # the database's to give
        position = self._connection.execute(_PUT, values).scalar_one()
        stored = replace(event, position=position)
        self.written.append(stored)
        return stored

    def _insert_new(self, table: Table, **values: Any) -> bool:
        """Insert a row unless one with its key is there; True where it was inserted."""
        return self._connection.execute(self._upsert(table).values(**values).on_conflict_do_nothing()).rowcount == 1

    def _replace(self, table: Table, row: Any, **more: Any) -> None:
        """Insert a row dataclass, in the place of the one with its primary key if there is one."""
        values = {**_values(row), **more}
        query = self._upsert(table).values(values)
        key = [column.name for column in table.primary_key]
        self._connection.execute(query.on_conflict_do_update(index_elements=key, set_=values))

    def _upsert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        return sqlite.insert(table) if self._connection.dialect.name == "sqlite" else postgresql.insert(table)


def _values(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def elapsed_ms(since: datetime | None, until: datetime) -> int | None:
    """Milliseconds between two moments, None where there was no first one."""
    return None if since is None else round((until - since).total_seconds() * 1000)
