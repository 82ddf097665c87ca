"""Figures about real agents, a line each: `python -m bench.agents [NAME…]`. Apart, for they install programs by npm.

The provider is the fake model of the tests on 127.0.0.1, so what is measured is programs, not a network.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import yaml

from bench.measure import Cost, Figure, figure_of_costs, interleaved, timed
from bench.world import GIT, World, local_run, log_lines, make_repository, temporary_world
from orchestrator.agents.profiles import PROFILES
from orchestrator.agents.session import AgentStart
from orchestrator.agents.setup import Wanted
from orchestrator.agents.start import start_agent
from tests.parts.agent_programs import install, path_of
from tests.parts.model import running_model, script

MODEL = "claude-sonnet-4-5"
_SESSIONS = 20
_SPEWED_BYTES = 1_000_000_000


def start(*, tries: int = 7) -> Figure:
    """Our start of Claude's adapter, supervisor, client and all, against the same messages on its bare pipes."""
    with running_model() as model, _folder() as folder:
        pairs = interleaved(lambda: _our_start(folder, model.url), lambda: _bare_start(folder, model.url), pairs=tries)
    return Figure(
        name="agent-start",
        what="from start to ready for a query, above the bare program with the same messages",
        unit="ms",
        at_most=50,
        ours=tuple(ours - bare for ours, bare in pairs),
    )


def query(*, tries: int = 30) -> Figure:
    """Our query to Claude against the same request on bare pipes, both sessions open side by side."""
    text = script({"text": "done"})
    with running_model() as model, _folder() as folder:  # noqa: SIM117 — the second line needs the first
        with start_agent(_start(folder, model.url)) as agent, _Bare(folder, model.url) as bare:
            agent.query(text)
            bare.query(text)
            pairs = interleaved(
                lambda: timed(lambda: agent.query(text)).wall_ms,
                lambda: timed(lambda: bare.query(text)).wall_ms,
                pairs=tries,
            )
    return Figure(
        name="agent-query",
        what="a query that the model answers at once, above the bare program with the same message",
        unit="ms",
        at_most=10,
        ours=tuple(ours - bare for ours, bare in pairs),
    )


def works(*, tries: int = 3) -> Figure:
    """3 Works of 3 Tasks with Claude, `--local`, against a shell script that calls `claude -p` for each Task."""
    with running_model() as model, temporary_world() as world:
        repository = make_repository(world.folder / "upstream", files=10)
        workflow = _write_spec(world, repository, model.url)
        shell = _write_script(world, model.url)
        environment = {**world.environment, "PATH": f"{path_of('claude')}{os.pathsep}{os.environ['PATH']}"}
        world = World(folder=world.folder, settings=world.settings, environment=environment)
        pairs = interleaved(
            lambda: _product(world, workflow), lambda: timed(lambda: _run_script(world, shell)), pairs=tries
        )
    return figure_of_costs(
        pairs,
        name="agent-works",
        what="3 Works x 3 Tasks with the real Claude, `--local`, against a shell script of 9 `claude -p`",
        at_most=0.8,
        cpu=False,
    )


def output(*, tries: int = 1) -> Figure:
    """Memory that 1 GB of an agent's words costs the worker."""
    return Figure(
        name="agent-output",
        what="growth of the worker's resident memory under 1 GB of an agent's output",
        unit="MB",
        at_most=50,
        ours=tuple(_growth_mb() for _ in range(tries)),
    )


def sessions(*, tries: int = 1) -> Figure:
    """How many of twenty sessions at once, all open until the last has answered, do not answer as they should."""
    return Figure(
        name="agent-sessions",
        what=f"of {_SESSIONS} sessions of Claude open at once, those that did not write their file and answer",
        unit="",
        at_most=0,
        ours=tuple(float(_SESSIONS - _answered()) for _ in range(tries)),
    )


FIGURES: Mapping[str, Callable[..., Figure]] = {
    "start": start,
    "query": query,
    "works": works,
    "output": output,
    "sessions": sessions,
}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-agents-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _environment(url: str) -> dict[str, str]:
    return {"PATH": path_of("claude"), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "dummy-key"}


def _start(folder: Path, url: str, name: str = "ours", **changes: Any) -> AgentStart:
    workspace = folder / name
    workspace.mkdir(exist_ok=True)
    fields: dict[str, Any] = {
        "profile": PROFILES["claude"],
        "model": MODEL,
        "workspace": workspace,
        "home": folder / f"{name}-home",
        "env": _environment(url),
        "start_timeout_ms": 300_000,
    }
    return AgentStart(**{**fields, **changes})


def _our_start(folder: Path, url: str) -> float:
    began = time.perf_counter()
    with start_agent(_start(folder, url)):
        return (time.perf_counter() - began) * 1000


def _bare_start(folder: Path, url: str) -> float:
    began = time.perf_counter()
    with _Bare(folder, url):
        return (time.perf_counter() - began) * 1000


@dataclass
class _Bare:
    """Claude's adapter on its own pipes, spoken to in lines of JSON."""

    folder: Path
    url: str

    def __enter__(self) -> _Bare:
        wanted = PROFILES["claude"].setup(_wanted())
        workspace, home = self.folder / "bare", self.folder / "bare-home"
        workspace.mkdir(exist_ok=True)
        home.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            PROFILES["claude"].command,
            cwd=workspace,
            env={**wanted.env, **_environment(self.url), "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._id = 0
        self._call("initialize", protocolVersion=1, clientCapabilities={})
        opened = self._call("session/new", cwd=str(workspace), mcpServers=[], _meta=dict(wanted.session))
        self._session = opened["sessionId"]
        self._call("session/set_mode", sessionId=self._session, modeId=wanted.mode)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def query(self, text: str) -> None:
        self._call("session/prompt", sessionId=self._session, prompt=[{"type": "text", "text": text}])

    def _call(self, method: str, **params: Any) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the program was started without pipes")
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._id and "method" not in answer:
                return answer["result"]
        raise RuntimeError(f"the program ended at {method}")


def _wanted() -> Wanted:
    return Wanted(model=MODEL, permissions="edit", env={})


def _task(work: int, task: int) -> str:
    return script({"sh": f"echo {work}-{task} >> {GIT}/notes.txt"}, {"text": f"## Summary\n\nwrote {work}-{task}"})


def _write_spec(world: World, repository: Path, url: str) -> str:
    report = {"title": "Report", "outline": ["Summary"]}
    attributes = {
        "name": "bench_agents",
        "gits": {GIT: {"url": str(repository), "ref": "main"}},
        "agent": {"provider": "claude", "model": MODEL, "permissions": "full", "env": _environment(url)},
        "works": [
            {
                "name": f"work{work}",
                "tasks": [{"name": f"task{task}", "query": _task(work, task), "report": report} for task in (1, 2, 3)],
            }
            for work in (1, 2, 3)
        ],
    }
    file = world.specs / "bench_agents" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({"type": "orchestrator_defs.Workflow", "attributes": attributes}, sort_keys=False))
    return "bench_agents"


def _write_script(world: World, url: str) -> Path:
    """What a person would write: each Task a call of the program that the adapter calls too, a commit for each Work."""
    program = next((install("claude") / "node_modules" / "@anthropic-ai").glob("claude-agent-sdk-linux-*/claude"))
    options = f"-p --model {MODEL} --strict-mcp-config --setting-sources '' --permission-mode bypassPermissions"
    lines = ["#!/bin/sh", "set -eu", 'cd "$1"']
    for work in (1, 2, 3):
        for task in (1, 2, 3):
            lines.append(f"{program} {options} {shlex.quote(_task(work, task))} > report-{work}-{task}.md")
        lines.append(f"git -C {GIT} add -A && git -C {GIT} commit -q -m work{work}")
    path = world.folder / "script.sh"
    path.write_text("\n".join(lines) + "\n")
    (world.folder / "script.env").write_text(
        json.dumps({**PROFILES["claude"].setup(_wanted()).env, **_environment(url)})
    )
    return path


def _run_script(world: World, shell: Path) -> None:
    with tempfile.TemporaryDirectory(dir=world.folder, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "-q", world.folder / "upstream", folder / GIT], check=True)
        git = {f"GIT_{who}_{what}": "bench@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        given = json.loads((world.folder / "script.env").read_text())
        environment = {**given, **git, "HOME": name, "IS_SANDBOX": "1"}
        subprocess.run(["sh", str(shell), name], env=environment, stdin=subprocess.DEVNULL, check=True)
        written = (folder / GIT / "notes.txt").read_text().split()
    if len(written) != 9:
        raise RuntimeError(f"the script's agents wrote {written}, not nine lines")


def _product(world: World, workflow: str) -> Cost:
    """From the first Work's start to the last Checkpoint, by the log."""
    seen: list[float] = []
    with local_run(world, workflow) as process:
        seen = [line.at_ms for line in log_lines(process) if line.event in ("WorkStarted", "CheckpointCreated")]
    return Cost(wall_ms=seen[-1] - seen[0], cpu_ms=0)


def _growth_mb() -> float:
    """In a process of its own, so that its highest memory is that of this query."""
    agent = """
        import json, sys
        def say(**message):
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n"); sys.stdout.flush()
        def hear():
            return json.loads(sys.stdin.readline())
        say(id=hear()["id"], result={"protocolVersion": 1})
        say(id=hear()["id"], result={"sessionId": "s"})
        prompt = hear()
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "word " * 20_000}}
        for _ in range(SPEWED // 100_000):
            say(method="session/update", params={"sessionId": "s", "update": chunk})
        say(id=prompt["id"], result={"stopReason": "end_turn"})
        sys.stdin.read()
    """.replace("SPEWED", str(_SPEWED_BYTES))
    worker = """
        import resource, sys
        from pathlib import Path
        import orchestrator.agents.acp
        from orchestrator.agents.profiles import profile_of
        from orchestrator.agents.session import AgentStart
        from orchestrator.agents.start import start_agent
        here = Path(sys.argv[1])
        profile = profile_of("command", [sys.executable, "-I", "-S", str(here / "agent.py")])
        with start_agent(AgentStart(profile=profile, workspace=here, home=here, env={})) as agent:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            agent.query("go")
            print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    with _folder() as folder:
        (folder / "agent.py").write_text(textwrap.dedent(agent))
        (folder / "worker.py").write_text(textwrap.dedent(worker))
        root = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        return float(subprocess.check_output([sys.executable, folder / "worker.py", str(folder)], env=root))


def _answered() -> int:
    """All are ready before any is asked, and all are open until each has answered."""
    ready = Barrier(_SESSIONS)

    def one(folder: Path, url: str, number: int) -> bool:
        wanted = _start(folder, url, f"session{number}", query_timeout_ms=600_000)
        with start_agent(wanted) as agent:
            ready.wait(600)
            answer = agent.query(script({"sh": f"echo {number} > made"}, {"text": f"answer {number}"}))
            ready.wait(600)
            return answer.text.strip() == f"answer {number}" and (wanted.workspace / "made").exists()

    with running_model() as model, _folder() as folder, ThreadPoolExecutor(_SESSIONS) as pool:
        return sum(pool.map(lambda number: one(folder, model.url, number), range(_SESSIONS)))


def main() -> None:
    """Measure one after the other; the exit code says only that they could be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--tries", type=int, help="how many pairs, or tries where there is no other side")
    given = parser.parse_args()
    for name in given.names or FIGURES:
        figure = FIGURES[name]() if given.tries is None else FIGURES[name](tries=given.tries)
        sys.stdout.write(f"{figure.line()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
