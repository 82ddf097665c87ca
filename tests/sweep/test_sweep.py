"""Death at any moment: at every boundary, in pairs, with the power gone, with a full disk; and the control, caught.

What a failure names can be looked at: `python -m tests.sweep --first N --step 1000 --keep FOLDER`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.postgres import Postgres, postgres
from tests.sweep.checker import Kind
from tests.sweep.scenario import WORKFLOW_ID
from tests.sweep.sweeping import boundaries, sweep

__all__ = ["postgres"]

# So many processes share the boundaries: enough to keep CI's busy, each of them takes a second to start.
SLICES = 8


@pytest.mark.parametrize("first", range(1, SLICES + 1))
def test_a_worker_may_die_at_every_boundary(first: int) -> None:
    swept = sweep("--first", str(first), "--step", str(SLICES))
    *deaths, clean = swept.tries
    assert swept.failed == []
    assert [made.faults for made in deaths] == [(first + SLICES * number,) for number in range(len(deaths))]
    assert all(len(made.names) == 1 for made in deaths), "every kill has happened"
    assert clean.names == ()
    assert clean.queries_again == 0, "who is not killed asks nothing twice"
    assert len(deaths) > 100 // SLICES, "the sweep went through the Workflow, not past it"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worker_may_die_again_while_it_takes_a_dead_ones_place(seed: int) -> None:
    swept = sweep("--seed", str(seed), "--tries", "8")
    assert swept.failed == []
    assert swept.deaths > len(swept.tries), "some died twice"


def test_a_worker_may_die_on_postgresql(postgres: Postgres) -> None:
    swept = sweep("--first", "3", "--step", "19", "--database", postgres.create_database())
    assert swept.failed == []
    assert swept.deaths >= 5


def test_the_naive_engine_is_caught_and_is_right_without_a_death() -> None:
    swept = sweep("--naive", "--step", "2")
    *deaths, clean = swept.tries
    assert clean.problems == (), "what is wrong with it shows only when something dies"
    found = {problem.kind for made in deaths for problem in made.problems}
    assert {Kind.DUPLICATE, Kind.DOUBLED, Kind.REPORT} <= found


def test_every_step_of_a_workflow_has_its_boundaries() -> None:
    names = set(boundaries())
    for step in (
        "store.WorkflowCreated.before",
        "store.WorkflowCreated.after",
        "mirror.clone.before",
        "worktree.checkout.after",
        "store.WorkStarted.after",
        "workspace.make.after",
        "agent.start.after",
        "agent.query.before",
        "agent.tool_call.after",
        "agent.answer.after",
        "file.look.md.before",
        "file.look.md.after",
        "store.QueryResponded+ReportGenerated.before",
        "agent.stop.after",
        "refs.update refs/heads/orchestrator/wf-5eed00005eed.before",
        "refs.update refs/heads/orchestrator/wf-5eed00005eed.after",
        "store.WorkCompleted+CheckpointCreated.after",
        "unlock.wf-5eed00005eed.lock.before",
    ):
        assert step in names


def test_a_death_behind_the_last_checkpoint_leaves_no_workspace(tmp_path: Path) -> None:
    names = boundaries()
    last = len(names) - names[::-1].index("unlock.wf-5eed00005eed.lock.before")
    sweep("--first", str(last), "--step", "1000", "--keep", str(tmp_path))
    workflow = tmp_path / f"at-{last:04}" / "data" / "workflows" / WORKFLOW_ID
    assert (workflow / "reports").is_dir()
    assert not (workflow / "workspaces").exists()
