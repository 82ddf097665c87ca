"""The Workflow that every try performs: three Works of two Tasks over two Gits, and what must come of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_ID = "5eed0000-5eed-4000-8000-000000000000"
# One id in every try, so that a boundary has one name in all of them; each try has folders and a database of its own.
WORKFLOW_ID = "wf-5eed00005eed"
NAME = "swept"
GITS = ("api", "web")
FILE = "notes.txt"
STARTING_LINE = "start"
# The agent's shell writes a line there for each Task that it really performs, outside of all that is put back.
RUNS_VARIABLE = "SWEEP_RUNS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One Work.

    Attributes:
        gits: what its agent sees.
        changes: those of them to whose file each of its Tasks appends its line.
    """

    work: str
    tasks: tuple[str, ...]
    gits: tuple[str, ...]
    changes: tuple[str, ...]

    def lines(self) -> list[str]:
        """What a file has more, after this Work, where it changes it."""
        return [f"{self.work} {task}" for task in self.tasks]


STEPS = (
    Step(work="survey", tasks=("look", "rank"), gits=GITS, changes=GITS),
    Step(work="fix", tasks=("patch", "test"), gits=("api",), changes=("api",)),
    # It sees both and changes one: the other keeps its commit.
    Step(work="document", tasks=("write", "index"), gits=GITS, changes=("web",)),
)


def repository(path: Path) -> Path:
    """A repository to work on, with one commit on `main`."""
    path.mkdir(parents=True)
    (path / FILE).write_text(f"{STARTING_LINE}\n")
    identity = ["-c", "user.name=Sweep", "-c", "user.email=sweep@localhost"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *identity, *arguments], cwd=path, check=True)
    return path


def spec(folder: Path) -> dict[str, Any]:
    """What `defs.yaml` holds; the repositories lie in `folder`."""
    return {
        "type": "orchestrator_defs.Workflow",
        "attributes": {
            "name": NAME,
            "gits": {name: {"url": str(folder / name)} for name in GITS},
            "agent": {"provider": "builtin", "env": {RUNS_VARIABLE: f"${{{RUNS_VARIABLE}}}"}},
            "works": [
                {
                    "name": step.work,
                    "gits": list(step.gits),
                    "tasks": [
                        {"name": task, "query": _query(step, task), "report": {"title": task, "outline": ["Summary"]}}
                        for task in step.tasks
                    ],
                }
                for step in STEPS
            ],
        },
    }


def report_ending(work: str, task: str) -> str:
    """What a whole Report says last."""
    return f"wrote {work} {task}"


def _query(step: Step, task: str) -> str:
    line = f"{step.work} {task}"
    appended = [f"echo {line} >> {name}/{FILE}" for name in step.changes]
    # Between two Gits there is a moment with one of them changed.
    edits = "\nsleep 0.02\n".join(appended)
    return f"```sh\necho {line} >> ${RUNS_VARIABLE}\n{edits}\necho '## Summary'; echo; echo 'wrote {line}'\n```\n"
