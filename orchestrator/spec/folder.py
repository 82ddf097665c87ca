"""A folder of workflows, `<folder>/…/<workflow>/defs.yaml`: a bad one is left out and reported, the others load."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import SpecError
from orchestrator.spec.load import DEFS_FILE, LoadedSpec, load_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFolder:
    """What was found below a folder.

    Attributes:
        specs: those that can be launched, in the order of their paths.
        problems: one line for each thing that is wrong, as in `SpecError`.
    """

    specs: tuple[LoadedSpec, ...]
    problems: tuple[str, ...]


def load_folder(
    root: Path, *, taken: Mapping[str, Path | None] | None = None, registered_mcp: Collection[str] = ()
) -> SpecFolder:
    """Load every spec below `root`.

    Args:
        taken: names of workflows that are defined elsewhere, and the file where known. A second file with a taken
            name is left out: the one that is there already may have Workflows running.
    """
    if not root.is_dir():
        return SpecFolder(specs=(), problems=(f"{root}: no such folder of workflow specs",))
    specs: list[LoadedSpec] = []
    problems: list[str] = []
    names: dict[str, Path | None] = dict(taken or {})
    for path in _files(root):
        try:
            loaded = load_spec(path, registered_mcp=registered_mcp)
        except SpecError as error:
            problems += error.problems
            continue
        name = loaded.spec.name
        if name in names:
            problems.append(f'{path}: workflow "{name}" is defined in {names[name] or "another file"} too; rename one')
            continue
        names[name] = path
        specs.append(loaded)
    return SpecFolder(specs=tuple(specs), problems=tuple(problems))


def _files(root: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    for place, folders, files in os.walk(root, followlinks=True):
        real = Path(place).resolve()
        # Two ways into one folder, or a link to one above.
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # A mounted ConfigMap holds each file a second time, under `..data` and a folder named after a date.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if DEFS_FILE in files:
            yield Path(place) / DEFS_FILE
