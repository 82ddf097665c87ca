"""One WorkTree: the files of one Git for one Workflow, on a branch of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from orchestrator.domain.errors import GitError
from orchestrator.domain.failpoints import reached
from orchestrator.domain.ids import SAFE_ID
from orchestrator.git.admin import AdminFolder
from orchestrator.git.command import Runner
from orchestrator.git.control import discard
from orchestrator.git.locks import TreeLock
from orchestrator.git.mirror import Mirror
from orchestrator.git.refs import BRANCHES, NONE, RefNames, hidden_of, rescues_of
from orchestrator.git.staging import checkout, clean, stage
from orchestrator.git.trash import throw_away
from orchestrator.git.unchanged import is_unchanged


class WorkTree:
    """The files of one Git for one Workflow; only the holder of the Workflow's lock can have one.

    Every method raises `GitError`, and `RefMoved` where another process moved the branch meanwhile. Each may be
    killed at any point and called again.
    """

    def __init__(self, *, mirror: Mirror, lock: TreeLock, name: str, branch: str | None = None) -> None:
        """`name` is the Git's in the spec; `branch` without `refs/heads/`, see `branch_names`."""
        if not SAFE_ID.match(name):
            raise GitError(f"git name {name[:100]!r} cannot be a folder's name", command="check")
        self.mirror = mirror
        self.name = name
        self.refs = RefNames(workflow_id=lock.workflow_id, name=name, branch=branch or f"{BRANCHES}{lock.workflow_id}")
        self.path = mirror.settings.worktree_root / lock.workflow_id / name
        self._lock = lock
        self._control = mirror.control
        unique = f"{lock.workflow_id}-{name}"
        # Written in one step when a checkout is complete, out of reach of the agent's git: its presence is the proof.
        self._index = self._control.path / "indexes" / unique
        self._admin = AdminFolder(
            path=self._control.mirror_path / "worktrees" / unique, tree=self.path, branch=self.refs.head
        )

    def add(self, base: str) -> None:
        """Make the tree at commit `base`, or find it as it was left; no agent may run in it.

        A branch that exists already (resumed Workflow, removed tree) is checked out where it stands, not at `base`.
        """
        if not self._control.mirror_path.is_dir():
            raise GitError(
                f"the mirror {self._control.mirror_path} is gone, and this Workflow's branch with it; "
                "bring it back from a backup, or launch the workflow anew",
                command="worktree",
            )
        self._control.share_config()
        self._remove_stale_locks()
        head, kept_base, removed = self._control.find(self.refs.head, self.refs.base, self.refs.removed)
        if head and kept_base and self._index.exists() and self._is_folder():
            self._admin.mend(self._index)
            return
        moves = [] if head else [f"create {self.refs.head} {removed or base}"]
        if removed and not head:
            # It is the branch again: whoever removes this tree next keeps what the branch holds then.
            moves.append(f"delete {self.refs.removed} {removed}")
        if not (head and kept_base) and not (removed and kept_base):
            moves.append(f"update {self.refs.base} {base}")
        if moves:
            self._move_refs(*moves)
        self._index.unlink(missing_ok=True)
        if not self._is_folder():
            discard(self.path)
            self.path.mkdir(parents=True)
        reached("worktree.folder.after")
        checkout(self._runner, head or removed or base)
        self._admin.settle(self._index)

    def holds(self, commit: str) -> bool:
        """Whether the repository has this commit."""
        return self._control.find(f"{commit}^{{commit}}") != [None]

    def head(self) -> str:
        """The commit the agent's HEAD is at; the branch's where it is at none."""
        _, head = self._heads()
        return head

    def snapshot(self, *, work: str, task: str, message: str) -> str:
        """Keep everything in the tree as a commit on a hidden ref, its parent where HEAD is; no branch moves.

        The parent itself where nothing changed since.
        """
        _, parent = self._heads()
        commit = self._commit(self._stage(), message, parent)
        self._move_refs(f"update {self.refs.task(work, task)} {commit}")
        return commit

    def commit_checkpoint(self, *, parent: str, message: str, trailers: Mapping[str, str]) -> str:
        """Everything since `parent`, the last Checkpoint's commit (or the base), as one commit on the branch.

        `parent` itself where the tree is the same. Commits of the agent's own are squashed into it and stay
        reachable on a hidden ref. HEAD ends on the branch. `trailers` holds `Checkpoint-Id`.
        """
        self._remove_stale_locks()
        branch, head = self._heads()
        agents_branch = self._agents_branch()
        trailer_lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
        commit = self._commit(self._stage(), f"{message.strip()}\n\n{trailer_lines}\n", parent)
        moves = [f"update {self.refs.head} {commit} {branch or NONE}"]
        kept = self.refs.agent(trailers["Checkpoint-Id"])
        if head != parent:
            moves.append(f"update {kept} {head}")
        if branch not in {None, head, parent}:
            moves.append(f"update {kept}-branch {branch}")
        if agents_branch:
            # In the shared mirror it would deny this name to the agent of every later Workflow.
            moves.append(f"delete {agents_branch} {head}")
        self._move_refs(*moves)
        self._admin.settle(self._index)
        return commit

    def find_checkpoint(self, checkpoint_id: str) -> str | None:
        """The commit of a Checkpoint, where it was made; looks at the branch beyond its base. No agent may run.

        Should its maker have been killed right after the commit, what was left to do is done here: HEAD, the index.
        """
        wanted = "%(trailers:key=Checkpoint-Id,valueonly,separator=%x2C)"
        listed = self._control.runner().run(
            "log", "--first-parent", f"--format=%H {wanted}", f"{self.refs.base}..{self.refs.head}", "--"
        )
        for line in listed.splitlines():
            commit, _, found = line.partition(" ")
            if found == checkpoint_id:
                if self._index.exists() and self._is_folder():
                    self._admin.settle(self._index)
                return commit
        return None

    def undo_checkpoint(self, *, commit: str, back_to: str) -> None:
        """Take a Checkpoint's commit off the branch again; the files stay as they are."""
        self._remove_stale_locks()
        self._move_refs(f"update {self.refs.head} {back_to} {commit}")

    def rescue(self, ref_id: str, *, since: str) -> str | None:
        """Keep on a rescue ref what the tree holds beyond commit `since`; None where that is nothing.

        A rescue under the same id before stays reachable, as a parent of the new one.
        """
        branch, head = self._heads()
        tree = self._stage()
        (since_tree,) = self._control.find(f"{since}^{{tree}}")
        if tree == since_tree and all(self._within(commit, since) for commit in (head, branch) if commit):
            return None
        ref = self.refs.rescue(ref_id)
        (before,) = self._control.find(ref)
        others = [commit for commit in (branch, before) if commit and not self._within(commit, head)]
        commit = self._commit(tree, f"Rescued from {self.refs.branch}: {ref_id}\n", head, *others)
        self._move_refs(f"update {ref} {commit} {before or NONE}")
        return commit

    def restore(self, commit: str, *, branch_at: str | None = None) -> None:
        """Files and index exactly at `commit`, HEAD on the branch, the branch at `branch_at` (default: `commit`).

        Ignored files stay; what is neither tracked nor ignored goes (`rescue` it before).
        """
        self._remove_stale_locks()
        (branch,) = self._control.find(self.refs.head)
        self._move_refs(f"update {self.refs.head} {branch_at or commit} {branch or NONE}")
        self._check_folder()
        checkout(self._runner, commit)
        clean(self._runner, self.path)
        self._admin.settle(self._index)

    def remove(self) -> str | None:
        """Take the tree and its branch away; the rescue commit where there was work beyond the branch.

        The files only move into the trash, which `empty_trash` deletes: that can take half a minute.
        """
        branch, tree_id = self._control.find(self.refs.head, f"{self.refs.head}^{{tree}}")
        rescued = self.save(branch, tree_id)
        self.take_away()
        if branch:
            self._move_refs(f"update {self.refs.removed} {branch}", f"delete {self.refs.head} {branch}")
        return rescued

    def save(self, branch: str | None, tree_id: str | None) -> str | None:
        """Rescue what the tree holds beyond its branch, before it goes; None where that is nothing.

        Args:
            branch: the branch's commit, None where there is none.
            tree_id: of that commit's files.
        """
        self._remove_stale_locks()
        if not (branch and tree_id and self._index.exists() and self._is_folder()):
            return None
        if self._admin.head() == self.refs.head and is_unchanged(self.path, self._index, tree_id=tree_id):
            return None
        return self.rescue("removed", since=branch)

    def take_away(self) -> None:
        """Move the files into the trash and forget the tree; the branch stays."""
        if self.path.parent.is_symlink():
            # Somebody put a link in the place of the Workflow's folder: what it points to is none of ours.
            throw_away(self.path.parent, self.mirror.settings)
        throw_away(self.path, self.mirror.settings)
        reached("worktree.trash.after")
        self._admin.remove()
        self._index.unlink(missing_ok=True)
        reached("worktree.remove.after")
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    @cached_property
    def _runner(self) -> Runner:
        return self._control.tree_runner(tree=self.path, index=self._index, held_fds=(self._lock.fd,))

    def _move_refs(self, *instructions: str) -> None:
        self._control.move_refs(*instructions, held_fds=(self._lock.fd,))

    def _heads(self) -> tuple[str | None, str]:
        """The branch's commit (None: the agent deleted it), and that of the agent's HEAD."""
        names = (self._admin.head() or self.refs.head, self.refs.head, self.refs.base)
        at_head, branch, base = self._control.find(*(f"{name}^{{commit}}" for name in names))
        head = at_head or branch or base
        if head is None:
            raise self._missing()
        return branch, head

    def _agents_branch(self) -> str | None:
        """The branch that the agent made and is on; never one of a Workflow."""
        ref = self._admin.head() or ""
        if not ref.startswith("refs/heads/") or ref.startswith(f"refs/heads/{BRANCHES}"):
            return None
        (commit,) = self._control.find(ref)
        return ref if commit else None

    def _stage(self) -> str:
        # What an agent's git found in a planted alternate was never written here, and would be lost with the alternate.
        self._control.share_config()
        self._check_folder()
        if not self._index.exists():
            raise self._missing()
        self._remove_own_locks()
        return stage(self._runner, self.path)

    def _commit(self, tree: str, message: str, parent: str, *others: str) -> str:
        """A commit of the tree; the parent itself where it has this tree already and there is nothing to join."""
        if not others and self._control.find(f"{parent}^{{tree}}") == [tree]:
            return parent
        parents = [option for commit in (parent, *others) for option in ("-p", commit)]
        return self._runner.run("commit-tree", tree, *parents, stdin=message).strip()

    def _within(self, commit: str, history: str) -> bool:
        return commit == history or not self._runner.run("rev-list", "--max-count=1", commit, f"^{history}")

    def _is_folder(self) -> bool:
        # An agent can put a link in the place of its tree, and a `clean` would then empty what that points to.
        return self.path.is_dir() and not self.path.is_symlink() and not self.path.parent.is_symlink()

    def _check_folder(self) -> None:
        if not self._is_folder():
            raise self._missing()

    def _missing(self) -> GitError:
        return GitError(
            f"{self.path}: this worktree is missing or was replaced; `add` makes it anew", command="worktree"
        )

    def _remove_stale_locks(self) -> None:
        """Where no agent runs: whoever made them had inherited this Workflow's lock, which is ours, and has ended."""
        self._remove_own_locks()
        self._admin.unlock()
        (self._control.mirror_path / f"{self.refs.head}.lock").unlink(missing_ok=True)

    def _remove_own_locks(self) -> None:
        # Files that no agent's git writes: they can be removed beside one.
        self._index.with_name(f"{self._index.name}.lock").unlink(missing_ok=True)
        for prefix in (hidden_of(self.refs.workflow_id), rescues_of(self.refs.workflow_id)):
            # Not rglob: it fails where another's `pack-refs` deletes an empty folder meanwhile.
            for folder, _, files in os.walk(self._control.mirror_path / prefix):
                for lock in (name for name in files if name.endswith(".lock")):
                    Path(folder, lock).unlink(missing_ok=True)
