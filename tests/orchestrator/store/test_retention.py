"""What retention asks of the store and writes into it, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.errors import LeaseLost
from orchestrator.domain.states import RequestKind, WorkflowStatus
from orchestrator.store import Store
from orchestrator.store.rows import Holder, NewReport, NewWork, NewWorkflow, NewWorkTree, TaskResult
from orchestrator.store.tables import workflows
from tests.orchestrator.store.examples import event_types

ME = Holder(host="here", pid=1, process_started=1.0)
OTHER = Holder(host="there", pid=2, process_started=2.0)
KEEPING = '{"retention":{"checkpoints":"3600s","reports":"7776000s","worktrees":"604800s"}}'
IDS = [f"wf-{number:012x}" for number in range(3)]


def ended(store: Store, id: str, *, document: str = "{}") -> None:
    """A Workflow that completed, with a WorkTree, a Report and a Checkpoint."""
    work = NewWork(name="only", provider="builtin", tasks=("one",))
    digest = str(hash(document))
    store.write(lambda tx: tx.put_spec(digest=digest, workflow="ship", document=document))
    store.write(lambda tx: tx.create_workflow(NewWorkflow(id=id, workflow="ship", spec_digest=digest, works=(work,))))
    tree = NewWorkTree(
        workflow_id=id,
        git="api",
        url="/srv/api",
        ref="main",
        path=f"/{id}",
        branch=f"orchestrator/{id}",
        base_commit="b",
    )
    store.write(lambda tx: tx.record_worktree(tree))
    for status in (WorkflowStatus.READY, WorkflowStatus.RUNNING):
        store.write(lambda tx, status=status: tx.change_workflow(id, status))  # type: ignore[misc]  # mypy: default
    (row,) = store.read(lambda reader: reader.works(id))
    (task,) = store.read(lambda reader: reader.tasks(id))
    store.write(lambda tx: tx.start_work(row.id))
    store.write(lambda tx: tx.start_task(task.id, query_length=1))
    result = TaskResult(stop_reason="end_turn", duration_ms=1)
    store.write(lambda tx: tx.complete_task(task.id, result, NewReport(title="t", path="/r", bytes=100)))
    store.write(lambda tx: tx.reserve_checkpoint(row.id))
    store.write(lambda tx: tx.complete_work(row.id, {"api": "c"}))
    store.write(lambda tx: tx.change_workflow(id, WorkflowStatus.COMPLETED))


def test_what_a_spec_keeps_is_found_with_its_workflows(store: Store) -> None:
    assert store.read(lambda reader: reader.shortest_keep_s()) == {
        "worktrees": None,
        "reports": None,
        "checkpoints": None,
    }
    ended(store, IDS[0])
    ended(store, IDS[1], document=KEEPING)
    now = store.read(lambda reader: reader.now)
    assert store.read(lambda reader: reader.shortest_keep_s()) == {
        "worktrees": 7 * 86400,
        "reports": 90 * 86400,
        "checkpoints": 3600,
    }
    done = [WorkflowStatus.COMPLETED]
    found = store.read(lambda reader: reader.ended_with_worktrees(done, before=now))
    assert [(row.id, row.keep_s) for row in found] == [(IDS[0], None), (IDS[1], 7 * 86400)]
    found = store.read(lambda reader: reader.ended_with_reports(done, before=now))
    assert [row.keep_s for row in found] == [None, 90 * 86400]
    before = now - timedelta(hours=1)
    assert store.read(lambda reader: reader.ended_with_worktrees(done, before=before)) == []
    assert store.read(lambda reader: reader.ended_with_worktrees([WorkflowStatus.FAILED], before=now)) == []


def test_leases_of_many_are_taken_but_of_those_that_are_busy_or_asked_for(store: Store) -> None:
    for id in IDS:
        ended(store, id)
    store.write(lambda tx: tx.take_lease(IDS[0], OTHER, seconds=60))
    store.write(lambda tx: tx.put_request(IDS[1], RequestKind.RESUME, id="rs-1"))
    taken = store.write(lambda tx: tx.take_leases(IDS, ME, seconds=60))
    assert list(taken) == [IDS[2]]
    row, lease = taken[IDS[2]]
    assert (row.status, lease.token) == (WorkflowStatus.COMPLETED, 1)
    assert store.write(lambda tx: tx.take_leases(IDS, OTHER, seconds=60)) == {}

    store.write(lambda tx: tx.check_leases([lease]))
    store.write(lambda tx: tx.renew_leases([lease], seconds=60))
    store.write(lambda tx: tx.give_back_leases([lease]))
    ((_, second),) = store.write(lambda tx: tx.take_leases([IDS[2]], OTHER, seconds=60)).values()
    assert second.token == 2
    with pytest.raises(LeaseLost, match=f"{IDS[2]} was taken over"):
        store.write(lambda tx: tx.check_leases([lease]))
    store.write(lambda tx: tx.give_back_leases([lease]))
    store.write(lambda tx: tx.check_leases([second]))


def test_removed_worktrees_are_told_of_and_may_return(store: Store) -> None:
    for id in IDS[:2]:
        ended(store, id)
    (tree,) = store.read(lambda reader: reader.worktrees_to_measure(limit=1))
    store.write(lambda tx: tx.worktree_measured(tree.workflow_id, "api", bytes=1000))
    assert len(store.read(lambda reader: reader.worktrees_to_measure(limit=10))) == 1
    use = store.read(lambda reader: reader.disk_use())
    assert (use.worktrees, use.reports, use.archives) == (1000, 200, 0)

    store.write(lambda tx: tx.removing_worktrees(IDS[:1]))
    (row,) = store.read(lambda reader: reader.standing_worktrees(IDS[:1]))
    assert row.removing_at is not None
    workflow = store.read(lambda reader: reader.workflow(IDS[0]))
    store.write(lambda tx: tx.worktrees_removed([(workflow, row, "abc")], reason="expired", duration_ms=5))
    assert [each.workflow_id for each in store.read(lambda reader: reader.standing_worktrees())] == [IDS[1]]
    event = store.read(lambda reader: reader.events(IDS[0]))[-1]
    assert (event.type, event.context["reason"], event.context["rescued"]) == ("WorkTreeRemoved", "expired", "abc")
    store.write(lambda tx: tx.worktrees_return(IDS[0]))
    (row,) = store.read(lambda reader: reader.standing_worktrees(IDS[:1]))
    assert (row.removing_at, row.bytes) == (None, None)


def test_archived_restored_and_deleted_reports(store: Store) -> None:
    ended(store, IDS[0])
    workflow = store.read(lambda reader: reader.workflow(IDS[0]))
    now = store.read(lambda reader: reader.now)
    done = [WorkflowStatus.COMPLETED]

    def waiting() -> int:
        return len(store.read(lambda reader: reader.ended_with_reports(done, before=now)))

    store.write(
        lambda tx: tx.reports_archived(workflow, path="/a", bytes=10, files=1, digest="d", freed=100, duration_ms=1)
    )
    use = store.read(lambda reader: reader.disk_use())
    assert (waiting(), use.reports, use.archives) == (0, 0, 10)
    store.write(lambda tx: tx.reports_restored(IDS[0]))
    assert (waiting(), store.read(lambda reader: reader.disk_use()).reports) == (1, 100)
    store.write(lambda tx: tx.reports_deleted(workflow, bytes=110, reason="expired"))
    assert store.read(lambda reader: reader.archive(IDS[0])) is None
    assert store.read(lambda reader: reader.ended_with_any_reports(done, before=now)) == []
    assert event_types(store, IDS[0])[-2:] == ["ReportsArchived", "ReportsDeleted"]


def test_checkpoints_that_are_history_and_no_others_are_dropped(store: Store) -> None:
    ended(store, IDS[0], document=KEEPING)
    (checkpoint,) = store.read(lambda reader: reader.checkpoints(IDS[0]))
    assert store.write(lambda tx: tx.drop_checkpoints([checkpoint.id])) == 0
    store.write(lambda tx: tx.invalidate_checkpoint(checkpoint.id))
    now = store.read(lambda reader: reader.now)
    (row,) = store.read(lambda reader: reader.invalid_checkpoints(before=now))
    assert (row.id, row.keep_s) == (checkpoint.id, 3600)
    assert store.read(lambda reader: reader.invalid_checkpoint_count()) == 1
    assert store.write(lambda tx: tx.drop_checkpoints([checkpoint.id])) == 1
    assert store.read(lambda reader: reader.invalid_checkpoint_count()) == 0


def test_orphans_keep_their_moment_and_notes_are_replaced(store: Store) -> None:
    store.write(lambda tx: tx.see_orphans(IDS[:2]))
    first = store.read(lambda reader: reader.orphans())
    store.write(lambda tx: tx.see_orphans(IDS))
    again = store.read(lambda reader: reader.orphans())
    assert {id: again[id] for id in IDS[:2]} == first
    store.write(lambda tx: tx.forget_orphans(IDS[:2]))
    assert list(store.read(lambda reader: reader.orphans())) == IDS[2:]
    assert store.read(lambda reader: reader.note("x")) is None
    store.write(lambda tx: tx.put_note("x", {"a": 1}))
    store.write(lambda tx: tx.put_note("x", {"b": [2]}))
    assert store.read(lambda reader: reader.note("x")) == {"b": [2]}


def test_deleted_workflows_are_found_once_behind_a_position(store: Store) -> None:
    for id in IDS:
        ended(store, id)
    store.write(lambda tx: tx.delete_workflow(IDS[1]))
    found: list[str] = []
    position = 0
    while True:
        some, last = store.read(lambda reader: reader.deleted_workflows(after=position, limit=7))  # noqa: B023 — at once
        if last == position:
            break
        found, position = [*found, *some], last
    assert found == [IDS[1]]
    assert store.read(lambda reader: reader.workflow_ids()) == {IDS[0], IDS[2]}
    assert list(store.read(lambda reader: reader.git_urls()).values()) == ["/srv/api"]
    assert workflows.c.ended_at.index
