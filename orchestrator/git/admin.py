"""What makes a folder a worktree for the agent's git: `<tree>/.git` and `<mirror>/worktrees/<name>/`.

The layout is git's own (gitrepository-layout(5)), written by us instead of by `git worktree add`: that names the folder
after the path, runs hooks and configuration of the mirror, and leaves, when killed, a lock, a branch and half a folder
that need a repair by `remove -f -f`. Each step here can be done again.

The agent can write all of it. We believe nothing in it but where HEAD points, and check that.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.failpoints import reached
from orchestrator.git.control import discard, ensure, read_plain, write_aside
from orchestrator.git.trash import throw_into, trash_of

_HEAD = re.compile(r"\A(?:ref: (?P<ref>refs/heads/[^\x00-\x20\x7f~^:?*\[\\]{1,500})|(?P<commit>[0-9a-f]{40,64}))\n?\Z")

_RENAMES = 20

# Everything else in the folder is the state of a merge, rebase or bisect that the agent left half-way.
_KEPT = frozenset({"HEAD", "commondir", "gitdir", "index", "logs", "modules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminFolder:
    """The admin folder of one worktree.

    Attributes:
        path: `<mirror>/worktrees/<workflow id>-<name>`.
        tree: the worktree's own folder.
        branch: full ref name of the branch that HEAD belongs on.
    """

    path: Path
    tree: Path
    branch: str

    def head(self) -> str | None:
        """The ref or commit that the agent's HEAD names; None where it is missing or malformed."""
        found = _HEAD.match(read_plain(self.path / "HEAD") or "")
        return (found["ref"] or found["commit"]) if found else None

    def mend(self, index: Path) -> None:
        """Create or put right whatever ties tree and mirror together; where the agent's HEAD is stays as it is."""
        ensure(self.tree / ".git", f"gitdir: {self.path}\n", mode=0o644)
        if not self.path.is_dir() or self.path.is_symlink():
            discard(self.path)
            self._create(index)
        ensure(self.path / "commondir", "../..\n")
        ensure(self.path / "gitdir", f"{self.tree / '.git'}\n")
        if self.head() is None:
            write_aside(self.path / "HEAD", f"ref: {self.branch}\n")
        if not (self.path / "index").is_file():
            write_aside(self.path / "index", index.read_bytes())

    def settle(self, index: Path) -> None:
        """As after a fresh checkout: HEAD on the branch, the index ours, no operation half-way."""
        self.mend(index)
        reached("worktree.mend.after")
        write_aside(self.path / "index", index.read_bytes())
        reached("worktree.index.after")
        write_aside(self.path / "HEAD", f"ref: {self.branch}\n")
        for entry in self.path.iterdir():
            if entry.name not in _KEPT:
                discard(entry)
        reached("worktree.settle.after")

    def unlock(self) -> None:
        """Remove lock files; only for a caller that knows every process that could own one has ended."""
        for lock in self.path.glob("*.lock"):
            discard(lock)

    def remove(self) -> None:
        """Forget the worktree; what is in the folder waits in a trash beside the mirrors."""
        throw_into(trash_of(self.path.parents[2]), self.path)

    def _create(self, index: Path) -> None:
        # Filled aside and renamed: `git worktree prune` of another Workflow's agent deletes a folder without `gitdir`.
        aside = Path(tempfile.mkdtemp(dir=self.path.parent.parent, prefix=f".{self.path.name}."))
        try:
            (aside / "commondir").write_text("../..\n")
            (aside / "gitdir").write_text(f"{self.tree / '.git'}\n")
            (aside / "HEAD").write_text(f"ref: {self.branch}\n")
            shutil.copyfile(index, aside / "index")
            self._rename(aside)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _rename(self, aside: Path) -> None:
        # The same prune also deletes `worktrees/` itself while it is empty, at worst just before our rename.
        for _ in range(_RENAMES - 1):
            self.path.parent.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                aside.rename(self.path)
                return
        self.path.parent.mkdir(exist_ok=True)
        aside.rename(self.path)
