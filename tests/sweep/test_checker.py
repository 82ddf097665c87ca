"""The checker finds each thing that can be wrong, and nothing in a Workflow that went well."""

from __future__ import annotations

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.sweep import checker, events, rows, scenario
from tests.sweep.checker import Edit, Kind, check, wait_until_gone
from tests.sweep.scenario import FILE, WORKFLOW_ID
from tests.sweep.sweeping import sweep


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Workflow that completed without a death."""
    folder = tmp_path_factory.mktemp("swept")
    (clean,) = sweep("--first", "1000000", "--keep", str(folder)).tries
    assert clean.names == ()
    return folder / "at-1000000"


@pytest.fixture
def home(swept: Path, tmp_path: Path) -> Iterator[Path]:
    """That folder, to break something in; put back afterwards, since git has its path in many places."""
    shutil.copytree(swept, tmp_path / "before", symlinks=True)
    yield swept
    shutil.rmtree(swept)
    shutil.copytree(tmp_path / "before", swept, symlinks=True)


def _database(home: Path) -> str:
    return f"sqlite:///{home}/state.db"


def _tree(home: Path, name: str) -> Path:
    return home / "data" / "worktrees" / WORKFLOW_ID / name


def _git(tree: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    return subprocess.run(["git", *identity, *arguments], cwd=tree, capture_output=True, text=True, check=True).stdout


def _sql(statement: str) -> Callable[[Path], object]:
    def change(home: Path) -> None:
        with closing(sqlite3.connect(home / "state.db")) as connection:
            assert connection.execute(statement).rowcount > 0
            connection.commit()

    return change


def _report(home: Path) -> Path:
    return home / "data" / "workflows" / WORKFLOW_ID / "reports" / "fix" / "patch.md"


def _amend(home: Path, text: str) -> None:
    tree = _tree(home, "web")
    (tree / FILE).write_text(text)
    _git(tree, "commit", "-q", "-a", "--amend", "--no-edit")


def _cut(report: Path) -> None:
    report.write_bytes(report.read_bytes()[:40])


_BREAKS: list[tuple[str, Kind, Callable[[Path], object]]] = [
    ("a Workflow that runs", Kind.UNFINISHED, _sql("UPDATE workflows SET status = 'RUNNING'")),
    ("a Work that runs", Kind.UNFINISHED, _sql("UPDATE works SET status = 'RUNNING' WHERE sequence = 2")),
    ("a Task that is not done", Kind.LOST, _sql("UPDATE tasks SET status = 'PENDING' WHERE name = 'rank'")),
    ("a Task's line", Kind.LOST, lambda home: _amend(home, "start\n")),
    (
        "a line twice",
        Kind.DOUBLED,
        lambda home: _amend(home, (_tree(home, "web") / FILE).read_text() + "document index\n"),
    ),
    (
        "a commit more",
        Kind.DUPLICATE,
        lambda home: _git(_tree(home, "web"), "commit", "-q", "--allow-empty", "-C", "HEAD"),
    ),
    (
        "a commit of nobody",
        Kind.DUPLICATE,
        lambda home: _git(_tree(home, "api"), "commit", "-q", "--allow-empty", "-m", "x"),
    ),
    ("a commit less", Kind.LOST, lambda home: _git(_tree(home, "web"), "reset", "-q", "--hard", "HEAD~1")),
    ("a Checkpoint's row", Kind.CHECKPOINT, _sql("DELETE FROM checkpoints WHERE sequence = 1")),
    (
        "another commit in a row",
        Kind.CHECKPOINT,
        _sql('UPDATE checkpoints SET commits = \'{"api": "0"}\' WHERE sequence = 3'),
    ),
    ("a Report that is cut", Kind.REPORT, lambda home: _cut(_report(home))),
    ("a Report that is gone", Kind.REPORT, lambda home: _report(home).unlink()),
    ("a Report's row", Kind.REPORT, _sql("DELETE FROM reports WHERE title = 'patch'")),
    ("a file beside a Report", Kind.LEFTOVER, lambda home: _report(home).with_name(".patch.md.x1").touch()),
    ("a status that was skipped", Kind.STATE, _sql("DELETE FROM events WHERE type = 'WorkflowStatusChanged'")),
    ("an event less", Kind.STATE, _sql("DELETE FROM events WHERE type = 'ReportGenerated'")),
    ("a foreign chain", Kind.STATE, _sql("UPDATE events SET correlation_id = 'x' WHERE type = 'WorkStarted'")),
    (
        "a query sent again",
        Kind.RERUN,
        _sql(
            "INSERT INTO events (id, type, correlation_id, workflow_id, work_id, task_id, context, occurred_at) "
            "SELECT 'ev-x', type, correlation_id, workflow_id, work_id, task_id, context, occurred_at "
            "FROM events WHERE type = 'QuerySent' LIMIT 1"
        ),
    ),
    ("an agent that worked twice", Kind.RERUN, lambda home: (home / "runs").write_text("survey look\n" * 2)),
    (
        "a lock",
        Kind.LEFTOVER,
        lambda home: Path(_git(_tree(home, "api"), "rev-parse", "--git-dir").strip(), "index.lock").touch(),
    ),
    ("an uncommitted edit", Kind.LEFTOVER, lambda home: (_tree(home, "api") / "new").touch()),
]


def test_a_workflow_that_went_well_has_no_problem(home: Path) -> None:
    assert check(home, _database(home), deaths=0) == []


@pytest.mark.parametrize(("kind", "change"), [pytest.param(kind, change, id=name) for name, kind, change in _BREAKS])
def test_what_is_broken_is_found(home: Path, kind: Kind, change: Callable[[Path], object]) -> None:
    change(home)
    assert kind in {problem.kind for problem in check(home, _database(home), deaths=0)}


def test_an_edit_that_is_on_no_ref_is_found(home: Path) -> None:
    kept = Edit(git="api", path=FILE, content=(_tree(home, "api") / FILE).read_bytes())
    lost = Edit(git="api", path=FILE, content=b"half an edit\n")
    found = check(home, _database(home), deaths=1, edits=[kept, lost])
    assert [problem.kind for problem in found] == [Kind.UNSAVED]
    assert "half an edit" in found[0].text


def test_a_process_of_the_try_is_found_until_it_ends(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as process:
        assert wait_until_gone(str(tmp_path), seconds=0.1)[1] == [process.pid]
        process.kill()
    assert wait_until_gone(str(tmp_path), seconds=60)[1] == []


@pytest.mark.parametrize("module", [checker, rows, events, scenario])
def test_it_shares_no_code_with_what_it_checks(module: object) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__", ""))).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [
        name for name in imported if name and name.split(".")[0] not in {*sys.stdlib_module_names, "tests", "psycopg2"}
    ]
