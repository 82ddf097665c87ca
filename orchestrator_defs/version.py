"""Which version of the definitions a process has: a fingerprint of all that they are made from."""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.settings import Settings
from orchestrator.settings.table import VARIABLES

_PACKAGES = ("orchestrator", "resources", "sensors", "schedules", "orchestrator_defs")
# Of a folder of specs: what a spec cannot be read from, and what may be large.
_PASSED_BY = frozenset({"__pycache__", ".git", "node_modules"})


def definitions_version(settings: Settings) -> str:
    """16 hex digits: the same as long as no file, setting or interpreter has changed that the definitions come from.

    Files count by name, size and time of change: a launch has no time to read them.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    folders = [root / name for name in _PACKAGES]
    if settings.workflow_specs_path is not None:
        folders.append(settings.workflow_specs_path)
    files = (line for folder in folders for line in _files(folder))
    for line in (sys.prefix, sys.version, *_settings(settings), *files):
        digest.update(line.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()[:16]


def _settings(settings: Settings) -> Iterator[str]:
    for name in VARIABLES:
        yield f"{name}={getattr(settings, name.lower())}"


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_BY)
        for name in sorted(files):
            path = os.path.join(place, name)  # noqa: PTH118 — twice as fast as a Path, a few hundred times a launch
            try:
                stat = os.stat(path)  # noqa: PTH116 — likewise
            except OSError:  # a dangling link, or gone meanwhile
                continue
            yield f"{path} {stat.st_size} {stat.st_mtime_ns}"
