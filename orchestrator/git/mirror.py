"""One bare mirror per Git: fetched from its address, shared by the worktrees of every Workflow."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import GitError, GitRefNotFound, GitTimeout, GitUnreachable
from orchestrator.domain.failpoints import reached
from orchestrator.git.command import GitSettings, Runner
from orchestrator.git.control import Control
from orchestrator.git.locks import hold
from orchestrator.git.refs import hidden_of, rescues_of
from orchestrator.git.urls import check_ref, mask, parse_url

_COMMIT = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_STALE_LOCK = re.compile(r"Unable to create '([^'\n]{1,4096}\.lock)': File exists")

# Only these are written, and pruned, by a fetch: refs/heads/* and refs/orchestrator/* are the Workflows'.
_REFSPECS = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
# The repository's own HEAD: its default branch, or, detached, a commit on no branch. Where no short name means
# it: an agent's git would call its own `HEAD` ambiguous.
_HEAD = "refs/orchestrator/head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The clone of one repository. Any number of processes may use it at once.

    Attributes:
        shown: the address, its credentials masked, for messages.
    """

    control: Control
    shown: str

    @classmethod
    def open(cls, url: str, settings: GitSettings) -> Mirror:
        """The mirror of an address; no network. Raises `GitUrlRefused`."""
        return cls(control=Control.open(parse_url(url), settings), shown=mask(url))

    @property
    def settings(self) -> GitSettings:
        """What it was opened with."""
        return self.control.settings

    def update(self, ref: str = "") -> None:
        """Clone it the first time, fetch it afterwards. Raises `GitUnreachable`, `GitTimeout`, `GitLocked`.

        A branch or tag comes without being named; `HEAD` only when it is the wanted `ref`. A process that is killed
        here leaves the mirror as it was. Callers at the same time wait for each other.
        """
        path = self.control.mirror_path
        lock = self.control.path / "update.lock"
        with hold(lock, what=f"the mirror of {self.shown}", timeout_ms=self.settings.timeout_ms) as fd:
            if path.exists():
                self._fetch(self.control.runner(held_fds=(fd,)))
                reached("mirror.fetch.after")
            else:
                self._clone(path, fd)
            if ref == "HEAD":
                self._fetch_head(self.control.runner(held_fds=(fd,)))
            self.control.share_config()

    def resolve(self, ref: str) -> str:
        """The commit that a branch, a tag, a full hash or `HEAD` names now, in this order, as last fetched."""
        check_ref(ref)
        names = [_HEAD] if ref == "HEAD" else [f"refs/remotes/origin/{ref}", f"refs/tags/{ref}"]
        names += [ref] if _COMMIT.match(ref) else []
        for commit in self.control.find(*(f"{name}^{{commit}}" for name in names)):
            if commit is not None:
                return commit
        if not self.control.runner().run("for-each-ref", "--count=1", "refs/remotes/origin/", "refs/tags/"):
            raise GitRefNotFound(f"{self.shown} is an empty repository: push a first commit to it", command="rev-parse")
        raise GitRefNotFound(
            f"{self.shown} has no branch, tag or commit {ref!r}; correct `ref`, or push it", command="rev-parse"
        )

    def push(self, *, commit: str, branch: str, replaces: str | None = None) -> None:
        """Publish a commit as a branch of the repository.

        Never takes commits from a branch there, except that `replaces` names the one it may stand at.
        """
        lease = [f"--force-with-lease=refs/heads/{branch}:{replaces}"] if replaces else []
        _reach(
            self.control.runner(),
            self.shown,
            *("push", "--quiet", "--no-verify", *lease, "--", self.control.remote.url),
            f"{commit}:refs/heads/{branch}",
        )

    def files_changed(self, *, since: str, until: str) -> tuple[str, ...]:
        """Paths that differ between two commits, from the top of the tree, sorted."""
        listed = self.control.runner().run("diff-tree", "-r", "-z", "--name-only", "--no-renames", since, until)
        return tuple(path for path in listed.split("\0") if path)

    def forget(self, workflow_id: str, *, rescues: bool = False) -> None:
        """Drop the hidden refs of a Workflow that is deleted, or its rescue refs once these have had their time."""
        prefix = rescues_of(workflow_id) if rescues else hidden_of(workflow_id)
        refs = self.control.runner().run("for-each-ref", "--format=%(refname)", prefix).split()
        if refs:
            self.control.move_refs(*(f"delete {ref}" for ref in refs))

    def _clone(self, path: Path, lock_fd: int) -> None:
        # Only the lock's holder makes or reads this folder, so one that exists was left by a killed clone.
        aside = path.with_suffix(".clone")
        shutil.rmtree(aside, ignore_errors=True)
        runner = self.control.runner(git_dir=aside, held_fds=(lock_fd,))
        runner.run("init", "--quiet", "--bare", "--template=")
        reached("mirror.init.after")
        self._fetch(runner)
        reached("mirror.clone.before")
        aside.rename(path)
        reached("mirror.clone.after")

    def _fetch_head(self, runner: Runner) -> None:
        try:
            self._fetch(runner, f"+HEAD:{_HEAD}")
        except GitUnreachable as error:
            # An empty repository, or a HEAD on a branch without commits: `resolve` has the words for that.
            if "remote ref HEAD" not in error.stderr:
                raise

    def _fetch(self, runner: Runner, *refspecs: str) -> None:
        depth = [f"--depth={self.settings.clone_depth}"] if self.settings.clone_depth else []
        options = ("--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", *depth)
        command = ("fetch", *options, "--", self.control.remote.url, *(refspecs or _REFSPECS))
        try:
            _reach(runner, self.shown, *command)
        except GitUnreachable as error:
            # Every fetch into these refs happens under our lock: a lock file there belongs to one that was killed.
            if not _remove_stale(_STALE_LOCK.findall(error.stderr), self.control.mirror_path):
                raise
            _reach(runner, self.shown, *command)


def remote_head(url: str, ref: str, settings: GitSettings) -> str:
    """The commit at a branch or tag of a repository that need not be cloned; a full hash is its own answer."""
    check_ref(ref)
    remote = parse_url(url)
    if _COMMIT.match(ref):
        return ref
    wanted = ("HEAD",) if ref == "HEAD" else (f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}")
    runner = Control.open(remote, settings).runner()
    listed = _reach(runner, mask(url), "ls-remote", "--quiet", "--", remote.url, *wanted)
    found = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
    for name in wanted:
        if name in found:
            return found[name]
    raise GitRefNotFound(f"{mask(url)} has no branch or tag {ref!r}; correct `ref`, or push it", command="ls-remote")


def _reach(runner: Runner, shown: str, *args: str) -> str:
    try:
        return runner.run(*args)
    except GitTimeout as error:
        raise GitTimeout(f"{shown}: {error}", command=error.command) from error
    except GitError as error:
        raise GitUnreachable(
            f"{shown}: git {error.command}: {error.stderr or error}; check the address, the access and the network",
            command=error.command,
            exit_code=error.exit_code,
            stderr=error.stderr,
        ) from error


def _remove_stale(locks: Iterable[str], mirror: Path) -> bool:
    inside = [lock for lock in locks if Path(os.path.realpath(lock)).is_relative_to(mirror.resolve() / "refs")]
    for lock in inside:
        Path(lock).unlink(missing_ok=True)
    return bool(inside)
