"""Queries over several Workflows and over the event stream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import NotFound
from orchestrator.domain.states import WorkflowStatus
from orchestrator.store import Store
from tests.orchestrator.store.examples import ID, WORKFLOW, change, create


def test_workflows_come_newest_first_and_filtered(store: Store) -> None:
    for number in range(3):
        create(store, replace(WORKFLOW, id=f"wf-{number}", workflow="scan" if number == 1 else "harden_api"))
    change(store, WorkflowStatus.READY, id="wf-0")

    def found(status: WorkflowStatus | None = None, name: str | None = None, limit: int = 100) -> list[str]:
        return [row.id for row in store.read(lambda reader: reader.workflows(status=status, name=name, limit=limit))]

    assert found() == ["wf-2", "wf-1", "wf-0"]
    assert found(limit=2) == ["wf-2", "wf-1"]
    assert found(name="scan") == ["wf-1"]
    assert found(status=WorkflowStatus.CREATED, name="harden_api") == ["wf-2"]


def test_workflows_are_counted_by_status(store: Store) -> None:
    create(store)
    create(store, replace(WORKFLOW, id="wf-2"))
    change(store, WorkflowStatus.READY)

    counts = store.read(lambda reader: reader.workflow_counts())
    assert {status: count for status, count in counts.items() if count} == {"READY": 1, "CREATED": 1}
    assert set(counts) == set(WorkflowStatus)


def test_events_are_read_on_from_a_position(store: Store) -> None:
    create(store)
    create(store, replace(WORKFLOW, id="wf-2"))
    change(store, WorkflowStatus.READY)

    first, *_ = store.read(lambda reader: reader.events(ID))
    rest = store.read(lambda reader: reader.events(ID, after=first.position or 0))
    assert [event.type for event in rest] == ["WorkflowStatusChanged"]
    assert len(store.read(lambda reader: reader.events())) == 3
    assert len(store.read(lambda reader: reader.events(limit=2))) == 2
    assert store.read(lambda reader: reader.pending_event_count()) == 3


def test_what_belongs_to_no_workflow_is_empty_and_what_is_named_is_missed(store: Store) -> None:
    assert store.read(lambda reader: reader.works("wf-none")) == []
    assert store.read(lambda reader: reader.checkpoints("wf-none")) == []
    with pytest.raises(NotFound, match="no workflow with id 'wf-none'"):
        store.read(lambda reader: reader.workflow("wf-none"))
    with pytest.raises(NotFound, match="no spec"):
        store.read(lambda reader: reader.spec_document("none"))


def test_a_spec_is_kept_by_digest(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.put_spec(digest="d1", workflow="harden_api", document="other"))

    assert store.read(lambda reader: reader.spec_document("d1")) == "name: harden_api\n"
