"""`make demo`: a real workflow, end to end, through the running system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from orchestrator.ops.processes import free_port
from orchestrator.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
READY_S = 120
RUN_S = 120


def main() -> int:
    """Print progress, then what the run made; exit code 0 only if the Workflow COMPLETED."""
    handbook = _handbook(load_settings().orchestrator_home / "demo" / "handbook")
    with _system() as (settings, environment):
        say(f"launching the workflow `demo` through GraphQL on port {settings.dagster_ui_port}")
        started = time.monotonic()
        ended = subprocess.run(
            [*_ORCHESTRATOR, "run", "demo", "--input", f"handbook={handbook}", "--wait", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        if ended.returncode != 0:
            say(f"the workflow did not complete (exit code {ended.returncode})")
            say(f"what the processes said is in {settings.orchestrator_home / 'logs'}")
            return 1
        _show(json.loads(ended.stdout), settings=settings, took_s=time.monotonic() - started)
    return 0


_ORCHESTRATOR = [sys.executable, "-m", "orchestrator.cli"]


def say(line: str) -> None:
    """One line for the person who watches."""
    sys.stdout.write(f"demo: {line}\n")
    sys.stdout.flush()


def _handbook(path: Path) -> Path:
    """The small second repository, made on the spot."""
    if not (path / ".git").exists():
        path.mkdir(parents=True, exist_ok=True)
        (path / "README.md").write_text("# Handbook\n")
        identity = ["-c", "user.name=Demo", "-c", "user.email=demo@localhost"]
        for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "Start"]):
            subprocess.run(["git", *arguments], cwd=path, check=True)
    return path


@contextmanager
def _system() -> Iterator[tuple[Settings, dict[str, str]]]:
    """The system that runs here already (`make up`), else one started for the demo on free ports and ended after it."""
    settings = load_settings()
    if _answers(settings):
        say("using the system that is running")
        yield settings, dict(os.environ)
        return
    environment = {**os.environ, "PORT": str(free_port()), "DAGSTER_UI_PORT": str(free_port())}
    settings = load_settings(environment)
    say("starting code server, webserver, daemon and operations server")
    process = subprocess.Popen([*_ORCHESTRATOR, "up"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _await_ready(process, settings)
        yield settings, environment
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)


def _await_ready(process: subprocess.Popen[bytes], settings: Settings) -> None:
    deadline = time.monotonic() + READY_S
    while not _answers(settings):
        if process.poll() is not None:
            _, errors = process.communicate()
            raise SystemExit(f"demo: the system did not start:\n{errors.decode(errors='replace')}")
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: not ready after {READY_S} s; see {settings.orchestrator_home / 'logs'}")
        time.sleep(0.5)


def _answers(settings: Settings) -> bool:
    """Whether our system, and not some other Dagster, is ready on these ports."""
    query = {"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"}
    try:
        health = httpx.get(f"http://127.0.0.1:{settings.port}/health", timeout=2)
        answer = httpx.post(f"http://127.0.0.1:{settings.dagster_ui_port}/graphql", json=query, timeout=10).json()
    except (httpx.HTTPError, ValueError):
        return False
    entries = answer["data"]["workspaceOrError"].get("locationEntries", [])
    loaded = any(entry["name"] == "orchestrator" and entry["loadStatus"] == "LOADED" for entry in entries)
    return health.status_code == 200 and loaded


def _show(summary: dict[str, Any], *, settings: Settings, took_s: float) -> None:
    say(f"{summary['workflow_id']} {summary['status']} in {took_s:.1f} s")
    for report in summary["reports"]:
        say(f"report      {report['work']}/{report['task']}: {report['path']}")
    for checkpoint in summary["checkpoints"]:
        listed = ", ".join(f"{git} {commit[:12]}" for git, commit in checkpoint["commits"].items())
        say(f"checkpoint  {checkpoint['sequence']}. {checkpoint['work']}: {listed}")
    branch = f"orchestrator/{summary['workflow_id']}"
    say("where to look:")
    say(f"  {' '.join(['.venv/bin/orchestrator', 'status', str(summary['workflow_id'])])}")
    say(f"  git -C {settings.worktree_root_path / str(summary['workflow_id']) / 'handbook'} log -p {branch}")
    say(f"  make up   # then http://127.0.0.1:{load_settings().dagster_ui_port}/asset-groups: lineage, reports, runs")


if __name__ == "__main__":
    sys.exit(main())
