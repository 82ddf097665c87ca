"""The specs of this machine, for processes that import no Dagster: read again when a file has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.settings import Settings
from orchestrator.spec.folder import load_folder
from orchestrator.spec.load import DEFS_FILE, LoadedSpec
from orchestrator.spec.model import WorkflowSpec


def spec_folders(settings: Settings) -> list[Path]:
    """Where specs lie: the project's own, and WORKFLOW_SPECS_PATH."""
    # Found without importing it: the code location imports Dagster.
    package = find_spec("orchestrator_defs")
    places = package.submodule_search_locations if package is not None else None
    own = [Path(place) / "defs" for place in places or ()]
    return own if settings.workflow_specs_path is None else [*own, settings.workflow_specs_path]


def load_specs(folders: list[Path], *, registered_mcp: Collection[str] = ()) -> list[LoadedSpec]:
    """All that can be launched; what is wrong with the others, `orchestrator validate` says."""
    specs: list[LoadedSpec] = []
    for folder in folders:
        taken = {loaded.spec.name: loaded.path for loaded in specs}
        specs += load_folder(folder, taken=taken, registered_mcp=registered_mcp).specs
    return specs


class Specs:
    """The specs as they are now; threads may share it.

    Args:
        registered_mcp: the names of the registered MCP servers; asked again when a file has changed.
        beside: other files whose change may change what can be launched.
    """

    def __init__(
        self,
        folders: list[Path],
        *,
        registered_mcp: Callable[[], Collection[str]] = tuple,
        beside: Sequence[Path] = (),
        look_every_s: float = 5.0,
    ) -> None:
        self._folders = folders
        self._registered_mcp = registered_mcp
        self._beside = beside
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._state: object = None
        self._specs: Mapping[str, WorkflowSpec] = {}

    def current(self) -> Mapping[str, WorkflowSpec]:
        """By name."""
        with self._lock:
            if time.monotonic() - self._looked_at > self._look_every_s:
                state = sorted(_state(self._folders, self._beside))
                if state != self._state:
                    found = load_specs(self._folders, registered_mcp=self._registered_mcp())
                    self._specs = {loaded.spec.name: loaded.spec for loaded in found}
                    self._state = state
                self._looked_at = time.monotonic()
            return self._specs


def _state(folders: list[Path], beside: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    files = [file for folder in folders for file in folder.rglob(DEFS_FILE)]
    for file in (*files, *(path for path in beside if path.exists())):
        found = file.stat()
        yield str(file), found.st_mtime_ns, found.st_size
