"""Any sequence of launches, ends, hours, passes, deaths, races, roll backs and leaping clocks, against a reference.

The reference knows of each Workflow what may be gone and what must be: nothing early, nothing unsaved, the commit of
every Checkpoint within reach, and after a whole pass nothing late.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.delete import delete
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.rollback import roll_back
from orchestrator.store import reader
from orchestrator.store.types import UtcTime
from tests.orchestrator.engine.retention.dying import pass_killed_at, passes_at_once
from tests.orchestrator.engine.retention.world import (
    archive,
    checkpoint_commits,
    ended,
    reachable,
    reports,
    rescued,
    stands,
)
from tests.orchestrator.engine.world import World

S = WorkflowStatus
_ENDED = (S.COMPLETED, S.CANCELLED, S.FAILED)
_REAL_CLOCK = reader._CLOCK["sqlite"]


@dataclass
class Known:
    """What the reference knows of one Workflow.

    Attributes:
        hours: since it ended, as they really went by.
        deleted_hours: since it was deleted; None: it was not.
    """

    id: str
    status: WorkflowStatus
    unsaved: bool
    commits: list[str]
    hours: float = 0
    deleted_hours: float | None = None

    @property
    def worktree_h(self) -> float:
        return 168 if self.status is S.FAILED else 24


@dataclass
class Model:
    """The reference.

    Attributes:
        leapt_h: by how much the clock's leaps, all taken as delays, may keep things longer.
    """

    workflows: list[Known] = field(default_factory=list)
    leapt_h: float = 0
    shift_h: float = 0


class Retention(RuleBasedStateMachine):
    """Each rule is something that happens; the invariants are asked after each."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.world = World.make(
            self.folder, DISK_CRITICAL_THRESHOLD_GB="0.001", DISK_WARNING_THRESHOLD_GB="0.002", LOG_LEVEL="error"
        )
        self.model = Model()
        clean_up(self.world.engine)
        for status in _ENDED:
            self.launch(status=status, unsaved=status is not S.CANCELLED)

    def teardown(self) -> None:
        reader._CLOCK["sqlite"] = _REAL_CLOCK
        if hasattr(self, "world"):
            self.world.engine.store.close()
            shutil.rmtree(self.folder)

    @rule(status=st.sampled_from([*_ENDED, S.PAUSED, S.RUNNING]), unsaved=st.booleans())
    def launch_one(self, status: WorkflowStatus, unsaved: bool) -> None:
        self.launch(status=status, unsaved=unsaved)

    def launch(self, status: WorkflowStatus, unsaved: bool) -> None:
        if len(self.model.workflows) < 6:
            id = ended(self.world, status=status, unsaved=unsaved)
            commits = list(checkpoint_commits(self.world, id))
            self.model.workflows.append(Known(id=id, status=status, unsaved=unsaved, commits=commits))

    @rule(hours=st.sampled_from([1, 23, 25, 144, 169, 530]))
    def time_passes(self, hours: int) -> None:
        """By moving everything that is written down into the past."""
        with self.world.engine.store._engine.begin() as connection:
            for table, column in (
                ("workflows", "ended_at"),
                ("checkpoints", "invalidated_at"),
                ("orphans", "seen_at"),
                ("archives", "restored_at"),
            ):
                earlier = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{hours} hours')"
                connection.execute(text(f"UPDATE {table} SET {column} = {earlier}"))  # noqa: S608 — constants
            leaps = connection.scalar(text("SELECT value FROM notes WHERE name = 'leaps'"))
            if leaps:
                noted = json.loads(leaps)
                for leap in noted["leaps"]:
                    leap["seen_at"] = (datetime.fromisoformat(leap["seen_at"]) - timedelta(hours=hours)).isoformat()
                connection.execute(
                    text("UPDATE notes SET value = :value WHERE name = 'leaps'"), {"value": json.dumps(noted)}
                )
        for known in self.model.workflows:
            known.hours += hours
            if known.deleted_hours is not None:
                known.deleted_hours += hours

    @rule(hours=st.sampled_from([48, -48]))
    def clock_leaps(self, hours: int) -> None:
        self.model.shift_h += hours
        self.model.leapt_h += abs(hours)
        now = f"SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{self.model.shift_h:+f} hours') AS now"
        reader._CLOCK["sqlite"] = text(now).columns(now=UtcTime)

    @rule(hours=st.sampled_from([25, 169]))
    def a_day_and_a_pass(self, hours: int) -> None:
        """What happens most; the rules alone would come to it seldom."""
        self.time_passes(hours=hours)
        self.one_pass()

    @rule()
    def one_pass(self) -> None:
        self._lapse()
        clean_up(self.world.engine)
        outcome = clean_up(self.world.engine)
        assert outcome.problems == []
        assert outcome.skipped is None, "the first of the two saw the leap"
        for known in self.model.workflows:
            if known.deleted_hours is None and known.status in _ENDED:
                late = known.hours - self.model.leapt_h
                assert not (stands(self.world, known.id) and late >= known.worktree_h), f"{known} still stands"
                assert not (reports(self.world, known.id) and late >= 168), f"{known}: Reports not archived"
                assert not (archive(self.world, known.id).exists() and late >= 720), f"{known}: archive not deleted"

    @rule(step=st.integers(1, 60))
    def pass_dies(self, step: int) -> None:
        pass_killed_at(self.world.engine, step)

    @rule()
    def passes_race(self) -> None:
        self._lapse()
        passes_at_once(self.world.engine, 2)

    @rule(which=st.integers(0, 4))
    def roll_one_back(self, which: int) -> None:
        known = self._pick(which, S.COMPLETED, S.FAILED, S.PAUSED)
        if known is None:
            return
        self._lapse()
        (checkpoint,) = self.world.engine.store.read(lambda tx: tx.checkpoints(known.id))
        roll_back(self.world.engine, workflow_id=known.id, checkpoint_id=checkpoint.id)
        known.status, known.hours = S.PAUSED, 0
        assert (self.world.tree(known.id, "api") / "done.txt").read_text() == known.id

    @rule(which=st.integers(0, 4))
    def delete_one(self, which: int) -> None:
        known = self._pick(which, *_ENDED, S.PAUSED)
        if known is not None:
            self._lapse()
            delete(self.world.engine, workflow_id=known.id)
            known.deleted_hours = 0
            assert not stands(self.world, known.id)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "world"):
            return
        for known in self.model.workflows:
            if known.deleted_hours is None:
                assert all(reachable(self.world, commit) for commit in known.commits), f"{known}: a Checkpoint is lost"
            if known.unsaved and (known.deleted_hours is None or known.deleted_hours < 720):
                tree = self.world.tree(known.id, "api") / "unsaved.txt"
                assert tree.exists() or rescued(self.world, known.id) == known.id, f"{known}: unsaved work is lost"

    @invariant()
    def nothing_goes_early(self) -> None:
        if not hasattr(self, "world"):
            return
        for known in self.model.workflows:
            if known.deleted_hours is not None:
                continue
            at_rest = known.status in _ENDED
            if not (at_rest and known.hours >= known.worktree_h):
                assert stands(self.world, known.id), f"{known}: its WorkTree went early"
            if not (at_rest and known.hours >= 168) and known.status is S.RUNNING:
                assert reports(self.world, known.id), f"{known}: its Reports went early"
            if at_rest and known.hours < 720:
                there = reports(self.world, known.id) or archive(self.world, known.id).exists()
                assert there, f"{known}: its Reports were deleted early"

    def _pick(self, which: int, *statuses: WorkflowStatus) -> Known | None:
        there = [known for known in self.model.workflows if known.deleted_hours is None and known.status in statuses]
        return there[which % len(there)] if there else None

    def _lapse(self) -> None:
        """The time that a dead pass's lease lasts goes by."""
        with self.world.engine.store._engine.begin() as connection:
            connection.execute(text("UPDATE leases SET expires_at = '2000-01-01T00:00:00.000Z' WHERE host IS NOT NULL"))


@pytest.mark.parametrize("examples", [12])
def test_any_sequence_of_what_can_happen_keeps_to_the_reference(examples: int) -> None:
    run_state_machine_as_test(
        Retention,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # The same sequences each time: a failure must be found again.
            derandomize=True,
        ),
    )
