"""A wall around an agent, by bubblewrap: it writes in its WorkSpace, WorkTrees and HOME, and sees no other Workflow.

Seen, and not written: the system's programs and libraries, the agent's own program, the repositories of its WorkTrees.
Not there at all: HOMEs, the data folders, everything else of the machine, and its processes. The network stays: the
model's API is behind it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from orchestrator.domain.errors import AgentUnavailable

Sandbox = Literal["auto", "required", "off"]
_PROBE_S = 10
# A merged /usr has the short names as links; where it has not, they are folders.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
# Of /etc what programs need to resolve names, know users and trust certificates; no keys, no passwords.
_ETC = (
    "alternatives", "ca-certificates", "gai.conf", "group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd", "pki", "protocols", "resolv.conf", "services",
    "ssl", "timezone",
)  # fmt: skip


def sandboxed(
    command: Sequence[str],
    *,
    mode: Sandbox,
    workspace: Path,
    writable: Sequence[Path],
    readable: Sequence[Path] = (),
    home: Path,
    env: Mapping[str, str],
) -> tuple[str, ...]:
    """The command inside the wall; as it is where there is none and none is required.

    Args:
        writable: the WorkTrees.
        readable: WorkTrees that the agent may only look at.
        env: of the agent; its PATH says where its programs are.

    Raises:
        AgentUnavailable: `required`, and this machine cannot.
    """
    if mode == "off":
        return tuple(command)
    program = find_sandbox()
    if program is None:
        if mode == "required":
            raise AgentUnavailable(
                "AGENT_SANDBOX=required, and bubblewrap does not work here; install the package `bubblewrap` where the "
                "workers run and allow user namespaces, or set AGENT_SANDBOX=auto"
            )
        return tuple(command)
    return (
        program,
        *_namespaces(),
        *_system(),
        *_read_only(_programs(command, env)),
        *_read_only([*_repositories([*writable, *readable]), *readable]),
        *_links_into(workspace),
        *_bound("--bind", [workspace, *writable, *_own_git_folders(writable), home]),
        # What is left of the empty root: so that a write outside fails instead of being lost.
        "--remount-ro",
        "/",
        "--chdir",
        str(Path.cwd() / workspace),
        "--",
        *command,
    )


@cache
def find_sandbox() -> str | None:
    """The path of a bubblewrap that works on this machine; found by trying it once."""
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return None
    trial = [program, *_namespaces(), *_system(), "--", "/bin/sh", "-c", ":"]
    try:
        ended = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if ended.returncode == 0 else None


def _namespaces() -> tuple[str, ...]:
    return ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent")


def _system() -> Iterator[str]:
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
    for name in _ETC:
        # `resolv.conf` is often a link to a file that is not in here: bound by where it leads.
        yield from ("--ro-bind-try", os.path.realpath(f"/etc/{name}"), f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp")  # noqa: S108 — the sandbox's own


def _programs(command: Sequence[str], env: Mapping[str, str]) -> Iterator[Path]:
    """Folders that hold the agent's program, and those on its PATH."""
    path = env.get("PATH", os.defpath)
    for folder in path.split(os.pathsep):
        yield Path(folder)
        if Path(folder).name == "bin":
            # A virtual environment, Node or npm prefix: what its programs load lies beside `bin`.
            yield from (Path(folder).parent / part for part in ("lib", "lib64", "include", "pyvenv.cfg"))
        elif Path(folder).parts[-2:] == ("node_modules", ".bin"):
            yield Path(folder).parent
    found = shutil.which(command[0], path=path) or command[0]
    real = Path(found).resolve()
    modules = [folder for folder in real.parents if folder.name == "node_modules"]
    yield modules[-1] if modules else real.parent
    yield Path(found)
    if found == sys.executable:
        # The built-in agent: our interpreter, its library, and our own package.
        yield from (Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib")), Path(sys.prefix) / "pyvenv.cfg")
        yield Path(sys.base_prefix) / "lib"
        yield Path(__file__).parents[1]
    yield from (Path(word) for word in command[1:] if word.startswith("/") and Path(word).exists())


def _repositories(trees: Sequence[Path]) -> Iterator[Path]:
    """The git folders that WorkTrees belong to: read for history and status, written by nobody in here."""
    for own in _own_git_folders(trees):
        common = own / "commondir"
        if common.is_file():
            yield (own / common.read_text().strip()).resolve()


def _own_git_folders(trees: Sequence[Path]) -> Iterator[Path]:
    """Each WorkTree's own part of its repository, with its index."""
    for tree in trees:
        pointer = tree / ".git"
        if pointer.is_file() and not pointer.is_symlink():
            named = pointer.read_text(errors="replace").strip().removeprefix("gitdir: ")
            folder = Path(os.path.normpath(tree / named))
            # The agent can write the pointer: only what looks like a WorkTree's folder is opened to it.
            if folder.parent.name == "worktrees" and (folder / "commondir").is_file():
                yield folder


def _links_into(workspace: Path) -> Iterator[str]:
    """The earlier Reports that the WorkSpace links to, read-only; its WorkTrees are bound on their own."""
    for link in sorted(workspace.glob("reports/*/*")):
        if link.is_symlink():
            target = link.resolve()
            yield from ("--ro-bind-try", str(target), str(target))


def _read_only(paths: Iterable[Path]) -> Iterator[str]:
    return _bound("--ro-bind", paths)


def _bound(how: str, paths: Iterable[Path]) -> Iterator[str]:
    for path in dict.fromkeys(Path(os.path.normpath(Path.cwd() / path)) for path in paths):
        if path.exists() and not str(path).startswith(("/usr/", "/bin/", "/sbin/", "/lib/")) and path != Path("/"):
            # Where a link leads is what has to be there; the name as well, for that is what the agent was told.
            real = path.resolve()
            yield from (how, str(real), str(real))
            if real != path:
                yield from (how, str(real), str(path))
