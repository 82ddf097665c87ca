"""Tasks and the Reports they yield."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.states import TaskStatus
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import NewReport, TaskResult, Usage
from tests.orchestrator.store.examples import DIAGNOSE, ID, PATCH, SURVEY, create, event_types

RESULT = TaskResult(
    stop_reason="end_turn",
    duration_ms=41_200,
    input_tokens=1200,
    output_tokens=300,
    cost_usd=Decimal("0.1"),
    answer_path="/r/survey.txt",
    snapshot={"api": "a" * 40},
)
REPORT = NewReport(title="Survey", path="/r/survey.md", outline=("Summary", "Risks"), missing=("Risks",), bytes=2048)


def test_a_finished_task_keeps_its_result_and_its_report(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))
    task = store.write(lambda tx: tx.complete_task(SURVEY, RESULT, REPORT))

    assert task == store.read(lambda reader: reader.task(SURVEY))
    assert (task.status, task.attempt, task.query_length) == (TaskStatus.COMPLETED, 1, 77)
    assert (task.cost_usd, task.snapshot, task.answer_path) == (Decimal("0.1"), {"api": "a" * 40}, "/r/survey.txt")
    [report] = store.read(lambda reader: reader.reports(ID))
    assert (report.title, list(report.outline), list(report.missing)) == ("Survey", ["Summary", "Risks"], ["Risks"])
    assert not report.stale


def test_a_query_tells_what_metrics_need(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))
    store.write(lambda tx: tx.complete_task(SURVEY, RESULT, REPORT))

    sent, responded, generated = store.read(lambda reader: reader.events(ID))[1:]
    assert event_types(store)[1:] == ["QuerySent", "QueryResponded", "ReportGenerated"]
    assert (sent.work_id, sent.task_id, sent.context["queryLength"]) == (DIAGNOSE, SURVEY, 77)
    assert (responded.context["provider"], responded.context["model"]) == ("claude", "claude-sonnet-4-5")
    assert (responded.context["costUsd"], responded.duration_ms) == ("0.1", 41_200)
    assert generated.context["missing"] == ["Risks"]


def test_a_task_whose_worker_died_is_sent_again(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))

    assert store.write(lambda tx: tx.start_task(SURVEY, 90)).attempt == 2


def test_a_completed_task_is_not_sent_again(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))
    store.write(lambda tx: tx.complete_task(SURVEY, RESULT))

    with pytest.raises(IllegalTransition):
        store.write(lambda tx: tx.start_task(SURVEY, 77))
    with pytest.raises(IllegalTransition):
        store.write(lambda tx: tx.complete_task(SURVEY, RESULT))


def test_a_task_put_back_makes_its_report_stale_until_the_next_answer(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))
    store.write(lambda tx: tx.complete_task(SURVEY, RESULT, REPORT))
    store.write(lambda tx: tx.put_back_task(SURVEY))
    [stale] = store.read(lambda reader: reader.reports(ID))
    again = store.write(lambda tx: tx.start_task(SURVEY, 77))
    store.write(lambda tx: tx.complete_task(SURVEY, RESULT, REPORT))
    [fresh] = store.read(lambda reader: reader.reports(ID))

    assert (stale.stale, fresh.stale) == (True, False)
    assert fresh.id == stale.id
    assert (again.cost_usd, again.snapshot, again.ended_at) == (None, {}, None)


def test_a_failed_task_says_why_and_may_be_sent_again(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 77))
    failed = store.write(lambda tx: tx.fail_task(SURVEY, "refused"))
    again = store.write(lambda tx: tx.start_task(SURVEY, 77))

    assert (failed.status, failed.error) == (TaskStatus.FAILED, "refused")
    assert (again.status, again.error) == (TaskStatus.RUNNING, None)


def test_usage_is_the_exact_sum_of_what_was_reported(store: Store) -> None:
    create(store)
    assert store.read(lambda reader: reader.usage(ID)) == Usage(input_tokens=None, output_tokens=None, cost_usd=None)

    def answer(tx: Transaction) -> None:
        for task_id, cost in ((SURVEY, Decimal("0.1")), (PATCH, Decimal("0.2"))):
            tx.start_task(task_id, 1)
            result = TaskResult(stop_reason="end_turn", duration_ms=1, input_tokens=5, cost_usd=cost)
            tx.complete_task(task_id, result)

    store.write(answer)
    usage = store.read(lambda reader: reader.usage(ID))
    assert usage == Usage(input_tokens=10, output_tokens=None, cost_usd=Decimal("0.3"))
