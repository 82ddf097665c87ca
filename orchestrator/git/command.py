"""The one place where a git process starts: clean environment, own process group, deadline, masked errors."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import GitError, GitTimeout
from orchestrator.domain.stop import Stop
from orchestrator.git.urls import mask

_DRAIN_SECONDS = 5.0
_STDERR_KEPT = 2_000

# A `git gc` that an agent runs in the mirror deletes an object folder while it is empty, at worst between the moments
# when another git makes it and writes to it; every command of ours can be run again.
_FOLDER_GONE = re.compile(r"unable to (?:create temporary file|write file [^\n]{1,4096}): No such file or directory")
_ATTEMPTS = 5

# What a git process may inherit: how to find programs, and how this machine reaches others.
_INHERITED = frozenset(
    {
        *("PATH", "TMPDIR", "SSH_AUTH_SOCK"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
    }
)

# Commands that wait for another machine.
_REMOTE = frozenset({"fetch", "ls-remote", "push"})

_IDENTITY = {"NAME": "Workflow Orchestrator", "EMAIL": "orchestrator@localhost"}
# What every git process is told.
FIXED: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    # An agent can write refs/replace/*: they would show us other content under a commit's name.
    "GIT_NO_REPLACE_OBJECTS": "1",
    # Wins over every configuration, that of a hostile repository included.
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30",
    "GIT_SSH_VARIANT": "ssh",
    **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _IDENTITY.items()},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCommand:
    """One git process that ended, for metrics and DEBUG logs.

    Attributes:
        name: the subcommand (`fetch`, `update-ref`, …), a bounded set.
        line: the command line, masked; paths and refs, never credentials.
        duration_ms: from start to end, wall time.
        failed: it ended with another exit code than 0, or passed its deadline.
    """

    name: str
    line: str
    duration_ms: float
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSettings:
    """Where repositories live and how long git may take.

    Attributes:
        root: the mirrors; absolute.
        worktree_root: the worktrees, one folder per Workflow; absolute.
        timeout_ms: wall deadline of every single git command.
        clone_depth: commits of history in a mirror; 0 is all.
        observe: called after each command, in the thread that ran it; must not raise.
        stop: an order that cuts short what waits for another machine; what works on files is soon done and is not.
    """

    root: Path
    worktree_root: Path
    timeout_ms: int = 120_000
    clone_depth: int = 0
    observe: Callable[[GitCommand], None] | None = None
    stop: Stop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs git in one folder with one environment. Safe to share between threads: each command is a process of its own.

    Attributes:
        environment: variables beside the fixed and the inherited ones: `GIT_DIR`, `GIT_INDEX_FILE`, …
        held_fds: locks that the git process inherits: should we be killed, they stay held until it has ended too.
    """

    settings: GitSettings
    folder: Path
    environment: Mapping[str, str]
    held_fds: tuple[int, ...] = ()

    def run(self, *args: str, stdin: str = "") -> str:
        """What git wrote to stdout, decoded so that any file name survives the way back (`surrogateescape`).

        Raises `GitTimeout` at the deadline, with the whole process group killed, and `GitError` for a failure.
        """
        for _ in range(_ATTEMPTS):
            stdout, stderr, exit_code = self._observed(args, stdin)
            if exit_code == 0:
                return stdout
            if not _FOLDER_GONE.search(stderr):
                break
        said = mask(stderr)[-_STDERR_KEPT:].strip()
        line = _shown(args)
        raise GitError(
            f"{line[:300]}: exit code {exit_code}: {said}", command=args[0], exit_code=exit_code, stderr=said
        )

    def _observed(self, args: tuple[str, ...], stdin: str) -> tuple[str, str, int]:
        started = time.monotonic()
        failed = True
        try:
            ended = self._perform(args, stdin)
            failed = ended[2] != 0
            return ended
        finally:
            if self.settings.observe is not None:
                duration_ms = (time.monotonic() - started) * 1000
                command = GitCommand(name=args[0], line=_shown(args), duration_ms=duration_ms, failed=failed)
                self.settings.observe(command)

    def _perform(self, args: tuple[str, ...], stdin: str) -> tuple[str, str, int]:
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
        try:
            process = subprocess.Popen(
                ["git", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                env={**inherited, **FIXED, **self.environment},
                start_new_session=True,
                pass_fds=self.held_fds,
            )
        except OSError as error:
            raise GitError(
                f"{_shown(args)[:300]}: could not be started ({error.strerror}: {error.filename}); "
                "it needs git on the PATH and its folder",
                command=args[0],
            ) from error
        stop = self.settings.stop if args[0] in _REMOTE else None
        try:
            with stop.cutting(lambda: _signal_group(process)) if stop else nullcontext():
                stdout, stderr = process.communicate(
                    stdin.encode(errors="surrogateescape"), timeout=self.settings.timeout_ms / 1000
                )
        except subprocess.TimeoutExpired as error:
            raise GitTimeout(
                f"{_shown(args)[:300]}: killed at its deadline of {self.settings.timeout_ms} ms",
                command=args[0],
            ) from error
        finally:
            if process.returncode is None:
                _kill_group(process)
        if stop and process.returncode == -signal.SIGKILL:
            stop.check()
        return stdout.decode(errors="surrogateescape"), stderr.decode(errors="replace"), process.returncode


def git_version(settings: GitSettings) -> str:
    """`git version 2.39.5`: which git runs, and that it does."""
    return Runner(settings=settings, folder=Path("/"), environment={}).run("version").strip()


def _shown(args: tuple[str, ...]) -> str:
    return mask("git " + " ".join(args))


def _signal_group(process: subprocess.Popen[bytes]) -> None:
    # macOS answers EPERM for a group whose leader has just ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process)
    try:
        # Reaps it and closes the pipes; a grandchild that left the session may hold them open, so not for ever.
        process.communicate(timeout=_DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
