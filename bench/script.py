"""A recording as a plain shell script: the same git commands, the same agent processes, and nothing else."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.recording import AgentStart, AgentStop, GitStep, Query, Recording
from orchestrator.agents import process, profile_of

# The agent speaks JSON-RPC, a message a line: `ask ID MESSAGE` waits for the line that answers ID. Descriptor 5 is the
# socket on which the supervisor tells about its agent; the script's caller hands it over as standard input.
_CONTROL = 5
_FUNCTIONS = """\
#!/bin/sh
set -eu
exec 5<&0 </dev/null
ask() {
  printf '%s\\n' "$2" >&3
  while read -r answer <&4; do
    case $answer in *"\\"id\\": $1,"*) return ;; esac
  done
  exit 1
}
start() {
  (cd "$1" && agent <"$PIPES/in" >"$PIPES/out") &
  exec 3>"$PIPES/in" 4<"$PIPES/out"
  ask 1 '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}'
  ask 2 '{"jsonrpc":"2.0","id":2,"method":"session/new","params":{"cwd":"'"$1"'","mcpServers":[]}}'
  session=${answer#*'"sessionId": "'}
  session=${session%%'"'*}
}
query() {
  ask 3 '{"jsonrpc":"2.0","id":3,"method":"session/prompt","params":{"sessionId":"'"$session"'","prompt":'"$1"'}}'
}
stop() {
  exec 3>&- 4<&-
  wait
}
"""


def write_script(recording: Recording, *, workspaces: Mapping[str, Path], folder: Path) -> Path:
    """The script, with its pipes and the git commands' input beside it in `folder`; its stdin is to be a socket.

    Args:
        workspaces: Work's name -> where its agent runs.
    """
    folder.mkdir()
    for pipe in ("in", "out"):
        os.mkfifo(folder / pipe)
    supervisor = Path(process.__file__).with_name("supervisor.py")
    agent = [sys.executable, "-I", "-S", str(supervisor), str(_CONTROL), "30000", *profile_of("builtin").command]
    lines = [
        f"PIPES={shlex.quote(str(folder))}",
        f"agent() {{ exec {shlex.join(agent)}; }}",
        *_commands(recording, workspaces, folder),
    ]
    script = folder / "script"
    script.write_text(_FUNCTIONS + "\n".join(lines) + "\n")
    return script


def _commands(recording: Recording, workspaces: Mapping[str, Path], folder: Path) -> Iterator[str]:
    for number, step in enumerate(recording.steps):
        match step:
            case GitStep():
                stdin = folder / f"stdin{number}"
                stdin.write_bytes(step.stdin.encode(errors="surrogateescape"))
                # Assigned by the shell, which then becomes git: `env` would be one more program for each command.
                assigned = " ".join(f"{name}={shlex.quote(value)}" for name, value in step.environment.items())
                command = f"{assigned} git {shlex.join(step.arguments)} <{shlex.quote(str(stdin))} >/dev/null"
                yield f"(cd {shlex.quote(str(step.folder))} && {command})"
            case AgentStart():
                yield f"start {shlex.quote(str(workspaces[step.work]))}"
            case Query():
                yield f"query {shlex.quote(json.dumps([{'type': 'text', 'text': step.text}]))}"
            case AgentStop():
                yield "stop"
