"""Ids: their forms, and that whoever takes over computes the same ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.domain import ids


def test_a_workflow_id_is_the_first_twelve_digits_of_its_run() -> None:
    assert ids.workflow_id_of_run("0d9f4d51-7d3c-4a7b-9a53-0d8a5b0f6f11") == "wf-0d9f4d517d3c"


def test_a_roll_back_starts_the_next_chain() -> None:
    assert ids.correlation_id("wf-1") == "wf-1-001"
    assert ids.correlation_id("wf-1", 2) == "wf-1-002"


def test_ids_below_a_workflow_derive_from_it_and_never_meet() -> None:
    assert ids.work_id("wf-1", "fix") == ids.work_id("wf-1", "fix")
    assert len({ids.task_id("wf-1", "a", "bc"), ids.task_id("wf-1", "ab", "c"), ids.task_id("wf-2", "a", "bc")}) == 3


@pytest.mark.parametrize(
    ("make", "prefix"),
    [
        (lambda: ids.work_id("w", "a"), "wk-"),
        (lambda: ids.task_id("w", "a", "b"), "tk-"),
        (lambda: ids.report_id("w", "a", "b"), "rp-"),
        (lambda: ids.workspace_id("w", "a"), "ws-"),
        (lambda: ids.git_id("https://example.com/a.git"), "git-"),
        (ids.new_checkpoint_id, "cp-"),
        (ids.new_event_id, "ev-"),
        (ids.new_request_id, "req-"),
        (ids.new_tick_id, "tick-"),
        (ids.new_process_id, "proc-"),
    ],
)
def test_every_id_has_its_form_and_is_safe_in_a_path(make: Callable[[], str], prefix: str) -> None:
    made = make()
    assert made.startswith(prefix)
    assert ids.SAFE_ID.match(made)


@pytest.mark.parametrize("hostile", ["", "..", ".hidden", "-rf", "a/b", "a\nb", "a" * 65, "ä"])
def test_what_could_leave_a_folder_is_no_id(hostile: str) -> None:
    assert not ids.SAFE_ID.match(hostile)
