"""The WorkSpace: the directory a Work's agent runs in, made of symlinks to WorkTrees and to earlier Reports."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from orchestrator.domain.failpoints import reached
from orchestrator.domain.ids import workspace_id
from orchestrator.observe.log import get_logger
from orchestrator.observe.trace import span

REPORTS = "reports"
_log = get_logger(__name__)


def workflow_folder(workflow_root: Path, workflow_id: str) -> Path:
    """Where all files of one Workflow lie, its WorkTrees excepted."""
    return workflow_root / workflow_id


def report_path(workflow_root: Path, workflow_id: str, work: str, task: str) -> Path:
    """`<workflow root>/<workflow id>/reports/<work>/<task>.md`; names are unique and safe by the spec's rules."""
    return workflow_folder(workflow_root, workflow_id) / REPORTS / work / f"{task}.md"


def transcript_path(workflow_root: Path, workflow_id: str, work: str, task: str) -> Path:
    """`<workflow root>/<workflow id>/transcripts/<work>/<task>.jsonl`: what the agent said and did for one Task."""
    return workflow_folder(workflow_root, workflow_id) / "transcripts" / work / f"{task}.jsonl"


def agent_home(workflow_root: Path, workflow_id: str) -> Path:
    """The agent's own HOME, one per execution, so that a later process can resume its sessions."""
    return workflow_folder(workflow_root, workflow_id) / "home"


def make(
    workflow_root: Path, workflow_id: str, work: str, *, trees: Mapping[str, Path], reports: Mapping[str, Path]
) -> Path:
    """Make the WorkSpace of a Work, or put an existing one right, and return its path.

    Args:
        trees: Git's name -> its WorkTree.
        reports: path below `reports/` (`<work>/<task>.md`) -> the Report.
    """
    folder = workflow_folder(workflow_root, workflow_id)
    with span("resource.prepare_workspace", {"workspace.id": workspace_id(workflow_id, work)}):
        # What a worker that was killed in the middle of a Report had written aside.
        for aside in (folder / REPORTS / work).glob(".*"):
            aside.unlink()
        return _make(folder / "workspaces" / work, trees=trees, reports=reports)


def _make(workspace: Path, *, trees: Mapping[str, Path], reports: Mapping[str, Path]) -> Path:
    # An earlier try may have left links to what is no longer wanted; the rest is what its agent dropped here.
    if workspace.exists():
        shutil.rmtree(workspace)
    with span("filesystem.create_directory"):
        (workspace / REPORTS).mkdir(parents=True)
    for name, tree in trees.items():
        _link(workspace / name, tree)
    for name, report in reports.items():
        link = workspace / REPORTS / name
        link.parent.mkdir(exist_ok=True)
        _link(link, report)
    reached("workspace.make.after")
    return workspace


def remove_all(workflow_root: Path, workflow_id: str) -> None:
    """Remove the WorkSpaces of an ended Workflow; links are removed, never followed."""
    workspaces = workflow_folder(workflow_root, workflow_id) / "workspaces"
    with span("resource.cleanup", {"workflow.id": workflow_id}):
        if workspaces.exists():
            shutil.rmtree(workspaces)
            reached("workspace.remove.after")


def _link(link: Path, target: Path) -> None:
    with span("filesystem.create_symlink"):
        link.symlink_to(target)
    _log.debug("SymlinkCreated", message=f"{link.name} -> {target}", link=str(link), target=str(target))
