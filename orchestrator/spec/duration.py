"""Durations as people write them: `90s`, `10m`, `1h30m`, `7d`."""

from __future__ import annotations

import re

PATTERN = r"^(?=\d)(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,8}s)?$"
MAX_SECONDS = 365 * 86400
_UNITS = (86400, 3600, 60, 1)
_DURATION = re.compile(PATTERN, re.ASCII)


def parse_duration(value: object) -> int:
    """Seconds in a duration; units from large to small, each at most once.

    Raises:
        ValueError: it is no such text, is zero, or longer than a year.
    """
    # `fullmatch`, since `$` alone would let a trailing line break through.
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_shown(value)} is not a duration; write 90s, 10m, 1h30m or 7d")
    seconds = sum(int(part[:-1]) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{_shown(value)} is out of range; a duration is more than 0s and at most 365d")
    return seconds


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str | int | float) else "this"
