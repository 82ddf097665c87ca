"""The folder from which we run git for one Git.

An agent can write everything in a mirror that its worktree reaches: `config`, hooks, attributes. A filter, hook or
fsmonitor command planted there would run in the next git command that reads it, and no option turns all of them off.
So our git never reads them: its git-dir is this folder, which holds a configuration of our own and links to the
mirror's objects and refs, and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.domain.errors import GitError, RefMoved
from orchestrator.domain.failpoints import reached
from orchestrator.domain.ids import git_id
from orchestrator.git.command import GitSettings, Runner
from orchestrator.git.urls import Remote

# `packed-refs` and `shallow` may not exist yet: git follows a dangling link when it writes them.
_SHARED = ("objects", "refs", "packed-refs", "shallow")

_REPOSITORY_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
\tpruneExpire = never
"""

# hooksPath, fsmonitor: for a repository on this machine that serves a fetch. Lock timeouts: workflows share a mirror.
# fsync: a row in the database names the commit, so the commit must not be the one that a power cut takes.
# Not `fsyncMethod = batch`: beside another's `git gc` it lost objects without a word (2.39: seen in 1 of 20 runs).
_GLOBAL_CONFIG = """\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tautocrlf = false
\tquotePath = false
\tfilesRefLockTimeout = 5000
\tpackedRefsTimeout = 5000
\tfsync = objects,reference
[commit]
\tgpgSign = false
[tag]
\tgpgSign = false
[push]
\tgpgSign = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[http]
\tlowSpeedLimit = 1000
\tlowSpeedTime = 30
[protocol "ext"]
\tallow = never
[submodule]
\trecurse = false
"""

# The environment's configuration wins over the file's.
_UNFLUSHED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsync", "GIT_CONFIG_VALUE_0": "none"}

_ASKPASS = """\
#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$ORCHESTRATOR_GIT_USERNAME" ;;
*) printf '%s\\n' "$ORCHESTRATOR_GIT_PASSWORD" ;;
esac
"""

_MOVED = re.compile(r"cannot lock ref .*(?:is at|already exists|unable to resolve|but expected)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Our side of one Git.

    Attributes:
        path: the folder; `<root>/<git id>.control`.
        mirror_path: the bare repository that it stands for; `<root>/<git id>.git`.
    """

    settings: GitSettings
    remote: Remote
    path: Path
    mirror_path: Path

    @classmethod
    def open(cls, remote: Remote, settings: GitSettings) -> Control:
        """The control folder of a Git, made when missing; no network."""
        # By the address without credentials: a rotated token is no other repository.
        identity = git_id(remote.url)
        control = cls(
            settings=settings,
            remote=remote,
            path=settings.root / f"{identity}.control",
            mirror_path=settings.root / f"{identity}.git",
        )
        for folder in ("home", "indexes"):
            (control.path / folder).mkdir(parents=True, exist_ok=True)
        for name in _SHARED:
            with suppress(FileExistsError):
                (control.path / name).symlink_to(Path("..") / control.mirror_path.name / name)
        ensure(control.path / "HEAD", "ref: refs/heads/none\n")
        ensure(control.path / "config", _REPOSITORY_CONFIG)
        ensure(control.path / "gitconfig", _GLOBAL_CONFIG + _safe_directories(remote))
        ensure(control.path / "askpass", _ASKPASS, mode=0o700)
        return control

    def runner(self, *, git_dir: Path | None = None, held_fds: tuple[int, ...] = ()) -> Runner:
        """Runs git on the mirror, or on another git-dir that no agent has seen yet."""
        environment = {
            "HOME": str(self.path / "home"),
            "GIT_CONFIG_GLOBAL": str(self.path / "gitconfig"),
            "GIT_DIR": str(git_dir or self.path),
        }
        if self.remote.username or self.remote.password:
            environment["GIT_ASKPASS"] = str(self.path / "askpass")
            environment["ORCHESTRATOR_GIT_USERNAME"] = self.remote.username
            environment["ORCHESTRATOR_GIT_PASSWORD"] = self.remote.password
        return Runner(settings=self.settings, folder=self.path, environment=environment, held_fds=held_fds)

    def tree_runner(self, *, tree: Path, index: Path, held_fds: tuple[int, ...]) -> Runner:
        """Runs git on the files of one worktree, with an index of our own: the agent's may hide changes from us."""
        environment = {**self.runner().environment, "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(index)}
        return Runner(settings=self.settings, folder=tree, environment=environment, held_fds=held_fds)

    def share_config(self) -> None:
        """Take out of the mirror what an agent may have left there for the git of other agents to run or read."""
        origin = (
            f'[remote "origin"]\n\turl = {_quoted(self.remote.url)}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
        )
        ensure(self.mirror_path / "config", _REPOSITORY_CONFIG + origin, mode=0o644)
        for planted in ("config.worktree", "hooks", "info/attributes", "objects/info/alternates"):
            discard(self.mirror_path / planted)

    def find(self, *names: str) -> list[str | None]:
        """The full object id behind each name (`refs/heads/x`, `<commit>^{tree}`), None where there is none."""
        listed = self.runner().run("cat-file", "--batch-check=%(objectname)", stdin="".join(f"{n}\n" for n in names))
        return [None if line.endswith(("missing", "ambiguous")) else line for line in listed.splitlines()]

    def move_refs(self, *instructions: str, held_fds: tuple[int, ...] = (), flushed: bool = True) -> None:
        """Change refs in one transaction (git-update-ref(1), `--stdin`); `RefMoved` where one is not as expected.

        Args:
            flushed: False leaves it to the caller to flush the disk, once for a thousand refs.
        """
        boundary = f"refs.{', '.join(' '.join(line.split()[:2]) for line in instructions)}"
        reached(f"{boundary}.before")
        runner = self.runner(held_fds=held_fds)
        if not flushed:
            runner = replace(runner, environment={**runner.environment, **_UNFLUSHED})
        try:
            runner.run("update-ref", "--no-deref", "--stdin", stdin="".join(f"{line}\n" for line in instructions))
        except GitError as error:
            if _MOVED.search(error.stderr):
                raise RefMoved(
                    f"{error.stderr}; another process moved it: nothing was changed",
                    command=error.command,
                    exit_code=error.exit_code,
                    stderr=error.stderr,
                ) from error
            raise
        reached(f"{boundary}.after")


def write_aside(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Put a file in its place in one step; a link or folder that stands there is replaced, never followed."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            os.fchmod(fd, mode)
        if path.is_dir():
            discard(path)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_plain(path: Path, *, max_bytes: int = 100_000) -> str | None:
    """The beginning of a file; None where it is missing or anything but a plain file (a pipe would block us)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, max_bytes).decode(errors="replace") if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def discard(path: Path) -> None:
    """Delete a file, a link (not what it points to) or a folder; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def ensure(path: Path, content: str, *, mode: int = 0o600) -> None:
    """Write a file unless it reads so already."""
    if read_plain(path) != content:
        write_aside(path, content, mode=mode)


def _safe_directories(remote: Remote) -> str:
    # git refuses repositories that another user owns; the process that serves a local fetch takes this from no `-c`.
    if remote.path is None:
        return ""
    folders = dict.fromkeys(folder for path in (remote.path, remote.path.resolve()) for folder in (path, path / ".git"))
    return "[safe]\n" + "".join(f"\tdirectory = {_quoted(str(folder))}\n" for folder in folders)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
