"""The folders of specs that a command looks through."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.settings import Settings
from orchestrator.spec.folder import load_folder
from orchestrator.spec.load import LoadedSpec


def load_folders(
    settings: Settings, folders: Sequence[Path] = (), *, registered_mcp: Collection[str] = ()
) -> tuple[list[LoadedSpec], list[str]]:
    """Every spec of the project's own, of WORKFLOW_SPECS_PATH and of `folders`, and what is wrong with the others."""
    specs: list[LoadedSpec] = []
    problems: list[str] = []
    for folder in [*_own_folders(settings), *folders]:
        taken = {loaded.spec.name: loaded.path for loaded in specs}
        found = load_folder(folder, taken=taken, registered_mcp=registered_mcp)
        specs += found.specs
        problems += found.problems
    return specs, problems


def _own_folders(settings: Settings) -> list[Path]:
    # Found without importing it: the code location imports Dagster, these commands answer in a fraction of a second.
    package = find_spec("orchestrator_defs")
    places = package.submodule_search_locations if package is not None else None
    own = [Path(place) / "defs" for place in places or ()]
    added = [settings.workflow_specs_path] if settings.workflow_specs_path is not None else []
    return [*own, *added]
