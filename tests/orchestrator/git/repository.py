"""Repositories in which somebody else's git runs: the upstream's owner, or the agent."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A folder in which somebody else's git runs: the upstream's owner, or the agent."""

    path: Path

    def git(self, *args: str, check: bool = True) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_{key}": "someone@else" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
        }
        command = ["git", "-c", "protocol.file.allow=always", *args]
        ended = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 or not check, ended.stderr
        return ended.stdout.strip()

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def new_repository(path: Path) -> Repository:
    path.mkdir(parents=True)
    repository = Repository(path=path)
    repository.git("init", "-q", "-b", "main")
    return repository
