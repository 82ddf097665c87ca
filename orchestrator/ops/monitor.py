"""Looks at the dependencies and the disks every HEALTH_CHECK_INTERVAL_MS, and keeps what it saw for the metrics."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import StoreError
from orchestrator.observe.log import get_logger
from orchestrator.ops.health import Health, Outcome
from orchestrator.ops.probe import Probe
from orchestrator.settings import Settings

_log = get_logger(__name__)
FORGET_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one dependency was when it was last looked at.

    Attributes:
        streak: failures in a row; 0 while it is up.
    """

    up: bool
    streak: int


class Monitor:
    """Runs in a thread of the operations server; what it saw is read by any other."""

    def __init__(self, settings: Settings, health: Health, *, hourly: Callable[[], None]) -> None:
        self._settings = settings
        self._health = health
        self._forget = hourly
        self._forgot_at = float("-inf")
        self._roots = {"worktree": settings.worktree_root_path, "workflow": settings.workflow_root_path}
        self._free = {name: Probe(f"disk-{name}", _free_of(path)) for name, path in self._roots.items()}
        self.seen: Mapping[str, Seen] = {}
        self.free_bytes: Mapping[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            began = time.monotonic()
            self.look()
            stop.wait(max(0.0, self._settings.health_check_interval_ms / 1000 - (time.monotonic() - began)))

    def look(self) -> None:
        """One round; never raises."""
        self._note(asyncio.run(self._health.look()))
        self.free_bytes = {
            root: free for root, probe in self._free.items() if (free := _within(probe, seconds=1.0)) is not None
        }
        if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at = time.monotonic()
            self._forget_old()

    def _note(self, outcomes: list[Outcome]) -> None:
        before = self.seen
        self.seen = {
            one.name: Seen(up=one.up, streak=0 if one.up else before[one.name].streak + 1 if one.name in before else 1)
            for one in outcomes
        }
        for one in outcomes:
            was_up = before[one.name].up if one.name in before else True
            if was_up and not one.up:
                _log.warning("DependencyDown", message=f"{one.name}: {one.error or one.fields}", dependency=one.name)
            elif one.up and not was_up:
                _log.info("DependencyUp", message=f"{one.name} answers again", dependency=one.name)

    def _forget_old(self) -> None:
        try:
            self._forget()
        except StoreError as error:
            _log.warning("OldRowsKept", message=f"for another hour: {error}")


def _free_of(path: Path) -> Callable[[], int]:
    return lambda: shutil.disk_usage(path).free


def _within(probe: Probe[int], *, seconds: float) -> int | None:
    try:
        return probe.start().result(seconds)
    except Exception:  # noqa: BLE001 — a root that is gone or hangs has no free space to tell; `fileSystem` is DOWN
        return None
