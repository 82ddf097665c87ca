"""One git process: what it inherits, how it ends, what is said about it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.domain.errors import GitError, GitTimeout
from orchestrator.git import GitCommand, GitSettings, Mirror
from orchestrator.git.command import Runner
from tests.orchestrator.git.repository import Repository


@pytest.fixture
def runner(settings: GitSettings, upstream: Repository) -> Runner:
    return Runner(settings=settings, folder=upstream.path, environment={"GIT_DIR": str(upstream.path / ".git")})


def _alias(runner: Runner, upstream: Repository, script: str) -> Runner:
    """A git whose subcommand `stand-in` is a shell script."""
    upstream.git("config", "alias.stand-in", f"!{script}")
    return runner


def test_inherits_nothing_but_the_allow_list(
    runner: Runner, upstream: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "touch")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    names = {line.partition("=")[0] for line in _alias(runner, upstream, "env").run("stand-in").splitlines()}
    assert not names & {"GITHUB_TOKEN", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "PYTEST_CURRENT_TEST", "HOME"}
    assert {"PATH", "https_proxy", "GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL"} <= names


def test_failure_names_command_exit_code_and_what_git_said(runner: Runner) -> None:
    with pytest.raises(GitError, match="exit code 128: fatal") as failed:
        runner.run("cat-file", "-e", "refs/heads/nowhere")
    assert (failed.value.command, failed.value.exit_code) == ("cat-file", 128)
    assert "Not a valid object name" in failed.value.stderr


def test_a_folder_that_is_gone_and_a_machine_without_git_are_failures_of_the_command(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GitError, match=r"git rev-parse HEAD: could not be started \(No such file.*gone\)"):
        replace(runner, folder=tmp_path / "gone").run("rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match=r"could not be started \(No such file.*git\); it needs git on the PATH"):
        runner.run("rev-parse", "HEAD")


def test_held_fds_are_inherited_and_no_others(runner: Runner, upstream: Repository) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        holding = replace(runner, held_fds=(reading,))
        listed = set(_alias(holding, upstream, "ls /proc/self/fd; #").run("stand-in").split())
    finally:
        os.close(reading)
        os.close(writing)
    assert str(reading) in listed
    assert str(writing) not in listed


def test_failure_shows_no_credentials(runner: Runner, upstream: Repository) -> None:
    script = "echo fatal: https://me:ghp_secret@example.org/x >&2; exit 3; #"
    with pytest.raises(GitError) as failed:
        _alias(runner, upstream, script).run("stand-in", "https://me:ghp_secret@example.org/y")
    assert "ghp_secret" not in str(failed.value) + failed.value.stderr
    assert "https://***@example.org/x" in failed.value.stderr


def test_deadline_kills_the_whole_group(runner: Runner, upstream: Repository, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    hasty = replace(runner, settings=replace(runner.settings, timeout_ms=700))
    started = time.monotonic()
    with pytest.raises(GitTimeout, match="700 ms"):
        _alias(hasty, upstream, script).run("stand-in")
    assert time.monotonic() - started < 5
    grandchild = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while _runs(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(grandchild)


def _runs(pid: int) -> bool:
    # In a container nobody may reap an orphan: a zombie has ended too.
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_deadline_holds_although_a_process_left_the_group_with_our_pipes(runner: Runner, upstream: Repository) -> None:
    hasty = replace(runner, settings=replace(runner.settings, timeout_ms=300))
    started = time.monotonic()
    with pytest.raises(GitTimeout):
        _alias(hasty, upstream, "setsid sleep 9").run("stand-in")
    assert time.monotonic() - started < 8


def test_observer_sees_each_command_with_duration_and_outcome(runner: Runner) -> None:
    seen: list[GitCommand] = []
    watched = replace(runner, settings=replace(runner.settings, observe=seen.append))
    watched.run("rev-parse", "HEAD")
    with pytest.raises(GitError):
        watched.run("cat-file", "-e", "nowhere")
    assert [(command.name, command.failed) for command in seen] == [("rev-parse", False), ("cat-file", True)]
    assert seen[0].line == "git rev-parse HEAD"
    assert 0 < seen[0].duration_ms < 60_000


def test_output_beyond_a_pipe_buffer_and_bytes_that_are_no_utf8_survive(runner: Runner, upstream: Repository) -> None:
    content = b"\xff\xfe name\n" * 100_000
    upstream.write("big", content)
    upstream.commit()
    assert runner.run("cat-file", "blob", "HEAD:big").encode(errors="surrogateescape") == content


def test_token_of_an_address_reaches_git_by_askpass_and_never_a_command_line(
    settings: GitSettings, tmp_path: Path
) -> None:
    control = Mirror.open("https://me:ghp_secret@example.invalid/x", settings).control
    runner = control.runner()
    assert control.remote.url == "https://example.invalid/x"
    assert runner.run("credential", "fill", stdin="protocol=https\nhost=example.invalid\n\n").splitlines()[2:] == [
        "username=me",
        "password=ghp_secret",
    ]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert not [path for path in files if b"ghp_secret" in path.read_bytes()]


def test_parent_environment_is_left_alone(runner: Runner) -> None:
    before = dict(os.environ)
    runner.run("rev-parse", "HEAD")
    assert dict(os.environ) == before
