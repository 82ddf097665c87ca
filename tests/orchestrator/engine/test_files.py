"""Files that are whole or absent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain import failpoints
from orchestrator.engine import workspace
from orchestrator.engine.files import write_whole


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


def killed_while_it_writes(path: Path, text: str) -> None:
    """A process that dies with the text written aside and not yet in its place."""
    pid = os.fork()
    if pid == 0:
        try:
            failpoints.arm(lambda boundary: os.kill(os.getpid(), signal.SIGKILL))
            write_whole(path, text)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_a_killed_writer_leaves_what_was_there(tmp_path: Path) -> None:
    report = tmp_path / "look.md"
    write_whole(report, "old\n")
    killed_while_it_writes(report, "half\n")
    assert report.read_text() == "old\n"
    write_whole(report, "new\n")
    assert report.read_text() == "new\n"


def test_what_a_killed_writer_left_aside_is_gone_when_its_work_is_taken_up(tmp_path: Path) -> None:
    report = workspace.report_path(tmp_path, "wf-1", "survey", "look")
    write_whole(report, "old\n")
    killed_while_it_writes(report, "half\n")
    assert len(list(report.parent.iterdir())) == 2
    workspace.make(tmp_path, "wf-1", "survey", trees={}, reports={})
    assert list(report.parent.iterdir()) == [report]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def full(boundary: str) -> None:
        raise OSError(28, "No space left on device")

    report = tmp_path / "look.md"
    write_whole(report, "old\n")
    failpoints.arm(full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(report, "new\n")
    assert report.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [report]
