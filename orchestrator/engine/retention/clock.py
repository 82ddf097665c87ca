"""The database's clock, held against this host's monotonic one from pass to pass: an age is never longer than it is."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import psutil

from orchestrator.domain.retention import Clock, Leap, Reading, leap_between
from orchestrator.observe.log import get_logger
from orchestrator.store import Reader, Store, Transaction

_log = get_logger(__name__)
_LEAPS = "leaps"
# Longer than the longest that a spec or setting can ask for in earnest.
_REMEMBERED = timedelta(days=400)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_clock(store: Store) -> tuple[Clock, Leap | None]:
    """The clock as it is to be used now, and the leap since the last look of this host, if there was one.

    Every look is remembered; the oftener it is called, the sooner a leap is seen.
    """

    def write(tx: Transaction) -> tuple[Clock, Leap | None]:
        reading = Reading(database=tx.now, boot=_boot(), monotonic_s=_monotonic_s())
        leaps = [leap for leap in _leaps(tx) if tx.now - leap.seen_at < _REMEMBERED]
        name = f"clock/{reading.boot}"
        before = tx.note(name)
        leap = None if before is None else leap_between(_reading(before, reading.boot), reading)
        if leap is not None:
            leaps.append(leap)
            kept = [{"seen_at": each.seen_at.isoformat(), "by_s": each.by_s} for each in leaps]
            tx.put_note(_LEAPS, {"leaps": kept})
        tx.put_note(name, {"database": reading.database.isoformat(), "monotonic_s": reading.monotonic_s})
        return Clock(now=tx.now, leaps=tuple(leaps)), leap

    clock, leap = store.write(write)
    if leap is not None:
        _log.warning(
            "ClockLeapt",
            message=f"the database's clock leapt by {leap.by_s:.0f} s; what is older is kept longer by as much",
            seconds=leap.by_s,
        )
    return clock, leap


def _leaps(reader: Reader) -> list[Leap]:
    noted = reader.note(_LEAPS) or {"leaps": []}
    return [Leap(seen_at=datetime.fromisoformat(leap["seen_at"]), by_s=leap["by_s"]) for leap in noted["leaps"]]


def _reading(noted: dict[str, object], boot: str) -> Reading:
    return Reading(
        database=datetime.fromisoformat(str(noted["database"])), boot=boot, monotonic_s=float(str(noted["monotonic_s"]))
    )


def _boot() -> str:
    # The same in every container of a host, as is the monotonic clock.
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def _monotonic_s() -> float:
    # Goes on while the machine sleeps; macOS's monotonic clock does not, and a night's sleep is a leap there.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
