"""The pinned programs of the providers: which is wanted, which is installed."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PINS = Path(__file__).with_name("adapters.toml")
# From a program in `node_modules/<scope>/<package>/dist/` up to the package.
_LEVELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An npm package whose program speaks the Agent Client Protocol.

    Attributes:
        version: the one that is tested; others may work.
        program: its name on the PATH.
    """

    package: str
    version: str
    program: str

    @property
    def install_command(self) -> str:
        """What a person types to have it."""
        return f"npm install --global {self.package}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A program that was found; `version` is None where its package does not say."""

    path: Path
    version: str | None


@cache
def adapters() -> Mapping[str, Adapter]:
    """Provider -> its adapter, from `adapters.toml`."""
    return {provider: Adapter(**fields) for provider, fields in tomllib.loads(_PINS.read_text()).items()}


def find_program(program: str, *, path: str | None = None) -> Installed | None:
    """The program on a PATH (default: this process's), without running it."""
    found = shutil.which(program, path=os.environ.get("PATH") if path is None else path)
    if found is None:
        return None
    return Installed(path=Path(found), version=_version(Path(found)))


def _version(program: Path) -> str | None:
    """What the `package.json` above an npm program says."""
    real = program.resolve()
    for folder in list(real.parents)[:_LEVELS]:
        try:
            package = json.loads((folder / "package.json").read_text())
        except (OSError, ValueError):
            continue
        if isinstance(package, dict) and "bin" in package:
            return str(package.get("version"))
    return None
