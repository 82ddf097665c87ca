"""Which process a row means: by pid and birth, never by the pid alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from orchestrator.ops.workers import Process, birth_of, living_workers, this_host
from orchestrator.store import open_store


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def test_a_process_keeps_its_birth_and_another_has_another_one(sleeper: subprocess.Popen[bytes]) -> None:
    assert birth_of(sleeper.pid) == birth_of(sleeper.pid)
    assert birth_of(sleeper.pid) != birth_of(os.getpid())


def test_the_same_pid_with_another_birth_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    stranger = Process(pid=sleeper.pid, birth=birth_of(os.getpid()) or "")

    assert not stranger.is_alive()
    assert not stranger.send(signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process(pid=sleeper.pid, birth=birth_of(sleeper.pid) or "")
    assert process.is_alive()

    assert process.send(signal.SIGKILL)

    deadline = time.monotonic() + 30
    while process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sleeper.returncode is None  # nobody has waited for it yet


def test_a_name_with_a_parenthesis_confuses_nobody(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "a) Z 1")  # noqa: PTH118 — the name is the point
    os.symlink("/bin/sleep", script)  # noqa: PTH211 — likewise
    with subprocess.Popen([script, "300"]) as process:
        assert birth_of(process.pid) is not None
        process.kill()


def test_the_living_are_those_of_this_machine_that_run(
    tmp_path: os.PathLike[str], sleeper: subprocess.Popen[bytes]
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db")
    store.migrate()
    birth = birth_of(sleeper.pid) or ""
    for run_id, host, pid in (("a", this_host(), sleeper.pid), ("b", "elsewhere", sleeper.pid), ("c", this_host(), 1)):
        store.write(lambda tx, r=run_id, h=host, p=pid: tx.claim_run(r, host=h, pid=p, birth=birth, log_path="/x"))  # type: ignore[misc]  # mypy types no lambda's defaults

    assert living_workers(store) == {Process(pid=sleeper.pid, birth=birth)}
    store.close()


@pytest.mark.skipif(sys.platform == "linux", reason="what other systems have instead of /proc")
def test_elsewhere_a_birth_is_a_time_of_day() -> None:
    assert birth_of(os.getpid())
