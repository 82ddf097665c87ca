"""Where a figure is measured: temporary repositories, a data folder of its own, specs, and runs that are watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from orchestrator.ops.instance import instance_environment, prepare_instance
from orchestrator.settings import Settings, load_settings
from orchestrator.settings.table import VARIABLES

ROOT = Path(__file__).parent.parent
GIT = "project"
_ORCHESTRATOR = [sys.executable, "-m", "orchestrator.cli"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One data folder, with the settings and the environment of every process that works in it.

    Attributes:
        folder: for whatever the figure needs beside the product's data; gone with the world.
    """

    folder: Path
    settings: Settings
    environment: Mapping[str, str]

    @property
    def specs(self) -> Path:
        """Where the workflows lie that this world adds."""
        return self.folder / "specs"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the product's log, as far as a figure needs it.

    Attributes:
        at_ms: when it was written, milliseconds since the epoch.
        duration_ms: what the line says; 0 where it says nothing.
    """

    event: str
    message: str
    at_ms: float
    duration_ms: int
    context: Mapping[str, Any]


@contextmanager
def temporary_world(*, log_level: str = "info") -> Iterator[World]:
    """A world with embedded defaults, whatever the caller's environment says, and a migrated store."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name).resolve()
        (folder / "specs").mkdir()
        plain = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        given = {
            **plain,
            "ORCHESTRATOR_HOME": str(folder / "home"),
            "WORKFLOW_SPECS_PATH": str(folder / "specs"),
            "LOG_LEVEL": log_level,
        }
        settings = load_settings(given)
        prepare_instance(settings)
        environment = {**instance_environment(settings), **given}
        # The first command makes the database; no figure is about that.
        subprocess.run(
            [*_ORCHESTRATOR, "list", "--json"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True
        )
        yield World(folder=folder, settings=settings, environment=environment)


def make_repository(path: Path, *, files: int) -> Path:
    """A repository with `files` small files in folders of 100, and one commit on `main`, packed.

    Packed as a real upstream is: a plain local clone would share 20,000 loose objects where a fetch makes one pack.
    """
    path.mkdir(parents=True)
    for number in range(files):
        file = path / f"part{number // 100:03}" / f"file{number % 100:02}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{number}\n" * 20)
    # No automatic gc: it would still run in the background when the clock does.
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Start"], ["repack", "-adq"]):
        subprocess.run([*git, *arguments], cwd=path, check=True)
    return path


def write_spec(world: World, name: str, *, repository: Path, queries: Mapping[str, Sequence[str]]) -> str:
    """Add the workflow `name` with the built-in agent: Work's name -> what its Tasks ask, a Report each."""
    works = [
        {
            "name": work,
            "tasks": [
                {"name": f"task{number}", "query": query, "report": {"title": "Report", "outline": ["Summary"]}}
                for number, query in enumerate(asked, start=1)
            ],
        }
        for work, asked in queries.items()
    ]
    attributes = {
        "name": name,
        "gits": {GIT: {"url": str(repository), "ref": "main"}},
        "agent": {"provider": "builtin"},
        "works": works,
    }
    file = world.specs / name / "defs.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({"type": "orchestrator_defs.Workflow", "attributes": attributes}, sort_keys=False))
    return name


def append_line(text: str, *, sleep_s: float = 0) -> str:
    """A query that adds a line to a file of the Git and answers with the Report's one section."""
    pause = f"sleep {sleep_s}\n" if sleep_s else ""
    return f"```sh\n{pause}echo {text} >> {GIT}/notes.txt\necho '## Summary'\necho\necho wrote {text}\n```\n"


@contextmanager
def local_run(world: World, workflow: str) -> Iterator[subprocess.Popen[bytes]]:
    """`orchestrator run NAME --local`, its log on `stderr`; fails unless the Workflow completed."""
    with watched([*_ORCHESTRATOR, "run", workflow, "--local", "--json"], world.environment) as process:
        yield process


@contextmanager
def watched(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose `stderr` the caller reads to its end; fails where its exit code is not 0."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with process:
        yield process
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} … ended with exit code {process.returncode}; run it by hand")


def log_lines(process: subprocess.Popen[bytes]) -> Iterator[LogLine]:
    """The process's log as it is written, to its end; what is no log line passes by."""
    if process.stderr is None:
        raise RuntimeError("the process was started without its stderr as a pipe")
    for line in process.stderr:
        if line.startswith(b'{"timestamp"'):
            fields = json.loads(line)
            yield LogLine(
                event=fields["event"],
                message=fields["message"],
                at_ms=datetime.fromisoformat(fields["timestamp"]).timestamp() * 1000,
                duration_ms=fields["duration"] or 0,
                context=fields["context"],
            )


@contextmanager
def stderr_discarded() -> Iterator[None]:
    """Log lines are made and written, to where nobody reads them."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 — a device
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
