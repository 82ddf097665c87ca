"""The one place that runs git: mirrors, worktrees, checkpoint commits, rescue refs."""

from orchestrator.git.command import GitCommand, GitSettings, git_version
from orchestrator.git.leftovers import WORKFLOW_ID, leftovers, retire, trees_of
from orchestrator.git.locks import TreeLock, tree_lock
from orchestrator.git.mirror import Mirror, remote_head
from orchestrator.git.refs import branch_names
from orchestrator.git.removal import Removed, remove_all
from orchestrator.git.trash import empty_trash
from orchestrator.git.urls import check_ref, check_url
from orchestrator.git.worktree import WorkTree

__all__ = [
    "WORKFLOW_ID",
    "GitCommand",
    "GitSettings",
    "Mirror",
    "Removed",
    "TreeLock",
    "WorkTree",
    "branch_names",
    "check_ref",
    "check_url",
    "empty_trash",
    "git_version",
    "leftovers",
    "remote_head",
    "remove_all",
    "retire",
    "tree_lock",
    "trees_of",
]
